#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Where the bytes of an association are: its members, and theirs, as gdb reads them from debug
information, the holes between them added up.

    devtools/association_bytes.py                 a table on the terminal
    devtools/association_bytes.py --type trunkline::Path --depth 2
    devtools/association_bytes.py --write         into docs/performance.md
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'perf'))
from report import page, table  # noqa: E402

PAGE = ROOT / 'docs/performance.md'
SKIPPED = 77
MEMBER = re.compile(r'^/\* +(?:(\d+)(?:: ?\d+)? +)?\| +(\d+) \*/( +)(.*)$')
HOLE = re.compile(r'^/\* XXX +(\d+)-byte (?:hole|padding)')
IN_UNION = re.compile(r'^/\* +\d+ \*/ +.*{$')  # its offset is the union's
CLOSING = re.compile(r'^ +} (\S+);')


def layout(build, type_name):
    """gdb's ptype /o of a type, line by line."""
    with tempfile.TemporaryDirectory() as place:
        source, made = pathlib.Path(place) / 'layout.cpp', pathlib.Path(place) / 'layout.o'
        source.write_text('#include "assoc/association.h"\n'
                          'trunkline::Association* association;\n', encoding='utf-8')
        subprocess.run(['g++', '-std=c++20', '-g', '-fno-eliminate-unused-debug-types', '-c', source,
                        '-o', made, f'-I{ROOT}/stack', f'-I{ROOT}/stack/include', f'-I{build}/stack'],
                       check=True)
        return subprocess.run(['gdb', '-batch', '-nx', '-ex', f'ptype /o {type_name}', made], check=True,
                              capture_output=True, text=True).stdout.splitlines()


def members(lines, depth):
    """(depth, name, offset, bytes) of what is not nested deeper than that, and the sum of the holes."""
    out, open_ones, holes = [], [], 0
    base = None
    for line in lines[1:]:
        if hole := HOLE.match(line):
            holes += int(hole[1])
            continue
        if found := MEMBER.match(line):
            indent = len(found[3])
            base = indent if base is None else base
            level = (indent - base) // 4
            opens = found[4].rstrip().endswith('{') or ' {' in found[4]
            entry = [level, found[4], int(found[1] or 0), int(found[2])]
            if opens:
                open_ones.append(entry)
            elif level < depth:
                entry[1] = re.sub(r'( : \d+)?;$', '', found[4]).split()[-1].lstrip('*&')
                entry[1] = re.sub(r'\[\d+\]$', '', entry[1])
            if level < depth:
                out.append(entry)
            continue
        if IN_UNION.match(line):
            open_ones.append([depth, '', 0, 0])
        elif (closed := CLOSING.match(line)) and open_ones:
            open_ones.pop()[1] = closed[1].lstrip('*&')
        elif re.match(r'^ +};$', line) and open_ones:
            open_ones.pop()  # a base class, or a union without a name
    merged = []
    for entry in out:
        if merged and entry[0] == merged[-1][0] and entry[2] == merged[-1][2] and entry[3] == 1 and \
                merged[-1][3] == 1:
            merged[-1][1] += f', {entry[1]}'  # bits of one byte
        else:
            merged.append(entry)
    return merged, holes


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', type=pathlib.Path, default=ROOT / 'build')
    parser.add_argument('--type', default='trunkline::Association')
    parser.add_argument('--depth', type=int, default=2, help='of members in members')
    parser.add_argument('--write', action='store_true', help='into the docs')
    args = parser.parse_args()
    if not shutil.which('gdb'):
        print('no gdb (apt-get install gdb)')
        return SKIPPED
    found, holes = members(layout(args.build, args.type), args.depth)
    lines = [('\u00a0\u00a0' * level + f'`{name}`' if args.write else '  ' * level + name, str(offset), str(size))
             for level, name, offset, size in found]
    lines.append(('holes and padding, all together', '', str(holes)))
    heads = ('member', 'at', 'bytes')
    if args.write:
        text = page.between(PAGE.read_text(encoding='utf-8'), 'association-bytes', table.markdown(heads, lines))
        PAGE.write_text(text, encoding='utf-8')
    else:
        print(table.aligned(heads, lines))
    return 0


if __name__ == '__main__':
    sys.exit(main())
