# SPDX-License-Identifier: BSD-3-Clause
"""Two endpoints joined by two links, a steady load in both directions, links pulled and put back at
known times, and what the captures and the applications' logs tell about it.

    joined = TwoDaemons(t.folder, {'default': PROFILE})
    run = Run(t.folder, joined.ours, joined.theirs, joined.cables, rate=500, seconds=10)
    run.play([(2.0, Pull(0)), (5.0, Back(0))])
    run.finish()                       # nothing lost, repeated, misordered or changed
    moved = run.ours.moved_at(run.pulls[0])

Links are numbered 0 and 1; link N is the subnet 10.11.N.0/24, ours is host 1, theirs host 2.
"""
import bisect
import dataclasses
import signal
import struct
import time

from . import cases, netns, trace, uml
from .cable import FAR, NEAR, Cable
from .capture_check import judged
from .daemon import Daemon, af_packet_port
from .peers import Here, Peer

LINKS = (0, 1)
STREAMS = 8
SIZES = '100,180,300,140'
BOTH = (NEAR, FAR)
ARRIVAL = struct.Struct('=QQIHH')  # struct Arrival of peer_steady.c


def ours(link):
    return f'10.11.{link}.1'


def theirs(link):
    return f'10.11.{link}.2'


def link_of(address):
    return int(address.split('.')[2])


@dataclasses.dataclass
class Pull:
    """A link that carries nothing any more from these sides."""
    link: int
    sides: tuple = BOTH


@dataclasses.dataclass
class Back:
    """The link is put back."""
    link: int


@dataclasses.dataclass
class Pulled:
    """What happened, and when: by the clock of captures and by that of the applications."""
    link: int
    sides: tuple
    realtime: float
    monotonic_ns: int
    back_realtime: float = 0.0
    back_monotonic_ns: int = 0
    rto: dict = dataclasses.field(default_factory=dict)    # side's label: RTO in s just before
    used: dict = dataclasses.field(default_factory=dict)   # side's label: the link its DATA took


@dataclasses.dataclass
class Move:
    """How one sender came from the pulled link to another one."""
    unanswered: float  # when its first packet went that no SACK ever answered
    moved: float       # when a new TSN first went over another link
    rto: float

    @property
    def seconds(self):
        return self.moved - self.unanswered

    @property
    def bound(self):
        """What the project promises: one and a half RTO, and 200 ms for a real machine."""
        return 1.5 * self.rto + 0.2

    def __str__(self):
        return (f'new traffic on the other path after {self.seconds * 1000:.0f} ms '
                f'= {self.seconds / self.rto:.2f} RTO of {self.rto * 1000:.0f} ms')


class Side:
    """One end of the association: its peer program, its daemon (None: the kernel's stack), and
    after the run its report, arrivals and packets."""

    def __init__(self, label, place, program, addresses, daemon=None, arguments=()):
        self.label = label
        self.program = program
        self.daemon = daemon
        self.addresses = addresses
        self._place = place
        self._arguments = arguments
        self.peer = self.report = self.packets = None
        self.log = self._capture = None
        self.gaps_before = 0

    def start(self, folder, number, role, words):
        if self.daemon:
            # The kernel's arrivals have a clock of their own, and nobody asks for them.
            self.log = folder / f'{self.label}-{number}.arrivals'
            words = [*words, '--log', self.log]
            self._capture = self.daemon.capture(folder / f'{self.label}-{number}.pcapng')
            self.gaps_before = self.long_gaps()
        self.peer = Peer(self._place, self.program, *role, '--mode', 'steady', *self._arguments,
                         *words)

    def long_gaps(self):
        """Turns of the daemon's workers that came late because the machine was busy."""
        return sum(value for name, value in self.counters().items() if name.endswith('long_gaps'))

    def counters(self):
        return self.daemon.ask('counters')

    def association(self):
        """trunkctl assoc show of the one association."""
        listed = self.daemon.ask('assoc', 'list')['associations']
        cases.check_equal(len(listed), 1, f'associations of {self.label}')
        return self.daemon.ask('assoc', 'show', listed[0]['id'])['association']

    def path(self, link, association=None):
        paths = (association or self.association())['paths']
        return next(p for p in paths if link_of(p['local']) == link)

    def path_changes(self):
        """[(monotonic ns, link, state)] as the application was told."""
        words = [line.split(' ', 3) for line in list(self.peer._job.lines)
                 if line.startswith('PATH ')]
        return [(int(when), link_of(address), state) for _, when, address, state in words]

    def told(self, link, states, since_ns=0, timeout=20):
        """Waits until the application has been told one of these states of that link's path."""
        what = f'{self.label}: link {link} becomes {" or ".join(states)}'

        def found():
            alive = self.peer.alive()
            change = next((c for c in self.path_changes()
                           if c[0] > since_ns and c[1] == link and c[2] in states), None)
            if not change and not alive:
                raise AssertionError(f'{what}: not before the association ended')
            return change
        return cases.until(found, what, timeout)

    def finish(self, timeout):
        self.report = self.peer.finish(timeout, end='shutdown', lost=0, repeated=0, corrupt=0)
        if self._capture:
            self.packets = judged(self._capture.stop(), allow_sequence=True)

    def arrivals(self):
        """[(sent ns, received ns)] of every message that this side received."""
        return [record[:2] for record in ARRIVAL.iter_unpack(self.log.read_bytes())]

    def silence_ms(self, since_ns):
        """The longest time without a message for this side, from that moment on."""
        came = sorted(received for _, received in self.arrivals())
        came = came[max(0, bisect.bisect_left(came, since_ns) - 1):]
        return max(later - earlier for earlier, later in zip(came, came[1:])) / 1e6

    def used_link(self, before, window=0.5):
        """The link that this sender's DATA took last before that moment."""
        sent = [p for p in self.packets if p['source'] in self.addresses and p['tsns']
                and before - window < p['time'] < before]
        return link_of(sent[-1]['source']) if sent else None

    def move(self, pull):
        """The Move of this sender after `pull`, which must have hit the link it used."""
        own = [p for p in self.packets if p['source'] in self.addresses]
        first = {}    # TSN: (time, link) of its first transmission
        again = {}    # TSN: time of its second
        for packet in own:
            for tsn in packet['tsns']:
                if tsn in first:
                    again.setdefault(tsn, packet['time'])
                else:
                    first[tsn] = (packet['time'], link_of(packet['source']))
        acks = sorted((p['time'], ack) for p in self.packets if p['source'] not in self.addresses
                      for ack in p['acks'])
        until = pull.back_realtime or float('inf')
        suspects = sorted((when, tsn) for tsn, (when, link) in first.items()
                          if link == pull.link and pull.realtime - 0.5 < when < until)
        unanswered = next((when for when, tsn in suspects
                           if not _acknowledged(acks, tsn, when, again.get(tsn, float('inf')))),
                          None)
        if unanswered is None:
            raise AssertionError(f'{self.label}: nothing was unanswered on link {pull.link}')
        moved = min((when for when, link in first.values()
                     if link != pull.link and when > unanswered), default=None)
        if moved is None:
            raise AssertionError(f'{self.label}: nothing new ever went over the other link')
        return Move(unanswered, moved, pull.rto[self.label])


def _acknowledged(acks, tsn, after, before):
    return any(trace.covers(ack, tsn) for when, ack in acks if after <= when < before)


class Run:
    """One association under load. The listener is `listens`, the other side connects to all of its
    addresses, the one on link `primary` first."""

    def __init__(self, folder, us, them, cables, rate=500, seconds=10, ours_listen=False, primary=0,
                 number=0, sizes=SIZES, timeout=90):
        self.ours, self.theirs, self.cables = us, them, cables
        self.sides = [us, them]
        self.pulls = []
        self._timeout = timeout + seconds
        folder.mkdir(parents=True, exist_ok=True)
        words = ['--rate', rate, '--count', rate * seconds, '--streams', STREAMS, '--sizes', sizes,
                 '--timeout', self._timeout, '--end', 'wait']  # until finish()
        server, client = (us, them) if ours_listen else (them, us)
        server.start(folder, number, ['--listen'], words)
        order = sorted(server.addresses, key=lambda a: link_of(a) != primary)
        client.start(folder, number, ['--connect', ','.join(order)], words)
        client.peer.expect('CONNECTED', 20)
        server.peer.expect('ACCEPTED', 20)
        for side in self.measured():
            cases.until(lambda s=side: all(p['state'] == 'ACTIVE' for p in s.association()['paths']),
                        f'{side.label}: both paths are active', 20)
        self.began = time.monotonic()

    def measured(self):
        return [side for side in self.sides if side.daemon]

    def play(self, script):
        """[(seconds from the start, Pull or Back)], in order."""
        for at, act in script:
            time.sleep(max(0.0, self.began + at - time.monotonic()))
            self.act(act)

    def act(self, act):
        if isinstance(act, Back):
            self.cables[act.link].put_back()
            for pulled in self.pulls:
                if pulled.link == act.link and not pulled.back_realtime:
                    pulled.back_realtime, pulled.back_monotonic_ns = time.time(), time.monotonic_ns()
            return None
        rto = {s.label: s.path(act.link)['rto_ms'] / 1000 for s in self.measured()}
        self.cables[act.link].pull(act.sides)
        pulled = Pulled(act.link, act.sides, time.time(), time.monotonic_ns(), rto=rto)
        self.pulls.append(pulled)
        return pulled

    def finish(self):
        """Both applications must have got everything; reads the captures. Until then the
        association lives, however long the machine took for what was to be looked at."""
        self.ours.peer.send_signal(signal.SIGUSR1)
        for side in self.sides:
            side.finish(self._timeout)
        for pulled in self.pulls:
            for side in self.measured():
                pulled.used[side.label] = side.used_link(pulled.realtime)


def daemon_side(label, namespace, case, daemon, addresses):
    return Side(label, Here(namespace, case), 'trunkpeer', addresses, daemon,
                ('--attach', daemon.clients))


def _our_end(label, folder, middle, host, profiles, changes):
    """A namespace with a daemon on two veths, whose other ends are in the middle."""
    namespace = netns.Namespace(label)
    for link in LINKS:
        netns.veth(namespace, middle, names=(f'v{link}', f'{label}{link}'))
        namespace.sysctl(f'net/ipv6/conf/v{link}/disable_ipv6', '1')  # this end is the daemon's
    ports = [af_packet_port(f'v{link}', [f'10.11.{link}.{host}/24'], name=f'port{link}')
             for link in LINKS]
    return namespace, Daemon(namespace, folder, ports, {'profiles': profiles, **(changes or {})},
                             label=label)


class TwoDaemons:
    """Two daemons, two cables between them."""

    def __init__(self, case, profiles, changes=None):
        middle = netns.Namespace('middle')
        self.sides = []
        ends = [_our_end(label, case.folder, middle, host, profiles, changes)
                for label, host in (('near', 1), ('far', 2))]
        self.cables = [Cable(middle, f'near{link}', f'far{link}') for link in LINKS]
        self.ours, self.theirs = [
            daemon_side(label, namespace, case, daemon, [address(link) for link in LINKS])
            for label, address, (namespace, daemon) in zip(('near', 'far'), (ours, theirs), ends)]
        self.daemons = [daemon for _, daemon in ends]


class WithKernel:
    """A daemon and the Linux kernel, in user-mode Linux with two devices."""

    def __init__(self, case, profiles, kernel_words, changes=None):
        middle = netns.Namespace('middle')
        namespace, daemon = _our_end('near', case.folder, middle, 1, profiles, changes)
        for link in LINKS:
            middle.add_tap(f'far{link}')
        # A tick: it must not sleep on what has come.
        self.cables = [Cable(middle, f'near{link}', f'far{link}', tick=0.1) for link in LINKS]
        kernel = uml.Uml(middle, [f'far{link}' for link in LINKS],
                         [[theirs(link) + '/24'] for link in LINKS], case.folder)
        self.ours = daemon_side('near', namespace, case, daemon, [ours(link) for link in LINKS])
        addresses = [theirs(link) for link in LINKS]
        self.theirs = Side('kernel', kernel, 'kernel_peer', addresses, None,
                           ('--local', ','.join(addresses), *kernel_words))
        self.daemons = [daemon]
