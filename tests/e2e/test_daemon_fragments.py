#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""SCTP packets in IP fragments, made by hand and sent on a veth: an INIT in pieces is answered, one
whose pieces overlap is not, and each is counted. IPv6 only: the driver's packet sockets let the
kernel put fragments of IPv4 together, which then come whole."""
import json
import pathlib
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import cases, netns
from lib.cases import until
from lib.daemon import Daemon, af_packet_port
from lib.peers import Here, Peer

KERNEL = 'fd00:9::2'
OURS = 'fd00:9::1'
PORT = 2905
SCTP = 132


def on_veth(t):
    """A daemon on one end of a veth with an application that listens, and a raw socket on the
    other end, whose kernel answers neighbour discovery."""
    namespace = netns.Namespace('fragments')
    namespace.ip('link', 'add', 'kernel0', 'type', 'veth', 'peer', 'name', 'daemon0')
    namespace.ip('addr', 'add', f'{KERNEL}/64', 'dev', 'kernel0', 'nodad')
    namespace.ip('link', 'set', 'kernel0', 'up')
    namespace.ip('link', 'set', 'daemon0', 'up')
    t.quiet = namespace.quiet_sctp()
    daemon = Daemon(namespace, t.folder, [af_packet_port('daemon0', [f'{OURS}/64'])])
    until(lambda: json.loads(daemon.ctl('status', '--json'))['ports'][0]['link'] == 'up', 'link')
    Peer(Here(namespace, t), 'trunkpeer', '--listen', '--port', PORT, '--attach', daemon.clients)
    assert namespace.ping(OURS)
    with namespace.inside():
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86dd))
        raw.bind(('kernel0', 0x86dd))
    raw.settimeout(0.2)
    macs = [bytes.fromhex(namespace.mac(name).replace(':', '')) for name in ('daemon0', 'kernel0')]
    return daemon, raw, b''.join(macs) + b'\x86\xdd'


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return struct.pack('<I', crc ^ 0xffffffff)


def init(source_port):
    """An INIT that a PAD parameter (RFC 4820) makes longer than one fragment."""
    pad = struct.pack('!HH', 0x8005, 204) + bytes(200)
    chunk = struct.pack('!BBHIIHHI', 1, 0, 20 + len(pad), 0x01020304, 100000, 10, 10, 1) + pad
    head = struct.pack('!HHI', source_port, PORT, 0)
    return head + crc32c(head + bytes(4) + chunk) + chunk


def fragment(ethernet, packet, identification, start, end):
    more = 1 if end < len(packet) else 0
    body = struct.pack('!BBHI', SCTP, 0, start | more, identification) + packet[start:end]
    return ethernet + struct.pack('!IHBB', 6 << 28, len(body), 44, 64) + \
        socket.inet_pton(socket.AF_INET6, KERNEL) + socket.inet_pton(socket.AF_INET6, OURS) + body


def answers(raw, source_port, seconds):
    """The chunk types of what the daemon sends to that port."""
    found = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            frame = raw.recv(2048)
        except socket.timeout:
            continue
        if frame[20] == SCTP and frame[56:58] == struct.pack('!H', source_port):
            found.append(frame[66])
            if len(found) == 1:
                deadline = min(deadline, time.monotonic() + 0.3)
    return found


def counters(daemon):
    return json.loads(daemon.ctl('counters', '--json'))


def case_init_in_fragments_is_answered(t):
    daemon, raw, ethernet = on_veth(t)
    with raw:
        for number, order in enumerate(([0, 1, 2], [2, 1, 0], [1, 2, 0, 0])):
            packet = init(40000 + number)
            cuts = [0, 64, 128, len(packet)]
            for piece in order:
                raw.send(fragment(ethernet, packet, 100 + number, cuts[piece], cuts[piece + 1]))
            if number < 2:
                cases.check_equal(answers(raw, 40000 + number, 5), [2], f'INIT ACK, order {order}')
        # The duplicate comes after the packet is complete, and waits for company that never comes.
        cases.check_equal(answers(raw, 40002, 5), [2], 'INIT ACK, with a duplicate')
    seen = counters(daemon)
    cases.check_equal((seen['net.in_fragments'], seen['net.in_reassembled']), (10, 3), 'fragments')
    until(lambda: counters(daemon)['net.drop_fragment_timeout'] == 1, 'the duplicate is given up')
    daemon.stop()


def case_overlapping_fragments_are_not_answered(t):
    daemon, raw, ethernet = on_veth(t)
    with raw:
        packet = init(40010)
        for start, end in ((0, 64), (56, 128), (64, 128), (128, len(packet))):
            raw.send(fragment(ethernet, packet, 7, start, end))
        cases.check_equal(answers(raw, 40010, 1), [], 'answers to what overlaps')
        # The same, as it should be.
        for start, end in ((0, 64), (64, 128), (128, len(packet))):
            raw.send(fragment(ethernet, packet, 8, start, end))
        cases.check_equal(answers(raw, 40010, 5), [2], 'INIT ACK')
    cases.check_equal(counters(daemon)['net.drop_fragment_overlap'], 4, 'dropped')
    daemon.stop()


if __name__ == '__main__':
    cases.main(__doc__, [case_init_in_fragments_is_answered,
                         case_overlapping_fragments_are_not_answered],
               needs=netns.missing, timeout=90)
