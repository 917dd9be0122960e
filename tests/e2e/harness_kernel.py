#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The harness is proven before it judges anything: the kernel peer, booted once, meets itself on
its loopback and usrsctp over a TAP, in both roles."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import cases, netns, uml
from lib.capture_check import Capture, check
from lib.peers import SIZE_LIST, SIZES, Here, Peer, exchange

OURS = {4: '10.9.0.1', 6: 'fd00:9::1'}
KERNEL = {4: '10.9.0.2', 6: 'fd00:9::2'}
LOOPBACK = {4: '127.0.0.1', 6: '::1'}
COMMON = ['--sizes', SIZE_LIST, '--count', 4 * len(SIZES), '--streams', 4, '--window', 4]


class World:
    """The namespace with the TAP, and the kernel behind it."""
    namespace = None
    kernel = None
    sockets = ()


def setup(t):
    World.namespace = netns.Namespace('kernel')
    World.namespace.add_tap('tap0', [OURS[4] + '/24', OURS[6] + '/64'])
    World.sockets = World.namespace.quiet_sctp()
    World.kernel = uml.Uml(World.namespace, 'tap0', [KERNEL[4] + '/24', KERNEL[6] + '/64'],
                           t.folder)


def case_ping(t):
    for family in (4, 6):
        assert World.namespace.ping(KERNEL[family]), f'no echo reply from {KERNEL[family]}'


def case_exit_status_and_output(t):
    cases.check_equal(World.kernel.run(['bash', '-c', 'echo one; echo two >&2; exit 7']),
                      (7, ['one', 'two']), 'status and lines')
    job = World.kernel.start(['sleep', '100'])
    job.send_signal(15)
    cases.check_equal(job.wait(10), 128 + 15, 'status of a signalled command')


def kernel_to_itself(t, family):
    address = LOOPBACK[family]
    server = Peer(World.kernel, 'kernel_peer', '--listen', '--local', address, *COMMON,
                  '--end', 'wait')
    client = Peer(World.kernel, 'kernel_peer', '--connect', address, *COMMON)
    exchange(server, client, 'shutdown', 'shutdown')


def case_kernel_to_itself_ipv4(t):
    kernel_to_itself(t, 4)


def case_kernel_to_itself_ipv6(t):
    kernel_to_itself(t, 6)


def usrsctp_and_kernel(t, family, kernel_listens):
    """All sizes both ways, closed by whoever connected."""
    capture = Capture(World.namespace, 'tap0', t.log('tap.pcapng'))
    here = Here(World.namespace, t)
    if kernel_listens:
        server = Peer(World.kernel, 'kernel_peer', '--listen', '--family', family, *COMMON)
        client = Peer(here, 'usrsctp_peer', '--connect', KERNEL[family], '--local', OURS[family],
                      *COMMON)
    else:
        server = Peer(here, 'usrsctp_peer', '--listen', '--local', OURS[family], *COMMON)
        client = Peer(World.kernel, 'kernel_peer', '--connect', OURS[family], *COMMON)
    report, _ = exchange(server, client, 'shutdown', 'shutdown')
    cases.check_equal((report['streams_out'], report['streams_in']), (4, 4), 'streams')
    check(capture.stop(), allow_sequence=True)


def abort_by(t, listener_aborts):
    here = Here(World.namespace, t)
    ends = (['--end', 'abort', '--end-delay', 300, '--count', 20], ['--end', 'wait', '--count', 20])
    mine, other = ends if listener_aborts else reversed(ends)
    server = Peer(World.kernel, 'kernel_peer', '--listen', *mine)
    client = Peer(here, 'usrsctp_peer', '--connect', KERNEL[4], '--local', OURS[4], *other)
    words = ('aborted', 'lost') if listener_aborts else ('lost', 'aborted')
    exchange(server, client, *words)


def case_kernel_aborts(t):
    abort_by(t, True)


def case_usrsctp_aborts(t):
    abort_by(t, False)


def case_refused_without_listener(t):
    status, report = Peer(World.kernel, 'kernel_peer', '--connect', '127.0.0.1').wait()
    cases.check_equal((status, report['end']), (1, 'refused'), 'verdict')


def case_book_program(t):
    """The book's first program, kernel to kernel: the words that ours must print as well."""
    folder = cases.BUILD / 'tests/e2e/peers'
    server = World.kernel.start([folder / 'book_server'])
    server.expect('Listening on port 4444')
    status, lines = World.kernel.run([folder / 'book_client', '127.0.0.1'])
    wanted = [f'Sending message {i} of 5. Result: OK' for i in range(1, 6)]
    cases.check_equal((status, lines), (0, ['Connecting...', 'OK', *wanted, 'Closing...']),
                      'client')
    cases.check_equal(server.wait(10), 0, 'status of the server')
    cases.check_equal(server.lines[2:7], [f'Message received: DATA {i}' for i in range(5)],
                      'messages')


def case_power_off(t):
    """The last case: the kernel ends in order and leaves no process."""
    World.kernel.power_off()
    assert not World.kernel.alive()


CASES = [case_ping, case_exit_status_and_output, case_kernel_to_itself_ipv4,
         case_kernel_to_itself_ipv6]
for listens in (True, False):
    for family in (4, 6):
        roles = 'kernel_listens' if listens else 'usrsctp_listens'
        CASES.append((f'{roles}_ipv{family}', lambda t, f=family, k=listens:
                      usrsctp_and_kernel(t, f, k)))
CASES += [case_kernel_aborts, case_usrsctp_aborts, case_refused_without_listener,
          case_book_program, case_power_off]

if __name__ == '__main__':
    cases.main(__doc__, CASES, needs=uml.missing, setup=setup)
