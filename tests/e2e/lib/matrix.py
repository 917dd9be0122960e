# SPDX-License-Identifier: BSD-3-Clause
"""The interop matrix: one stack against another, both roles, IPv4 and IPv6; every packet through
tshark. Here: sizes, streams, shutdown and abort from either side; in matrix_faults.py: loss, death,
restart, collision, closed windows, delayed SACKs; in matrix_partial.py: messages given up.

A script gives `make_cases` a function that builds a World for a case, and passes the cases on to
cases.main. Names read ours_listens_ipv4_sizes, and so on.
"""
import contextlib
import dataclasses

from . import cases
from .cable import WithoutIpv4
from .capture_check import count, judged
from .peers import SIZE_LIST, SIZES, Peer, exchange

STREAMS = 10
MESSAGES = STREAMS * len(SIZES)
ALL_STREAMS = 65535

# The daemon's profiles. Timers of 100 to 400 ms: what waits for them waits briefly. A peer in
# user-mode Linux may stand still for seconds on a busy machine: where its death is not the matter,
# an association has the patience of 20 time-outs.
PROFILES = {
    'default': {'rto_initial': '400ms', 'rto_min': '100ms', 'rto_max': '400ms',
                'sack_delay': '20ms', 'heartbeat_interval': '1s', 'association_max_retrans': 20,
                'path_max_retrans': 20, 'max_init_retransmits': 20, 'outbound_streams': STREAMS},
    'wide': {'outbound_streams': ALL_STREAMS, 'max_inbound_streams': ALL_STREAMS},
    'wide_in': {'outbound_streams': STREAMS, 'max_inbound_streams': ALL_STREAMS},
    'brief': {'association_max_retrans': 4, 'path_max_retrans': 4, 'heartbeat_interval': '60s'},
    'beating': {'association_max_retrans': 4, 'path_max_retrans': 4,
                'heartbeat_interval': '200ms'},
    'leaving': {'path_max_retrans': 1},
    'patient': {'association_max_retrans': 100, 'path_max_retrans': 100},
    # Fewer time-outs than fit into five seconds of a closed window.
    'probing': {'association_max_retrans': 8, 'path_max_retrans': 8},
    'narrow': {'a_rwnd': '64KiB', 'max_message_size': '16KiB'},
    'reliable': {'partial_reliability': False},
    'lazy': {'rto_min': '400ms', 'sack_delay': '200ms'},
}
DAEMON = {'profiles': PROFILES}  # changes to the daemon's configuration

# The same for the peers that take their timers from the command line. Their heartbeats notice an
# ABORT that user-mode Linux has lost.
PEER_TIMERS = ['--rto', '400,100,400', '--max-retransmissions', 20, '--init-attempts', 20,
               '--heartbeat', 1000]


@dataclasses.dataclass
class Side:
    """One stack: its peer program, where that runs, its addresses by family, fixed arguments."""
    program: str
    place: object
    addresses: dict
    arguments: tuple = ()
    binds: bool = True  # the program binds addresses itself, with --local

    def _local(self, family):
        return ['--local', self.addresses[family]] if self.binds else []

    def both(self):
        return f'{self.addresses[4]},{self.addresses[6]}'

    def listen(self, family, *arguments):
        return Peer(self.place, self.program, '--listen', '--family', family,
                    *self._local(family), *self.arguments, *arguments)

    def connect(self, family, other, *arguments):
        return Peer(self.place, self.program, '--connect', other.addresses[family],
                    *self._local(family), *self.arguments, *arguments)


@dataclasses.dataclass
class World:
    """What a case runs in: our side and theirs, the daemon of our side, the cable between them."""
    ours: Side
    theirs: Side
    daemon: object
    cable: object


def start(world, family, ours_listen, ours=(), theirs=()):
    """The peers of our side and of theirs, each with its words; the listener is started first."""
    if ours_listen:
        our_peer = world.ours.listen(family, *ours)
        return our_peer, world.theirs.connect(family, world.ours, *theirs)
    their_peer = world.theirs.listen(family, *theirs)
    return world.ours.connect(family, world.theirs, *ours), their_peer


@contextlib.contextmanager
def watched(t, world):
    """Captures what happens within the block. Gives a list that holds the packets afterwards, once
    tshark has found nothing wrong with them. The daemon must live and be without associations."""
    packets = []
    capture = world.daemon.capture(t.log('packets.pcapng'))
    yield packets
    # Retransmissions are the business of those cases that ask for them: a peer in user-mode Linux
    # loses its core for longer than its RTO. What must not be is a packet that does not decode.
    packets += judged(capture.stop(), allow_sequence=True)
    assert world.daemon.alive(), f'trunklined ended; log: {world.daemon.process.log}'
    cases.until(lambda: not associations(world), 'the end of the associations')


def associations(world):
    return world.daemon.ask('assoc', 'list')['associations']


def _run(t, world, family, ours_listen, listener_words, connecter_words, ends):
    """One association; `ends` is how it ended for the listener and for the connecter."""
    ours, theirs = listener_words, connecter_words
    if not ours_listen:
        ours, theirs = theirs, ours
    with watched(t, world) as packets:
        peers = start(world, family, ours_listen, ours, [*theirs, *PEER_TIMERS])
        server, client = peers if ours_listen else reversed(peers)
        client_report, server_report = exchange(server, client, *ends)
    counts = count(packets)
    assert counts['DATA'] and counts['INIT'] and counts['COOKIE_ACK'], counts
    return client_report, server_report, counts


def check_all_sizes(client, server, messages=MESSAGES):
    """Both got all messages; unordered ones are told apart by their sizes in sum only."""
    for report in (client, server):
        cases.check_equal(report['received'], messages, f'messages of {report["peer"]}')
        cases.check_equal(report['bytes_received'], sum(SIZES) * messages // len(SIZES),
                          f'bytes of {report["peer"]}')


def sizes(t, world, family, ours_listen, more=()):
    """Every size on every stream, there and back, closed by the connecter."""
    words = ['--sizes', SIZE_LIST, '--count', MESSAGES, '--streams', STREAMS, '--window', 8, *more]
    client, server, counts = _run(t, world, family, ours_listen, [*words, '--end', 'wait'],
                                  [*words, '--end', 'shutdown'], ('shutdown', 'shutdown'))
    check_all_sizes(client, server)
    for report in (client, server):
        cases.check_equal((report['streams_out'], report['streams_in']), (STREAMS, STREAMS),
                          f'streams of {report["peer"]}')
    assert counts['SHUTDOWN'] and counts['SHUTDOWN_ACK'] and counts['SHUTDOWN_COMPLETE'], counts


def unordered(t, world, family, ours_listen):
    sizes(t, world, family, ours_listen, ['--unordered'])


def streams(t, world, family, ours_listen):
    """65,535 streams offered by both, by us alone, by them alone; messages on the last ones."""
    offers = [('wide', ALL_STREAMS, ALL_STREAMS, (ALL_STREAMS, ALL_STREAMS)),
              ('wide', ALL_STREAMS, STREAMS, (STREAMS, STREAMS)),  # they take no more than 10
              ('wide_in', STREAMS, ALL_STREAMS, (STREAMS, ALL_STREAMS))]
    modes = ('sink', 'source') if ours_listen else ('source', 'sink')
    with watched(t, world) as packets:
        for profile, ours, theirs, wanted in offers:
            first = max(wanted) - 5  # the last five, and then again from 0
            words = ['--count', 20, '--sizes', '40,3000', '--first-stream', first]
            mine, other = start(
                world, family, ours_listen,
                [*words, '--mode', modes[0], '--profile', profile, '--streams', ours],
                [*words, '--mode', modes[1], '--streams', theirs, *PEER_TIMERS])
            mine, other = mine.finish(end='shutdown'), other.finish(end='shutdown')
            cases.check_equal((mine['streams_out'], mine['streams_in']), wanted, 'our streams')
            cases.check_equal((other['streams_out'], other['streams_in']), wanted[::-1],
                              'their streams')
    assert count(packets)['INIT'] >= len(offers)


def listener_shuts_down(t, world, family, ours_listen):
    words = ['--count', 40, '--sizes', '64,300']
    _, _, counts = _run(t, world, family, ours_listen, [*words, '--end', 'shutdown'],
                        [*words, '--end', 'wait'], ('shutdown', 'shutdown'))
    assert counts['SHUTDOWN'], counts


def listener_aborts(t, world, family, ours_listen):
    words = ['--count', 40, '--sizes', '64,300']
    _, _, counts = _run(t, world, family, ours_listen,
                        [*words, '--end', 'abort', '--end-delay', 300], [*words, '--end', 'wait'],
                        ('aborted', 'lost'))
    assert counts['ABORT'], counts


def connecter_aborts(t, world, family, ours_listen):
    words = ['--count', 40, '--sizes', '64,300']
    _, _, counts = _run(t, world, family, ours_listen, [*words, '--end', 'wait'],
                        [*words, '--end', 'abort'], ('lost', 'aborted'))
    assert counts['ABORT'], counts


def ipv4_fails_beside_ipv6(t, world, ours_listen):
    """Both families in one association: once both paths are proven, IPv4 dies, and the rest goes
    over IPv6."""
    words = ['--family', 6, '--count', 120, '--interval', 20, '--sizes', '64,300,3000']
    ours, theirs = ['--profile', 'leaving'], PEER_TIMERS

    def peer(side, role, more):
        local = ['--local', side.both()] if side.binds else []
        return Peer(side.place, side.program, *role, *local, *side.arguments, *words, *more)
    with watched(t, world):
        connect = ['--connect', (world.ours if ours_listen else world.theirs).both()]
        if ours_listen:
            server = peer(world.ours, ['--listen'], ours)
            client = peer(world.theirs, connect, theirs)
        else:
            server = peer(world.theirs, ['--listen'], theirs)
            client = peer(world.ours, connect, ours)

        def states():
            found = associations(world)
            return {p['remote']: p['state'] for p in found[0]['paths']} if found else {}
        ipv4, ipv6 = (world.theirs.addresses[family] for family in (4, 6))
        cases.until(lambda: states() == {ipv4: 'ACTIVE', ipv6: 'ACTIVE'}, 'two paths, both active')
        with world.cable.fault(WithoutIpv4()):
            cases.until(lambda: states().get(ipv4) not in ('ACTIVE', None), 'the IPv4 path fails')
            cases.check_equal(states()[ipv6], 'ACTIVE', 'the IPv6 path')
            exchange(server, client, 'shutdown', 'shutdown')


SCENARIOS = [sizes, unordered, streams, listener_shuts_down, listener_aborts, connecter_aborts]


def make_cases(world_of, families=(4, 6), given_up=True):
    """(name, function) for the whole matrix; world_of(case) gives the World. Without `given_up`
    no peer gives up what it has begun to send."""
    from . import matrix_faults, matrix_partial  # they need what is here
    made = []
    for family in families:
        for ours_listen in (True, False):
            role = 'ours_listens' if ours_listen else 'theirs_listens'
            for scenario in (SCENARIOS + matrix_faults.SCENARIOS +
                             (matrix_partial.SCENARIOS if given_up else [])):
                made.append((f'{role}_ipv{family}_{scenario.__name__}',
                             lambda t, s=scenario, f=family, o=ours_listen:
                             s(t, world_of(t), f, o)))
        for scenario in matrix_faults.WITHOUT_ROLES:
            made.append((f'ipv{family}_{scenario.__name__}',
                         lambda t, s=scenario, f=family: s(t, world_of(t), f)))
    for ours_listen in (True, False):
        role = 'ours_listens' if ours_listen else 'theirs_listens'
        for scenario in matrix_partial.OF_ONE_FAMILY:
            made.append((f'{role}_ipv4_{scenario.__name__}',
                         lambda t, s=scenario, o=ours_listen: s(t, world_of(t), o)))
        made.append((f'{role}_ipv4_fails_beside_ipv6',
                     lambda t, o=ours_listen: ipv4_fails_beside_ipv6(t, world_of(t), o)))
    return made
