#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The library $1 needs libc (and the loader) at run time, and nothing else.
set -eu
needed="$(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -Ev '^(libc\.so|ld-linux)' || true)"
[ -z "$needed" ] || { echo "$1 needs: $needed"; exit 1; }
