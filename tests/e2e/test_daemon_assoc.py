#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Associations between daemons: over memif, through a router, over the second of two ports, within
one daemon. What trunkctl shows of them, what the captures say, and how SIGTERM ends them."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import cases, netns
from lib.capture_check import check
from lib.cases import until
from lib.daemon import Daemon, af_packet_port, memif_port
from lib.peers import SIZE_LIST, Here, Peer

A = ['10.8.0.1/24', 'fd00:8::1/64']
B = ['10.8.0.2/24', 'fd00:8::2/64']


def ask(daemon, *words):
    return json.loads(daemon.ctl(*words, '--json'))


def wait_links(*daemons):
    for daemon in daemons:
        until(lambda: all(port['link'] == 'up' for port in ask(daemon, 'status')['ports']), 'link')


def wire(t, name):
    return f'/tmp/trunkline-{t.name[:24]}-{os.getpid()}-{name}.memif'


def pair(t, changes=None):
    """Two daemons joined by a memif."""
    namespace = netns.Namespace('pair')
    path = wire(t, 'a')
    a = Daemon(namespace, t.folder, [memif_port(path, 'server', A)], changes, label='a')
    b = Daemon(namespace, t.folder, [memif_port(path, 'client', B)], changes, label='b')
    wait_links(a, b)
    return Here(namespace, t), a, b


def listen(here, daemon, *words):
    return Peer(here, 'trunkpeer', '--listen', '--attach', daemon.clients, *words)


def connect(here, daemon, address, *words):
    return Peer(here, 'trunkpeer', '--connect', address, '--attach', daemon.clients, *words)


def exchange_over(t, address):
    here, a, b = pair(t)
    captures = [a.capture(t.log('a.pcapng')), b.capture(t.log('b.pcapng'))]
    words = ['--sizes', SIZE_LIST, '--count', 200]
    server = listen(here, a, *words)
    client = connect(here, b, address, *words)
    client.finish()
    server.finish()
    for capture in captures:
        counts = check(capture.stop())
        assert counts['INIT'] == 1 and counts['COOKIE_ECHO'] == 1 and counts['DATA'] > 200, counts
        assert counts['SHUTDOWN_COMPLETE'] == 1 and counts['ABORT'] == 0, counts
    for daemon in (a, b):
        bad = {name: value for name, value in ask(daemon, 'counters', '--nonzero').items()
               if '.drop_' in name}
        cases.check_equal(bad, {}, 'drops in a run without loss')
        daemon.stop()


def case_memif_ipv4(t):
    exchange_over(t, '10.8.0.1')


def case_memif_ipv6(t):
    exchange_over(t, 'fd00:8::1')


def case_fewer_queues_than_workers(t):
    """One queue for three workers: those without it own associations too, receive by hand-over and
    send through the worker that has it."""
    namespace = netns.Namespace('pair')
    path = wire(t, 'a')
    changes = {'workers': {'count': 3, 'misdirect': False}}
    a = Daemon(namespace, t.folder, [memif_port(path, 'server', A, queues=1)], changes, label='a')
    b = Daemon(namespace, t.folder, [memif_port(path, 'client', B, queues=1)], changes, label='b')
    wait_links(a, b)
    here = Here(namespace, t)
    # A client of its own for each association: its lane's connects begin with any worker.
    for number in range(30):
        words = ['--count', '20', '--port', str(5000 + number)]
        server = listen(here, a, *words)
        client = connect(here, b, '10.8.0.1', *words)
        client.finish()
        server.finish()
    for daemon, opened in ((a, 'stack.passive_estabs'), (b, 'stack.active_estabs')):
        seen = ask(daemon, 'counters')
        others = [ask(daemon, 'counters', '--worker', str(n)) for n in (1, 2)]
        # How the associations spread, and how many messages share a packet, is chance: each way,
        # one takes at least a packet of its set-up, of its messages and of its end.
        least = 3 * sum(one[opened] for one in others)
        assert seen['worker.handed_over_in'] >= least, (least, seen)
        assert seen['worker.frames_handed_over'] >= least, (least, seen)
        cases.check_equal({name: value for name, value in seen.items()
                           if value and name.startswith('worker.drop_')}, {}, 'drops')
        cases.check_equal([one['port.port0.rx_packets'] for one in others], [0, 0],
                          'packets that came to workers without a queue')
        assert all(one[opened] > 0 for one in others), others
        table = daemon.ctl('status')
        assert 'HANDED IN' in table, table
        daemon.stop()


def case_trunkctl_counts_what_was_given_up(t):
    """A reader that stands still: lifetimes end in the sender's queue."""
    here, a, b = pair(t, {'profiles': {'default': {'a_rwnd': '16KiB', 'max_message_size': '8KiB'}}})
    server = listen(here, a, '--sizes', '3000', '--count', '0', '--mode', 'sink', '--allow-gaps',
                    '--pause-after', '1', '--pause', '1500')
    client = connect(here, b, '10.8.0.1', '--sizes', '3000', '--count', '40', '--mode', 'source',
                     '--window', '40', '--lifetime', '300', '--end-delay', '3000')
    ids = until(lambda: [row['id'] for row in ask(b, 'assoc', 'list')['associations']
                         if row['messages_sent'] == 40], 'forty messages')
    cases.check_equal(ask(a, 'assoc', 'list')['associations'][0].get('abandoned'), None,
                      'of a row of the list')

    def given_up():
        shown = ask(b, 'assoc', 'show', ids[0])['association']
        cases.check_equal(shown['partial_reliability'], True, 'what was agreed on')
        assert set(shown['abandoned']) <= {'lifetime'}, shown
        counts = shown['abandoned'].get('lifetime', {})
        done = shown['queued_bytes'] == shown['outstanding_bytes'] == 0
        return counts if done and counts else None

    counts = until(given_up, 'messages that were given up, and nothing else under way')
    assert counts['unsent'] > 0, counts
    text = b.ctl('assoc', 'show', ids[0])
    assert '"lifetime"' in text, text
    report = client.finish()
    got = server.finish()
    cases.check_equal(counts['unsent'] + counts['sent'], report['send_failures'], 'given up')
    assert got['received'] + report['send_failures'] >= 40, (got, report)
    a.stop()
    b.stop()


def case_trunkctl_shows_associations(t):
    here, a, b = pair(t)
    ports = ('4444', '4445')
    servers = [listen(here, a, '--port', port, '--count', 50) for port in ports]
    clients = [connect(here, b, '10.8.0.1', '--port', port, '--count', '50', '--end-delay', '4000')
               for port in ports]
    rows = until(lambda: (lambda found: len(found) == 2 and all(
        row['messages_received'] == 50 for row in found) and found)(
            ask(a, 'assoc', 'list')['associations']), 'messages of two associations')
    cases.check_equal([row['state'] for row in rows], ['ESTABLISHED'] * 2, 'states')
    cases.check_equal([row['inbound_streams'] for row in rows], [10, 10], 'streams')
    path = rows[0]['paths'][0]
    cases.check_equal((path['local'], path['remote'], path['primary']),
                      ('10.8.0.1', '10.8.0.2', True), 'path')
    shown = ask(a, 'assoc', 'show', rows[0]['id'])['association']
    other = [row for row in ask(b, 'assoc', 'list')['associations']
             if row['local_port'] == rows[0]['peer_port']][0]
    there = ask(b, 'assoc', 'show', other['id'])['association']
    cases.check_equal((shown['local_tag'], shown['peer_tag']),
                      (there['peer_tag'], there['local_tag']), 'tags of both sides')
    # People get tables with the same content.
    table = a.ctl('assoc', 'list')
    assert rows[0]['id'] in table and '10.8.0.2:' in table and 'ESTABLISHED' in table, table
    text = a.ctl('assoc', 'show', rows[0]['id'])
    assert shown['local_tag'] in text and 'ACTIVE' in text, text
    status = ask(a, 'status')
    cases.check_equal(status['associations'], 2, 'associations in the status')
    cases.check_equal(len(status['clients']), 2, 'clients')
    # A capture of one association holds nothing of the other one.
    capture = a.capture(t.log('one.pcapng'), '--assoc', rows[0]['id'])
    for peer in clients + servers:
        peer.finish()
    path = capture.stop()
    check(path)
    seen_ports = subprocess.run(['tshark', '-n', '-r', str(path), '-T', 'fields', '-e', 'sctp.srcport',
                            '-e', 'sctp.dstport'], capture_output=True, text=True, check=True,
                           timeout=60).stdout.split()
    cases.check_equal(set(seen_ports), {str(shown['local_port']), str(shown['peer_port'])},
                      'ports in the capture of one association')
    cases.check_equal(ask(a, 'assoc', 'list')['associations'], [], 'associations afterwards')
    seen = ask(a, 'counters')
    cases.check_equal((seen['stack.passive_estabs'], seen['stack.shutdowns'],
                       seen['stack.curr_estab']), (2, 2, 0), 'RFC 3873 counters')
    a.stop()
    b.stop()


def meet_within(here, daemon, *addresses):
    """Two applications of one daemon at each of the addresses: every packet loops. The counters."""
    for address in addresses:
        words = ['--sizes', SIZE_LIST, '--count', 100]
        server = listen(here, daemon, *words)
        client = connect(here, daemon, address, *words)
        client.finish()
        server.finish()
    seen = ask(daemon, 'counters')
    cases.check_equal(seen['net.out_sctp'], seen['net.out_looped'], 'packets')
    return seen


def case_within_one_daemon(t):
    """Two applications on one daemon: the packets loop inside, no port sees them."""
    namespace = netns.Namespace('alone')
    daemon = Daemon(namespace, t.folder, [{'name': 'port0', 'device': 'net_null0,no-rx=1',
                                           'addresses': A}])
    wait_links(daemon)
    here = Here(namespace, t)
    seen = meet_within(here, daemon, '10.8.0.1', 'fd00:8::1')
    assert seen['net.out_looped'] > 40, seen['net.out_looped']
    daemon.stop()


def case_loopback(t):
    """Two applications on a daemon whose only port has no link: they meet at 127.0.0.1, at any other of
    127.0.0.0/8 and at ::1, which nobody configured, and nothing goes to the port."""
    namespace = netns.Namespace('alone')
    daemon = Daemon(namespace, t.folder, [memif_port(wire(t, 'nobody'), 'server', A)])
    here = Here(namespace, t)
    seen = meet_within(here, daemon, '127.0.0.1', '127.0.0.5', '::1')
    assert seen['net.out_looped'] > 60, seen['net.out_looped']
    cases.check_equal(seen['port.port0.tx_packets'], 0, 'packets of the port')
    cases.check_equal(ask(daemon, 'status')['ports'][0]['link'], 'down', 'link')
    drops = {name: value for name, value in seen.items() if value and '.drop_' in name}
    cases.check_equal(drops, {}, 'drops')
    daemon.stop()


def lanes_over_workers(t, misdirect):
    """A lane for each worker at both ends: each has the associations of its own worker only."""
    here, a, b = pair(t, {'workers': {'count': 2, 'misdirect': misdirect}})
    server = Peer(here, 'lanes_peer', '--listen', a.clients, 2, 40)
    client = Peer(here, 'lanes_peer', '--connect', b.clients, 2, 40, '10.8.0.1')
    client.finish(lanes=[20, 20], foreign=0)
    report = server.finish(foreign=0)
    # Owners are drawn at random: that all 40 are on one side happens once in 2^39 runs.
    assert min(report['lanes']) > 0 and sum(report['lanes']) == 40, report
    for daemon in (a, b):
        daemon.stop()


def case_a_lane_for_each_worker(t):
    lanes_over_workers(t, False)


def case_a_lane_for_each_worker_misdirected(t):
    lanes_over_workers(t, True)


def case_second_port(t):
    """Two cables: an association of the second port's addresses uses the second cable only."""
    namespace = netns.Namespace('two')
    left, right = wire(t, 'l'), wire(t, 'r')
    a = Daemon(namespace, t.folder,
               [memif_port(left, 'server', ['10.8.0.1/24'], name='left'),
                memif_port(right, 'server', ['10.7.0.1/24'], name='right')],
               {'endpoints': [{'port': 4444, 'addresses': ['10.7.0.1']}]}, label='a')
    b = Daemon(namespace, t.folder,
               [memif_port(left, 'client', ['10.8.0.2/24'], name='left'),
                memif_port(right, 'client', ['10.7.0.2/24'], name='right')],
               {'endpoints': [{'port': 5555, 'addresses': ['10.7.0.2']}]}, label='b')
    wait_links(a, b)
    here = Here(namespace, t)
    before = ask(b, 'counters')
    server = listen(here, a, '--count', 300)
    client = connect(here, b, '10.7.0.1', '--local-port', '5555', '--count', 300)
    client.finish()
    server.finish()
    after = ask(b, 'counters')
    sent = {name: after[f'port.{name}.tx_packets'] - before[f'port.{name}.tx_packets']
            for name in ('left', 'right')}
    assert sent['left'] <= 1 and sent['right'] > 20, sent  # one: a heartbeat or an announcement
    a.stop()
    b.stop()


def case_through_a_router(t):
    """Two subnets and a Linux router between them: gateways, neighbours, both families."""
    west, router, east = (netns.Namespace(name) for name in ('west', 'router', 'east'))
    netns.veth(west, router, (), ['10.1.0.254/24', 'fd00:1::fe/64'], ('d0', 'r0'))
    netns.veth(east, router, (), ['10.2.0.254/24', 'fd00:2::fe/64'], ('d0', 'r1'))
    router.sysctl('net/ipv4/ip_forward', '1')
    router.sysctl('net/ipv6/conf/all/forwarding', '1')
    a = Daemon(west, t.folder, [af_packet_port('d0', ['10.1.0.1/24', 'fd00:1::1/64'],
                                               gateway_v4='10.1.0.254', gateway_v6='fd00:1::fe')],
               label='west')
    b = Daemon(east, t.folder, [af_packet_port('d0', ['10.2.0.1/24', 'fd00:2::1/64'],
                                               gateway_v4='10.2.0.254', gateway_v6='fd00:2::fe')],
               label='east')
    wait_links(a, b)
    for address in ('10.1.0.1', 'fd00:1::1'):
        words = ['--sizes', '1,300,1400,5000', '--count', 50]
        server = listen(Here(west, t), a, *words)
        client = connect(Here(east, t), b, address, *words)
        client.finish()
        server.finish()
    a.stop()
    b.stop()


def case_sigterm_shuts_down(t):
    """The daemon closes its associations in order, its peer sees SHUTDOWN, applications hear."""
    here, a, b = pair(t)
    capture = b.capture(t.log('b.pcapng'))
    ports = ('4444', '4445', '4446')
    servers = [listen(here, a, '--port', port) for port in ports]
    clients = [connect(here, b, '10.8.0.1', '--port', port, '--count', '20', '--end', 'wait')
               for port in ports]
    until(lambda: [row['messages_received'] for row in ask(b, 'assoc', 'list')['associations']] ==
          [20, 20, 20], 'three associations')
    a.stop()
    for client in clients:
        _, report = client.wait()
        cases.check_equal(report.get('end'), 'shutdown', f'what the far application saw: {report}')
    for server in servers:
        server.wait()
    until(lambda: not ask(b, 'assoc', 'list')['associations'], 'the end of all associations')
    counts = check(capture.stop())
    cases.check_equal((counts['SHUTDOWN'], counts['SHUTDOWN_COMPLETE'], counts['ABORT']),
                      (3, 3, 0), 'chunks')
    b.stop()


def frozen_pair(t, drain_timeout):
    """A pair with one association whose far daemon is frozen."""
    here, a, b = pair(t, {'drain_timeout': drain_timeout})
    listen(here, a, '--timeout', '60')
    connect(here, b, '10.8.0.1', '--count', '20', '--end', 'wait', '--timeout', '60')
    until(lambda: any(r['messages_received'] == 20
                      for r in ask(a, 'assoc', 'list')['associations']), 'an association')
    b.freeze()
    return a, b


def case_second_signal_ends_at_once(t):
    a, b = frozen_pair(t, '10min')
    capture = a.capture(t.log('a.pcapng'))
    a.process.send_signal(signal.SIGTERM)
    a.process.expect('ending')
    time.sleep(0.5)
    cases.check_equal(ask(a, 'status')['state'], 'draining', 'state while it drains')
    a.stop()  # the second one; status 0, nothing left behind
    counts = check(capture.stop(), allow_sequence=True)
    cases.check_equal(counts['ABORT'], 1, 'ABORTs')
    b.kill()


def case_drain_is_bounded(t):
    a, b = frozen_pair(t, '1s')
    capture = a.capture(t.log('a.pcapng'))
    started = time.monotonic()
    a.stop()
    assert time.monotonic() - started > 0.9
    counts = check(capture.stop(), allow_sequence=True)
    cases.check_equal(counts['ABORT'], 1, 'ABORTs')
    b.kill()


def case_killed_under_traffic(t):
    """A daemon dies by SIGKILL in full traffic, ten times, while the other's worker is in its
    shared memory: the other one must survive each time."""
    here, a, b = pair(t)
    for number in range(10):
        server = listen(here, a, '--associations', '4', '--timeout', '60')
        client = connect(here, b, '10.8.0.1', '--associations', '4', '--count', '10000000',
                         '--window', '256', '--timeout', '60')
        until(lambda: any(r['messages_received'] > 2000
                          for r in ask(a, 'assoc', 'list')['associations']), 'traffic')
        b.kill()
        client.wait()
        server.send_signal(signal.SIGTERM)
        server.wait()
        assert a.alive(), f'round {number}'
        b = Daemon(here._namespace, t.folder, [memif_port(wire(t, 'a'), 'client', B)],
                   label=f'b{number}')
        wait_links(a, b)
    a.stop()
    b.stop()


if __name__ == '__main__':
    cases.main(__doc__, [case_memif_ipv4, case_memif_ipv6, case_fewer_queues_than_workers,
                         case_trunkctl_shows_associations, case_trunkctl_counts_what_was_given_up,
                         case_within_one_daemon, case_loopback, case_a_lane_for_each_worker,
                         case_a_lane_for_each_worker_misdirected, case_second_port,
                         case_through_a_router,
                         case_sigterm_shuts_down, case_second_signal_ends_at_once,
                         case_drain_is_bounded, case_killed_under_traffic],
               needs=netns.missing, timeout=120)
