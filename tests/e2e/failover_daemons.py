#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Failover between two daemons on two links under load: links are pulled and put back; nothing is
lost, repeated or misordered, and our sending direction is on the other path in time. With one
worker, with two, and with two and each packet at the wrong one first."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import failover_cases as scenarios, netns
from lib.cable import FAR, NEAR
from lib.failover import TwoDaemons

RATE = 500
SCENARIOS = {
    'one_then_the_other': (scenarios.one_then_the_other, 9, {}),
    'the_second_link_is_primary': (scenarios.one_then_the_other, 9,
                                   {'primary': 1, 'ours_listen': True}),
    'both_for_a_moment': (scenarios.both_for_a_moment, 4, {}),
    'only_what_we_send_is_lost': (scenarios.one_direction, 5, {'sides': (NEAR,)}),
    'only_what_they_send_is_lost': (scenarios.one_direction, 5, {'sides': (FAR,)}),
}


# With two workers losses are found by time: that must not keep data on a dead path.
def make_world(t, workers):
    by_time = workers == scenarios.WORKERS['two_workers']
    profile = {**scenarios.PROFILE, **({'loss_recovery': 'rack'} if by_time else {})}
    return TwoDaemons(t, {'default': profile}, workers)


if __name__ == '__main__':
    scenarios.main(__doc__, SCENARIOS, make_world, RATE, netns.missing)
