#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Do two builds put the same bytes on the wire? Compares what the unit tests' hosts send, test suite
by test suite, and each run of the simulator's default campaign, events and times included. For
changes that are to change nothing; what lies in a State Cookie does not count, its length does.

usage: compare_packets.py BEFORE AFTER, two build folders; exits with 1 where they differ"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAMS = ('assoc', 'rfc', 'security', 'endpoint', 'shards', 'steering')  # those with hosts


def listed(program):
    """{suite: [test, ...]}"""
    out, suite = {}, None
    text = subprocess.run([program, '--gtest_list_tests'], capture_output=True, text=True, check=True).stdout
    for line in text.splitlines():
        name = line.split('#')[0].rstrip()
        if re.match(r'\S+\.$', name):
            suite = name[:-1]
        elif suite and name.startswith('  '):
            out.setdefault(suite, []).append(name.strip())
    return out


def digest(program, chosen):
    """'PACKETS DIGEST' of the tests that the filter chooses."""
    with tempfile.NamedTemporaryFile('r') as said:
        subprocess.run([program, f'--gtest_filter={chosen}'], stdout=subprocess.DEVNULL, check=False,
                       env=os.environ | {'TRUNKLINE_PACKET_DIGEST': said.name})
        return said.read().strip() or '0 (sent nothing)'


def unit_tests(before, after):
    """(suites compared, packets, what differs)"""
    jobs = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name in PROGRAMS:
            old, new = before / f'tests/unit/test_{name}', after / f'tests/unit/test_{name}'
            ours = listed(new)
            for suite in listed(old).keys() & ours.keys():
                jobs.append((old, new, suite, ours[suite],
                             pool.submit(digest, old, f'{suite}.*'), pool.submit(digest, new, f'{suite}.*')))
    packets, wrong = 0, []
    for old, new, suite, tests, was, now in jobs:
        packets += int(now.result().split()[0])
        if was.result() != now.result():
            for test in tests:
                one = f'{suite}.{test}'
                if digest(old, one) != digest(new, one):
                    wrong.append(one)
    return len(jobs), packets, wrong


def simulator(before, after, seeds):
    """(runs compared, what differs)"""
    def runs(build):
        command = [build / 'tests/sim/simrun', '--digests', *(['--seeds', str(seeds)] if seeds else [])]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return {tuple(line.split()[:2]): line.split()[2] for line in text.splitlines()
                if re.fullmatch(r'\S+ \d+ [0-9a-f]{16}', line)}
    old, new = runs(before), runs(after)
    return len(new), [' '.join(run) for run in new if old.get(run) != new[run]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('before', type=Path)
    parser.add_argument('after', type=Path)
    parser.add_argument('--seeds', type=int, help="runs of the simulator; default: its default campaign")
    options = parser.parse_args()
    runs, apart = simulator(options.before, options.after, options.seeds)
    print(f'simulator: {runs} runs, {len(apart)} differ {apart[:5] if apart else ""}', flush=True)
    suites, packets, wrong = unit_tests(options.before, options.after)
    print(f'unit tests: {suites} suites with {packets} packets, {len(wrong)} tests differ')
    for test in wrong:
        print(f'  {test}')
    return 1 if apart or wrong or not runs or not packets else 0


if __name__ == '__main__':
    sys.exit(main())
