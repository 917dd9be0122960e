#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""End to end: two daemons joined by memif, each with a client on the ring API (trunkload). The first
core has one daemon and its client, the second the other two.

  e2e/rate/SIZE       one association, one direction, as fast as it goes; profile lan
  e2e/rfc9260/SIZE    the same with the default profile: at most Max.Burst packets a turn
  e2e/latency/RATE    round trips at that rate: open loop, counted from when they were due
  workers/...         16 associations; 1 worker, 2, and 2 with every packet at the wrong one first

Profile lan, the one of config/trunklined.yaml, where none is named. CPU time is that of all four
processes, attaching and set-up included.
"""
import os
import sys
import time

import places
from places import PORT, SECONDS, CpuTime, Place, Wrong, cases, final_of, processes, report
from lib.daemon import Daemon, memif_port

OURS, THEIRS = '10.10.0.1', '10.10.0.2'  # of the receiver, of the sender
RATES = {'1k': 1000, '10k': 10_000, '50k': 50_000, '100k': 100_000, '200k': 200_000,
         '400k': 400_000, '800k': 800_000}
ROLE = 'trunkline'
# Of a lane: an association may have a quarter of the slots for sending under way, so that a turn of
# either process has a few thousand messages to work on.
SLOTS = ['--tx-slots', 16384, '--rx-slots', 16384]
LAN = {'max_burst': 0, 'sack_frequency': 16, 'sack_delay': '20ms', 'a_rwnd': '4MiB', 'send_buffer': '4MiB'}


def configuration(workers, misdirect, profile):
    return {'workers': {'count': workers, 'misdirect': misdirect},
            'profiles': {'default': profile} if profile else None,
            'clients': {'allow': [{'uid': os.getuid(), 'ports': 'any', 'ephemeral': True}]}}


class Pair:
    """Two daemons whose link is up; the receiver's is on the second core."""

    def __init__(self, folder, workers=1, misdirect=False, profile=LAN, more=None):
        first, second = places.cores()
        self.folder = folder
        self.send_at, self.receive_at = Place(first), Place(second)
        changes = {**configuration(workers, misdirect, profile), **(more or {})}
        wire = folder / 'wire.memif'
        self.receiver = Daemon(self.receive_at, folder,
                               [memif_port(wire, 'server', [OURS + '/24'])], changes, 'receiver')
        self.sender = Daemon(self.send_at, folder,
                             [memif_port(wire, 'client', [THEIRS + '/24'])], changes, 'sender')
        self.daemons = [self.sender, self.receiver]
        deadline = time.monotonic() + 20
        while any(port['link'] != 'up' for one in self.daemons
                  for port in one.ask('status')['ports']):
            if time.monotonic() > deadline:
                raise Wrong('the link does not come up')
            time.sleep(0.02)

    def exchange(self, options, send, patience=60):
        """Runs a trunkload at each daemon. What both said, and the CPU time of all four."""
        program = cases.program('tools/trunkload/trunkload')
        common = ['--json', '--quiet', '--port', PORT, *options]
        used = CpuTime(self.daemons)
        listener = self.receive_at.start([program, '--listen', '--socket', self.receiver.clients,
                                          *common], self.folder / 'receive.log')
        listener.expect('"listening"')
        sender = self.send_at.start([program, '--connect', OURS, '--socket', self.sender.clients,
                                     *common, *send], self.folder / 'send.log')
        sent, received = final_of(sender, patience), final_of(listener, patience)
        cpu = used.used()
        if not sent['ok'] or not received['ok']:
            raise Wrong(f'something went wrong: {sent} {received}')
        return sent, received, cpu

    def stop(self):
        """Nothing may have been dropped on the way; ends both."""
        for one in self.daemons:
            dropped = {name: value for name, value in one.ask('counters').items()
                       if '.drop_' in name and value}
            if dropped:
                print(f'{one.config.stem}: {dropped}', file=sys.stderr)
        for one in (self.sender, self.receiver):  # the memif's client first
            one.stop()


def stream(case, scale, folder, size, associations, profile=LAN, workers=1,
           misdirect=False):
    pair = Pair(folder, workers, misdirect, profile)
    sent, received, cpu = pair.exchange(
        ['--size', size, '--associations', associations, *SLOTS], ['--duration', f'{SECONDS[scale]}s'])
    if sent['sent'] != received['received'] or not sent['sent']:
        raise Wrong(f'sent {sent["sent"]}, received {received["received"]}')
    packets = sum(one.ask('counters')['stack.out_sctp_packs'] for one in pair.daemons)
    pair.stop()
    report(ROLE, case, 'messages_per_second', '1/s', received['received_per_s'])
    report(ROLE, case, 'messages_per_cpu_second', '1/s', received['received'] / cpu)
    report(ROLE, case, 'messages_per_packet', '1', received['received'] / packets)


def rate(size, profile=LAN):
    return lambda case, scale, folder: stream(case, scale, folder, size, 1, profile)


def workers(count, misdirect=False):
    return lambda case, scale, folder: stream(case, scale, folder, 100, 16, LAN, count, misdirect)


def latency(per_second):
    def measure(case, scale, folder):
        pair = Pair(folder)
        sent, _, cpu = pair.exchange(['--size', 100, '--associations', 16, '--traffic', 'echo'],
                                     ['--rate', per_second, '--ramp', f'{SECONDS[scale] / 4}s',
                                      '--duration', f'{SECONDS[scale]}s'], patience=100)
        pair.stop()
        for name in ('p50', 'p99', 'p99.9', 'max'):
            report(ROLE, case, name, 'us', sent['latency_us'][name])
        report(ROLE, case, 'round_trips_per_second', '1/s', sent['received_per_s'])
        report(ROLE, case, 'cpu_microseconds_per_round_trip', 'us', cpu * 1e6 / sent['received'])
    return measure


CASES = {'e2e/rate/100': rate(100), 'e2e/rate/1000': rate(1000),
         'e2e/rfc9260/100': rate(100, None),
         **{f'e2e/latency/{name}': latency(value) for name, value in RATES.items()},
         'workers/1': workers(1), 'workers/2': workers(2), 'workers/2-misdirect': workers(2, True)}


def missing():
    for path in ('dpdk_app/trunklined', 'tools/trunkload/trunkload'):
        if not (cases.BUILD / path).exists():
            return f'{path} is not built'
    return None


if __name__ == '__main__':
    sys.exit(places.run(__doc__, CASES, missing))
