#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Instructions a message, or a round trip: what callgrind counts of a benchmark in two lengths, the
difference divided. Unlike rates these are the same on a busy machine. With --against, another build
folder beside it, and the growth; --limit makes more growth than that a failure."""
import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CASES = {'bare/stream/100': (20_000, 80_000),
         'bare/stream-rfc9260/100': (20_000, 80_000),
         'bare/ping-pong': (2_000, 8_000),
         'bare/associations/1000': (4_000, 16_000)}


def count(build, case, messages):
    """Instructions of the process that ran the case, from its start to its end."""
    with tempfile.TemporaryDirectory() as place:
        run = subprocess.run(['valgrind', '--tool=callgrind', f'--callgrind-out-file={place}/%p',
                              build / 'perf/bench_bare', '--scale', 'tiny', '--case', case,
                              '--messages', str(messages)],
                             capture_output=True, text=True, check=False)
    collected = [int(n) for n in re.findall(r'Collected : (\d+)', run.stderr)]
    if run.returncode != 0 or not collected:
        sys.exit(f'{case}: failed\n{run.stderr}')
    return max(collected)


def per_message(build, case):
    short, long = CASES[case]
    return (count(build, case, long) - count(build, case, short)) / (long - short)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--build', type=Path, default=ROOT / 'build', help='a release build')
    parser.add_argument('--against', type=Path, help='another one, to compare with')
    parser.add_argument('--limit', type=float, help='growth in percent that is too much')
    parser.add_argument('case', nargs='*', help=f'of {", ".join(CASES)}; default: all')
    args = parser.parse_args()
    unknown = [case for case in args.case if case not in CASES]
    if unknown:
        parser.error(f'no such case: {", ".join(unknown)}')
    grown = False
    for case in args.case or CASES:
        now = per_message(args.build, case)
        line = f'{case:26} {now:9.1f}'
        if args.against:
            before = per_message(args.against, case)
            growth = 100 * (now - before) / before
            line += f'   {before:9.1f} there   {growth:+6.2f} %'
            grown = grown or (args.limit is not None and growth > args.limit)
        print(line, flush=True)
    return 1 if grown else 0


if __name__ == '__main__':
    sys.exit(main())
