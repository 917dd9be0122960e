# SPDX-License-Identifier: BSD-3-Clause
"""Writes small pcapng files from SCTP packets: for tests of what reads captures."""
import ipaddress
import struct


def crc32c(data):
    """RFC 9260 appendix A; slow and plain, so that it can judge faster ones."""
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def sctp(ports, tag, chunks):
    """A packet with its checksum; chunks are bytes, padded already."""
    head = struct.pack('!HHII', ports[0], ports[1], tag, 0)
    body = head + chunks
    return body[:8] + struct.pack('<I', crc32c(body)) + body[12:]


def ipv4(source, destination, payload, protocol=132, fragment=0x4000):
    """`fragment`: flags and offset; without more it must not be cut."""
    head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(payload), 0, fragment, 64, protocol, 0,
                       ipaddress.ip_address(source).packed,
                       ipaddress.ip_address(destination).packed)
    total = sum(struct.unpack('!10H', head))
    total = (total & 0xffff) + (total >> 16)
    total = ~((total & 0xffff) + (total >> 16)) & 0xffff
    return head[:10] + struct.pack('!H', total) + head[12:] + payload


def ipv6(source, destination, payload, protocol=132):
    return struct.pack('!IHBB16s16s', 6 << 28, len(payload), protocol, 64,
                       ipaddress.ip_address(source).packed,
                       ipaddress.ip_address(destination).packed) + payload


def _block(kind, body):
    body += bytes(-len(body) % 4)
    length = struct.pack('<I', len(body) + 12)
    return struct.pack('<I', kind) + length + body + length


def write(path, packets):
    """Raw IP packets (link type 101), a microsecond apart."""
    with open(path, 'wb') as out:
        out.write(_block(0x0a0d0d0a, struct.pack('<IHHq', 0x1a2b3c4d, 1, 0, -1)))
        out.write(_block(1, struct.pack('<HHI', 101, 0, 0)))
        for number, packet in enumerate(packets):
            out.write(_block(6, struct.pack('<IIIII', 0, 0, number, len(packet), len(packet))
                             + packet))
