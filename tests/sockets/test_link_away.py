#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The book's multi-homed pair (chapter 11) when the network of the primary path is taken away: what
is sent goes by the other one. One end on Trunkline, one on the kernel (user-mode Linux)."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from socketlib import book, programs, sides
from socketlib.sides import cases, netns, uml
from lib import cable
from lib.daemon import Daemon, af_packet_port
from test_programs import Booted, Preloaded

OURS, KERNEL = ['10.9.0.1', '10.9.1.1'], ['10.9.0.2', '10.9.1.2']
FIRST_NETWORK = bytes([10, 9, 0])


class NetworkAway(cable.Fault):
    """SCTP packets of one of the two networks that share the cable are lost."""

    def take(self, side, chunk, frame):
        lost = frame[12:14] == b'\x08\x00' and frame[26:29] == FIRST_NETWORK and chunk is not None
        return [] if lost else [(side, frame)]


class Setting:
    cable = None
    kernel = None
    ours = None


def setup(t):
    near, middle = netns.Namespace('near'), netns.Namespace('middle')
    netns.veth(near, middle, names=('v0', 'near0'))
    near.sysctl('net/ipv6/conf/v0/disable_ipv6', '1')
    middle.add_tap('far0')
    Setting.cable = cable.Cable(middle, 'near0', 'far0', tick=0.1)
    Setting.kernel = Booted(uml.Uml(middle, 'far0', [f'{a}/24' for a in KERNEL], t.folder))
    daemon = Daemon(near, t.folder, [af_packet_port('v0', [f'{a}/24' for a in OURS])],
                    sides.CHANGES)
    Setting.ours = Preloaded(near, daemon, t.folder)


def survive(server_place, servers, client_place, own):
    port = programs.new_port()
    server = book.server_of(server_place, 'multihomed_server', port, *servers)
    client = book.start(client_place, 'multihomed_client', 'stay', port, ','.join(own), *servers)
    client.expect('Answer: message 2')
    with Setting.cable.fault(NetworkAway()):
        client.expect(f'No answer from {servers[0]}', 40)
        programs.ended(client, 40)
    answers = book.begin(client, 'Answer: message')
    cases.check_equal(client.lines[-1], f'Answer: message {len(answers) - 1}', 'the last line')
    server.expect(f'Message: message {len(answers) - 1}')
    cases.check_equal(book.begin(server, 'Message'),
                      [f'Message: message {i}' for i in range(len(answers))], 'server')
    server.end()


def case_ours_serves(_):
    survive(Setting.ours, OURS, Setting.kernel, KERNEL)


def case_kernel_serves(_):
    survive(Setting.kernel, KERNEL, Setting.ours, OURS)


def needs():
    return sides.no_preload() or uml.missing()


if __name__ == '__main__':
    cases.main(__doc__, [('ours_serves', case_ours_serves), ('kernel_serves', case_kernel_serves)],
               needs=needs, setup=setup, timeout=120)
