# SPDX-License-Identifier: BSD-3-Clause
"""The bar: what each figure must at least be, and what it should be. Judged from one run's rows."""
import dataclasses
import typing

from . import stats
from .table import human, percent

PER_CPU = 'messages_per_cpu_second'
USRSCTP = 'usrsctp'
RING = 'ring API'  # and below, who stands beside sockets
PER_SECOND = 'messages_per_second'


def median(case, metric):
    return lambda rows: stats.median_of(rows, case, metric)


def ratio(case, metric, peer=USRSCTP):
    def value(rows):
        row = stats.find(rows, case, metric, peer)
        return row['ratio'] if row else None
    return value


def quotient(above, below):
    def value(rows):
        top, bottom = above(rows), below(rows)
        return top / bottom if top is not None and bottom else None
    return value


def hundredth(of):
    def value(rows):
        number = of(rows)
        return number / 100 if number is not None else None
    return value


def times(value):
    return f'{value:.3g} ×'


def number(unit):
    return lambda value: f'{human(value)} {unit}'.strip()


@dataclasses.dataclass(frozen=True)
class Bar:
    case: str
    value: typing.Callable
    show: typing.Callable
    least: float | None        # None: nothing is asked at least
    aim: float | None = None
    smaller_is_better: bool = False

    def reaches(self, value, mark):
        return value <= mark if self.smaller_is_better else value >= mark

    def judge(self, rows):
        """Words for the table: case, at least, aim, measured, verdict."""
        value = self.value(rows)
        texts = [self.case, self.show(self.least) if self.least is not None else '',
                 self.show(self.aim) if self.aim is not None else '']
        if value is None:
            return [*texts, '', 'not measured']
        if self.aim is not None and self.reaches(value, self.aim):
            word = 'aim reached'
        elif self.least is None:
            word = 'below the aim'
        else:
            word = 'reached' if self.reaches(value, self.least) else 'BELOW'
        return [*texts, self.show(value), word]


def trips_to_spare(rows):
    """Microseconds by which a round trip through sockets is shorter than it may be."""
    row = stats.find(rows, 'socket/ping-pong', 'round_trip', RING)
    calls = stats.median_of(rows, 'socket/ping-pong', 'two_system_calls')
    return 2 * row['peer_median'] + calls - row['median'] if row and calls is not None else None


STREAM = 'bare/stream/100'
TEN_K = 'bare/associations/10000'
MILLION = 'bare/associations/1000000'
THOUSAND = 'bare/associations/1000'
SET_UP, SET_UPS = 'bare/set-up/1000', 'set_ups_per_cpu_second'
FLOOD = 'flood/limiter/random/200k'

A_MESSAGE, A_TRIP = 'instructions_per_message', 'instructions_per_round_trip'

BARS = [
    Bar('instructions a message, both ends, 100-byte stream, profile `lan`',
        median('count/stream/100', A_MESSAGE), number(''), 600, 490, True),
    Bar('the same, default profile', median('count/stream-rfc9260/100', A_MESSAGE), number(''), 700,
        560, True),
    Bar('the same, a round trip', median('count/ping-pong', A_TRIP), number(''), 3900, 3000, True),
    Bar('the same, a message through the rings of both programs',
        median('count/ring/100', A_MESSAGE), number(''), 1618, 1245, True),
    Bar('bare stack, 100-byte stream, one association: against usrsctp', ratio(STREAM, PER_CPU),
        times, 10, 14),
    Bar('the same: of the model loop', quotient(median(STREAM, PER_CPU), median('model/100', PER_CPU)),
        percent, 0.40, 0.60),
    Bar('ping-pong, bare stack: against usrsctp',
        ratio('bare/ping-pong', 'round_trips_per_cpu_second'), times, 4, 6),
    Bar('the same: round trips', median('bare/ping-pong', 'round_trips_per_cpu_second'),
        number('/s'), None, 1e6),
    Bar('10 k associations round robin, one message a packet: against usrsctp',
        ratio(TEN_K, PER_CPU), times, 15, 25),
    Bar('the same: messages', median(TEN_K, PER_CPU), number('/s'), None, 2e6),
    Bar('rate at 1 M associations against 1 k',
        quotient(median(MILLION, PER_CPU), median(THOUSAND, PER_CPU)), percent, 0.50, 0.70),
    Bar('resident memory of an idle association, one end',
        median('bare/memory/1000000', 'accepting_end'), number('B'), 700, 512, True),
    Bar('CPU for 1 M idle associations, heartbeat every 30 s, one end',
        hundredth(median('bare/idle/1000000', 'cpu_percent')), percent, 0.10, 0.05, True),
    Bar('set-ups per CPU-second, both ends: against usrsctp',
        ratio(SET_UP, SET_UPS), times, 8),
    Bar('the same: set-ups', median(SET_UP, SET_UPS), number('/s'), None, 2e5),
    Bar('end to end over memif, 100 bytes, per CPU-second of all processes: against usrsctp',
        ratio('e2e/rate/100', PER_CPU), times, 3, 5),
    Bar('the same: on the wall', median('e2e/rate/100', 'messages_per_second'), number('/s'),
        None, 2e6),
    Bar('established goodput at 200 k hostile INITs/s, limiter on',
        median(FLOOD, 'goodput_fraction'), percent, 0.80, 0.95),
    Bar('goodput at 1 % loss, 10 ms, 100-byte messages: against usrsctp',
        ratio('link/100/loss-1/delay-10ms', 'goodput'), times, 1.0, 1.5),
    Bar('the same, 1000-byte messages', ratio('link/1000/loss-1/delay-10ms', 'goodput'), times, 1.0,
        1.5),
    Bar('the same, RTO.min 1 s, `loss_recovery: rack`',
        ratio('link/rack/1000/loss-1/delay-10ms', 'goodput'), times, 1.2, 2),
    Bar('p99.5 of one message a second, 1 % loss, 10 ms, RTO.min 1 s, `rack`',
        median('link/thin/1/rack', 'p99.5'), number('ms'), 210, 60, True),
    Bar('p99.9 of a hundred a second, the same', median('link/thin/100/rack', 'p99.9'),
        number('ms'), 210, 100, True),
    Bar('one socket, 100-byte messages: against the ring API',
        ratio('socket/stream/100', PER_SECOND, RING), percent, 0.5),
    Bar('the same, 1000-byte messages', ratio('socket/stream/1000', PER_SECOND, RING), percent, 0.5),
    Bar('the same with default buffers, 100 bytes', ratio('socket/defaults/100', PER_SECOND, RING),
        percent, 0.5),
    Bar('the same, 1000 bytes', ratio('socket/defaults/1000', PER_SECOND, RING), percent, 0.5),
    Bar("round trips through sockets: shorter than twice the ring API's and two system calls by",
        trips_to_spare, number('us'), 0),
    Bar('iperf3 --sctp, 1000-byte messages: against usrsctp',
        ratio('socket/iperf3/1000', PER_SECOND), times, 3),
    Bar('the same, 64 KiB', ratio('socket/iperf3/65536', PER_SECOND), times, 3),
    Bar('one socket beside ten thousand idle ones: against one alone',
        ratio('socket/idle', PER_SECOND, 'alone'), percent, 0.95),
    Bar('resident memory of an idle socket, daemon and program',
        median('socket/idle', 'resident_each'), number('B'), 24 * 1024, None, True),
    Bar('the ring API where sockets are offered and not used: against where they are not',
        ratio('socket/unused', PER_SECOND, 'without'), percent, 0.97),
]
HEADINGS = ('case', 'at least', 'aim', 'measured', 'verdict')


def judge(rows):
    return [bar.judge(rows) for bar in BARS]
