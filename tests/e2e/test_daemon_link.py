#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the link does to a daemon: a gateway's address moves to another station, somebody only says
so, and a memif's server starts anew."""
import os
import pathlib
import signal
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import cases, netns
from lib.cases import until
from lib.daemon import Daemon, af_packet_port, memif_port

OLD = bytes.fromhex('0200000000aa')
NEW = bytes.fromhex('0200000000bb')
GATEWAY = bytes([10, 9, 0, 254])
US = bytes([10, 9, 0, 1])
EVERYBODY = b'\xff' * 6
RTO = 0.05
ATTEMPTS = 10
# What a worker that lost its core may be late by without counting it (worker.long_gaps).
UNCOUNTED = 0.01
SO_TIMESTAMPNS = 35


class Link:
    """The other end of the daemon's veth, with stations that answer ARP for the gateway or do not,
    and a record of what comes: (time, destination MAC, what). The kernel tells the times, as those of
    time.time(): whoever reads may be late."""

    def __init__(self, namespace):
        with namespace.inside():
            self._raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self._raw.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._raw.bind(('kernel0', 0))
        self._raw.settimeout(0.1)
        self.alive = {OLD}
        self.seen = []
        self._running = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        self._running = False
        self._thread.join()
        self._raw.close()

    def arp(self, operation, mac, to, target_mac, target):
        self._raw.send(to + mac + b'\x08\x06' + struct.pack('!HHBBH', 1, 0x0800, 6, 4, operation) +
                       mac + GATEWAY + target_mac + target)

    def announce(self, mac):
        """Gratuitous ARP: the gateway is there."""
        self.arp(1, mac, EVERYBODY, bytes(6), GATEWAY)

    def times(self, what, mac, since):
        return [when for when, to, kind in list(self.seen)
                if kind == what and to == mac and when >= since]

    def _run(self):
        while self._running:
            try:
                frame, ((_, _, stamp),), _, _ = self._raw.recvmsg(2048, socket.CMSG_SPACE(16))
            except TimeoutError:
                continue
            seconds, nanoseconds = struct.unpack('qq', stamp)
            now = seconds + nanoseconds / 1e9
            to, who, kind = frame[:6], frame[6:12], frame[12:14]
            if who in (OLD, NEW):
                continue  # our own
            if kind == b'\x08\x00' and frame[23] == 132:
                self.seen.append((now, to, 'sctp'))
            elif kind == b'\x08\x06' and frame[20:22] == b'\0\1' and frame[38:42] == GATEWAY:
                self.seen.append((now, to, 'question'))
                for mac in self.alive:
                    if to in (EVERYBODY, mac):
                        self.arp(2, mac, who, who, US)


def with_gateway(t):
    """A daemon whose application calls somebody behind the gateway, again and again."""
    namespace = netns.Namespace('gateway')
    namespace.ip('link', 'add', 'kernel0', 'type', 'veth', 'peer', 'name', 'daemon0')
    for device in ('kernel0', 'daemon0'):
        namespace.ip('link', 'set', device, 'up')
    link = Link(namespace)
    daemon = Daemon(
        namespace, t.folder,
        [af_packet_port('daemon0', ['10.9.0.1/24'], gateway_v4='10.9.0.254')],
        changes={'profiles': {'default': {'rto_initial': '50ms', 'rto_min': '50ms',
                                          'rto_max': '50ms', 'max_init_retransmits': 255}}})
    caller = namespace.start([cases.program('client/examples/book_client'), '198.51.100.1',
                              '--socket', daemon.clients], t.log('caller.log'))
    until(lambda: link.times('sctp', OLD, 0), 'an INIT to the gateway')
    return link, daemon, caller


def failover(link, daemon, new, old):
    """The gateway's address moves; seconds until packets go to the new station."""
    gaps = daemon.ask('counters')['worker.long_gaps']
    link.alive = {new}
    start = time.time()
    link.announce(new)
    announced = time.time()
    until(lambda: link.times('sctp', new, start), 'a packet to the new station')
    first = link.times('sctp', new, start)[0]
    asked = link.times('question', old, start)
    cases.check_equal(len(asked), 3, 'questions to the old one')
    spread = [b - a for a, b in zip(asked, asked[1:])]
    if daemon.ask('counters')['worker.long_gaps'] == gaps:
        assert all(0.1 - UNCOUNTED <= gap <= 0.13 for gap in spread), spread
    return first - announced, daemon.ask('counters')['worker.long_gaps'] != gaps


def case_gateway_fails_over_by_gratuitous_arp(t):
    """400 ms, and what passes until there is something to send."""
    link, daemon, caller = with_gateway(t)
    stations = [OLD, NEW]
    for attempt in range(1, ATTEMPTS + 1):
        took, stood_still = failover(link, daemon, stations[1], stations[0])
        print(f'  after {took * 1000:.0f} ms', flush=True)
        if took <= 0.4 + RTO + 0.02:
            break
        assert stood_still and attempt < ATTEMPTS, f'took {took:.3f} s'
        time.sleep(0.5)
        stations.reverse()
    seen = daemon.ask('counters')
    cases.check_equal(seen['net.neighbours_replaced'], attempt, 'neighbours replaced')
    cases.check_equal(seen['net.neighbour_claims_refuted'], 0, 'claims refuted')
    caller.send_signal(signal.SIGTERM)
    daemon.stop()
    link.stop()


def case_forged_gratuitous_arp_changes_nothing(t):
    """A hundred claims a second, in every form; the gateway is alive."""
    link, daemon, caller = with_gateway(t)
    start, sent = time.time(), 0
    while time.time() < start + 1:
        link.announce(NEW)
        link.arp(2, NEW, EVERYBODY, EVERYBODY, GATEWAY)
        link.arp(2, NEW, EVERYBODY, EVERYBODY, US)
        link.arp(1, NEW, EVERYBODY, bytes(6), US)
        sent += 4
        time.sleep(0.04)
    end = time.time()
    until(lambda: link.times('sctp', OLD, end), 'packets to the gateway')
    cases.check_equal(link.times('sctp', NEW, start), [], 'packets to the forger')
    asked = link.times('question', OLD, start)
    took = time.time() - start
    assert 1 <= len(asked) <= 15 * took, f'{len(asked)} questions in {took:.1f} s'
    seen = daemon.ask('counters')
    assert seen['net.neighbour_claims'] >= 0.8 * sent, (seen['net.neighbour_claims'], sent)
    assert seen['net.neighbour_claims_refuted'] >= 1, seen
    cases.check_equal(seen['net.neighbours_replaced'], 0, 'neighbours replaced')
    caller.send_signal(signal.SIGTERM)
    daemon.stop()
    link.stop()


def link_state(daemon):
    return daemon.ask('status')['ports'][0]['link']


def case_memif_server_starts_anew(t):
    """Its client calls when the server listens already but does not serve yet; that must cost a
    moment, not ten seconds."""
    namespace = netns.Namespace('anew')
    path = f'/tmp/trunkline-memif-{os.getpid()}-a.sock'

    def server(number):
        return Daemon(namespace, t.folder, [memif_port(path, 'server', ['10.8.0.1/24'])],
                      label=f'server{number}')

    client = Daemon(namespace, t.folder, [memif_port(path, 'client', ['10.8.0.2/24'])],
                    label='client')
    running = server(0)
    until(lambda: link_state(client) == 'up', 'link up')
    took = []
    for number in range(1, 9):
        (running.stop if number % 2 else running.kill)()
        until(lambda: link_state(client) == 'down', 'link down')
        running = server(number)
        ready = time.monotonic()
        until(lambda: link_state(client) == 'up' and link_state(running) == 'up', 'link up', 5)
        took.append(time.monotonic() - ready)
    print('  ms after it was ready: ' + ' '.join(f'{1000 * one:.0f}' for one in took), flush=True)
    client.stop()
    running.stop()


if __name__ == '__main__':
    cases.main(__doc__, [case_gateway_fails_over_by_gratuitous_arp,
                         case_forged_gratuitous_arp_changes_nothing,
                         case_memif_server_starts_anew],
               needs=netns.missing, timeout=90)
