#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Line and branch coverage of stack/ by the unit tests and some seeds of the simulator.

Builds in build-coverage/ (no optimisation, without DPDK), runs the tests, and asks gcovr. Prints a
table of the stack's layers, the receive path, and the lines that nothing reached (with --missing);
build-coverage/html/index.html shows every line. Exit status 1: below a goal.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / 'build-coverage'
GOALS = {'lines of stack/': 95.0, 'branches of the receive path': 85.0}
SEEDS = 40  # of each scenario; without optimisation they are slow
# What a packet from the wire passes through, from the first byte to the application's event.
RECEIVE_PATH = re.compile(
    r'stack/(wire/(?!packet_writer|crc32c)|rx/|shards/(steering|shard_core|directory|tag_table)|'
    r'endpoint/listener|path/heartbeats|tx/recovery|'
    r'assoc/(dispatch|data_in|sack_in|handshake|setup_parameters|extension_chunks|collision|cookie|'
    r'heartbeat|shutdown|errors|peer_addresses))')


def run(command, log, **options):
    with open(log, 'ab') as output:
        return subprocess.run(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, check=False, **options).returncode


def scenario_count():
    plan = (ROOT / 'tests/sim/plan.h').read_text()
    return int(re.search(r'kScenarioCount = (\d+);', plan)[1])


def measure():
    """Builds and runs everything afresh; gcovr's summary of each file."""
    log = BUILD / 'coverage.log'
    if not (BUILD / 'build.ninja').is_file():
        subprocess.run(['meson', 'setup', str(BUILD), '-Dbuildtype=plain', '-Doptimization=0',
                        '-Dunity=off', '-Dperf=false', '-Db_coverage=true', '-Ddpdk=disabled'],
                       cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    log.write_text('')
    print('coverage: building build-coverage/', flush=True)
    if run(['ninja', '-C', str(BUILD)], log) != 0:
        raise SystemExit(f'coverage: the build failed; see {log}')
    for old in BUILD.rglob('*.gcda'):
        old.unlink()
    tests = sorted(p for p in (BUILD / 'tests/unit').glob('test_*') if p.is_file())
    commands = [[str(test)] for test in tests]
    commands.append([str(BUILD / 'tests/sim/test_sim_parts')])
    # On one core, hence in one thread: the counters of gcov are not atomic.
    commands.append(['taskset', '-c', '0', str(BUILD / 'tests/sim/simrun'), '--seeds',
                     str(SEEDS * scenario_count())])
    for command in commands:
        print(f'coverage: running {" ".join(map(os.path.basename, command))}', flush=True)
        if run(command, log) != 0:
            raise SystemExit(f'coverage: {" ".join(command)} failed; see {log}')
    (BUILD / 'html').mkdir(exist_ok=True)
    report = BUILD / 'coverage.json'
    status = run(['gcovr', '-r', str(ROOT), '--object-directory', str(BUILD), '-f', 'stack/',
                  '--exclude-throw-branches', '--exclude-unreachable-branches',
                  '-j', '2', '--json', str(report),
                  '--html-details', str(BUILD / 'html/index.html'), str(BUILD)], log)
    if status != 0:
        raise SystemExit(f'coverage: gcovr failed; see {log}')
    return json.loads(report.read_text())


class Sum:
    """Lines and branches, reached and in all."""

    def __init__(self):
        self.lines = self.hit_lines = self.branches = self.hit_branches = 0

    def add(self, file):
        for line in file['lines']:
            if line.get('gcovr/noncode') or line.get('gcovr/excluded'):
                continue
            self.lines += 1
            self.hit_lines += line['count'] > 0
            self.branches += len(line['branches'])
            self.hit_branches += sum(branch['count'] > 0 for branch in line['branches'])

    @staticmethod
    def percent(part, whole):
        return 100 * part / whole if whole else 100.0

    @property
    def line_rate(self):
        return self.percent(self.hit_lines, self.lines)

    @property
    def branch_rate(self):
        return self.percent(self.hit_branches, self.branches)

    def row(self, name):
        return (f'{name:24} {self.hit_lines:6} of {self.lines:6} {self.line_rate:6.1f} %   '
                f'{self.hit_branches:6} of {self.branches:6} {self.branch_rate:6.1f} %')


def report(data, missing):
    layers, everything, receive = {}, Sum(), Sum()
    for file in data['files']:
        name = file['file']
        parts = name.split('/')
        layer = parts[1] if parts[1] != 'include' else 'include'
        for total in (layers.setdefault(layer, Sum()), everything):
            total.add(file)
        if RECEIVE_PATH.match(name):
            receive.add(file)
        if missing:
            lines = [str(line['line_number']) for line in file['lines']
                     if line['count'] == 0 and not line.get('gcovr/noncode')]
            halves = [str(line['line_number']) for line in file['lines'] if line['count'] and
                      any(branch['count'] == 0 for branch in line['branches'])]
            if lines or (halves and RECEIVE_PATH.match(name)):
                print(f'{name}: lines {" ".join(lines) or "none"}; branches at '
                      f'{" ".join(halves) or "none"}')
    print(f'{"":24} {"lines":>26}   {"branches":>26}')
    for layer in sorted(layers):
        print(layers[layer].row(layer))
    print(everything.row('stack/'))
    print(receive.row('the receive path'))
    print('every line: build-coverage/html/index.html')
    reached = {'lines of stack/': everything.line_rate,
               'branches of the receive path': receive.branch_rate}
    failed = False
    for name, goal in GOALS.items():
        failed |= reached[name] < goal
        print(f'coverage: {name}: {reached[name]:.1f} %, the goal is {goal:.0f} %'
              f'{"" if reached[name] >= goal else ": MISSED"}')
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--missing', action='store_true', help='name what was not reached')
    options = parser.parse_args()
    return report(measure(), options.missing)


if __name__ == '__main__':
    sys.exit(main())
