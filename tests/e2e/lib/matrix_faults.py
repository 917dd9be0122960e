# SPDX-License-Identifier: BSD-3-Clause
"""The interop matrix where something goes wrong: packets are lost, the peer dies, comes back, sets
up at the same moment, closes its window, takes its time with SACKs."""

from . import cases, trace
from .cable import FAR, NEAR, Crossing, Cut, LoseFirst, Loss
from .capture_check import CHUNKS, count
from .matrix import PEER_TIMERS, associations, check_all_sizes, start, watched
from .peers import SIZE_LIST, SIZES, exchange

NUMBERS = {name: number for number, name in CHUNKS.items()}
HEARTBEAT_ACK = NUMBERS['HEARTBEAT_ACK']
ENDLESS = 100000000
PORT, OTHER_PORT = 4444, 4445
# What the profiles of matrix.py say, in seconds.
RTO_MIN, RTO_MAX, MAX_RETRANS = 0.1, 0.4, 4
LAZY_RTO, LAZY_SACK = 0.4, 0.2
CLOSED = 5.0
# A timer never fires early; but the capture's clock is read after the timer's.
EARLY = 0.01
# How late a busy machine may be without anybody to blame.
LATE = 2.0


def loss(t, world, family, ours_listen, more=()):
    """Every size, there and back, with two of a hundred packets lost each way."""
    messages = 4 * len(SIZES)
    words = ['--sizes', SIZE_LIST, '--count', messages, '--streams', 4, '--window', 8, *more]
    with watched(t, world), world.cable.fault(Loss()) as lossy:
        # Where they shut down, their SHUTDOWN COMPLETE may be what is lost.
        stay = 1500 if ours_listen else 0
        ours, theirs = start(world, family, ours_listen, words,
                             [*words, *PEER_TIMERS, '--stay', stay])
        peers = (ours, theirs) if ours_listen else (theirs, ours)
        check_all_sizes(*exchange(*peers, 'shutdown', 'shutdown'), messages)
    assert min(lossy.lost[NEAR], lossy.lost[FAR]) >= 10, f'too little was lost: {lossy.lost}'


def loss_unordered(t, world, family, ours_listen):
    loss(t, world, family, ours_listen, ['--unordered'])


def shutdown_ack_lost(t, world, family, ours_listen):
    """The SHUTDOWN is repeated, and answered again: both applications see an orderly end."""
    words = ['--size', 100, '--count', 10]
    with watched(t, world), world.cable.fault(LoseFirst(NUMBERS['SHUTDOWN_ACK'])) as lossy:
        ours, theirs = start(world, family, ours_listen, words, [*words, *PEER_TIMERS])
        peers = (ours, theirs) if ours_listen else (theirs, ours)
        exchange(*peers, 'shutdown', 'shutdown')
    assert lossy.lost, 'no SHUTDOWN ACK was seen'


def _lose_peer(world, ours, theirs):
    """The report of our side after the cable is cut for good."""
    with world.cable.fault(Cut()):
        _, report = ours.wait(30)
        theirs.kill()
    cases.check_equal((report['end'], report['end_reason']), ('lost', 'timed out'), 'our end')
    cases.check_equal(report['corrupt'], 0, 'corrupt messages')


def vanishes(t, world, family, ours_listen):
    """The peer is gone while we send: we give up after Association.Max.Retrans time-outs, whose
    intervals double from RTO.Min to RTO.Max (RFC 9260 sections 6.3.3 and 8.1)."""
    with watched(t, world) as packets:
        ours, theirs = start(world, family, ours_listen,
                             ['--profile', 'brief', '--mode', 'source', '--count', ENDLESS,
                              '--interval', 2],
                             ['--mode', 'sink', '--count', 0, '--end', 'wait', *PEER_TIMERS])
        before = world.cable.packets_from(FAR)
        cases.until(lambda: world.cable.packets_from(FAR) > before + 20, 'traffic')
        _lose_peer(world, ours, theirs)
    mine = world.ours.addresses[family]
    last = max(p['time'] for p in trace.sent_to(packets, mine))
    # What was never acknowledged: its first transmission, and those that nothing came after.
    tries = max(([times[0], *[when for when in times[1:] if when > last]]
                 for times in trace.transmissions(packets, mine).values()), key=len)
    cases.check_equal(len(tries), 1 + MAX_RETRANS, 'transmissions')
    for i, gap in enumerate(trace.gaps(tries)):
        least = min(RTO_MIN * 2 ** i, RTO_MAX)
        assert least - EARLY <= gap <= RTO_MAX + LATE, f'gap {i + 1} is {gap:.3f} s'


def vanishes_idle(t, world, family, ours_listen):
    """The peer is gone while nothing is to be sent: heartbeats notice (section 8.3)."""
    beats = (FAR, HEARTBEAT_ACK)
    with watched(t, world) as packets:
        ours, theirs = start(world, family, ours_listen,
                             ['--profile', 'beating', '--count', 10, '--end', 'wait'],
                             ['--count', 10, '--end', 'wait', *PEER_TIMERS])
        before = world.cable.passed[beats]
        cases.until(lambda: world.cable.passed[beats] >= before + 2, 'answers to heartbeats')
        _lose_peer(world, ours, theirs)
    mine = world.ours.addresses[family]
    last = max(p['time'] for p in trace.sent_to(packets, mine) if 'HEARTBEAT_ACK' in p['chunks'])
    after = count([p for p in trace.sent_by(packets, mine) if p['time'] > last])
    cases.check_equal(after['HEARTBEAT'], 1 + MAX_RETRANS, f'unanswered heartbeats: {after}')


def restarts(t, world, family, ours_listen):
    """The peer dies without a word and comes back with the same addresses and ports: our
    association lives on, and the application is told (section 5.2.2)."""
    endless = ['--mode', 'ping', '--count', ENDLESS, '--window', 4, *PEER_TIMERS]
    ours = ['--profile', 'patient', '--mode', 'echo', '--end', 'wait', '--count', 0]
    again = ['--local-port', OTHER_PORT]
    if ours_listen:
        endless += again
    else:
        ours += again
        again = ['--local-port', PORT, '--port', OTHER_PORT]  # the one that listened connects
    with watched(t, world) as packets:
        ours, first = start(world, family, ours_listen, ours, endless)
        before = world.cable.packets_from(FAR)
        cases.until(lambda: world.cable.packets_from(FAR) > before + 30, 'traffic')
        with world.cable.fault(Cut(until_init=True)) as cut:
            first.kill()
            cases.check_equal(len(associations(world)), 1, 'associations while the peer is dead')
            second = world.theirs.connect(family, world.ours, *again, '--count', 60, '--mode',
                                          'ping', *PEER_TIMERS)
            second.finish(received=60, end='shutdown', associations=1, restarts=0)
            assert cut.mended.is_set()
        ours.finish(end='shutdown', associations=1, restarts=1)
    assert count(packets)['ABORT'] == 0, count(packets)


def _established(world):
    """How many associations our side has had."""
    counters = world.daemon.ask('counters')
    return counters['stack.active_estabs'] + counters['stack.passive_estabs']


def collision(t, world, family):
    """Both connect at the same moment, and their INITs cross: one association on each side, with
    messages both ways (section 5.2.1)."""
    words = ['--count', 60, '--sizes', '64,3000']
    before = _established(world)
    with watched(t, world) as packets, world.cable.fault(Crossing()) as crossing:
        ours = world.ours.connect(family, world.theirs, '--local-port', PORT, '--port', OTHER_PORT,
                                  *words)
        theirs = world.theirs.connect(family, world.ours, '--local-port', OTHER_PORT, '--port',
                                      PORT, *words, '--mode', 'echo', '--end', 'wait', *PEER_TIMERS)
        ours.finish(end='shutdown', associations=1, received=60, restarts=0)
        theirs.finish(end='shutdown', associations=1, received=60, restarts=0)
        assert crossing.crossed.is_set()
    cases.check_equal(_established(world), before + 1, 'associations of ours')
    sides = {p['source'] for p in packets if 'INIT' in p['chunks']}
    cases.check_equal(sides, {world.ours.addresses[family], world.theirs.addresses[family]},
                      'who sent an INIT')


def _closed(windows, least):
    """(when, until when) the window was below `least` for longest: from the first SACK that says so
    to the one that opens it."""
    longest, since = (0, 0), None
    for when, window in windows:
        if window >= least:
            if since is not None:
                longest = max(longest, (since, when), key=lambda span: span[1] - span[0])
            since = None
        elif since is None:
            since = when
    return longest


def _two_flows(world, family, ours_listen, *flows):
    """Two associations at once, on PORT and OTHER_PORT; each flow is our words and theirs. Both
    usrsctp peers see all packets of their address: each must have learnt to ignore the other's
    before there are any."""
    peers = []
    with world.cable.fault(Cut()):
        for port, (ours, theirs) in zip((PORT, OTHER_PORT), flows):
            peers += start(world, family, ours_listen, [*ours, '--port', port],
                           [*theirs, '--port', port, '--ignore-strays'])
        for peer in peers:
            peer.expect('STARTED')
    return peers


def closed_window(t, world, family, ours_listen):
    """Their program does nothing for five seconds, on another association ours does: the window
    closes, the sender probes it (section 6.1), nothing is lost, the association lives."""
    # The reader ends it: usrsctp aborts what is not shut down within five times RTO.Max.
    source = ['--mode', 'source', '--count', 600, '--sizes', 1000, '--end', 'wait']
    sink = ['--mode', 'sink', '--count', 600, '--sizes', 1000, '--end', 'shutdown',
            '--pause-after', 50, '--pause', int(CLOSED * 1000), '--receive-buffer', 65536]
    with watched(t, world) as packets:
        peers = _two_flows(world, family, ours_listen,
                           (['--profile', 'probing', *source], [*sink, *PEER_TIMERS]),
                           (['--profile', 'narrow', *sink], [*source, *PEER_TIMERS]))
        for peer in peers:
            peer.finish(end='shutdown', associations=1)
    mine, other = world.ours.addresses[family], world.theirs.addresses[family]
    for sender, receiver, port in ((mine, other, PORT), (other, mine, OTHER_PORT)):
        flow = [p for p in packets if port in p['ports']]
        closed, opened = _closed(trace.windows(flow, receiver), 1000)
        assert opened - closed > CLOSED / 2, f'{receiver}: closed for {opened - closed:.1f} s only'
        # A receiver may take a probe (usrsctp does) or not: then it comes again.
        probes = [when for times in trace.transmissions(flow, sender).values() for when in times
                  if closed < when < opened]
        assert len(probes) >= 3, f'{sender}: {len(probes)} probes of a closed window'


def delayed_sack(t, world, family, ours_listen):
    """Both delay SACKs by 200 ms and get a message every 250 ms: the delay is seen on both sides,
    and no timer mistakes it for loss (sections 6.2 and 6.3.1)."""
    common = ['--count', 6, '--sizes', 100]
    source = [*common, '--mode', 'source', '--interval', 250]
    sink = [*common, '--mode', 'sink']
    timers = ['--rto', '400,400,400', '--max-retransmissions', 20, '--sack-delay', 200]
    with watched(t, world) as packets:
        peers = _two_flows(world, family, ours_listen,
                           (['--profile', 'lazy', *source], [*sink, *timers]),
                           (['--profile', 'lazy', *sink], [*source, *timers]))
        for peer in peers:
            peer.finish(end='shutdown')
    for sender, port in ((world.ours.addresses[family], PORT),
                         (world.theirs.addresses[family], OTHER_PORT)):
        flow = [p for p in packets if port in p['ports']]
        sent, acked = trace.transmissions(flow, sender), trace.acknowledged(flow, sender)
        delays = [acked[tsn] - times[0] for tsn, times in sent.items() if acked[tsn] is not None]
        assert len(delays) >= len(sent) - 1, 'no SACK'  # a SHUTDOWN may acknowledge the last one
        delayed = [delay for delay in delays if LAZY_SACK - 0.05 < delay < LAZY_RTO]
        # How exactly a peer keeps to its delay is its own affair: a kernel in a process, which is
        # kept from running, fires its timers early when it catches up.
        least = 1 if sender == world.ours.addresses[family] else (len(delays) + 1) // 2
        shown = ' '.join(f'{delay:.3f}' for delay in delays)
        assert len(delayed) >= least, f'{sender} waited {shown} s for SACKs'
        # A peer that was kept from running for longer than the RTO may see a retransmission.
        for tsn, times in sent.items():
            in_time = acked[tsn] is not None and acked[tsn] - times[0] < LAZY_RTO - EARLY
            assert len(times) == 1 or not in_time, f'{sender} sent TSN {tsn} again for nothing'


SCENARIOS = [loss, loss_unordered, shutdown_ack_lost, vanishes, vanishes_idle, restarts, closed_window,
             delayed_sack]
WITHOUT_ROLES = [collision]
