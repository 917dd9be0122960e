#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The load generator between two daemons joined by memif: each kind of traffic, open loop and closed
loop, verified and not; limits that are met and missed; what it says about wrong options."""
import json
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import cases, netns
from lib.daemon import Daemon, memif_port
from lib.peers import Here

SERVER, CLIENT = '10.10.0.1', '10.10.0.2'
PROFILES = {'profiles': {'default': {'outbound_streams': 16}}}


class World:
    """Two daemons in a namespace of their own."""

    def __init__(self, t):
        namespace = netns.Namespace('load')
        wire = f'/tmp/trunkline-load-{os.getpid()}-{t.name}.memif'
        self.here = Here(namespace, t)
        self.daemons = [Daemon(namespace, t.folder, [memif_port(wire, role, [address + '/24'])],
                               PROFILES, role)
                        for role, address in (('server', SERVER), ('client', CLIENT))]
        for one in self.daemons:
            cases.until(lambda: one.ask('status')['ports'][0]['link'] == 'up', 'link up')

    def start(self, role, *words):
        """`role` is listen or connect; who listens does when this returns."""
        place = ['--listen', '--socket', self.daemons[0].clients] if role == 'listen' else \
            ['--connect', SERVER, '--socket', self.daemons[1].clients]
        says = '"listening"' if '--json' in words else 'listening on port'
        quiet = [] if role == 'listen' and '--json' not in words else ['--quiet']
        job = self.here.start([cases.program('tools/trunkload/trunkload'), *place, *quiet,
                               '--patience', 30, *words])
        if role == 'listen':
            job.expect(says)
        return job

    def run(self, common, listen=(), connect=(), status=(0, 0)):
        """Both sides to their ends; what they reported: of the listening and the connecting one."""
        server = self.start('listen', '--json', *common, *listen)
        client = self.start('connect', '--json', *common, *connect)
        reports = []
        for job, wanted in zip((client, server), reversed(status)):
            cases.check_equal(job.wait(40), wanted, f'status; {job.lines[-1][:300]}')
            reports.append(json.loads(job.lines[-1])['final'])
        return reports[1], reports[0]

    def stop(self):
        for one in reversed(self.daemons):
            one.stop()


def check_sound(*reports):
    for report in reports:
        assert report['ok'], report['limits']
        for wrong in ('lost', 'corrupted', 'duplicated', 'misordered', 'associations_lost'):
            cases.check_equal(report[wrong], 0, wrong)


def case_one_way(t):
    """As fast as it goes, and with a window; ordered and not; either side sends."""
    world = World(t)
    for words in ([], ['--window', 16], ['--unordered', '--streams', 3], ['--reverse'],
                  ['--size', 9000, '--window', 4]):
        common = ['--associations', 3, *words]
        count = ['--count', 6001]
        reverse = '--reverse' in words
        server, client = world.run(common, count if reverse else (), () if reverse else count)
        check_sound(server, client)
        sender, receiver = (server, client) if reverse else (client, server)
        cases.check_equal((sender['sent'], receiver['received']), (6001, 6001), f'{words}')
        cases.check_equal(receiver['latency_us']['count'], 6001, f'measured, {words}')
        cases.check_equal(receiver['latency_us']['kind'], 'one-way', 'what was measured')
    world.stop()


def case_both_ways_verified(t):
    """Sizes of a protocol; more on one side than on the other."""
    world = World(t)
    server, client = world.run(['--traffic', 'both', '--associations', 5, '--streams', 7, '--verify',
                                '--size', 's1ap-attach'],
                               ['--count', 3000], ['--count', 8000])
    check_sound(server, client)
    cases.check_equal((server['received'], client['received']), (8000, 3000), 'received')
    assert 44 * 8000 < server['received_bytes'] < 180 * 8000, server['received_bytes']
    world.stop()


def case_echo_open_loop(t):
    """A rate and a ramp; round trips from when a message was due; the report's file."""
    world = World(t)
    path = t.log('report.json')
    server, client = world.run(['--traffic', 'echo', '--associations', 4, '--size', 'diameter'],
                               connect=['--rate', 2000, '--ramp', '500ms', '--duration', '1s',
                                        '--report', path])
    check_sound(server, client)
    assert 2490 <= client['sent'] + client['unsent'] <= 2510, client['sent']
    cases.check_equal(client['received'], client['sent'], 'answers')
    cases.check_equal(client['latency_us']['kind'], 'round-trip', 'what was measured')
    assert 1990 <= client['latency_us']['count'] + client['unsent'] <= 2010, client['latency_us']
    written = json.loads(path.read_text(encoding='utf-8'))
    assert all(written[key] == client[key] for key in ('sent', 'received', 'latency', 'limits'))
    mean = server['sent_bytes'] / server['sent']  # AIA and ULA, whatever was asked
    assert 404 < mean < 828, mean
    world.stop()


def case_many_associations(t):
    world = World(t)
    server, client = world.run(['--associations', 600, '--traffic', 'both', '--window', 1],
                               ['--count', 6000], ['--count', 6000])
    check_sound(server, client)
    cases.check_equal((server['received'], client['received']), (6000, 6000), 'received')
    world.stop()


def case_limits(t):
    """A limit that cannot be met makes the exit status 1, and is named."""
    world = World(t)
    server, client = world.run(['--traffic', 'echo'],
                               connect=['--count', 500, '--max-p99', '1us', '--min-rate', 1,
                                        '--max-lost', 0], status=(0, 1))
    check_sound(server)
    missed = [one['name'] for one in client['limits'] if not one['met']]
    cases.check_equal((client['ok'], missed), (False, ['max-p99']), 'ok, limits missed')
    # The same for people.
    server = world.start('listen', '--traffic', 'echo')
    client = world.start('connect', '--traffic', 'echo', '--count', 500, '--max-p99', '1us')
    cases.check_equal((client.wait(40), server.wait(40)), (1, 0), 'status')
    said = '\n'.join(client.lines)
    assert 'trunkload: limit missed: --max-p99 1 us, and it was' in said, said
    assert 'round trip' in said and '500 messages' in said, said
    world.stop()


def case_interrupted(t):
    """SIGINT ends a run early and in order."""
    world = World(t)
    server = world.start('listen', '--json', '--verify')
    client = world.start('connect', '--json', '--verify', '--duration', '1000s', '--rate', 1000)
    cases.until(lambda: any('"begun"' in line for line in client.lines), 'the beginning')
    client.send_signal(signal.SIGINT)
    cases.check_equal((client.wait(20), server.wait(20)), (0, 0), 'status')
    check_sound(*(json.loads(job.lines[-1])['final'] for job in (client, server)))
    world.stop()


def case_wrong_options(t):
    """Exit status 2, and one line that says what would be right."""
    program = cases.program('tools/trunkload/trunkload')
    here = Here(netns.Namespace('alone'), t)
    for words, right in ((['--listen', '--port', 70000], 'from 1 to 65535'),
                         (['--connect', 'localhost'], '192.0.2.1'),
                         (['--listen', '--size', 'tiny'], 'm3ua-isup'),
                         (['--listen', '--rte', 5], 'trunkload --help'),
                         ([], '--listen, or --connect ADDRESS')):
        job = here.start([program, *words])
        cases.check_equal(job.wait(10), 2, f'status of {words}')
        cases.check_equal(len(job.lines), 1, f'lines: {job.lines}')
        assert right in job.lines[0], job.lines
    job = here.start([program, '--help'])
    cases.check_equal(job.wait(10), 0, 'status of --help')
    assert any('--max-p99' in line for line in job.lines), job.lines


def case_could_not_run(t):
    """Exit status 3: no daemon; nobody who listens."""
    program = cases.program('tools/trunkload/trunkload')
    world = World(t)
    job = world.here.start([program, '--listen', '--socket', '/tmp/no-such-trunkline.sock'])
    cases.check_equal(job.wait(10), 3, 'status without a daemon')
    assert '/tmp/no-such-trunkline.sock' in job.lines[0], job.lines
    job = world.start('connect', '--port', 9)
    cases.check_equal(job.wait(30), 3, 'status without a listener')
    assert any('refused' in line for line in job.lines), job.lines
    world.stop()


def case_local_addresses(t):
    """One port for two programs of one daemon, on loopback and on its port's address; each is found at
    its own, and a third that wants all is refused."""
    world = World(t)
    server, client = world.daemons
    base = [cases.program('tools/trunkload/trunkload'), '--quiet', '--json', '--patience', 30]

    def listen(*local):
        return world.here.start([*base, '--listen', '--socket', server.clients, *local])
    outside = listen('--local', SERVER)
    outside.expect('"listening"')
    inside = listen('--local', '127.0.0.1', '--local', '::1')
    inside.expect('"listening"')
    refused = listen()
    assert refused.wait(20) != 0 and any('taken' in line for line in refused.lines), \
        refused.lines
    foreign = listen('--local', CLIENT)
    assert foreign.wait(20) != 0 and any('local address' in line for line in foreign.lines), \
        foreign.lines
    for daemon, place, job, count in ((client, SERVER, outside, 300), (server, '::1', inside, 500)):
        job_in = world.here.start([*base, '--connect', place, '--socket', daemon.clients,
                                   '--count', count])
        for one in (job_in, job):
            cases.check_equal(one.wait(40), 0, f'status; {one.lines[-1][:300]}')
        report = json.loads(job.lines[-1])['final']
        check_sound(report)
        cases.check_equal(report['received'], count, f'received at {place}')
    world.stop()


if __name__ == '__main__':
    cases.main(__doc__, [case_one_way, case_both_ways_verified, case_echo_open_loop,
                         case_many_associations, case_limits, case_interrupted, case_wrong_options,
                         case_could_not_run, case_local_addresses], needs=netns.missing, timeout=120)
