#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Failover of an association with the Linux kernel on two links, in both roles: nothing is lost,
repeated or misordered either way, and our sending direction is on the other path in time. What the
kernel does with its own direction is its own business."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import failover_cases as scenarios, uml
from lib.cable import FAR, NEAR
from lib.failover import WithKernel

RATE = 100  # user-mode Linux is slow
KERNEL = ['--rto', '200,200,400', '--sack-delay', 20, '--heartbeat', 200,
          '--max-retransmissions', 20, '--path-retransmissions', 2]
# User-mode Linux may stand still for seconds on a busy machine: patience of 20 time-outs.
PROFILE = {**scenarios.PROFILE, 'association_max_retrans': 20}
SCENARIOS = {
    'ours_listens': (scenarios.one_then_the_other, 10, {'ours_listen': True}),
    'theirs_listens': (scenarios.one_then_the_other, 10, {}),
    'both_for_a_moment': (scenarios.both_for_a_moment, 5, {}),
    'only_what_we_send_is_lost': (scenarios.one_direction, 5, {'sides': (NEAR,)}),
    'only_what_they_send_is_lost': (scenarios.one_direction, 5,
                                    {'sides': (FAR,), 'ours_listen': True}),
}


def make_world(t, workers):
    return WithKernel(t, {'default': PROFILE}, KERNEL, workers)


if __name__ == '__main__':
    scenarios.main(__doc__, SCENARIOS, make_world, RATE, uml.missing)
