#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""trunklined against usrsctp over a veth between two namespaces: the whole matrix, both roles."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import cases, matrix, netns
from lib.cable import Cable
from lib.daemon import Daemon, af_packet_port
from lib.peers import Here

OURS = {4: '10.9.0.1', 6: 'fd00:9::1'}
THEIRS = {4: '10.9.0.2', 6: 'fd00:9::2'}


class Setting:
    """Made once: the daemon's namespace, usrsctp's, and between them one with the cable."""
    near = None
    far = None
    cable = None
    daemon = None
    sockets = ()


def setup(t):
    cases.program('dpdk_app/trunklined')
    Setting.near, Setting.far = netns.Namespace('near'), netns.Namespace('far')
    middle = netns.Namespace('middle')
    netns.veth(Setting.near, middle, names=('v0', 'near0'))
    netns.veth(middle, Setting.far, [], [THEIRS[4] + '/24', THEIRS[6] + '/64'], ('far0', 'v0'))
    Setting.near.sysctl('net/ipv6/conf/v0/disable_ipv6', '1')  # this end is the daemon's
    Setting.cable = Cable(middle, 'near0', 'far0')
    Setting.sockets = Setting.far.quiet_sctp()
    Setting.daemon = Daemon(Setting.near, t.folder, [
        af_packet_port('v0', [OURS[4] + '/24', OURS[6] + '/64'])], matrix.DAEMON)


def world(t):
    ours = matrix.Side('trunkpeer', Here(Setting.near, t), OURS,
                       ('--attach', Setting.daemon.clients), binds=False)
    theirs = matrix.Side('usrsctp_peer', Here(Setting.far, t), THEIRS)
    return matrix.World(ours, theirs, Setting.daemon, Setting.cable)


def ping(family):
    """The daemon answers ARP, neighbour solicitations and echo requests."""
    assert Setting.far.ping(OURS[family]), f'no echo reply from {OURS[family]}'


def case_ping_ipv4(t):
    ping(4)


def case_ping_ipv6(t):
    ping(6)


def case_daemon_stops_cleanly(t):
    Setting.daemon.stop()


if __name__ == '__main__':
    # What is given up in its midst is not judged here. A FORWARD TSN makes usrsctp throw away whole
    # messages that came in pieces, too, if it passes them (sctp_flush_reassm_for_str_seq() says
    # so): not all that is missing was given up. And now and then its reader gets a message cut
    # short, or its sender aborts after a shutdown; whose fault that is has not been found out.
    cases.main(__doc__, [case_ping_ipv4, case_ping_ipv6,
                         *matrix.make_cases(world, given_up=False), case_daemon_stops_cleanly],
               needs=netns.missing, setup=setup)
