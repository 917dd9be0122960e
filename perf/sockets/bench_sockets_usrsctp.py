#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The peer of socket/iperf3/SIZE: the two processes of usrsctp of e2e/rate (usrsctp_pair), with
messages of that size."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'e2e'))
import places  # noqa: E402  (after the path)
from bench_e2e_usrsctp import missing, rate  # noqa: E402

CASES = {'socket/iperf3/1000': rate(1000), 'socket/iperf3/65536': rate(65536)}

if __name__ == '__main__':
    sys.exit(places.run(__doc__, CASES, missing))
