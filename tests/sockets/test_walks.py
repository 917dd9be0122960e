#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Random walks of socket calls: the kernel has to agree with itself, or walks tell nothing, and
Trunkline with the kernel. More of them by hand: tests/sockets/walk.py --seed 1 --count 2000."""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from socketlib import compare, judge, sides, walks
from socketlib.sides import cases, uml

ALONE = 40
OURS = 200


def judged(t, first, second, seeds, known):
    found, lines = judge.judge(first, second, [walks.walk(seed) for seed in seeds], known)
    t.log('differences.txt').write_text('\n'.join(map(str, found)) + '\n')
    print(f'  {len(lines)} walks, {judge.calls(lines)} calls')
    for each in found[:10]:
        print(each)
    if found:
        raise AssertionError(f'{len(found)} walks differ; tests/sockets/walk.py --seed N shrinks')


def case_kernel_agrees_with_itself(t):
    first, second = sides.Kernel(t.log('first')), sides.Kernel(t.log('second'))
    judged(t, first, second, range(1, ALONE + 1), [])
    first.stop()
    second.stop()


def case_trunkline_agrees_with_the_kernel(t):
    if why := sides.no_preload():
        raise cases.Skip(why)
    kernel, ours = sides.Kernel(t.log('kernel')), sides.Trunkline(t.log('ours'))
    known = compare.load(HERE / 'differences.toml')
    judged(t, kernel, ours, range(1, OURS + 1), known)
    ours.stop()
    kernel.stop()


if __name__ == '__main__':
    cases.main(__doc__, [case_kernel_agrees_with_itself, case_trunkline_agrees_with_the_kernel],
               needs=uml.missing, timeout=900)
