#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""trunklined against the Linux kernel's SCTP: the whole matrix, and the book's first program, in
both roles. The kernel runs in user-mode Linux behind a TAP that the daemon drives."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import cases, matrix, netns, uml
from lib.cable import Cable
from lib.daemon import Daemon, af_packet_port
from lib.peers import Here

OURS = {4: '10.9.0.1', 6: 'fd00:9::1'}
KERNEL = {4: '10.9.0.2', 6: 'fd00:9::2'}
BOOK_PORT = 4444


class Setting:
    """Made once: the daemon's namespace, the kernel behind a TAP, the cable between them."""
    near = None
    kernel = None
    cable = None
    daemon = None


def setup(t):
    cases.program('dpdk_app/trunklined')
    Setting.near, middle = netns.Namespace('near'), netns.Namespace('middle')
    netns.veth(Setting.near, middle, names=('v0', 'near0'))
    Setting.near.sysctl('net/ipv6/conf/v0/disable_ipv6', '1')  # this end is the daemon's
    middle.add_tap('far0')
    Setting.cable = Cable(middle, 'near0', 'far0', tick=0.1)
    Setting.kernel = uml.Uml(middle, 'far0', [KERNEL[4] + '/24', KERNEL[6] + '/64'], t.folder)
    Setting.daemon = Daemon(Setting.near, t.folder, [
        af_packet_port('v0', [OURS[4] + '/24', OURS[6] + '/64'])], matrix.DAEMON)


def world(t):
    ours = matrix.Side('trunkpeer', Here(Setting.near, t), OURS,
                       ('--attach', Setting.daemon.clients), binds=False)
    theirs = matrix.Side('kernel_peer', Setting.kernel, KERNEL)
    return matrix.World(ours, theirs, Setting.daemon, Setting.cable)


def book_lines():
    wanted = [f'Sending message {i} of 5. Result: OK' for i in range(1, 6)]
    return ['Connecting...', 'OK', *wanted, 'Closing...']


def check_server(server):
    cases.check_equal(server.wait(10), 0, 'status of the server')
    got = [line for line in server.lines if line.startswith('Message received')]
    cases.check_equal(got, [f'Message received: DATA {i}' for i in range(5)], 'messages')


def case_book_ours_serves_ipv4(t):
    here = Here(Setting.near, t)
    server = here.start([cases.program('client/examples/book_server'), '--connections', 1,
                         '--socket', Setting.daemon.clients])
    server.expect(f'Listening on port {BOOK_PORT}')
    status, lines = Setting.kernel.run([cases.program('tests/e2e/peers/book_client'), OURS[4]])
    cases.check_equal((status, lines), (0, book_lines()), "the kernel's client")
    check_server(server)


def case_book_kernel_serves_ipv4(t):
    here = Here(Setting.near, t)
    server = Setting.kernel.start([cases.program('tests/e2e/peers/book_server')])
    server.expect(f'Listening on port {BOOK_PORT}')
    client = here.start([cases.program('client/examples/book_client'), KERNEL[4],
                         '--socket', Setting.daemon.clients])
    cases.check_equal(client.wait(20), 0, f'status of our client: {client.lines}')
    cases.check_equal(client.lines, book_lines(), 'our client')
    check_server(server)


def case_daemon_stops_cleanly(t):
    Setting.daemon.stop()


if __name__ == '__main__':
    cases.main(__doc__, [*matrix.make_cases(world), case_book_ours_serves_ipv4,
                         case_book_kernel_serves_ipv4, case_daemon_stops_cleanly],
               needs=uml.missing, setup=setup)
