#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A peer that does what no kernel's does: its associations say by their messages what it is to send.

    peer_by_hand.py DEVICE      the other end of DEVICE is who speaks to it; says "ready"

It answers at any port of 10.9.0.78, and of 10.9.0.79, which has 10.9.0.80 as its second address. Each
message is acknowledged, and then holds orders, with commas between them:

    0900000800010004      a packet with these chunks; TSNs of the peer begin with 1
    from80:0003...        likewise, from 10.9.0.80
    deaf79, hears79       what comes to that address is lost from now on, or no longer; .80 is deaf at first
    restart               a new association in place of the old one: INIT, COOKIE ECHO
"""
import re
import socket
import struct
import sys

MAC = bytes.fromhex('020000000078')
NET = bytes((10, 9, 0))
SECOND = 80
HOMES = {78: (78,), 79: (79, SECOND), SECOND: (79, SECOND)}
TAGS = 0x01000000  # of its associations, one after the other
DATA, INIT, INIT_ACK, SACK, HEARTBEAT, HEARTBEAT_ACK, ABORT, SHUTDOWN, SHUTDOWN_ACK = range(9)
COOKIE_ECHO, COOKIE_ACK, SHUTDOWN_COMPLETE = 10, 11, 14


def crc_table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82f63b78 if byte & 1 else 0)
        yield byte


TABLE = list(crc_table())


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    return struct.pack('<I', crc ^ 0xffffffff)


def chunk(kind, body=b'', flags=0):
    return struct.pack('!BBH', kind, flags, 4 + len(body)) + body + bytes(-len(body) % 4)


def chunks_of(packet):
    """(kind, flags, body) of each."""
    at = 12
    while at + 4 <= len(packet):
        kind, flags, length = struct.unpack_from('!BBH', packet, at)
        if length < 4:
            return
        yield kind, flags, packet[at + 4:at + length]
        at += length + -length % 4


class Link:
    """Frames of the device; whom to answer is learnt from what comes."""

    def __init__(self, device):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((device, 3))
        self.other = bytes(6)

    def packets(self):
        """(source, own last octet, SCTP packet) of all that come; answers ARP."""
        while True:
            frame, address = self.socket.recvfrom(65536)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            if frame[12:14] == b'\x08\x06' and frame[21] == 1 and frame[41] in HOMES:
                self.other = frame[6:12]
                self.socket.send(self.other + MAC + frame[12:21] + b'\x02' + MAC + frame[38:42] +
                                 frame[22:32])
            elif frame[12:14] == b'\x08\x00' and frame[23] == 132 and frame[33] in HOMES:
                self.other = frame[6:12]
                end = 14 + struct.unpack_from('!H', frame, 16)[0]
                yield frame[26:30], frame[33], frame[34:end]

    def send(self, own, to, packet):
        packet = packet[:8] + crc32c(packet[:8] + bytes(4) + packet[12:]) + packet[12:]
        head = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(packet), 0, 0x4000, 64, 132, 0) + \
            NET + bytes((own,)) + to
        total = sum(struct.unpack('!10H', head))
        total = (total & 0xffff) + (total >> 16)
        head = head[:10] + struct.pack('!H', ~(total + (total >> 16)) & 0xffff) + head[12:]
        self.socket.send(self.other + MAC + b'\x08\x00' + head + packet)


class Association:
    def __init__(self, link, ports, home):
        self.link, self.ports, self.home = link, ports, home
        self.deaf = {SECOND}
        self.tag = self.peer_tag = 0
        self.seen = 0     # the cumulative TSN
        self.early = set()  # TSNs behind it

    def send(self, to, chunks, own=None, tag=None):
        head = struct.pack('!HHII', *self.ports, self.peer_tag if tag is None else tag, 0)
        self.link.send(own or self.home[0], to, head + chunks)

    def setup(self, kind, more=b''):
        """INIT or INIT ACK."""
        global TAGS
        TAGS += 1
        self.tag = TAGS
        own = b''.join(struct.pack('!HH', 5, 8) + NET + bytes((last,)) for last in self.home)
        return chunk(kind, struct.pack('!IIHHI', self.tag, 100000, 10, 10, 1) +
                     (own if len(self.home) > 1 else b'') + more)

    def take(self, source, own, packet):
        if own in self.deaf:
            return
        news = []
        for kind, flags, body in chunks_of(packet):
            if kind in (INIT, INIT_ACK):
                self.peer_tag, self.seen = struct.unpack_from('!I8xI', body)[0], \
                    struct.unpack_from('!I', body, 12)[0] - 1 & 0xffffffff
                self.early.clear()
            if kind == INIT:
                self.send(source, self.setup(INIT_ACK, struct.pack('!HH', 7, 8) + b'cook'), own)
            elif kind == INIT_ACK:
                cookie = re.search(rb'\x00\x07(..)', body[16:], re.DOTALL)
                length = struct.unpack('!H', cookie.group(1))[0] - 4
                at = 16 + cookie.end()
                self.send(source, chunk(COOKIE_ECHO, body[at:at + length]), own)
            elif kind == COOKIE_ECHO:
                self.send(source, chunk(COOKIE_ACK), own)
            elif kind == HEARTBEAT:
                self.send(source, chunk(HEARTBEAT_ACK, body), own)
            elif kind == SHUTDOWN:
                self.send(source, chunk(SHUTDOWN_ACK), own)
            elif kind == SHUTDOWN_ACK:
                self.send(source, chunk(SHUTDOWN_COMPLETE), own)
            elif kind == DATA and self.is_new(struct.unpack_from('!I', body)[0]):
                news.append(body[12:])
        if any(kind == DATA for kind, *_ in chunks_of(packet)):
            self.send(source, chunk(SACK, struct.pack('!IIHH', self.seen, 100000, 0, 0)), own)
        for message in news:
            self.obey(source, message.decode('latin1'))

    def is_new(self, tsn):
        if tsn in self.early or (self.seen - tsn & 0xffffffff) < 1 << 31:
            return False
        self.early.add(tsn)
        while (self.seen + 1 & 0xffffffff) in self.early:
            self.seen = self.seen + 1 & 0xffffffff
            self.early.remove(self.seen)
        return True

    def obey(self, source, message):
        for order in message.split(','):
            if match := re.fullmatch(r'(?:from(\d+):)?((?:[0-9a-f]{2}){4,})', order):
                own = int(match.group(1)) if match.group(1) else None
                self.send(source, bytes.fromhex(match.group(2)), own)
            elif match := re.fullmatch(r'(deaf|hears)(\d+)', order):
                (self.deaf.add if match.group(1) == 'deaf' else self.deaf.discard)(
                    int(match.group(2)))
            elif order == 'restart':
                self.send(source, self.setup(INIT), tag=0)


def main():
    link = Link(sys.argv[1])
    print('ready', flush=True)
    associations = {}
    for source, own, packet in link.packets():
        if len(packet) < 16:
            continue
        theirs, ours = struct.unpack_from('!HH', packet)
        name = source, theirs, HOMES[own], ours
        if packet[12] == INIT:
            associations[name] = Association(link, (ours, theirs), HOMES[own])
        if name in associations:
            associations[name].take(source, own, packet)


if __name__ == '__main__':
    main()
