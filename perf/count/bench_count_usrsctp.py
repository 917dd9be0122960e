#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The peer of count/...: what usrsctp takes, the system's package and, if one is named, another build
of it beside."""
import os
import pathlib
import sys

import bench_count
from bench_count import instructions

CASES = [case for case in instructions.CASES if case not in instructions.OF_RINGS]
ANOTHER = os.environ.get('TRUNKLINE_USRSCTP')


def theirs(build, case, scale):
    program = build / 'perf/bench_usrsctp'
    for role, library in (('usrsctp', None), ('usrsctp, another build', ANOTHER)):
        if role != 'usrsctp' and not library:
            continue
        env = instructions.peer_environment(pathlib.Path(library) if library else None)
        each, _ = instructions.measure(program, case, instructions.OF_PEER.get(case), env,
                                       bench_count.SHORTER.get(scale, 1))
        bench_count.report(case, bench_count.metric_of(case), each, role)


if __name__ == '__main__':
    sys.exit(bench_count.run(__doc__, CASES, theirs))
