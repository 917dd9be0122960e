#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Random walks of socket calls: the kernel has to agree with itself, or walks tell nothing, and
Trunkline with the kernel. More of them by hand: tests/sockets/walk.py --seed 1 --count 2000."""
import pathlib
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from socketlib import compare, sides, walks
from socketlib.sides import cases, uml

ALONE = 40
OURS = 120


def at_once(*jobs):
    """The results of functions that run side by side; the first error."""
    results = [None] * len(jobs)

    def go(index):
        try:
            results[index] = jobs[index]()
        except Exception as error:
            results[index] = error
    threads = [threading.Thread(target=go, args=(index,)) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def judge(t, first, second, some, known):
    """What differs gets more time, once."""
    theirs, ours = at_once(lambda: first.run(some, 600), lambda: second.run(some, 600))
    found = compare.compare('walks', theirs, ours, known)
    if found:
        again = {each.script.partition('/')[2] for each in found}
        slow = [walk for walk in some if walk[0] in again]
        theirs, ours = at_once(lambda: first.run(slow, 600, patience=3),
                               lambda: second.run(slow, 600, patience=3))
        found = compare.compare('walks', theirs, ours, known)
    t.log('differences.txt').write_text('\n'.join(map(str, found)) + '\n')
    for each in found[:10]:
        print(each)
    if found:
        raise AssertionError(f'{len(found)} walks differ; tests/sockets/walk.py --seed N shrinks')


def case_kernel_agrees_with_itself(t):
    first, second = sides.Kernel(t.log('first')), sides.Kernel(t.log('second'))
    judge(t, first, second, [walks.walk(seed) for seed in range(1, ALONE + 1)], [])
    first.stop()
    second.stop()


def case_trunkline_agrees_with_the_kernel(t):
    if why := sides.no_preload():
        raise cases.Skip(why)
    kernel, ours = sides.Kernel(t.log('kernel')), sides.Trunkline(t.log('ours'))
    known = compare.load(HERE / 'differences.toml')
    judge(t, kernel, ours, [walks.walk(seed) for seed in range(1, OURS + 1)], known)
    ours.stop()
    kernel.stop()


if __name__ == '__main__':
    cases.main(__doc__, [case_kernel_agrees_with_itself, case_trunkline_agrees_with_the_kernel],
               needs=uml.missing, timeout=900)
