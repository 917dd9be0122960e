#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The judge of captures is judged: sound packets pass, each kind of broken one is found."""
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import capture_check, cases, pcapng

A, B = '10.9.0.1', '10.9.0.2'
PORTS = (2905, 4444)


def init(length=20, tail=b''):
    return struct.pack('!BBHIIHHI', 1, 0, length, 0x11223344, 65536, 10, 10, 1) + tail


def data(tsn, length=20, flags=3):
    return struct.pack('!BBHIHHI', 0, flags, length, tsn, 0, 0, 46) + b'DATA'


def packet(chunks, tag=0):
    return pcapng.sctp(PORTS, tag, chunks)


def judge(t, packets, **options):
    path = t.log('case.pcapng')
    pcapng.write(path, packets)
    return capture_check.check(path, **options)


def expect_finding(t, packets, group, **options):
    try:
        judge(t, packets, **options)
    except capture_check.CaptureError as error:
        assert group in str(error), f'wrong finding: {error}'
        return
    raise AssertionError(f'no {group} finding')


def case_sound_packets_are_counted(t):
    counts = judge(t, [pcapng.ipv4(A, B, packet(init())),
                       pcapng.ipv6('fd00::1', 'fd00::2', packet(data(1) + data(2), 7))])
    cases.check_equal(dict(counts), {'INIT': 1, 'DATA': 2, 'packets': 2}, 'counts')


def case_wrong_checksum_is_found(t):
    broken = bytearray(packet(init()))
    broken[-1] ^= 1
    expect_finding(t, [pcapng.ipv4(A, B, bytes(broken))], 'Checksum')


def case_chunk_past_the_end_is_found(t):
    expect_finding(t, [pcapng.ipv4(A, B, packet(init(length=200)))], 'Malformed')


def case_chunk_shorter_than_its_header_is_found(t):
    expect_finding(t, [pcapng.ipv4(A, B, packet(init() + struct.pack('!BBH', 3, 0, 2)))],
                   'Malformed')


def case_retransmission_is_found_unless_allowed(t):
    packets = [pcapng.ipv4(A, B, packet(data(7), 9)) for _ in range(2)]
    expect_finding(t, packets, 'Sequence')
    cases.check_equal(judge(t, packets, allow_sequence=True)['DATA'], 2, 'DATA chunks')


def case_packet_without_chunks_is_found(t):
    expect_finding(t, [pcapng.ipv4(A, B, packet(b''))], 'Malformed')
    expect_finding(t, [pcapng.ipv6('fd00::1', 'fd00::2', b'\x0b\x59')], 'Malformed')


def case_a_packet_in_fragments_is_judged_whole(t):
    def fragments(whole):
        return [pcapng.ipv4(A, B, whole[:24], fragment=0x2000), pcapng.ipv4(A, B, whole[24:], fragment=3)]
    first, last = fragments(packet(data(1) + data(2), 7))
    cases.check_equal(dict(judge(t, [first, last])), {'DATA': 2, 'packets': 1}, 'counts')
    expect_finding(t, [first], 'Malformed')
    expect_finding(t, fragments(packet(init(length=200))), 'Malformed')


def case_icmp_error_about_sctp_is_found(t):
    quoted = pcapng.ipv4(A, B, packet(data(1), 9))[:28]
    unreachable = struct.pack('!BBHI', 3, 2, 0, 0) + quoted
    expect_finding(t, [pcapng.ipv4(B, A, unreachable, protocol=1)], 'ICMP')


def case_payload_is_not_guessed_at(t):
    # PPID 46 is Diameter, and "DATA" is none: only SCTP is judged here.
    judge(t, [pcapng.ipv4(A, B, packet(data(1), 9))])


def case_forward_tsn_without_agreement_is_found(t):
    def world(*parameters):
        init_ack = bytearray(init(16 + 4 + len(parameters[1]), parameters[1]))
        init_ack[0] = 2
        return [pcapng.ipv4(A, B, packet(init(20 + len(parameters[0]), parameters[0]))),
                pcapng.ipv4(B, A, pcapng.sctp(PORTS[::-1], 1, bytes(init_ack))),
                pcapng.ipv4(A, B, packet(struct.pack('!BBHI', 192, 0, 8, 5), 9))]
    knows = struct.pack('!HH', 0xc000, 4)
    cases.check_equal(judge(t, world(knows, knows))['FORWARD_TSN'], 1, 'FORWARD TSN chunks')
    for one, other in ((knows, b''), (b'', knows)):
        expect_finding(t, world(one, other), 'not agreed on')


def case_empty_capture_is_an_error(t):
    expect_finding(t, [], 'no SCTP packet')


def case_truncated_file_is_an_error(t):
    path = t.log('cut.pcapng')
    pcapng.write(path, [pcapng.ipv4(A, B, packet(init()))])
    path.write_bytes(path.read_bytes()[:-9])
    try:
        capture_check.check(path)
    except capture_check.CaptureError:
        return
    raise AssertionError('a cut file passed')


if __name__ == '__main__':
    cases.main(__doc__, [value for name, value in list(globals().items())
                         if name.startswith('case_')])
