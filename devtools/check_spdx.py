#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Fails when a source file lacks its SPDX line among the first three."""
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SUFFIXES = {'.c', '.h', '.cpp', '.py', '.sh', '.toml', '.yaml', '.yml'}
NAMES = {'meson.build', 'dev', '.clang-tidy'}
LINE = 'SPDX-License-Identifier: BSD-3-Clause'


def missing(root):
    found = []
    for path in sorted(root.rglob('*')):
        relative = path.relative_to(root)
        if relative.parts[0].startswith(('build', '.git')) or 'corpus' in relative.parts:
            continue
        if path.is_file() and (path.suffix in SUFFIXES or path.name in NAMES):
            head = path.read_text(encoding='utf-8', errors='replace').split('\n')[:3]
            if not any(LINE in line for line in head):
                found.append(str(relative))
    return found


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        base = pathlib.Path(folder)
        (base / 'good.c').write_text(f'// {LINE}\n')
        (base / 'bad.c').write_text('int x;\n')
        return missing(base) == ['bad.c']


def main():
    if '--self-test' in sys.argv[1:]:
        return 0 if self_test() else 1
    found = missing(ROOT)
    for path in found:
        print(f'{path}: no SPDX line')
    print('check_spdx: ' + (f'{len(found)} files without it' if found else 'ok'))
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
