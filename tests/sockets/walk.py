#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Random walks of socket calls on the Linux kernel and on Trunkline; a walk that differs is shrunk.

    tests/sockets/walk.py --seed 17                one walk, its lines side by side where they differ
    tests/sockets/walk.py --seed 1 --count 20000   that many, in lots
    tests/sockets/walk.py --script FILE            walks that were written down, or found
    --itself     the kernel twice instead, which finds what is not repeatable
"""
import argparse
import pathlib
import re
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from socketlib import compare, scripts, sides, walks

LOT = 200


def both(first, second, some, known):
    """(differences, lines of the second side)"""
    theirs = first.run(some, timeout=1800)
    ours = second.run(some, timeout=1800)
    return compare.compare('walks', theirs, ours, known), ours


def kind(difference):
    """What must stay the same while a walk is made smaller, else it becomes another's example."""
    return tuple(re.sub(r'\b([apct])\d+', r'\1', line) for line in (difference.kernel, difference.ours))


def shrink(first, second, steps, known, wanted):
    def differing(candidates):
        some = [(f'cut.{i}', cut) for i, cut in enumerate(candidates)]
        found, _ = both(first, second, some, known)
        names = {each.script for each in found if kind(each) == wanted}
        return [f'walks/{name}' in names for name, _ in some]
    return walks.shrink(steps, differing)


def lots(options):
    if options.script:
        yield scripts.parse(pathlib.Path(options.script).read_text())
        return
    for at in range(options.seed, options.seed + options.count, LOT):
        yield [walks.walk(seed) for seed in range(at, min(at + LOT, options.seed + options.count))]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--count', type=int, default=1)
    parser.add_argument('--script')
    parser.add_argument('--itself', action='store_true')
    parser.add_argument('--no-shrink', action='store_true')
    options = parser.parse_args()
    sides.processes.install()
    why = sides.uml.missing() or (None if options.itself else sides.no_preload())
    if why:
        sys.exit(why)
    known = compare.load(HERE / 'differences.toml')
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        kernel = sides.Kernel(folder)
        other = kernel if options.itself else sides.Trunkline(folder)
        for lot in lots(options):
            found, _ = both(kernel, other, lot, known)
            print(f'{lot[0][0]}..{lot[-1][0]}: {len(found)} differ', flush=True)
            failed += len(found)
            for difference in found:
                print(difference)
                if options.no_shrink:
                    continue
                name = difference.script.removeprefix('walks/')
                small = shrink(kernel, other, dict(lot)[name], known, kind(difference))
                again, _ = both(kernel, other, [(name, small)], known)
                print('\n'.join([f'== {name}', *small, *map(str, again)]), flush=True)
        if other is not kernel:
            other.stop()
        kernel.stop()
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
