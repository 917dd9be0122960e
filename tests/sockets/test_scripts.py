#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The scripts of socket calls: that the Linux kernel still says what golden/ has, and that sockets
on Trunkline say the same, but for differences.toml. Words choose cases; see README.md."""
import pathlib
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from socketlib import compare, scripts, sides
from socketlib.sides import cases, uml

SETS = scripts.sets()
KNOWN = compare.load(HERE / 'differences.toml')
SHOWN = 12


class Results:
    """Both sides run in setup, at once: neither computes much."""
    kernel = {}
    ours = {}
    failed = {}
    not_ours = None


def golden(name):
    return sides.read_lines(HERE / 'golden' / f'{name}.txt')


def run_side(make, names, into, known):
    side = make()
    for name in names:
        lines = side.run(SETS[name], timeout=600)
        # What differs gets more time, once: machines stand still now and then.
        again = {each.script.partition('/')[2]
                 for each in compare.compare(name, golden(name), lines, known)}
        if again:
            into[f'{name} first'] = lines
            lines = {**lines, **side.run([s for s in SETS[name] if s[0] in again], 600, patience=3)}
        into[name] = lines
    for entry in known:
        entry.used = 0
    side.stop()


def setup(t):
    cases.program(sides.DRIVER)
    wanted = {kind: [name for name in SETS if f'{kind}_{name}' in t.chosen]
              for kind in ('kernel', 'ours')}
    Results.not_ours = sides.no_preload()
    runs = []
    if wanted['kernel']:
        runs.append(('kernel', lambda: sides.Kernel(t.folder), wanted['kernel'], Results.kernel,
                     []))
    if wanted['ours'] and not Results.not_ours:
        runs.append(('ours', lambda: sides.Trunkline(t.folder), wanted['ours'], Results.ours, KNOWN))

    def go(label, *arguments):
        try:
            run_side(*arguments)
        except Exception as error:  # told by the cases of that side
            Results.failed[label] = error
    threads = [threading.Thread(target=go, args=run) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def taken(label, results, name):
    if name not in results:
        raise AssertionError(f'was not run to its end: {Results.failed.get(label)}')
    return results[name]


def judge(t, found):
    if found:
        t.log('differences.txt').write_text('\n'.join(str(each) for each in found) + '\n')
        shown = '\n'.join(str(each) for each in found[:SHOWN])
        print(shown)
        raise AssertionError(f'{len(found)} scripts differ; all in {t.log("differences.txt")}')


def kernel_case(name):
    def run(t):
        lines = taken('kernel', Results.kernel, name)
        judge(t, compare.compare(name, golden(name), lines, []))
    return f'kernel_{name}', run


def our_case(name):
    def run(t):
        if Results.not_ours:
            raise cases.Skip(Results.not_ours)
        lines = taken('ours', Results.ours, name)
        if f'{name} first' in Results.ours:
            first = compare.compare(name, golden(name), Results.ours[f'{name} first'], KNOWN)
            t.log('differed-once.txt').write_text('\n'.join(map(str, first)) + '\n')
        judge(t, compare.compare(name, golden(name), lines, KNOWN))
        missing = compare.gone(KNOWN, [name])
        cases.check_equal([entry.where for entry in missing], [], 'listed, and not seen any more')
    return f'ours_{name}', run


if __name__ == '__main__':
    cases.main(__doc__, [*map(kernel_case, SETS), *map(our_case, SETS)], needs=uml.missing,
               setup=setup, timeout=900)
