#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Who dies takes only what is its own: a killed application its associations, a killed daemon its
applications' associations. Whoever is left is told clearly and lives on. Two daemons joined by
memif; pairs of trunkload, which judge every message."""
import json
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import cases, netns
from lib.cases import until
from lib.daemon import Daemon, memif_port
from lib.peers import Here

SERVER, CLIENT = '10.10.0.1', '10.10.0.2'
ASSOCIATIONS = 4
ENDLESS = 400_000_000  # messages; more than any case waits for
# A lost peer is noticed in about a second.
SHORT = {'profiles': {'default': {'rto_initial': '100ms', 'rto_min': '100ms', 'rto_max': '200ms',
                                  'association_max_retrans': 4, 'path_max_retrans': 2,
                                  'heartbeat_interval': '200ms'}}}


class World:
    """Two daemons in a namespace of their own, and applications on them."""

    def __init__(self, t, changes=None):
        self.namespace = netns.Namespace('deaths')
        self.here = Here(self.namespace, t)
        self.t = t
        self.changes = {**SHORT, **(changes or {})}
        self.wire = f'/tmp/trunkline-deaths-{os.getpid()}-{t.name}.memif'
        self.server = self._daemon('server', SERVER)
        self.client = self._daemon('client', CLIENT)
        self.wait_link()

    def _daemon(self, role, address, label=None):
        return Daemon(self.namespace, self.t.folder,
                      [memif_port(self.wire, role, [address + '/24'])], self.changes,
                      label or role)

    def restart_client(self):
        self.client = self._daemon('client', CLIENT, 'client-again')
        self.wait_link()

    def wait_link(self):
        for daemon in (self.server, self.client):
            until(lambda: daemon.ask('status')['ports'][0]['link'] == 'up', 'link up')

    def pair(self, port, messages, *words):
        """A listening and a connecting application, both at work."""
        common = ['--port', port, '--associations', ASSOCIATIONS, '--streams', 8, '--traffic',
                  'both', '--count', messages, '--verify', '--json', '--quiet', '--live', '50ms',
                  '--patience', 30, *words]
        program = cases.program('tools/trunkload/trunkload')
        server = self.here.start([program, '--listen', '--socket', self.server.clients, *common])
        server.expect('"listening"')
        client = self.here.start([program, '--connect', SERVER, '--socket', self.client.clients,
                                  *common])
        return App(server), App(client)

    def stop(self):
        self.client.stop()
        self.server.stop()


class App:
    """A running trunkload and what it says."""

    def __init__(self, process):
        self.process = process

    def received(self):
        live = [line for line in self.process.lines if line.startswith('{"live"')]
        return json.loads(live[-1])['live']['received'] if live else 0

    def at_work(self):
        """Waits until more messages arrive than had before."""
        had = self.received()
        until(lambda: self.received() > had + 1000 or not self.process.alive(), 'messages')
        assert self.process.alive(), self.process.lines[-3:]

    def end(self, status, timeout=20):
        """Its report, after it has ended with that status."""
        cases.check_equal(self.process.wait(timeout), status, f'status; {self.said()}')
        return json.loads(self.process.lines[-1])['final']

    def said(self):
        return [line for line in self.process.lines if not line.startswith('{')]


def check_whole(report):
    """What did arrive is whole, in order, and came once."""
    for wrong in ('corrupted', 'duplicated', 'misordered'):
        cases.check_equal(report[wrong], 0, wrong)


def check_said(app, told):
    """Each association's end is on a line of its own, in whatever order."""
    cases.check_equal(sorted(app.said()), [f'trunkload: association {i}: {told}'
                                           for i in range(ASSOCIATIONS)], 'what it said')


def associations(daemon):
    return daemon.ask('assoc', 'list')['associations']


def killed_client(t, on_death, told):
    """One of two applications of a daemon is killed; the other pair finishes its work."""
    world = World(t, {'clients': {'on_death': on_death}})
    first_server, first_client = world.pair(5000, ENDLESS)
    # Slow enough to be still at work when the others are gone.
    second_server, second_client = world.pair(5001, 300_000, '--window', 8)
    for app in (first_client, first_server, second_client, second_server):
        app.at_work()
    first_client.process.send_signal(signal.SIGKILL)
    report = first_server.end(1)
    assert second_client.process.alive(), 'the second pair was done too soon to prove anything'
    cases.check_equal(report['associations_lost'], ASSOCIATIONS, 'associations that were lost')
    check_said(first_server, told)
    check_whole(report)
    for daemon in (world.server, world.client):
        ports = {one['local_port'] for one in associations(daemon)} | \
            {one['peer_port'] for one in associations(daemon)}
        assert 5000 not in ports and daemon.alive(), ports
    for app in (second_client, second_server):
        report = app.end(0, timeout=80)  # 300,000 messages on a busy machine
        cases.check_equal(report['received'], report['sent'], 'messages of the second pair')
    # A client is gone when each worker has let go of it.
    until(lambda: not world.client.ask('status')['clients'], 'the end of all clients')
    world.stop()


def case_killed_client_is_aborted(t):
    killed_client(t, 'abort', 'LOST, reset by the peer (cause 12: user-initiated abort)')


def case_killed_client_is_shut_down(t):
    killed_client(t, 'shutdown', 'shut down before its work was done')


def case_killed_server_application(t):
    """The same from the accepting side; its port is free again for the next one."""
    world = World(t)
    server, client = world.pair(5000, ENDLESS)
    client.at_work()
    server.process.send_signal(signal.SIGKILL)
    report = client.end(1)
    cases.check_equal(report['associations_lost'], ASSOCIATIONS, 'associations that were lost')
    check_whole(report)
    for app in reversed(world.pair(5000, 20_000)):
        app.end(0)
    world.stop()


def case_killed_daemon(t):
    """Its application gets one clear error; the other daemon reports the associations lost, and
    both go on when it is back."""
    world = World(t)
    server, client = world.pair(5000, ENDLESS)
    client.at_work()
    world.client.kill()
    report = client.end(3, timeout=5)
    cases.check_equal(client.said(),
                      ['trunkload: daemon: it is gone, and all associations with it'],
                      'what its application said')
    check_whole(report)
    report = server.end(1)
    cases.check_equal(report['associations_lost'], ASSOCIATIONS, 'associations that were lost')
    check_said(server, 'LOST, timed out')
    check_whole(report)
    cases.check_equal(associations(world.server), [], 'associations left')
    world.restart_client()
    for app in reversed(world.pair(5000, 20_000)):
        app.end(0)
    world.stop()


def case_stopped_daemon(t):
    """SIGTERM under load: associations are shut down, not lost; the applications are told."""
    world = World(t)
    server, client = world.pair(5000, ENDLESS)
    client.at_work()
    world.client.stop()
    report = server.end(1)
    check_said(server, 'shut down before its work was done')
    check_whole(report)
    check_whole(client.end(1))
    told = 'trunkload: the daemon ends; associations are shut down in 1000 ms'
    assert told in client.said(), client.said()
    world.server.stop()


def case_no_daemon(t):
    """An application without a daemon says what is missing."""
    here = Here(netns.Namespace('alone'), t)
    app = App(here.start([cases.program('tools/trunkload/trunkload'), '--listen', '--json',
                          '--socket', '/tmp/no-such-trunkline.sock']))
    app.end(3)
    cases.check_equal(len(app.said()), 1, f'lines: {app.said()}')
    assert '/tmp/no-such-trunkline.sock' in app.said()[0], app.said()


if __name__ == '__main__':
    cases.main(__doc__, [case_killed_client_is_aborted, case_killed_client_is_shut_down,
                         case_killed_server_application, case_killed_daemon, case_stopped_daemon,
                         case_no_daemon], needs=netns.missing, timeout=120)
