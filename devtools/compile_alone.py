#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Does each file include all it needs? Compiles every header, and every source, by itself, without
optimisation; a second run takes seconds, as ccache knows what did not change. Files are otherwise
compiled together by the dozen, where one lives on what another has included (decision 0020).

usage: compile_alone.py BUILD [PATH-PART...]   a build folder with -Dunity=off: its flags are taken;
                                               only files whose path holds one of the parts
       compile_alone.py --self-test            files that lack something must be found"""
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
AREAS = ('stack', 'dpdk_app', 'client', 'sockets', 'tools')
WITH_VALUE = ('-o', '-MF', '-MQ', '-MT')
DROPPED = ('-c', '-MD', '-MMD', '-MP', '-g')
DROPPED_BEGIN = ('-O', '-flto', '-ffat-lto')


def flags_of(command, file):
    """A command of the build folder, without the file, its output, and what costs time."""
    words = shlex.split(command)
    kept, skip = [], False
    for word in words:
        if skip or word == file or word in DROPPED or word.startswith(DROPPED_BEGIN):
            skip = False
        elif word in WITH_VALUE:
            skip = True
        else:
            kept.append(word)
    return [*kept, '-O0', '-c']


def sources(root, build):
    """{path: flags} of all that the folder compiles, of the areas."""
    found = {}
    for entry in json.loads((build / 'compile_commands.json').read_text()):
        path = pathlib.Path(os.path.normpath(os.path.join(entry['directory'], entry['file'])))
        if path.is_relative_to(root) and path.relative_to(root).parts[0] in AREAS:
            found[path] = flags_of(entry['command'], entry['file'])
    return found


def nearest(header, known):
    """The flags of a source that is as near as any to the header, of its language: its own, at best."""
    def distance(path):
        common = len(os.path.commonpath([path, header]))
        return -common, path.stem != header.stem, len(path.parts), str(path)
    alike = [path for path in known if path.suffix == '.cpp'] or list(known)
    return known[min(alike, key=distance)]


def jobs(root, build, parts):
    """[(path, command)]; for a header a file is made that includes it, and includes it again."""
    known = sources(root, build)
    folder = build / 'alone'
    folder.mkdir(exist_ok=True)
    found = []
    headers = [path for area in AREAS for path in sorted((root / area).rglob('*.h'))] if known else []
    for path in [*headers, *sorted(known)]:
        name = str(path.relative_to(root))
        if parts and not any(part in name for part in parts):
            continue
        target = folder / (name.replace('/', '_') + '.o')
        source, flags = path, known.get(path)
        if flags is None:
            flags = nearest(path, known)
            source = target.with_suffix('.cpp')
            text = f'#include "{os.path.relpath(path, folder)}"\n' * 2
            if not source.is_file() or source.read_text() != text:
                source.write_text(text)
        found.append((name, [*flags, os.path.relpath(source, build), '-o', os.path.relpath(target, build)]))
    return found


def run(root, build, parts=()):
    """(files, those that do not compile)"""
    def compiled(job):
        name, command = job
        done = subprocess.run(command, cwd=build, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)
        return name, done.returncode, done.stderr
    todo = jobs(root, build, parts)
    failed = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, status, said in pool.map(compiled, todo):
            if status != 0:
                errors = [line for line in said.splitlines() if 'error:' in line] or said.splitlines()
                failed.append((name, '\n'.join(errors[:3])))
    return len(todo), failed


def self_test():
    plants = {'complete.h': ('#pragma once\n#include <string>\nstd::string f();\n', True),
              'lives_on_others.h': ('#pragma once\nstd::string g();\n', False),
              'without_guard.h': ('struct Twice {};\n', False),
              'flags_of_its_own.h': ('#pragma once\n#ifndef OWN\n#error\n#endif\n', True),
              'flags_of_its_own.cpp': ('#include "flags_of_its_own.h"\n', True),
              'complete.cpp': ('#include "complete.h"\nstd::string f() { return {}; }\n', True),
              'lives_on_others.cpp': ('#include "complete.h"\nstd::vector<int> h() { return {}; }\n', False)}
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder).resolve()
        build = root / 'build'
        (root / 'stack').mkdir()
        build.mkdir()
        (build / 'compile_commands.json').write_text('[]')
        if run(root, build)[0] != 0:
            wrong.append('files were found where there are none')
        for name, (text, _) in plants.items():
            (root / 'stack' / name).write_text(text)
        (build / 'compile_commands.json').write_text(json.dumps([
            {'directory': str(build), 'file': f'../stack/{name}',
             'command': f'g++ -I../stack -std=c++20 -O2 {"-DOWN" if "own" in name else "-DNOT"} -MD -MF x.d '
                        f'-o x.o -c ../stack/{name}'}
            for name in plants if name.endswith('.cpp')]))
        count, failed = run(root, build)
        names = {name.removeprefix('stack/') for name, _ in failed}
        wrong += [f'{name}: {"found wanting" if good else "not found"}'
                  for name, (_, good) in plants.items() if good == (name in names)]
        if count != len(plants):
            wrong.append(f'{count} files compiled, not {len(plants)}')
    for line in wrong:
        print(f'compile_alone: self-test: {line}')
    print(f'compile_alone: self-test: {len(plants)} plants, {len(wrong)} wrong')
    return 1 if wrong else 0


def main():
    if sys.argv[1:] == ['--self-test']:
        return self_test()
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    count, failed = run(ROOT, pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:])
    for name, why in failed:
        print(f'--- {name}\n{why}', flush=True)
    print(f'compile_alone: {count} files, {len(failed)} do not compile by themselves')
    return 1 if failed or not count else 0


if __name__ == '__main__':
    sys.exit(main())
