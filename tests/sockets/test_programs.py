#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Programs written for the kernel's SCTP: both ends on the kernel (user-mode Linux), both on
Trunkline, and one on each, over a link between the daemon and that kernel, where tshark judges what
passes."""
import contextlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from socketlib import book, erlang, lksctp, programs, sides, telecom
from socketlib.sides import cases, netns, uml
from lib.cable import Cable
from lib.capture_check import judged
from lib.daemon import Daemon, af_packet_port

OURS, KERNEL = '10.9.0.1', '10.9.0.2'
PROGRAMS = [*programs.ALL, *book.ALL, *lksctp.ALL, *telecom.ALL, *erlang.ALL]


class Setting:
    """One kernel behind a TAP that leads to the daemon's port; one daemon."""
    cable = None
    kernel = None
    ours = None
    quiet = None


class Booted:
    """Programs in user-mode Linux, with its own sockets. withsctp is of lksctp's tools, and overlooks
    sockets that are made with SOCK_CLOEXEC."""
    address = KERNEL
    with_sctp = ['withsctp']
    with_sctp_all = None

    def __init__(self, kernel):
        self.start = kernel.start


class Preloaded:
    """Programs of this host, with the daemon's sockets."""
    address = OURS
    with_sctp = with_sctp_all = [cases.BUILD / 'sockets/trunkline-run', '--tcp']

    def __init__(self, namespace, daemon, folder):
        self.namespace = namespace
        self.daemon = daemon
        self.folder = folder
        self.count = 0

    def environment(self):
        return {'LD_PRELOAD': str(cases.BUILD / sides.PRELOAD),
                'TRUNKLINE_SOCKET': self.daemon.sockets}

    def start(self, words):
        self.count += 1
        name = str(words[0]).rsplit('/', 1)[-1]
        return sides.start_preloaded(self, words, self.folder / f'{name}-{self.count}.log')


def setup(t):
    near, middle = netns.Namespace('near'), netns.Namespace('middle')
    netns.veth(near, middle, names=('v0', 'near0'))
    near.sysctl('net/ipv6/conf/v0/disable_ipv6', '1')
    # TCP, which iperf3 speaks beside SCTP, is this host's kernel's, which has the same address.
    near.ip('addr', 'add', OURS + '/24', 'dev', 'v0')
    Setting.quiet = near.quiet_sctp()
    middle.add_tap('far0')
    Setting.cable = Cable(middle, 'near0', 'far0', tick=0.1, tcp=True)
    kernel = uml.Uml(middle, 'far0', [KERNEL + '/24'], t.folder)
    Setting.kernel = Booted(kernel)
    # A buffer for each association: where those of a socket share one, that of a message which is read
    # in parts waits for room that others' data have, and these for the end of that message.
    status, _ = kernel.run(['sh', '-ec', 'cd /proc/sys/net/sctp; echo 10 >sack_timeout; '
                                         'echo 1 >rcvbuf_policy'])
    cases.check_equal(status, 0, 'status of what sets the kernel up')
    if not sides.no_preload():
        daemon = Daemon(near, t.folder, [af_packet_port('v0', [OURS + '/24'])], sides.CHANGES)
        Setting.ours = Preloaded(near, daemon, t.folder)


@contextlib.contextmanager
def watched(t, daemon):
    """tshark must find nothing wrong with what passes the daemon's port within the block."""
    capture = daemon.capture(t.log('packets.pcapng'))
    yield
    # Retransmissions are no fault: user-mode Linux may stand still for longer than an RTO.
    judged(capture.stop(), allow_sequence=True)


def on_kernel(program):
    def run(t):
        program(t, Setting.kernel, Setting.kernel, '127.0.0.1')
    return f'kernel_{program.__name__}', run


def preloaded(name, program, choose):
    def run(t):
        if Setting.ours is None:
            raise cases.Skip(sides.no_preload())
        server, client, address = choose()
        if server is client:  # what goes round within the daemon is in no capture
            program(t, server, client, address)
        else:
            with watched(t, Setting.ours.daemon):
                program(t, server, client, address)
    return f'{name}_{program.__name__}', run


def make_cases():
    made = [on_kernel(program) for program in PROGRAMS]
    for name, choose in (
            ('ours', lambda: (Setting.ours, Setting.ours, '127.0.0.1')),
            ('ours_serves', lambda: (Setting.ours, Setting.kernel, OURS)),
            ('kernel_serves', lambda: (Setting.kernel, Setting.ours, KERNEL))):
        made += [preloaded(name, program, choose) for program in PROGRAMS]
    return made


if __name__ == '__main__':
    cases.main(__doc__, make_cases(), needs=uml.missing, setup=setup, timeout=120)
