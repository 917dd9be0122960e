#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What things cost as they become many, in instructions: callgrind counts the measured pieces of
build/perf/cost_by_size, both ends together. Nothing may grow with size by more than a logarithm does.

    devtools/cost_by_size.py                 all sizes: a table on the terminal (some minutes)
    devtools/cost_by_size.py gaps streams    these cases; --list names them
    devtools/cost_by_size.py --check         few sizes, a PASS or FAIL line for each series
    devtools/cost_by_size.py --write         the table of docs/performance.md, and its picture
"""
import argparse
import concurrent.futures
import json
import math
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'perf'))
from report import page, plots, table  # noqa: E402

PAGE = ROOT / 'docs/performance.md'
PICTURE = ROOT / 'docs/performance/cost-by-size.svg'
MEASURED = 'trunkline_measured'
SKIPPED = 77
# Ten times as many may cost each of them so much more: a search tree, or a heap, is such.
A_DECADE = 0.25
ANYWAY = 0.05  # what is allotted, rounded and dealt out differs by so much


def counts_of(folder):
    """Instructions of each measured piece, in their order: callgrind writes a file for each."""
    out = []
    for file in folder.glob('callgrind.out.*'):
        text = file.read_text(encoding='utf-8')
        if f'Trigger: --dump-after={MEASURED}' not in text:
            continue
        out.append((int(re.search(r'^part: (\d+)', text, re.M)[1]),
                    int(re.search(r'^(?:totals|summary): (\d+)', text, re.M)[1])))
    return [count for _, count in sorted(out)]


def measure(program, case, few):
    """The rows of a case: series, size, count of elements, instructions."""
    with tempfile.TemporaryDirectory() as place:
        run = subprocess.run(['valgrind', '--tool=callgrind', f'--toggle-collect={MEASURED}',
                              f'--dump-after={MEASURED}',
                              f'--callgrind-out-file={place}/callgrind.out', program,
                              *(['--few'] if few else []), case],
                             capture_output=True, text=True, check=False)
        counts = counts_of(pathlib.Path(place))
    rows = [json.loads(line) for line in run.stdout.splitlines() if line.startswith('{')]
    if run.returncode != 0 or not rows or len(rows) != len(counts):
        sys.exit(f'{case}: failed, {len(rows)} rows and {len(counts)} counts\n{run.stderr[-2000:]}')
    return [{**row, 'instructions': count} for row, count in zip(rows, counts)]


def measure_all(build, cases, few):
    program = build / 'perf/cost_by_size'
    known = subprocess.run([program, '--list'], capture_output=True, text=True, check=True).stdout.split()
    unknown = [case for case in cases if case not in known]
    if unknown:
        sys.exit(f'no such case: {", ".join(unknown)}; there are {", ".join(known)}')
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda case: measure(program, case, few), cases or known)
        return by_series([row for rows in found for row in rows])


def by_series(rows):
    """{series: [(size, instructions an element)]}, the sizes ascending."""
    out = {}
    for row in rows:
        out.setdefault(row['series'], []).append((row['size'], row['instructions'] / row['count']))
    return {series: sorted(points) for series, points in out.items()}


def allowed(size, least):
    """The ratio of costs that is no more than logarithmic."""
    return 1 + ANYWAY + A_DECADE * math.log10(size / least)


def faults(points):
    """What of a series grows too fast."""
    least, cost = points[0]
    return [f'{each / cost:.2f} times as much at {size} as at {least}, {allowed(size, least):.2f} is '
            'the limit' for size, each in points[1:] if each / cost > allowed(size, least)]


def check(found):
    for series, points in found.items():
        what = f'{series}: ' + ', '.join(f'{cost:.0f} at {size}' for size, cost in points)
        wrong = faults(points)
        print(f'FAIL {what}: {"; ".join(wrong)}' if wrong else f'PASS {what}', flush=True)


def lines_of(found):
    for series, points in found.items():
        for at, (size, cost) in enumerate(points):
            yield (series if at == 0 else '', f'{size:,}', f'{cost:,.0f}', f'{cost / points[0][1]:.2f}')


HEADINGS = ('series', 'n', 'instructions each', 'against the smallest n')
# The series of the picture: one of each kind, and those that a peer could make dear.
DRAWN = {'streams, a message on each in turn': ('#1f5fa8', False),
         'outstanding, a SACK': ('#9a3b22', False),
         'gaps, a SACK read, a block': ('#4a8c3f', False),
         'behind a hole, it is filled, a chunk': ('#8a6fb0', False),
         'recovery, by T3': ('#1f5fa8', True),
         'recovery, by fast retransmit': ('#9a3b22', True),
         'associations, a message on each in turn': ('#4a8c3f', True),
         'rings, a message on each in turn': ('#8a6fb0', True)}


def write(found, build):
    text = PAGE.read_text(encoding='utf-8')
    text = page.between(text, 'cost-by-size', table.markdown(HEADINGS, list(lines_of(found))))
    PAGE.write_text(text, encoding='utf-8')
    curves = [plots.Line(series, colour, [(size, cost / found[series][0][1])
                                          for size, cost in found[series]], dashed)
              for series, (colour, dashed) in DRAWN.items() if series in found]
    plots.plot_lines(PICTURE, build / 'bench/data', curves, 'What each costs when there are many',
                     'how many', 'instructions each, against the fewest',
                     'set logscale x\nset format x "%.0s%c"\nset yrange [0:3]')
    print(f'wrote {PAGE.relative_to(ROOT)} and {PICTURE.relative_to(ROOT)}')


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', type=pathlib.Path, default=ROOT / 'build', help='a release build')
    parser.add_argument('--check', action='store_true', help='few sizes, against the limit')
    parser.add_argument('--write', action='store_true', help='into the docs')
    parser.add_argument('--list', action='store_true', help='names the cases and ends')
    parser.add_argument('case', nargs='*')
    args = parser.parse_args()
    if args.list:
        return subprocess.run([args.build / 'perf/cost_by_size', '--list'], check=False).returncode
    if not shutil.which('valgrind'):
        print('no valgrind (apt-get install valgrind)')
        return SKIPPED
    if args.write and args.case:
        parser.error('--write is for all cases')
    found = measure_all(args.build, args.case, args.check)
    if args.check:
        check(found)
        return 0
    print(table.aligned(HEADINGS, list(lines_of(found))))
    if args.write:
        write(found, args.build)
    wrong = [f'{series}: {each}' for series, points in found.items() for each in faults(points)]
    print('\n'.join(wrong) or 'nothing grows faster than it may')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
