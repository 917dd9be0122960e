#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The cable with faults does what it says, and the questions about captures find their answers."""
import pathlib
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import cable, cases, netns, pcapng, trace
from lib.cable import FAR, INIT, NEAR
from lib.capture_check import judged

A, B = '10.9.0.1', '10.9.0.2'
DATA, SACK = 0, 3


def ethernet(packet, kind):
    return bytes(12) + struct.pack('!H', kind) + packet


def chunk(kind):
    return pcapng.sctp((1, 2), 7, struct.pack('!BBHI', kind, 0, 8, 0))


def case_packets_are_told_apart(t):
    for kind in (INIT, SACK):
        cases.check_equal(cable.first_chunk(ethernet(pcapng.ipv4(A, B, chunk(kind)), 0x0800)), kind,
                          'IPv4')
        cases.check_equal(cable.first_chunk(
            ethernet(pcapng.ipv6('fd00::1', 'fd00::2', chunk(kind)), 0x86dd)), kind, 'IPv6')
    for other in (ethernet(pcapng.ipv4(A, B, bytes(40), protocol=1), 0x0800),
                  ethernet(bytes(60), 0x0806), bytes(10)):
        cases.check_equal(cable.first_chunk(other), None, 'not SCTP')


def case_loss_is_two_of_a_hundred_each_way(t):
    loss = cable.Loss()
    went = {NEAR: 0, FAR: 0}
    for _ in range(500):
        for side in (NEAR, FAR):
            went[side] += len(loss.take(side, DATA, b'frame'))
    cases.check_equal(went, {NEAR: 490, FAR: 490}, 'packets that went on')
    cases.check_equal(dict(loss.lost), {NEAR: 10, FAR: 10}, 'packets lost')


def case_a_cut_ends_with_the_first_init_from_afar(t):
    cut = cable.Cut(until_init=True)
    for side, kind in ((NEAR, INIT), (NEAR, DATA), (FAR, DATA)):
        cases.check_equal(cut.take(side, kind, b'frame'), [], f'{kind} from {side}')
    cases.check_equal(cut.take(FAR, INIT, b'frame'), [(FAR, b'frame')], 'the INIT')
    cases.check_equal(cut.take(NEAR, DATA, b'frame'), [(NEAR, b'frame')], 'what follows')
    forever = cable.Cut()
    cases.check_equal(forever.take(FAR, INIT, b'frame'), [], 'a cut for good')


def case_inits_cross(t):
    crossing = cable.Crossing()
    cases.check_equal(crossing.take(NEAR, INIT, b'near'), [], 'the first INIT')
    cases.check_equal(crossing.take(NEAR, INIT, b'near'), [], 'the same again')
    cases.check_equal(crossing.take(FAR, INIT, b'far'), [(NEAR, b'near'), (FAR, b'far')], 'both')
    cases.check_equal(crossing.take(FAR, INIT, b'more'), [(FAR, b'more')], 'later ones')


def case_pings_pass_and_sctp_is_lost(t):
    """The cable itself, between two namespaces."""
    if netns.missing():
        raise cases.Skip(netns.missing())
    left, middle, right = (netns.Namespace(name) for name in ('left', 'middle', 'right'))
    netns.veth(left, middle, [A + '/24'], names=('v0', 'near0'))
    netns.veth(middle, right, [], [B + '/24'], ('far0', 'v0'))
    wire = cable.Cable(middle, 'near0', 'far0')
    with left.inside():
        sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP)
    with right.inside():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP)
    receiver.settimeout(10)
    with wire.fault(cable.Cut()):
        assert right.ping(A), 'a cut stops pings as well'
        sender.sendto(chunk(INIT), (B, 0))
        assert right.ping(A)  # it is behind the packet
    sender.sendto(chunk(SACK), (B, 0))
    cases.check_equal(receiver.recv(2048)[20:], chunk(SACK), 'the packet after the cut')
    cases.check_equal(dict(wire.passed), {(NEAR, SACK): 1}, 'what passed')


def data(tsn):
    return struct.pack('!BBHIHHI', 0, 3, 20, tsn, 0, 0, 46) + b'DATA'


def sack(tsn, window):
    return struct.pack('!BBHIIHH', 3, 0, 16, tsn, window, 0, 0)


def case_questions_about_a_capture(t):
    """Two TSNs on either side of the wrap; the second is sent twice."""
    path = t.log('case.pcapng')
    there, back = (5000, 4444), (4444, 5000)
    first, second = 0xffffffff, 0
    pcapng.write(path, [pcapng.ipv4(A, B, pcapng.sctp(there, 7, data(first))),
                        pcapng.ipv4(A, B, pcapng.sctp(there, 7, data(second))),
                        pcapng.ipv4(B, A, pcapng.sctp(back, 8, sack(first, 900))),
                        pcapng.ipv4(A, B, pcapng.sctp(there, 7, data(second))),
                        pcapng.ipv4(B, A, pcapng.sctp(back, 8, sack(second, 0)))])
    packets = judged(path, allow_sequence=True)
    times = [packet['time'] for packet in packets]
    cases.check_equal(trace.transmissions(packets, A),
                      {first: [times[0]], second: [times[1], times[3]]}, 'transmissions')
    cases.check_equal(trace.acknowledged(packets, A), {first: times[2], second: times[4]}, 'SACKs')
    cases.check_equal(trace.windows(packets, B), [(times[2], 900), (times[4], 0)], 'windows')
    cases.check_equal(trace.transmissions(packets, B), {}, 'transmissions of the other side')


if __name__ == '__main__':
    cases.main(__doc__, [value for name, value in list(globals().items())
                         if name.startswith('case_')])
