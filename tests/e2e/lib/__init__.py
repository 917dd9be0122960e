# SPDX-License-Identifier: BSD-3-Clause
"""Helpers of the end-to-end tests: namespaces, the Linux kernel as a peer, captures, cases."""
