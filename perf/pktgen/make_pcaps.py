#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the captures that Pktgen-DPDK and net_pcap replay at a daemon. The same arguments give the
same bytes; those in this folder are what it writes without any.

    make_pcaps.py --check                     # are the files here what this would write?
    make_pcaps.py --folder /tmp --mac 3c:fd:fe:00:00:01 --daemon 192.0.2.1 --port 2905
"""
import argparse
import ipaddress
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = ipaddress.ip_address('198.18.0.0')  # RFC 2544: networks for benchmarks
INIT, INIT_ACK, SACK, HEARTBEAT, ABORT, SHUTDOWN_ACK, COOKIE_ECHO, COOKIE_ACK, SHUTDOWN_COMPLETE = \
    1, 2, 3, 4, 6, 8, 10, 11, 14
DATA, SHUTDOWN = 0, 7


class Dice:
    """Numbers that are the same everywhere and for ever (xorshift64*)."""

    def __init__(self, seed):
        self._state = seed

    def u32(self):
        x = self._state
        x ^= x >> 12
        x ^= x << 25 & 0xffffffffffffffff
        x ^= x >> 27
        self._state = x
        return x * 0x2545f4914f6cdd1d >> 32 & 0xffffffff

    def source(self):
        return str(SOURCES + self.u32() % (1 << 17))

    def port(self):
        return 1024 + self.u32() % 64000


def _crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
        table.append(value)
    return table


TABLE = _crc_table()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


def sctp(source_port, port, tag, *chunks, damage=0):
    """A packet with a right CRC32c (RFC 9260 section 6.8), or one that differs by `damage`."""
    head = struct.pack('!HHI', source_port, port, tag)
    body = b''.join(chunks)
    return head + struct.pack('<I', crc32c(head + bytes(4) + body) ^ damage) + body


def chunk(kind, flags, value=b'', length=None):
    """With padding; `length` other than the true one is a lie."""
    size = 4 + len(value)
    return struct.pack('!BBH', kind, flags, size if length is None else length) + value + \
        bytes(-size % 4)


def init(dice, kind=INIT, parameters=b'', tag=None):
    tag = dice.u32() | 1 if tag is None else tag
    return chunk(kind, 0, struct.pack('!IIHHI', tag, 131072, 16, 16, dice.u32()) + parameters)


def data(tsn, stream, sequence, payload, ppid=3):
    return chunk(DATA, 3, struct.pack('!IHHI', tsn, stream, sequence, ppid) + payload)


def sack(cumulative):
    return chunk(SACK, 0, struct.pack('!IIHH', cumulative, 131072, 0, 0))


def ip_sum(header):
    total = sum(struct.unpack(f'!{len(header) // 2}H', header))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Frames:
    """The frames of one file, and where they go."""

    def __init__(self, options):
        self.mac = bytes.fromhex(options.mac.replace(':', ''))
        self.daemon = options.daemon
        self.port = options.port
        self.frames = []

    def ip(self, source, payload, protocol=132, version=4, words=5, damage=0, length=None,
           fragment=0, to=None, options=b''):
        total = 20 + len(options) + len(payload) if length is None else length
        words = words if not options else 5 + len(options) // 4
        head = struct.pack('!BBHHHBBH4s4s', version << 4 | words, 0, total, len(self.frames),
                           fragment, 64, protocol, 0, ipaddress.ip_address(source).packed,
                           ipaddress.ip_address(to or self.daemon).packed) + options
        head = head[:10] + struct.pack('!H', ip_sum(head) ^ damage) + head[12:]
        self.ethernet(head + payload)

    def ethernet(self, payload, ethertype=0x0800):
        self.frames.append(self.mac + bytes.fromhex('020000000001') +
                           struct.pack('!H', ethertype) + payload)

    def pcap(self):
        """Version 2.4, microseconds, Ethernet; a frame each ten microseconds."""
        out = [struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)]
        for i, frame in enumerate(self.frames):
            out.append(struct.pack('<IIII', i // 100000, i % 100000 * 10, len(frame), len(frame)))
            out.append(frame)
        return b''.join(out)


def init_flood(out):
    """INITs, each from an address and a port of its own."""
    dice = Dice(1)
    for _ in range(320):
        out.ip(dice.source(), sctp(dice.port(), out.port, 0, init(dice)))


def out_of_the_blue(out):
    """What belongs to no association (section 8.4): every kind of chunk, tags that nobody has."""
    dice = Dice(2)
    kinds = (lambda: data(dice.u32(), 0, 0, b'x' * 40),
             lambda: sack(dice.u32()),
             lambda: chunk(HEARTBEAT, 0, struct.pack('!HH', 1, 12) + bytes(8)),
             lambda: chunk(SHUTDOWN_ACK, 0),
             lambda: chunk(ABORT, 0),
             lambda: chunk(COOKIE_ECHO, 0, bytes(dice.u32() & 0xff for _ in range(96))),
             lambda: chunk(COOKIE_ACK, 0),
             lambda: chunk(SHUTDOWN, 0, struct.pack('!I', dice.u32())),
             lambda: chunk(SHUTDOWN_COMPLETE, 0),
             lambda: init(dice, INIT_ACK))
    for i in range(160):
        out.ip(dice.source(), sctp(dice.port(), out.port, dice.u32() | 1, kinds[i % len(kinds)]()))


def malformed(out):
    """One broken thing a frame, from the Ethernet header to the last chunk."""
    dice = Dice(3)
    good = data(dice.u32(), 0, 0, b'x' * 24)
    for _ in range(8):
        source, port, tag = dice.source(), dice.port(), dice.u32() | 1
        broken = (
            sctp(port, out.port, tag, good, damage=1),                             # checksum
            sctp(0, out.port, tag, good),                                          # port 0
            sctp(port, out.port, tag)[:8],                                         # half a header
            sctp(port, out.port, tag),                                             # no chunk
            sctp(port, out.port, tag, chunk(DATA, 3, length=0)),                   # length 0
            sctp(port, out.port, tag, chunk(DATA, 3, bytes(12), length=900)),      # beyond the end
            sctp(port, out.port, tag, chunk(SACK, 0, bytes(4))),                   # too short a SACK
            sctp(port, out.port, 0, init(dice), good),                             # bundled INIT
            sctp(port, out.port, tag, init(dice)),                                 # INIT with a tag
            sctp(port, out.port, 0, chunk(INIT, 0, bytes(16))),                    # all zero
            sctp(port, out.port, 0, init(dice, parameters=struct.pack('!HH', 5, 99))),
            sctp(port, out.port, tag, chunk(0xc7, 0, b'?' * 8), good),             # unknown
        )
        for packet in broken:
            out.ip(source, packet)
        whole = sctp(port, out.port, 0, init(dice))
        out.ip(source, whole, damage=1)                       # IPv4 checksum
        out.ip(source, whole, version=5)
        out.ip(source, whole, words=4)                        # header of 16 bytes
        out.ip(source, whole, length=1400)                    # longer than the frame
        out.ip('224.0.0.1', whole)                            # from a group
        out.ip('127.0.0.1', whole)
        out.ip(source, whole, to='203.0.113.9')               # for somebody else
        out.ip(source, whole, protocol=17)                    # UDP
        out.ip(source, whole[:16], fragment=0x2000)           # a first fragment, and no other
        out.ip(source, whole, options=bytes((131, 7, 8, 203, 0, 113, 9, 0)))  # a source route
        out.ethernet(bytes(6), ethertype=0x88cc)
        out.ethernet(bytes(8), ethertype=0x0806)              # half an ARP packet
        out.ethernet(whole[:10])


def m3ua(message_class, kind, *parameters):
    """RFC 4666 section 3.1."""
    body = b''.join(struct.pack('!HH', tag, 4 + len(value)) + value + bytes(-len(value) % 4)
                    for tag, value in parameters)
    return struct.pack('!BBBBI', 1, 0, message_class, kind, 8 + len(body)) + body


def signalling(out):
    """An association of M3UA (RFC 4666) from its first packet to its last, in both directions; a
    daemon that meets the peer's half of it finds nothing that belongs to it."""
    dice = Dice(4)
    peer, port = str(SOURCES + 10), 2905
    tags = [dice.u32() | 1, dice.u32() | 1]
    cookie = bytes(dice.u32() & 0xff for _ in range(128))
    tsn = [1000, 5000]

    def send(side, tag, *chunks):
        if side == 0:
            out.ip(peer, sctp(port, out.port, tag, *chunks))
        else:
            out.ip(out.daemon, sctp(out.port, port, tag, *chunks), to=peer)

    def one(side, stream, sequence, payload, *more):
        send(side, tags[1 - side], *more, data(tsn[side], stream, sequence, payload))
        tsn[side] += 1

    def init_of(side, kind, parameters=b''):
        return chunk(kind, 0, struct.pack('!IIHHI', tags[side], 131072, 16, 16, tsn[side]) +
                     parameters)

    send(0, 0, init_of(0, INIT))
    send(1, tags[0], init_of(1, INIT_ACK, struct.pack('!HH', 7, 132) + cookie))
    send(0, tags[1], chunk(COOKIE_ECHO, 0, cookie))
    send(1, tags[0], chunk(COOKIE_ACK, 0))
    context = (6, struct.pack('!I', 100))
    handshake = ((3, 1), (3, 4), (4, 1), (4, 3))  # ASP up, its answer, ASP active, its answer
    for i, (group, kind) in enumerate(handshake):
        one(i % 2, 0, i // 2, m3ua(group, kind, *([context] if group == 4 else [])),
            *([sack(tsn[1 - i % 2] - 1)] if i else []))
    for i in range(48):  # DATA: a routing label, and user-to-user information of ISUP in many sizes
        side = i % 2
        circuit = i & 15
        label = struct.pack('!IIBBBB', 0x111 + side, 0x222 - side, 5, 2, 0, circuit)
        text = bytes([4, *(dice.u32() & 0x7f for _ in range(8 + dice.u32() % 100))])
        isup = bytes((circuit, 0, 0x2d, 2, 0, len(text))) + text
        one(side, 1 + i % 4, i // 8, m3ua(1, 1, context, (0x210, label + isup)),
            sack(tsn[1 - side] - 1))
    send(0, tags[1], chunk(SHUTDOWN, 0, struct.pack('!I', tsn[1] - 1)))
    send(1, tags[0], chunk(SHUTDOWN_ACK, 0))
    send(0, tags[1], chunk(SHUTDOWN_COMPLETE, 0))


FILES = {'init-flood': init_flood, 'out-of-the-blue': out_of_the_blue, 'malformed': malformed,
         'signalling': signalling}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--check', action='store_true', help='write nothing, compare')
    parser.add_argument('--folder', type=pathlib.Path, default=HERE)
    parser.add_argument('--mac', default='02:70:63:61:70:00', help='of the daemon\'s port')
    parser.add_argument('--daemon', default='10.20.0.1', help='its address')
    parser.add_argument('--port', type=int, default=2905, help='that it listens on')
    options = parser.parse_args()
    status = 0
    for name, make in FILES.items():
        frames = Frames(options)
        make(frames)
        path = options.folder / f'{name}.pcap'
        if not options.check:
            path.write_bytes(frames.pcap())
            print(f'{path}: {len(frames.frames)} frames')
        elif not path.is_file() or path.read_bytes() != frames.pcap():
            print(f'{path} is not what make_pcaps.py writes', file=sys.stderr)
            status = 1
    return status


if __name__ == '__main__':
    sys.exit(main())
