#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Lines of memory that a message of one of many associations has to fetch, at both ends together:
misses of a simulated cache that holds the code and what all associations share, and none of them
until its next turn (callgrind, last level 2 MiB, 10,000 associations). A benchmark in two lengths,
the difference divided, by function.

    devtools/cache_lines.py                 what this build takes
    devtools/cache_lines.py --build DIR     another one
    devtools/cache_lines.py --top N         so many functions (12)
"""
import argparse
import collections
import concurrent.futures
import re
import shutil
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
import instructions  # noqa: E402  (after the flag)

ROOT = Path(__file__).resolve().parent.parent
CASE = 'bare/associations/10000'
LENGTHS = (20_000, 40_000)  # two rounds, and four
CACHES = ('--cache-sim=yes', '--I1=65536,8,64', '--D1=49152,12,64', '--LL=2097152,16,64')


def misses(path):
    """Misses of data in the last level, by function, of a callgrind file."""
    names, found, function, of_call = {}, collections.Counter(), None, False
    columns = []
    for line in path.read_text(encoding='utf-8').splitlines():
        if line.startswith('events:'):
            events = line.split()[1:]
            columns = [events.index('DLmr'), events.index('DLmw')]
        elif match := re.match(r'(fn|cfn)=\((\d+)\)\s*(.*)$', line):
            kind, number, name = match.groups()
            if name:
                names[number] = name
            if kind == 'fn':
                function = names[number]
        elif line.startswith('calls='):
            of_call = True  # the next line is what the callee took
        elif match := re.match(r'(?:[+-]?\d+|\*) ([\d ]+)$', line):
            if not of_call:
                counts = [int(word) for word in match[1].split()]
                found[function] += sum(counts[at] for at in columns if at < len(counts))
            of_call = False
    return found


def measure(program, messages):
    with tempfile.TemporaryDirectory() as place:
        instructions.callgrind(place, program, CASE, messages, CACHES)
        # The process that ran the case, of all that the program started.
        return max((misses(path) for path in Path(place).iterdir()),
                   key=lambda found: sum(found.values()))


def short(name):
    return re.sub(r'trunkline::|\(.*', '', name)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', type=Path, default=ROOT / 'build', help='a release build')
    parser.add_argument('--top', type=int, default=12, help='functions to name')
    args = parser.parse_args()
    if not shutil.which('valgrind'):
        print('no valgrind (apt-get install valgrind)')
        return instructions.SKIPPED
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        few, many = pool.map(lambda n: measure(args.build / 'perf/bench_bare', n), LENGTHS)
    by_function = collections.Counter()
    for name in many:
        by_function[short(name)] += (many[name] - few[name]) / (LENGTHS[1] - LENGTHS[0])
    print(f'{sum(by_function.values()):6.2f}  lines a message, {CASE}')
    for name, count in by_function.most_common(args.top):
        print(f'{count:6.2f}  {name}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
