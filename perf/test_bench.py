#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs each case of each benchmark program once, tiny, so that none rots: a line a case. A program
ends with an error when anything was lost. How fast it was is not looked at."""
import os
import pathlib
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
import run_bench  # noqa: E402
from report import bars, plots, programs, stats, table  # noqa: E402

BUILD = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else programs.ROOT / 'build'


def shape(rows):
    wrong = stats.check_rows(rows)
    print(f'FAIL results: {"; ".join(wrong)}' if wrong else 'PASS results', flush=True)
    table.terminal(rows)
    bars.judge(rows)
    if not shutil.which('gnuplot'):
        return not wrong
    with tempfile.TemporaryDirectory() as folder:
        drawn, _ = plots.draw(rows, pathlib.Path(folder), pathlib.Path(folder) / 'data')
    print(f'drawn: {" ".join(drawn)}', flush=True)
    return not wrong


def main():
    os.environ['TRUNKLINE_BUILD'] = str(BUILD)  # for scripts, which start programs of it
    cases = programs.cases_of(programs.discover(BUILD))
    if not cases:
        sys.exit('no benchmark program was built')
    reason = run_bench.refusal(BUILD)
    if reason:
        print(f'FAIL {reason}')
        return 1
    samples, good = [], True
    for case, found in cases.items():
        for program in found:
            try:
                got = programs.run_case(program, case, 'tiny')
                samples += got
                print(f'PASS {case} ({program.path.name})', flush=True)
            except programs.Skipped as why:
                print(f'SKIP {case} ({program.path.name}): {why}', flush=True)
            except programs.Failed as why:
                print(f'FAIL {case} ({program.path.name}): {why}', flush=True)
                good = False
    return 0 if shape(stats.rows(samples)) and good else 1


if __name__ == '__main__':
    sys.exit(main())
