#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Changes conditions of stack/ drawn by a seed, one at a time, in a copy of the sources, and asks
the tests to notice: negates them, drops a term, an early exit, an assignment (devtools/mutants.py).

The seed gives all possible changes an order; the first COUNT that compile, without a warning as
ever, are judged. The order of the others does not change when one file does, and what was judged is
kept: a second run does what is left. --again judges the survivors anew, for when tests were added. Delete the file of results
to judge everything anew.

A mutant is killed by the first program that fails, crashes, or takes ten times its usual time
(named "no end"). Asked in this order: the unit tests of the changed part, the other unit tests, the
corpora of the fuzzers, and some seeds of the simulator.

Who survives is read by somebody, and becomes a test or an entry in tests/mutations/survivors.toml:

  [[survivor]]
  file = "stack/rx/tsn_tracker.cpp"
  line = '''the line where the change begins'''
  change = "what the report says: drop: ..."
  twin = 0        # how many of the same stand before it in the file; 0 may be left out
  reason = "why no test can, or need, tell"

Exit status 0: at least 90 % were killed, and every survivor has its reason.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
import tomllib

import mutants
import mutate

ROOT = mutate.ROOT
HOME = ROOT / 'build-mutants' / 'random'
SURVIVORS = ROOT / 'tests/mutations/survivors.toml'
WANTED = 90  # percent
# The parts whose tests know most of a folder's code.
NEAREST = {'rx': ('rx', 'assoc', 'security'), 'tx': ('tx', 'assoc', 'rfc'),
           'path': ('path', 'assoc', 'rfc'), 'assoc': ('assoc', 'rfc', 'security'),
           'endpoint': ('endpoint', 'assoc', 'security', 'rfc'), 'shards': ('shards', 'steering', 'assoc'),
           'base': ('base', 'tx', 'rx'), 'include': ('assoc', 'base', 'path')}
NEITHER = ('race', 'client', 'appring', 'hand_over_ring', 'net', 'trunkload')  # threads, or no stack
# What makes a shared library of the stack, each file compiled by itself: a mutant changes one. It
# takes its own inline functions, not those of a program that includes them too.
SHARED = (("static_library('trunkline_stack'", "shared_library('trunkline_stack'"),
          ("'override_options': lto_options,", "'override_options': lto_options + ['unity=off'],"),
          ('link_with: below_lib)', "link_whole: below_lib, link_args: ['-Wl,-Bsymbolic-functions'])"))
SIM = ['tests/sim/simrun', '--failures', '1', '--no-shrink', '--seeds']


def draw(seed):
    """All mutants of stack/ in the order of the seed."""
    found = []
    for path in sorted((ROOT / 'stack').rglob('*')):
        if path.suffix in ('.cpp', '.h'):
            found += mutants.find(str(path.relative_to(ROOT)), path.read_text(encoding='utf-8'))
    return sorted(found, key=lambda m: m.rank(seed))


def known_survivors():
    """{(file, line, change, twin): reason}"""
    with open(SURVIVORS, 'rb') as file:
        entries = tomllib.load(file).get('survivor', [])
    return {(e['file'], ' '.join(e['line'].split()), e['change'], e.get('twin', 0)): e['reason']
            for e in entries}


def reason_of(known, record):
    twin = int(record['key'].rpartition('\0')[2])
    return known.get((record['file'], ' '.join(record['line'].split()), record['what'], twin))


class Copy:
    """A copy of the sources with a build of its own; the stack is a shared library there, so that a
    mutant costs one file compiled and one library linked."""

    def __init__(self, number):
        # As a build folder lies in the sources: ccache may know most of it.
        self.source, self.build = HOME / f'{number}', HOME / f'{number}/build'
        self.usual = {}  # seconds of each program
        self.stale = False  # programs have a header's change in code of their own

    def configure(self, sim_seeds):
        mutate.copy_sources(self.source)
        layers = self.source / 'stack/meson.build'
        text = layers.read_text(encoding='utf-8')
        for old, new in SHARED:
            if text.count(old) != 1:
                raise SystemExit(f'mutate: stack/meson.build does not say: {old}')
            text = text.replace(old, new)
        layers.write_text(text, encoding='utf-8')
        if not (self.build / 'build.ninja').is_file():
            shutil.rmtree(self.build, ignore_errors=True)
            done = subprocess.run(
                ['meson', 'setup', str(self.build), str(self.source), '-Dbuildtype=plain',
                 '-Doptimization=0', '-Dperf=false', '-Ddpdk=disabled', '-Dsteps=true'],
                capture_output=True, check=False, text=True)
            if done.returncode != 0:
                raise SystemExit(f'mutate: meson failed:\n{done.stdout[-1500:]}')
        self.targets = self.list_targets()
        status, output = self.ninja(*self.targets.values(), jobs=2)
        if status != 0:
            raise SystemExit(f'mutate: the sources do not build:\n{output[-2000:]}')
        for command in self.commands('base', sim_seeds):
            started = time.monotonic()
            status, output = self.run(command, 900)
            if status != 0:
                raise SystemExit(f'mutate: fails without a mutation: {" ".join(command)}\n{output[-1500:]}')
            self.usual[command[0]] = time.monotonic() - started

    def list_targets(self):
        """{name: path below the build folder} of the programs that are asked."""
        run = subprocess.run(['meson', 'introspect', '--targets', str(self.build)], capture_output=True,
                             check=True, text=True)
        found = {}
        for target in json.loads(run.stdout):
            name = target['name']
            kind, _, part = name.partition('_')
            if target['type'] != 'executable' or any(part.endswith(n) or part == n for n in NEITHER):
                continue
            if kind in ('test', 'replay') and part not in ('sim', 'ring', 'frame') or name == 'simrun':
                found[name] = os.path.relpath(target['filename'][0], self.build)
        return found

    def ninja(self, *targets, jobs=1):
        return self.run(['ninja', f'-j{jobs}', *targets], 7200)

    def library(self):
        return 'stack/libtrunkline_stack.so'

    def run(self, command, timeout):
        """(status, output); a status of None is a time-out."""
        with subprocess.Popen(command, cwd=self.build, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, start_new_session=True) as process:
            try:
                output, _ = process.communicate(timeout=timeout)
                return process.returncode, output.decode(errors='replace')
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.communicate()
                return None, ''
            except BaseException:  # Ctrl-C: leave nothing behind
                os.killpg(process.pid, 9)
                raise

    def commands(self, part, sim_seeds):
        """What is asked about a change in that part, the likeliest first."""
        order = [f'test_{name}' for name in NEAREST.get(part, (part, 'assoc', 'rfc'))]
        names = [name for name in order if name in self.targets]
        names += sorted((n for n in self.targets if n not in names and n != 'simrun'),
                        key=lambda n: self.usual.get(self.targets[n], 0) + (100 if n.startswith('replay') else 0))
        for name in names:
            path = self.targets[name]
            if name.startswith('replay'):
                yield [path, str(self.source / 'tests/fuzz/corpus' / name.removeprefix('replay_'))]
            else:
                yield [path, '--gtest_fail_fast', '--gtest_brief=1']
        yield [self.targets['simrun'], *SIM[1:], str(sim_seeds)]

    def judge(self, mutant, sim_seeds):
        """(verdict, by whom): 'killed', 'survived' or 'does not compile'."""
        path = self.source / mutant.file
        text = (ROOT / mutant.file).read_text(encoding='utf-8')
        part = mutant.file.split('/')[1]
        try:
            if self.stale:  # it is put back, and not yet in the programs
                self.ninja(*self.targets.values())
                self.stale = False
            mutate.put(path, mutant.apply(text).encode())
            if self.ninja(self.library())[0] != 0:
                return 'does not compile', ''
            by = self.ask(self.commands(part, sim_seeds), mutant.file.endswith('.cpp'))
            if by is None and mutant.file.endswith('.h'):
                # The programs that have the change in code of their own.
                self.stale = True
                if self.ninja(*self.targets.values())[0] != 0:
                    return 'does not compile', ''
                by = self.ask(self.commands(part, sim_seeds), True)
            return ('survived', '') if by is None else ('killed', by)
        finally:
            mutate.put(path, text.encode())

    def ask(self, commands, everything):
        """What the first that notices says; None if nobody does."""
        for command in commands:
            if not everything and 'simrun' in command[0]:
                continue  # it comes once more, built anew
            status, output = self.run(command, 10 + 10 * self.usual.get(command[0], 60))
            name = pathlib.Path(command[0]).name
            if status is None:
                return f'{name}: no end'
            if status != 0:
                failed = re.search(r'^\[  FAILED  \] ([\w./]+)', output, re.M)
                return f'{name}: {failed[1]}' if failed else f'{name}: status {status}'
        return None


class Results:
    """What was judged, a JSON object a line."""

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.by_key = {}
        if path.is_file():
            for line in path.read_text(encoding='utf-8').splitlines():
                record = json.loads(line)
                self.by_key[record['key']] = record

    def add(self, record):
        with self.lock:
            self.by_key[record['key']] = record
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, 'a', encoding='utf-8') as file:
                file.write(json.dumps(record) + '\n')


def say(text):
    print(text, flush=True)


def judge_all(order, options, results, copies):
    """Judges until `count` of the order are killed or have survived."""
    idle = queue.Queue()
    for copy in copies:
        idle.put(copy)

    def one(mutant):
        copy = idle.get()
        try:
            started = time.monotonic()
            verdict, by = copy.judge(mutant, options.sim_seeds)
            took = time.monotonic() - started
        finally:
            idle.put(copy)
        results.add({'key': mutant.key, 'file': mutant.file, 'line': mutant.line, 'what': mutant.what,
                     'verdict': verdict, 'by': by, 'seconds': round(took, 1)})
        say(f'{verdict:16} {mutant.file}: {mutant.what[:90]}  [{by}] ({took:.0f} s)')

    while True:
        left, valid = [], 0
        for mutant in order:
            verdict = results.by_key.get(mutant.key, {}).get('verdict')
            if verdict == 'does not compile':
                continue
            if valid == options.count:
                break
            valid += 1
            if verdict is None or (verdict == 'survived' and options.again):
                left.append(mutant)
        options.again = False  # once each
        if not left:
            return
        with concurrent.futures.ThreadPoolExecutor(len(copies)) as pool:
            for done in concurrent.futures.as_completed([pool.submit(one, m) for m in left]):
                done.result()


def report(order, options, results):
    """Prints the score; true if it will do."""
    known = known_survivors()
    judged = []
    for mutant in order:
        record = results.by_key.get(mutant.key)
        if record and record['verdict'] != 'does not compile' and len(judged) < options.count:
            judged.append(record)
    survived = [r for r in judged if r['verdict'] == 'survived']
    unread = [r for r in survived if reason_of(known, r) is None]
    for record in survived:
        twin = record['key'].rpartition('\0')[2]
        say(f'survived: {record["file"]}: {record["what"]}\n    {record["line"]}'
            f'{"" if twin == "0" else f"  (twin = {twin})"}\n'
            f'    {reason_of(known, record) or "NOT READ YET"}')
    ends = sum(r['by'].endswith('no end') for r in judged)
    killed = len(judged) - len(survived)
    say(f'seed {options.seed}: {killed} of {len(judged)} killed ({100 * killed / max(1, len(judged)):.1f} %), '
        f'{ends} of them since there was no end; {len(survived)} survived, {len(unread)} of them not read yet')
    return not unread and killed * 100 >= len(judged) * WANTED


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seed', default='1')
    parser.add_argument('--count', type=int, default=200)
    parser.add_argument('--jobs', type=int, default=2, help='mutants at a time, each in its own copy')
    parser.add_argument('--sim-seeds', type=int, default=600)
    parser.add_argument('--again', action='store_true', help='judge the survivors anew')
    parser.add_argument('--list', action='store_true', help='show what is drawn and end')
    parser.add_argument('--report', action='store_true', help='show what was judged and end')
    options = parser.parse_args()
    order = draw(options.seed)
    if options.list:
        for mutant in order[:options.count]:
            say(f'{mutant.file}: {mutant.what}')
        return 0
    results = Results(HOME / f'seed-{options.seed}.jsonl')
    if not options.report:
        copies = [Copy(number) for number in range(options.jobs)]
        for copy in copies:
            copy.configure(options.sim_seeds)
        for copy in copies:
            copy.usual = copies[0].usual | {k: max(v, copies[0].usual[k]) for k, v in copy.usual.items()}
        judge_all(order, options, results, copies)
    return 0 if report(order, options, results) else 1


if __name__ == '__main__':
    sys.exit(main())
