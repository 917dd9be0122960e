# SPDX-License-Identifier: BSD-3-Clause
"""All sets of scripts: the files of scripts/, and those that tables.py makes."""
import pathlib

from . import sides, tables

HERE = pathlib.Path(__file__).resolve().parents[1]
HEADER = '# What the Linux kernel says; written by record.py.\n'


def parse(text):
    """[(name, steps)] of a file in the language of the driver."""
    found = []
    for line in text.splitlines():
        if line.startswith(sides.SEPARATOR):
            found.append((line.removeprefix(sides.SEPARATOR), []))
        elif line[:1].isdigit() and found:
            found[-1][1].append(line)
    return found


def sets():
    """{set: [(name, steps)]}"""
    written = {path.stem: parse(path.read_text())
               for path in sorted((HERE / 'scripts').glob('*.txt'))}
    return {**written, **tables.script_sets()}


def text(lines):
    """Lines of many scripts, as a file."""
    return ''.join('\n'.join([f'{sides.SEPARATOR}{name}', *some]) + '\n'
                   for name, some in lines.items())
