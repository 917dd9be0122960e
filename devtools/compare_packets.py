#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Do two builds put the same bytes on the wire? Compares what the unit tests' hosts send, test suite
by test suite, and each run of the simulator's default campaign, events and times included. For
changes that are to change nothing; what lies in a State Cookie does not count, its length does.

usage: compare_packets.py BEFORE AFTER, two build folders; exits with 1 where they differ

With --staleness-apart what differs is run once more without two numbers, and only what differs even
so counts: the Measure of Staleness of ERROR Stale Cookie, which an end computes from its cookie, and
the Cookie Preservative of the INIT thereafter, which the other computes from that measure. The builds
do the leaving out: one of a commit that cannot is given tests/support/packet_digest.h of this one, and
of tests/sim/simulator.cpp the line that counts the sizes of forged packets, not their bytes."""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAMS = ('assoc', 'rfc', 'security', 'endpoint', 'shards', 'steering')  # those with hosts
APART = {'TRUNKLINE_DIGEST_APART': 'staleness'}


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


def digest(program, chosen, env=None):
    """'PACKETS DIGEST' of the tests that the filter chooses."""
    with tempfile.NamedTemporaryFile('r') as said:
        subprocess.run([program, f'--gtest_filter={chosen}'], stdout=subprocess.DEVNULL, check=False,
                       env=os.environ | (env or {}) | {'TRUNKLINE_PACKET_DIGEST': said.name})
        return said.read().strip() or '0 (sent nothing)'


def unit_tests(before, after):
    """(suites compared, packets, what differs: [(program before, program after, test), ...])"""
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
                    wrong.append((old, new, one))
    return len(jobs), packets, wrong


def runs(build, *chosen, env=None):
    """{(scenario, seed): digest}"""
    text = subprocess.run([build / 'tests/sim/simrun', '--digests', *chosen], capture_output=True,
                          text=True, check=True, env=os.environ | (env or {})).stdout
    return {tuple(line.split()[:2]): line.split()[2] for line in text.splitlines()
            if re.fullmatch(r'\S+ \d+ [0-9a-f]{16}', line)}


def simulator(before, after, seeds):
    """(runs compared, what differs: [(scenario, seed), ...])"""
    chosen = ['--seeds', str(seeds)] if seeds else []
    old, new = runs(before, *chosen), runs(after, *chosen)
    return len(new), [run for run in new if old.get(run) != new[run]]


def differs_yet(before, after, run):
    """Whether it does so without the Measure of Staleness and its answer, too."""
    chosen = ['--scenario', run[0], '--seed', run[1]]
    old, new = (runs(build, *chosen, env=APART).get(run) for build in (before, after))
    return old != new or new is None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('before', type=Path)
    parser.add_argument('after', type=Path)
    parser.add_argument('--seeds', type=int, help="runs of the simulator; default: its default campaign")
    parser.add_argument('--staleness-apart', action='store_true',
                        help='only what differs beyond the Measure of Staleness and its answer counts')
    options = parser.parse_args()
    count, differ = simulator(options.before, options.after, options.seeds)
    suites, packets, wrong = unit_tests(options.before, options.after)
    print(f'simulator: {count} runs, {len(differ)} differ')
    print(f'unit tests: {suites} suites with {packets} packets, {len(wrong)} tests differ')
    if options.staleness_apart:
        differ = [run for run in differ if differs_yet(options.before, options.after, run)]
        wrong = [(old, new, one) for old, new, one in wrong
                 if digest(old, one, APART) != digest(new, one, APART)]
        print(f'the Measure of Staleness apart: {len(differ)} runs and {len(wrong)} tests differ')
    for run in differ:
        print(f'  {" ".join(run)}')
    for _, _, one in wrong:
        print(f'  {one}')
    return 1 if differ or wrong or not count or not packets else 0


if __name__ == '__main__':
    sys.exit(main())
