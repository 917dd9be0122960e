#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Random walks of socket calls on the Linux kernel and on Trunkline; a walk that differs is shrunk.

    tests/sockets/walk.py --seed 17                one walk, its lines side by side where they differ
    tests/sockets/walk.py --seed 1 --count 20000 --state FILE   a campaign: FILE says where it stands,
                                                   and the same command goes on from there
    tests/sockets/walk.py --state FILE --again     those of a campaign that differed: do they still?
    tests/sockets/walk.py --script FILE            walks that were written down, or found
    --itself     the kernel twice instead, which finds what is not repeatable
    --no-shrink  differences as they are; a campaign shrinks nothing
"""
import argparse
import json
import pathlib
import re
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from socketlib import compare, judge, scripts, sides, walks

LOT = 100


def kind(difference):
    """What must stay the same while a walk is made smaller, else it becomes another's example."""
    return tuple(re.sub(r'\b([apct])\d+', r'\1', line) for line in (difference.kernel, difference.ours))


def shrink(both, steps, known, wanted):
    def differing(candidates):
        some = [(f'cut.{i}', cut) for i, cut in enumerate(candidates)]
        found, _ = judge.once(*both, some, known)
        names = {each.script for each in found if kind(each) == wanted}
        return [f'walks/{name}' in names for name, _ in some]
    return walks.shrink(steps, differing)


class State:
    """Where a run stands; in a file, if it has one."""

    def __init__(self, path, seed, count):
        self.path = path
        self.told = {'next': seed, 'end': seed + count, 'walks': 0, 'calls': 0, 'seconds': 0, 'differ': {}}
        if path and path.exists():
            self.told.update(json.loads(path.read_text()))
            self.told['end'] = max(self.told['end'], seed + count)

    def take(self, lot, lines, found, seconds):
        told = self.told
        told['walks'] += len(lot)
        told['calls'] += judge.calls(lines)
        told['seconds'] += round(seconds)
        told['differ'].update((each.script.removeprefix('walks/'), str(each)) for each in found)
        self.save()

    def save(self):
        if self.path:
            self.path.write_text(json.dumps(self.told, indent=1))

    def __str__(self):
        told = self.told
        return f"{told['walks']} walks, {told['calls']} calls, {len(told['differ'])} differ ({told['seconds']} s)"


def lots(options, state):
    """Lists of walks; the state is moved on when one has been judged."""
    if options.script:
        yield scripts.parse(pathlib.Path(options.script).read_text())
        return
    while (at := state.told['next']) < state.told['end']:
        until = min(at + LOT, state.told['end'])
        yield [walks.walk(seed) for seed in range(at, until)]
        state.told['next'] = until
        state.save()


def show(both, difference, steps, known, shrinks):
    print(difference, flush=True)
    if shrinks:
        small = shrink(both, steps, known, kind(difference))
        again, _ = judge.once(*both, [('small', small)], known)
        print('\n'.join([f'== {difference.script.removeprefix("walks/")}', *small, *map(str, again)]), flush=True)


def go_on(both, options, state, known):
    for lot in lots(options, state):
        begun = time.monotonic()
        found, lines = judge.judge(*both, lot, known)
        state.take(lot, lines, found, time.monotonic() - begun)
        print(f'{lot[0][0]}..{lot[-1][0]}: {len(found)} differ; so far {state}', flush=True)
        for difference in found:
            name = difference.script.removeprefix('walks/')
            show(both, difference, dict(lot)[name], known, not (options.no_shrink or options.state))


def once_more(both, state, known):
    """What differed: agrees by now, or not."""
    names = list(state.told['differ'])
    found, _ = judge.judge(*both, [walks.walk(int(name.partition('.')[2])) for name in names], known)
    state.told['differ'] = {each.script.removeprefix('walks/'): str(each) for each in found}
    state.save()
    print('\n'.join(map(str, found)))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--count', type=int, default=1)
    parser.add_argument('--state', type=pathlib.Path)
    parser.add_argument('--again', action='store_true')
    parser.add_argument('--script')
    parser.add_argument('--itself', action='store_true')
    parser.add_argument('--no-shrink', action='store_true')
    options = parser.parse_args()
    sides.processes.install()
    why = sides.uml.missing() or (None if options.itself else sides.no_preload())
    if why:
        sys.exit(why)
    known = compare.load(HERE / 'differences.toml')
    state = State(options.state, options.seed, 0 if options.again else options.count)
    with tempfile.TemporaryDirectory() as folder:
        kernel = sides.Kernel(folder)
        other = kernel if options.itself else sides.Trunkline(folder)
        if options.again:
            once_more((kernel, other), state, known)
        else:
            go_on((kernel, other), options, state, known)
        if other is not kernel:
            other.stop()
        kernel.stop()
    print(state)
    sys.exit(1 if state.told['differ'] else 0)


if __name__ == '__main__':
    main()
