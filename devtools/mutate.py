#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Removes rules from a copy of the sources, one at a time, and asks the tests to notice.

The mutations are in tests/mutations/*.toml:

  [[mutation]]
  name = "sack-delayed-for-ever"        # what the reader of a report should see
  rule = "6.2 #3"                       # the rule that it removes, as in docs/rfc/9260.md;
                                        # of another RFC: "7829 3.2 #5"
  file = "stack/assoc/data_in.cpp"      # where
  find = '''text that is there exactly once'''
  replace = '''what stands there instead'''
  tests = ["DataIn.SecondPacketIsAcknowledged"]   # each of them must fail
  sim = true                            # or instead of tests: the default seeds must find it
  also = [{file = ..., find = ..., replace = ...}]  # where two places guard the same rule

Everything happens in build-mutants/. Exit status 0: each mutation was noticed.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOME = ROOT / 'build-mutants'
SOURCE, BUILD = HOME / 'src', HOME / 'build'
PARTS = ('meson.build', 'meson_options.txt', 'stack', 'client', 'sockets', 'tools', 'dpdk_app', 'devtools', 'tests',
         'config')
SIM = ['tests/sim/simrun', '--failures', '1', '--no-shrink']  # the seeds of the default run
KEYS = {'name', 'rule', 'file', 'find', 'replace', 'also', 'tests', 'sim'}


def load(names):
    """The mutations of all files, or those whose file or name begins with one of `names`."""
    found = []
    for path in sorted((ROOT / 'tests/mutations').glob('*.toml')):
        with open(path, 'rb') as file:
            for mutation in tomllib.load(file).get('mutation', []):
                name = mutation.get('name', '?')
                if set(mutation) - KEYS or ('tests' in mutation) == ('sim' in mutation):
                    raise SystemExit(f'mutate: {path.name}: {name}: keys are {", ".join(sorted(KEYS))}'
                                     '; either tests or sim')
                if not names or any(path.stem == n or name.startswith(n) for n in names):
                    found.append(mutation)
    twice = {m['name'] for m in found if sum(m['name'] == n['name'] for n in found) > 1}
    if twice:
        raise SystemExit(f'mutate: two mutations of one name: {", ".join(sorted(twice))}')
    return found


def mutated(mutation):
    """{file: its mutated text}; a mutation that no longer fits the sources says so."""
    texts = {}
    for edit in (mutation, *mutation.get('also', [])):
        file = edit['file']
        text = texts.get(file) or (ROOT / file).read_text(encoding='utf-8')
        count = text.count(edit['find'])
        if count != 1:
            raise ValueError(f'the text to find is {count} times in {file}, not once')
        texts[file] = text.replace(edit['find'], edit['replace'])
    return texts


def copy_sources(to=SOURCE):
    """Copies what changed, so that a second run builds little."""
    for part in PARTS:
        paths = [ROOT / part] if (ROOT / part).is_file() else (ROOT / part).rglob('*')
        for path in paths:
            if not path.is_file() or '__pycache__' in path.parts:
                continue
            target = to / path.relative_to(ROOT)
            put(target, path.read_bytes())
            shutil.copymode(path, target)


def put(target, content):
    if not target.is_file() or target.read_bytes() != content:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def run(command, timeout):
    """(status, output); a status of None is a time-out."""
    try:
        done = subprocess.run(command, cwd=BUILD, stdin=subprocess.DEVNULL, timeout=timeout,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout.decode(errors='replace')
    except subprocess.TimeoutExpired:
        return None, 'no end'


def build(*targets):
    status, output = run(['ninja', *targets], 1800)
    return status == 0, output


def configure(mutations):
    copy_sources()
    if not (BUILD / 'build.ninja').is_file():
        # A mutation compiles the one file again; the tests stay together, and as they are.
        status = subprocess.run(
            ['meson', 'setup', str(BUILD), str(SOURCE), '-Dbuildtype=plain', '-Doptimization=1',
             '-Dunity_size=2', '-Dperf=false', '-Ddpdk=disabled', '-Dwerror=false', '-Dsteps=true'],
            stdout=subprocess.DEVNULL, check=False).returncode
        if status != 0:
            raise SystemExit('mutate: meson failed')
    only_sim = all(m.get('sim') for m in mutations)
    ok, output = build(*(['tests/sim/simrun'] if only_sim else []))
    if not ok:
        raise SystemExit(f'mutate: the sources do not build:\n{output[-2000:]}')


def programs():
    """{test: program} of all GoogleTest programs."""
    where = {}
    for path in sorted(BUILD.glob('tests/**/test_*')):
        if not path.is_file() or not os.access(path, os.X_OK):
            continue
        _, output = run([str(path), '--gtest_list_tests'], 60)
        suite = ''
        for line in output.splitlines():
            if line and not line[0].isspace():
                suite = line.split()[0]
            elif line.strip():
                case = line.split()[0]
                where[suite + case] = path
                # Of a parametrised test, all instances: Prefix/Suite.Case/3 is Suite.Case too.
                where.setdefault(suite.split('/')[-1] + case.split('/')[0], path)
    return where


def run_test(program, test):
    status, output = run([str(program), f'--gtest_filter={test}:*/{test}/*:*/{test}'], 120)
    return status == 0 and '[  PASSED  ] 0 tests' not in output, output


def check_sound(mutations, where):
    """Everything that is to notice a mutation must pass without one."""
    if any(m.get('sim') for m in mutations):
        status, output = run(SIM, 1200)
        if status != 0:
            raise SystemExit(f'mutate: the default seeds fail without a mutation:\n{output[-1500:]}')
    named = {test for m in mutations for test in m.get('tests', []) if test in where}
    failing = [test for test in sorted(named) if not run_test(where[test], test)[0]]
    if failing:
        raise SystemExit(f'mutate: these fail without a mutation: {", ".join(failing)}')


def judge(mutation, where):
    """None if it was noticed, else what is wrong."""
    try:
        texts = mutated(mutation)
    except (OSError, ValueError) as error:
        return str(error)
    tests = mutation.get('tests', [])
    unknown = [test for test in tests if test not in where]
    if unknown:
        return f'no such test: {", ".join(unknown)}'
    try:
        for file, text in texts.items():
            put(SOURCE / file, text.encode())
        if mutation.get('sim'):
            ok, output = build('tests/sim/simrun')
            if not ok:
                return f'does not build:\n{output[-1500:]}'
            return None if run(SIM, 600)[0] != 0 else 'the default seeds do not find it'
        # What the mutation before this one left behind is built anew, too.
        targets = sorted({os.path.relpath(where[test], BUILD) for test in tests})
        ok, output = build(*targets)
        if not ok:
            return f'does not build:\n{output[-1500:]}'
        missed = [test for test in tests if run_test(where[test], test)[0]]
        return f'not noticed by {", ".join(missed)}' if missed else None
    finally:
        for file in texts:
            put(SOURCE / file, (ROOT / file).read_bytes())


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('names', nargs='*', metavar='NAME',
                        help='a file of tests/mutations without .toml, or how names begin')
    parser.add_argument('--list', action='store_true', help='show them and end')
    parser.add_argument('--fits', action='store_true', help='only check that they fit the sources')
    options = parser.parse_args()
    mutations = load(options.names)
    if not mutations:
        parser.error('no such mutation; --list shows them')
    if options.list or options.fits:
        wrong = 0
        for mutation in mutations:
            by = 'the seeds' if mutation.get('sim') else ', '.join(mutation['tests'])
            if options.list:
                print(f'{mutation["name"]:40} {mutation.get("rule", ""):10} {by}')
            try:
                mutated(mutation)
            except (OSError, ValueError) as error:
                print(f'mutate: {mutation["name"]}: {error}')
                wrong += 1
        print(f'{len(mutations)} mutations, {wrong} do not fit')
        return 1 if wrong else 0
    configure(mutations)
    where = programs()
    missed = 0
    check_sound(mutations, where)
    for mutation in mutations:
        started = time.monotonic()
        problem = judge(mutation, where)
        missed += problem is not None
        by = 'by the seeds' if mutation.get('sim') else f'by {", ".join(mutation["tests"])}'
        print(f'{"MISSED" if problem else "noticed":8} {mutation["name"]:40} '
              f'{mutation.get("rule", ""):10} {problem or by}  ({time.monotonic() - started:.0f} s)',
              flush=True)
    print(f'{len(mutations) - missed} noticed, {missed} missed')
    return 1 if missed else 0


if __name__ == '__main__':
    sys.exit(main())
