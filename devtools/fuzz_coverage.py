#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Which lines the fuzz targets reach: builds the replay programs with clang's own coverage in
build-fuzz-coverage/, runs each over its corpus (what is committed, and what a campaign of `./dev fuzz`
has left in build/test-logs/fuzz/), and prints the part of its subject's lines that were run.

usage: fuzz_coverage.py [--committed] [--unreached] [TARGET...]
  --committed  without what campaigns found
  --unreached  also name the lines of the subject that were not reached
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / 'build-fuzz-coverage'
CORPUS = ROOT / 'tests/fuzz/corpus'
FOUND = ROOT / 'build/test-logs/fuzz'
FLAGS = '-fprofile-instr-generate -fcoverage-mapping'

# What a target is for, as paths; a target that is not named here is for all of stack/.
SUBJECTS = {
    'cookie': ('stack/assoc/cookie.cpp', 'stack/assoc/cookie.h'),
    'packet': ('stack/wire/',),
    'ring': ('dpdk_app/appring/bridge', 'dpdk_app/appring/channel', 'dpdk_app/appring/mailbox',
             'dpdk_app/appring/wire_types.cpp'),
}
DEFAULT_SUBJECT = ('stack/',)


def run(command, profile='/dev/null', **variables):
    """Runs it quietly; on failure its last words, and the end. Its profile goes where we say."""
    env = {**os.environ, 'LLVM_PROFILE_FILE': str(profile), **variables}
    done = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True,
                          errors='replace', check=False, env=env)
    if done.returncode != 0:
        sys.exit('\n'.join((done.stdout + done.stderr).splitlines()[-20:] +
                           [f'fuzz_coverage: {command[0]} ended with {done.returncode}']))
    return done.stdout


def build(names):
    if not (BUILD / 'build.ninja').is_file():
        flags = [f'-D{kind}={FLAGS}' for kind in ('c_args', 'cpp_args', 'c_link_args',
                                                  'cpp_link_args')]
        run(['meson', 'setup', BUILD, '-Dbuildtype=plain', '-Doptimization=1', '-Ddpdk=disabled',
             '-Dperf=false', *flags],
            CC='clang', CXX='clang++')
    run(['ninja', '-C', BUILD, *[f'tests/fuzz/replay_{name}' for name in names]])


def inputs_of(name, committed_only):
    folders = [CORPUS / name]
    if not committed_only:
        folders.append(FOUND / f'fuzz_{name}.found')
    return [folder for folder in folders if folder.is_dir() and any(folder.iterdir())]


def measure(name, committed_only):
    """({path: (lines, lines reached, unreached line numbers)}, number of inputs)"""
    program = BUILD / 'tests/fuzz' / f'replay_{name}'
    raw, data = BUILD / f'{name}.profraw', BUILD / f'{name}.profdata'
    folders = inputs_of(name, committed_only)
    raw.unlink(missing_ok=True)
    run([program, *folders], profile=raw)
    run(['llvm-profdata', 'merge', '-o', data, raw])
    report = json.loads(run(['llvm-cov', 'export', '-skip-expansions', '-skip-functions',
                             f'-instr-profile={data}', program]))
    files = {}
    for file in report['data'][0]['files']:
        path = os.path.relpath(os.path.normpath(os.path.join(BUILD, file['filename'])), ROOT)
        lines = file['summary']['lines']
        files[path] = (lines['count'], lines['covered'], unreached_lines(file['segments']))
    return files, sum(len(list(folder.iterdir())) for folder in folders)


def unreached_lines(segments):
    """Where a stretch of code begins that was never run: [line, column, count, has count, ...]."""
    return sorted({segment[0] for segment in segments if segment[3] and segment[2] == 0})


def is_in(path, subject):
    return any(path.startswith(part) for part in subject)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--committed', action='store_true')
    parser.add_argument('--unreached', action='store_true')
    parser.add_argument('targets', nargs='*')
    options = parser.parse_args()
    known = sorted(path.name for path in CORPUS.iterdir() if path.is_dir())
    for name in options.targets:
        if name not in known:
            parser.error(f'no such target: {name}; there are {", ".join(known)}')
    names = options.targets or known
    build(names)
    measured = {name: measure(name, options.committed) for name in names}
    # A program holds only what it uses of the libraries: how long a file is, the one that has most
    # of it knows best.
    sizes = {}
    for files, _ in measured.values():
        for path, (count, _, _) in files.items():
            sizes[path] = max(sizes.get(path, 0), count)
    print(f'{"target":14} {"inputs":>7} {"lines":>7} {"reached":>8} {"":>6}  subject')
    for name in names:
        files, inputs = measured[name]
        subject = SUBJECTS.get(name, DEFAULT_SUBJECT)
        lines = sum(size for path, size in sizes.items() if is_in(path, subject))
        reached = sum(entry[1] for path, entry in files.items() if is_in(path, subject))
        print(f'{name:14} {inputs:7} {lines:7} {reached:8} {100 * reached / max(lines, 1):5.1f}%'
              f'  {" ".join(subject)}')
        if options.unreached:
            for path, (_, _, missed) in sorted(files.items()):
                if is_in(path, subject) and missed:
                    print(f'    {path}: {" ".join(map(str, missed))}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
