#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Instructions, as callgrind counts them (devtools/instructions.py): a message or a round trip at both
ends, and a packet with DATA, whatever else there is for it. count/X is bare/X.
"""
import argparse
import json
import os
import pathlib
import shutil
import sys

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'devtools'))
import instructions  # noqa: E402  (after the path)

ROLE = 'trunkline'
TRIPS = ('bare/ping-pong', 'bare/ring-ping-pong')
# Messages in a packet, or round trips; of the others the program says it.
IN_A_PACKET = {'bare/associations/1000': 1, 'bare/bursts/1000': 12, **dict.fromkeys(TRIPS, 0.5)}
SHORTER = {'tiny': 10}  # does it still run?


def name_of(case):
    return case.replace('bare/', 'count/', 1)


def report(case, metric, value, role):
    print(json.dumps({'case': name_of(case), 'metric': metric, 'unit': '1', 'role': role,
                      'value': value}), flush=True)


def metric_of(case):
    return 'instructions_per_' + ('round_trip' if case in TRIPS else 'message')


def messages_per_packet(case, said):
    """None: nobody knows."""
    if case in IN_A_PACKET:
        return IN_A_PACKET[case]
    samples = [json.loads(line) for line in said.splitlines() if line.startswith('{')]
    return next((each['value'] for each in samples if each['metric'] == 'messages_per_packet'), None)


def ours(build, case, scale):
    program = instructions.program_of(build, case)
    each, said = instructions.measure(program, case, part=SHORTER.get(scale, 1))
    report(case, metric_of(case), each, ROLE)
    packet = messages_per_packet(case, said)
    if packet is not None:
        report(case, 'instructions_per_packet', each * packet, ROLE)


def run(doc, cases, measure):
    """--list, --case NAME, --scale tiny|quick|full, as all benchmarks have them."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--case', default='')
    parser.add_argument('--scale', default='quick')
    args = parser.parse_args()
    if args.list:
        print('\n'.join(name_of(case) for case in cases))
        return 0
    if not shutil.which('valgrind'):
        print('no valgrind (apt-get install valgrind)', file=sys.stderr)
        return instructions.SKIPPED
    build = pathlib.Path(os.environ.get('TRUNKLINE_BUILD', ROOT / 'build'))
    chosen = [case for case in cases if name_of(case).startswith(args.case)]
    for case in chosen:
        measure(build, case, args.scale)
    return 0 if chosen else 1


if __name__ == '__main__':
    sys.exit(run(__doc__, instructions.CASES, ours))
