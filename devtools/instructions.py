#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Instructions a message, or a round trip, at both ends together: what callgrind counts of a
benchmark in two lengths, the difference divided. Unlike rates these are the same on a busy machine.

    devtools/instructions.py                      what this build takes
    devtools/instructions.py --peer               usrsctp beside it (--usrsctp: another build of it)
    devtools/instructions.py --against BUILD      another build folder beside it; --limit PERCENT:
                                                  more growth than that is a failure
    devtools/instructions.py --check              against perf/instructions.json, as the tests do
    devtools/instructions.py --write              puts what it counts into that file
"""
import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / 'perf/instructions.json'
TOLERANCE = 3  # percent, of --check: more is no noise, but another program
SKIPPED = 77
CASES = {'bare/stream/100': (20_000, 80_000),
         'bare/stream-rfc9260/100': (20_000, 80_000),
         'bare/ping-pong': (2_000, 8_000),
         'bare/associations/1000': (4_000, 16_000),
         'bare/bursts/1000': (24_000, 72_000),
         'bare/ring/100': (20_000, 80_000),
         'bare/ring-ping-pong': (2_000, 8_000)}
OF_RINGS = ('bare/ring/100', 'bare/ring-ping-pong')  # of bench_ring, and without a peer
OF_PEER = {'bare/stream-rfc9260/100': 'bare/stream/100'}  # by another name there


def program_of(build, case):
    return build / 'perf' / ('bench_ring' if case in OF_RINGS else 'bench_bare')


def callgrind(place, program, case, messages, options=(), env=None):
    """What the program and valgrind said; a file for each process is in that folder."""
    done = subprocess.run(['valgrind', '--tool=callgrind', *options, f'--callgrind-out-file={place}/%p',
                           program, '--scale', 'tiny', '--case', case, '--messages', str(messages)],
                          capture_output=True, text=True, check=False,
                          env={**os.environ, **(env or {})})
    if done.returncode != 0:
        sys.exit(f'{case}: failed\n{done.stderr}')
    return done


def run(program, case, messages, env=None):
    """Instructions of the process that ran the case, from its start to its end, and what it said."""
    with tempfile.TemporaryDirectory() as place:
        done = callgrind(place, program, case, messages, env=env)
    collected = [int(n) for n in re.findall(r'Collected : (\d+)', done.stderr)]
    if not collected:
        sys.exit(f'{case}: failed\n{done.stderr}')
    return max(collected), done.stdout


def measure(program, case, name=None, env=None, part=1):
    """Instructions a message, and what the program said of the longer run. `name`: of the case in
    that program, if it has another one there; `part`: so many times shorter."""
    short, long = (length // part for length in CASES[case])
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        least, most = pool.map(lambda length: run(program, name or case, length, env), (short, long))
    return (most[0] - least[0]) / (long - short), most[1]


def per_message(program, case, name=None, env=None):
    return measure(program, case, name, env)[0]


def peer_environment(library):
    """Another build of usrsctp in place of the system's."""
    return {'LD_LIBRARY_PATH': str(library.resolve().parent)} if library else {}


def change(now, before):
    return 100 * (now - before) / before


def check(build, cases):
    """A PASS or FAIL line for each case."""
    table = json.loads(TABLE.read_text(encoding='utf-8'))
    for case in cases:
        now = per_message(program_of(build, case), case)
        grown = change(now, table[case])
        what = f'{case}: {now:.1f} instructions, {grown:+.2f} % of {table[case]}'
        if abs(grown) <= TOLERANCE:
            print(f'PASS {what}', flush=True)
        else:
            print(f'FAIL {what}; if that is meant: devtools/instructions.py --write', flush=True)


def compare(args):
    """A line for each case; whether one grew by more than the limit."""
    grown = False
    counted = {}
    for case in args.case or CASES:
        now = counted[case] = round(per_message(program_of(args.build, case), case), 1)
        line = f'{case:26} {now:9.1f}'
        if args.against:
            before = per_message(program_of(args.against, case), case)
            growth = change(now, before)
            line += f'   {before:9.1f} there   {growth:+6.2f} %'
            grown = grown or (args.limit is not None and growth > args.limit)
        if args.peer and case not in OF_RINGS:
            theirs = per_message(args.build / 'perf/bench_usrsctp', case, OF_PEER.get(case),
                                 peer_environment(args.usrsctp))
            line += f'   usrsctp {theirs:9.1f}   {theirs / now:6.2f} x'
        print(line, flush=True)
    if args.write:
        table = json.loads(TABLE.read_text(encoding='utf-8')) if TABLE.exists() else {}
        TABLE.write_text(json.dumps({**table, **counted}, indent=1) + '\n', encoding='utf-8')
    return grown


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', type=Path, default=ROOT / 'build', help='a release build')
    parser.add_argument('--against', type=Path, help='another one, to compare with')
    parser.add_argument('--limit', type=float, help='growth in percent that is too much')
    parser.add_argument('--peer', action='store_true', help='what usrsctp takes, too')
    parser.add_argument('--usrsctp', type=Path, help='its library, in place of the system\'s')
    parser.add_argument('--check', action='store_true', help='against the table')
    parser.add_argument('--write', action='store_true', help='into the table')
    parser.add_argument('case', nargs='*', help=f'of {", ".join(CASES)}; default: all')
    args = parser.parse_args()
    unknown = [case for case in args.case if case not in CASES]
    if unknown:
        parser.error(f'no such case: {", ".join(unknown)}')
    if not shutil.which('valgrind'):
        print('no valgrind (apt-get install valgrind)')
        return SKIPPED
    if args.check:
        check(args.build, args.case or CASES)
        return 0
    return 1 if compare(args) else 0


if __name__ == '__main__':
    sys.exit(main())
