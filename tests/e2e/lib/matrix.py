# SPDX-License-Identifier: BSD-3-Clause
"""The interop matrix: one stack against another, both roles, IPv4 and IPv6; all sizes on ten
streams, shutdown and abort from either side; every packet through tshark.

A script gives `make_cases` a function that builds a World for a case:

    World(ours=Side(...), theirs=Side(...), capture=lambda path: ...)

and passes the cases on to cases.main. Names read ours_listens_ipv4_sizes, and so on.
"""
import dataclasses

from . import cases
from .capture_check import check
from .peers import SIZE_LIST, SIZES, Peer, exchange

STREAMS = 10
MESSAGES = STREAMS * len(SIZES)


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

    def listen(self, family, *arguments):
        return Peer(self.place, self.program, '--listen', '--family', family,
                    *self._local(family), *self.arguments, *arguments)

    def connect(self, family, other, *arguments):
        return Peer(self.place, self.program, '--connect', other.addresses[family],
                    *self._local(family), *self.arguments, *arguments)


@dataclasses.dataclass
class World:
    """What a case runs in. `capture(path)` starts a capture, with stop(); `after()` checks what
    must hold when the case is over."""
    ours: Side
    theirs: Side
    capture: object
    after: object = None


def _run(t, world, family, ours_listen, listener_words, connecter_words, ends):
    """One association; `ends` is how it ended for the listener and for the connecter."""
    capture = world.capture(t.log('packets.pcapng'))
    listener, connecter = (world.ours, world.theirs) if ours_listen else (world.theirs, world.ours)
    server = listener.listen(family, *listener_words)
    client = connecter.connect(family, listener, *connecter_words)
    client_report, server_report = exchange(server, client, *ends)
    # Retransmissions are the business of the tests with loss: a peer in user-mode Linux loses its
    # core for longer than its RTO. What must not be is a packet that does not decode.
    counts = check(capture.stop(), allow_sequence=True)
    assert counts['DATA'] and counts['INIT'] and counts['COOKIE_ACK'], counts
    if world.after:
        world.after()
    return client_report, server_report, counts


def sizes(t, world, family, ours_listen):
    """Every size on every stream, there and back, closed by the connecter."""
    words = ['--sizes', SIZE_LIST, '--count', MESSAGES, '--streams', STREAMS, '--window', 8]
    client, server, counts = _run(t, world, family, ours_listen, [*words, '--end', 'wait'],
                                  [*words, '--end', 'shutdown'], ('shutdown', 'shutdown'))
    cases.check_equal(client['received'], MESSAGES, 'echoes')
    cases.check_equal(server['received'], MESSAGES, 'messages')
    for report in (client, server):
        cases.check_equal((report['streams_out'], report['streams_in']), (STREAMS, STREAMS),
                          f'streams of {report["peer"]}')
    assert counts['SHUTDOWN'] and counts['SHUTDOWN_ACK'] and counts['SHUTDOWN_COMPLETE'], counts


def unordered(t, world, family, ours_listen):
    words = ['--sizes', '1,30,1400,5000', '--count', 80, '--unordered', '--window', 8]
    client, _, _ = _run(t, world, family, ours_listen, words, words, ('shutdown', 'shutdown'))
    cases.check_equal(client['received'], 80, 'echoes')


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


SCENARIOS = [sizes, unordered, listener_shuts_down, listener_aborts, connecter_aborts]


def make_cases(world_of, families=(4, 6)):
    """(name, function) for the whole matrix; world_of(case) gives the World."""
    made = []
    for ours_listen in (True, False):
        role = 'ours_listens' if ours_listen else 'theirs_listens'
        for family in families:
            for scenario in SCENARIOS:
                made.append((f'{role}_ipv{family}_{scenario.__name__}',
                             lambda t, s=scenario, f=family, o=ours_listen:
                             s(t, world_of(t), f, o)))
    return made
