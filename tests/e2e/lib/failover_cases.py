# SPDX-License-Identifier: BSD-3-Clause
"""What the failover scripts check, whatever stands at the other end.

The one timed check of the project is check_moves(): in our sending direction, new traffic is on the
other path within 1.5 RTO + 200 ms of the first packet that was never answered. Both moments are time
stamps of the daemon's own capture. A machine that stands still breaks it without anybody to blame:
then a worker has counted long gaps, that is said, and the run is done again.
"""
import functools
import time

from . import cases
from .cable import NEAR
from .failover import Back, Pull, Run

ATTEMPTS = 3
DOWN = ('potentially failed', 'inactive')
# Limits that a moment without any link stays within; a path is given up after several time-outs.
PROFILE = {'rto_initial': '200ms', 'rto_min': '200ms', 'rto_max': '400ms', 'sack_delay': '20ms',
           'heartbeat_interval': '200ms', 'path_max_retrans': 2, 'association_max_retrans': 12}


# How many workers our daemons have. The ports of one association are received by both of two, and
# the last kind has each packet at the wrong one first.
WORKERS = {'one_worker': {}, 'two_workers': {'workers': {'count': 2}},
           'wrong_worker': {'workers': {'count': 2, 'misdirect': True}}}


class Stalled(AssertionError):
    """Too late, on a machine that stood still meanwhile."""


def check_moves(run):
    """Every of our senders whose link was pulled has moved in time; at least one had to."""
    moves = 0
    for side in run.measured():
        silence = side.silence_ms(run.pulls[0].monotonic_ns)
        print(f'  {side.label}: nothing arrived for {silence:.0f} ms at most')
    for pulled in run.pulls:
        for side in run.measured():
            if pulled.used[side.label] != pulled.link:
                continue
            move = side.move(pulled)
            moves += 1
            print(f'  {side.label}: link {pulled.link} pulled: {move}, {move.bound * 1000:.0f} ms '
                  'allowed')
            if move.seconds <= move.bound:
                continue
            gaps = side.long_gaps() - side.gaps_before
            why = f'{side.label}: {move}, more than {move.bound * 1000:.0f} ms'
            if gaps:
                raise Stalled(f'{why}; its worker lost the core {gaps} times')
            raise AssertionError(why)
    assert moves, 'no sender used a link that was pulled'


def with_patience(scenario):
    """Runs it again while the machine is to blame."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return scenario(attempt)
        except Stalled as stall:
            if attempt == ATTEMPTS:
                raise
            print(f'  the machine stood still ({stall}); once more', flush=True)


def wait_down(run, pulled):
    """Both our applications hear that the path is in doubt, and trunkctl shows it."""
    for side in run.measured():
        side.told(pulled.link, DOWN, pulled.monotonic_ns)
        path = side.path(pulled.link)
        assert path['state'] != 'ACTIVE', f'{side.label}: trunkctl shows {path}'
        assert path['t3_expirations'] or path['error_count'], f'{side.label}: no error in {path}'


def wait_up(run, link, since_ns):
    for side in run.measured():
        side.told(link, ('active',), since_ns)
        cases.until(lambda s=side: s.path(link)['state'] == 'ACTIVE',
                    f'{side.label}: trunkctl shows link {link} active again')


def put_back(run, link):
    since = time.monotonic_ns()
    run.act(Back(link))
    wait_up(run, link, since)


def one_then_the_other(world, folder, number, rate, seconds, **how):
    """The link in use is pulled and put back, then the other one."""
    first = how.get('primary', 0)
    run = Run(folder, world.ours, world.theirs, world.cables, rate, seconds, number=number, **how)
    time.sleep(1)
    for link in (first, 1 - first):
        pulled = run.act(Pull(link))
        wait_down(run, pulled)
        time.sleep(0.5)
        put_back(run, link)
        time.sleep(0.5)
    run.finish()
    check_moves(run)


def both_for_a_moment(world, folder, number, rate, seconds, **how):
    """No link at all, for less than the association's patience."""
    run = Run(folder, world.ours, world.theirs, world.cables, rate, seconds, number=number, **how)
    run.play([(1.0, Pull(0)), (1.0, Pull(1)), (1.8, Back(0)), (1.8, Back(1))])
    for side in run.measured():
        assert any(p['t3_expirations'] for p in side.association()['paths']), \
            f'{side.label}: nothing timed out'
    run.finish()


def one_direction(world, folder, number, rate, seconds, sides=(NEAR,), **how):
    """The link carries nothing from one side; what comes from the other side still arrives."""
    run = Run(folder, world.ours, world.theirs, world.cables, rate, seconds, number=number, **how)
    time.sleep(1)
    pulled = run.act(Pull(0, sides))
    for side in run.measured():
        side.told(0, DOWN, pulled.monotonic_ns)
    time.sleep(0.5)
    put_back(run, 0)
    run.finish()
    check_moves(run)


def main(description, scenarios, make_world, rate, needs):
    """A script: each of the scenarios with each number of workers, of which only those are set up
    that are asked for."""
    worlds = {}

    def setup(t):
        for kind in WORKERS:
            if any(name.startswith(kind) for name in t.chosen):
                worlds[kind] = make_world(cases.Case('setup', t.folder / f'setup_{kind}'),
                                          WORKERS[kind])

    def play(t, kind, scenario, seconds, how):
        with_patience(lambda attempt: scenario(worlds[kind], t.folder, attempt, rate, seconds,
                                               **how))

    def stop(_, kind):
        for daemon in worlds[kind].daemons:
            daemon.stop()
    made = []
    for kind in WORKERS:
        made += [(f'{kind}_{name}', functools.partial(play, kind=kind, scenario=scenario,
                                                      seconds=seconds, how=how))
                 for name, (scenario, seconds, how) in scenarios.items()]
        made.append((f'{kind}_daemons_stop', functools.partial(stop, kind=kind)))
    cases.main(description, made, needs=needs, setup=setup, timeout=120)
