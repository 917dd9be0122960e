# SPDX-License-Identifier: BSD-3-Clause
"""The interop matrix of partial reliability (RFC 3758, RFC 7496): messages of 100 KiB among small
ones, one of ten packets lost, and a limit short enough that some are given up in their midst. What
comes is whole and in order, nobody aborts, and the shutdown is an orderly one."""
from . import cases
from .cable import Loss
from .capture_check import count
from .matrix import PEER_TIMERS, start, watched

MESSAGES = 48
WORDS = ['--sizes', '102400,100,3000', '--streams', 3, '--first-stream', 0]
# One policy for each family: pairs of conditions, not every product.
LIMITS = {4: ['--retransmissions', 1], 6: ['--lifetime', 60]}
RELIABLE = 'reliable'  # the daemon's profile without the extension


def _one_way(t, world, family, ours_listen, ours_send, ours=(), theirs=()):
    """One side sends, the other one counts. Gives their reports and the chunks that were seen."""
    source = [*WORDS, '--mode', 'source', '--count', MESSAGES, '--end', 'shutdown',
              *LIMITS[family]]
    sink = [*WORDS, '--mode', 'sink', '--count', 0, '--end', 'wait', '--allow-gaps']
    mine, other = (source, sink) if ours_send else (sink, source)
    with watched(t, world) as packets, world.cable.fault(Loss(of=10)) as lossy:
        ours, theirs = start(world, family, ours_listen, [*mine, *ours],
                             [*other, *theirs, *PEER_TIMERS, '--stay', 1500])
        sender, receiver = (ours, theirs) if ours_send else (theirs, ours)
        sent = sender.finish(end='shutdown', sent=MESSAGES)
        got = receiver.finish(end='shutdown')
    counts = count(packets)
    assert min(lossy.lost.values()) >= 5, f'too little was lost: {lossy.lost}'
    cases.check_equal(counts['ABORT'], 0, 'ABORTs')
    return sent, got, counts


def _some_given_up(sent, got, counts):
    assert counts['FORWARD_TSN'], counts
    assert 0 < got['received'] < MESSAGES, got
    assert got['missing'] <= MESSAGES - got['received'], got
    assert sent['send_failures'] >= MESSAGES - got['received'], (sent, got)


def _all_come(sent, got, counts):
    cases.check_equal(counts['FORWARD_TSN'], 0, 'FORWARD TSN chunks')
    cases.check_equal((got['received'], got['missing']), (MESSAGES, 0), 'messages')
    cases.check_equal(sent['send_failures'], 0, 'messages that failed')


def given_up_by_us(t, world, family, ours_listen):
    _some_given_up(*_one_way(t, world, family, ours_listen, ours_send=True))


def given_up_by_them(t, world, family, ours_listen):
    _some_given_up(*_one_way(t, world, family, ours_listen, ours_send=False))


def known_to_us_alone(t, world, ours_listen):
    """A limit of retransmissions is of no effect."""
    _all_come(*_one_way(t, world, 4, ours_listen, ours_send=True, theirs=['--reliable']))


def known_to_them_alone(t, world, ours_listen):
    _all_come(*_one_way(t, world, 4, ours_listen, ours_send=False, ours=['--profile', RELIABLE]))


SCENARIOS = [given_up_by_us, given_up_by_them]
OF_ONE_FAMILY = [known_to_us_alone, known_to_them_alone]
