# SPDX-License-Identifier: BSD-3-Clause
"""The differential tester of sockets; README.md is beside it."""
