#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The harness is proven before it judges anything: usrsctp meets usrsctp over a veth."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import cases, netns
from lib.capture_check import Capture, check
from lib.peers import SIZE_LIST, SIZES, Here, Peer, exchange

ADDRESSES = {4: ('10.9.0.1', '10.9.0.2'), 6: ('fd00:9::1', 'fd00:9::2')}


def two_places(t):
    a, b = netns.Namespace('a'), netns.Namespace('b')
    netns.veth(a, b, ['10.9.0.1/24', 'fd00:9::1/64'], ['10.9.0.2/24', 'fd00:9::2/64'])
    t.sockets = a.quiet_sctp() + b.quiet_sctp()
    return a, Here(a, t), Here(b, t)


def all_sizes(t, family):
    a, here, there = two_places(t)
    capture = Capture(a, 'v0', t.log('veth.pcapng'))
    ours, theirs = ADDRESSES[family]
    common = ['--sizes', SIZE_LIST, '--count', 10 * len(SIZES), '--streams', 10, '--window', 4]
    server = Peer(there, 'usrsctp_peer', '--listen', '--local', theirs, *common, '--end', 'wait')
    client = Peer(here, 'usrsctp_peer', '--connect', theirs, '--local', ours, *common)
    report, _ = exchange(server, client, 'shutdown', 'shutdown')
    cases.check_equal(report['received'], 10 * len(SIZES), 'echoes')
    cases.check_equal((report['streams_out'], report['streams_in']), (10, 10), 'streams')
    counts = check(capture.stop(), allow_sequence=True)
    for chunk in ('INIT', 'INIT_ACK', 'COOKIE_ECHO', 'COOKIE_ACK', 'DATA', 'SACK', 'SHUTDOWN'):
        assert counts[chunk], f'no {chunk} in {counts}'


def case_ipv4_all_sizes(t):
    all_sizes(t, 4)


def case_ipv6_all_sizes(t):
    all_sizes(t, 6)


def case_listener_aborts(t):
    _, here, there = two_places(t)
    server = Peer(there, 'usrsctp_peer', '--listen', '--count', 50, '--end', 'abort',
                  '--end-delay', 300)
    client = Peer(here, 'usrsctp_peer', '--connect', '10.9.0.2', '--count', 50, '--end', 'wait')
    exchange(server, client, 'aborted', 'lost')


def case_wrong_content_is_found(t):
    """A receiver that expects another seed must say so: the check of contents can fail."""
    _, here, there = two_places(t)
    server = Peer(there, 'usrsctp_peer', '--listen', '--seed', 2)
    Peer(here, 'usrsctp_peer', '--connect', '10.9.0.2', '--count', 20, '--sizes', '3,40,2000')
    status, report = server.wait()
    assert status == 1 and report['corrupt'] > 0, report
    assert report['misordered'] > 0, report


def case_wrong_ppid_is_found(t):
    _, here, there = two_places(t)
    server = Peer(there, 'usrsctp_peer', '--listen', '--ppid', 46)
    Peer(here, 'usrsctp_peer', '--connect', '10.9.0.2', '--count', 20)
    status, report = server.wait()
    cases.check_equal((status, report['wrong_ppid'], report['corrupt']), (1, 20, 0), 'verdict')


def case_refused_without_listener(t):
    _, here, there = two_places(t)
    holder = Peer(there, 'usrsctp_peer', '--listen', '--port', 5555)  # a stack, another port
    status, report = Peer(here, 'usrsctp_peer', '--connect', '10.9.0.2').wait()
    assert status == 1 and report['end'] in ('refused', 'lost'), report
    holder.kill()


def case_restart_is_reported(t):
    """The client dies without a word and comes back from the same port."""
    _, here, there = two_places(t)
    server = Peer(there, 'usrsctp_peer', '--listen', '--timeout', 60)
    fixed = ['--connect', '10.9.0.2', '--local', '10.9.0.1', '--local-port', 7777]
    first = Peer(here, 'usrsctp_peer', *fixed, '--count', 20, '--end', 'wait')
    first.expect('CONNECTED')
    first.kill()
    Peer(here, 'usrsctp_peer', *fixed, '--count', 30).finish(received=30)
    report = server.finish(restarts=1, end='shutdown')
    cases.check_equal(report['associations'], 1, 'associations')


if __name__ == '__main__':
    cases.main(__doc__, [value for name, value in list(globals().items())
                         if name.startswith('case_')], needs=netns.missing)
