#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""clang-tidy over the compile commands of a build folder, one process per core.

usage: run_tidy.py BUILD [PATH-PART...]   (only files whose path holds one of the parts)
"""
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The commands are GCC's: what clang doesn't know of them is no finding.
EXTRA = ['--extra-arg=-Wno-unknown-warning-option', '--extra-arg=-Wno-ignored-optimization-argument']
DROPPED = ('-flto', '-ffat-lto', '-mmemcpy-strategy', '-mmemset-strategy')


def without_gcc(command):
    return shlex.join(word for word in shlex.split(command) if not word.startswith(DROPPED))


def tidy(database, path):
    run = subprocess.run(['clang-tidy', '--quiet', '-p', database, *EXTRA, path],
                         capture_output=True, text=True, check=False)
    return path, run.returncode, run.stdout


def main():
    build, parts = pathlib.Path(sys.argv[1]), sys.argv[2:]
    commands = json.loads((build / 'compile_commands.json').read_text())
    database = build / 'tidy'
    database.mkdir(exist_ok=True)
    (database / 'compile_commands.json').write_text(
        json.dumps([{**c, 'command': without_gcc(c['command'])} for c in commands]))
    files = {os.path.normpath(os.path.join(c['directory'], c['file'])) for c in commands}
    files = sorted(f for f in files if not parts or any(part in f for part in parts))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, status, output in pool.map(lambda f: tidy(database, f), files):
            if status != 0:
                failed += 1
                print(f'--- {os.path.relpath(path, ROOT)}\n{output}', flush=True)
    print(f'clang-tidy: {len(files)} files, {failed} with findings')
    return 1 if failed or not files else 0


if __name__ == '__main__':
    sys.exit(main())
