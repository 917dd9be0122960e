#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Records what the Linux kernel says to the scripts: golden/SET.txt for each set.

    tests/sockets/record.py [SET...]       needs root, user-mode-linux and the built socket_driver
"""
import pathlib
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from socketlib import scripts, sides


def settled(kernel, some):
    """Twice; what differs once more, with patience: a slow machine must not be recorded."""
    first, second = kernel.run(some, timeout=900), kernel.run(some, timeout=900)
    slow = [script for script in some if first[script[0]] != second[script[0]]]
    if slow:
        print('  not the same twice: ' + ' '.join(name for name, _ in slow))
        second.update(kernel.run(slow, timeout=900, patience=3))
    return second


def main():
    sides.processes.install()
    wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        kernel = sides.Kernel(folder)
        for name, some in scripts.sets().items():
            if wanted and name not in wanted:
                continue
            started = time.monotonic()
            lines = settled(kernel, some)
            path = HERE / 'golden' / f'{name}.txt'
            path.parent.mkdir(exist_ok=True)
            path.write_text(scripts.HEADER + scripts.text(lines))
            print(f'{name}: {len(some)} scripts, {sum(len(steps) for _, steps in some)} calls, '
                  f'{time.monotonic() - started:.0f} s', flush=True)
        kernel.stop()


if __name__ == '__main__':
    main()
