# SPDX-License-Identifier: BSD-3-Clause
"""A cable with faults: joins two devices of a namespace, frame by frame, and can lose, cut or hold
the SCTP packets in it. ARP, neighbour discovery and ICMP always pass, unless it is pulled.

    cable = Cable(namespace, 'near0', 'far0')
    with cable.fault(Loss()) as loss:       # two of a hundred, each way
        ...
    with cable.fault(Cut()):                # both ends are alone
        ...
    cable.pull()                            # nothing passes at all; or one direction: pull((NEAR,))
    cable.put_back()

Not every kernel has netem; and no netem can make two INITs cross for certain.
"""
import collections
import contextlib
import os
import random
import selectors
import socket
import struct
import threading
import time

from . import processes

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_IGNORE_OUTGOING = 23
SO_RCVBUFFORCE = 33
INIT = 1
NEAR, FAR = 'near', 'far'
TICK = b'\xff' * 6 + bytes(6) + b'\x88\xb5' + bytes(46)  # an ethertype for experiments


def first_chunk(frame):
    """The type of the first chunk of an SCTP packet; None for anything else."""
    kind = frame[12:14]
    if kind == b'\x08\x00' and len(frame) > 34 and frame[23] == socket.IPPROTO_SCTP:
        at = 14 + (frame[14] & 15) * 4
    elif kind == b'\x86\xdd' and len(frame) > 54 and frame[20] == socket.IPPROTO_SCTP:
        at = 54
    else:
        return None
    return frame[at + 12] if len(frame) > at + 12 else None


class Fault:
    """What becomes of an SCTP packet: take() gives the (side it came from, frame) pairs that go on
    now. This one changes nothing. Called by the cable's thread alone."""
    everything = False  # True: it judges every frame, and `chunk` is None for what is no SCTP

    def take(self, side, chunk, frame):
        return [(side, frame)]


class Loss(Fault):
    """Loses one packet of every `of`, at a random place, in each direction: a run with so many
    packets has loss for certain."""

    def __init__(self, of=50, seed=1):
        self.lost = collections.Counter()
        self._of = of
        self._random = random.Random(seed)
        self._place = {}
        self._count = collections.Counter()

    def take(self, side, chunk, frame):
        number = self._count[side] % self._of
        self._count[side] += 1
        if number == 0:
            self._place[side] = self._random.randrange(self._of)
        if number == self._place[side]:
            self.lost[side] += 1
            return []
        return [(side, frame)]


class LoseFirst(Fault):
    """Loses the first packet that begins with this chunk, whoever sends it."""

    def __init__(self, chunk):
        self.lost = False
        self._chunk = chunk

    def take(self, side, chunk, frame):
        if chunk == self._chunk and not self.lost:
            self.lost = True
            return []
        return [(side, frame)]


class Cut(Fault):
    """Nothing passes; with until_init, until the far side begins anew with an INIT."""

    def __init__(self, until_init=False):
        self.mended = threading.Event()
        self._until_init = until_init

    def take(self, side, chunk, frame):
        if self._until_init and side == FAR and chunk == INIT:
            self.mended.set()
        return [(side, frame)] if self.mended.is_set() else []


class Pulled(Fault):
    """What these sides send is lost, to the last frame. Neither end sees its carrier go: a failure
    somewhere between them, which only SCTP itself can notice."""
    everything = True

    def __init__(self, sides):
        self._sides = sides

    def take(self, side, chunk, frame):
        return [] if side in self._sides else [(side, frame)]


class WithoutIpv4(Fault):
    """Every IPv4 packet is lost; IPv6 passes."""
    everything = True

    def take(self, side, chunk, frame):
        return [] if frame[12:14] == b'\x08\x00' else [(side, frame)]


class Crossing(Fault):
    """Holds each side's first INIT until the other side has sent one as well, so that they
    cross."""

    def __init__(self):
        self.crossed = threading.Event()
        self._held = {}

    def take(self, side, chunk, frame):
        if self.crossed.is_set() or chunk != INIT:
            return [(side, frame)]
        self._held.setdefault(side, frame)  # a retransmitted one is the same again
        if len(self._held) < 2:
            return []
        self.crossed.set()
        return list(self._held.items())


def with_tcp_checksum(frame):
    if frame[12:14] != b'\x08\x00' or frame[23] != socket.IPPROTO_TCP:
        return frame
    start = 14 + (frame[14] & 15) * 4
    end = 14 + int.from_bytes(frame[16:18], 'big')
    segment = frame[start:start + 16] + bytes(2) + frame[start + 18:end]
    summed = frame[26:34] + struct.pack('!HH', socket.IPPROTO_TCP, len(segment)) + segment
    summed += bytes(len(summed) % 2)
    total = sum(struct.unpack(f'!{len(summed) // 2}H', summed))
    total = (total & 0xffff) + (total >> 16)
    total = ~((total & 0xffff) + (total >> 16)) & 0xffff
    return frame[:start + 16] + total.to_bytes(2, 'big') + frame[start + 18:]


class Cable:
    """Two devices of a namespace, joined by a thread of this process. With `tick`, the far side
    gets a frame of no meaning each so many seconds: user-mode Linux now and then sleeps on what
    has come until something else comes. With `tcp`, checksums of TCP from the far side are written:
    user-mode Linux leaves them to its device, which leaves them as they are."""

    def __init__(self, namespace, near, far, tick=None, tcp=False):
        self._tcp = tcp
        self._tick = tick
        self.passed = collections.Counter()  # (side it came from, first chunk): SCTP packets
        self._fault = Fault()
        self._sockets = {}
        self._selector = selectors.DefaultSelector()
        for side, device in ((NEAR, near), (FAR, far)):
            namespace.sysctl(f'net/ipv6/conf/{device}/disable_ipv6', '1')  # says nothing itself
            with namespace.inside():
                raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            raw.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
            raw.bind((device, ETH_P_ALL))
            raw.setblocking(False)
            self._sockets[side] = raw
            self._selector.register(raw, selectors.EVENT_READ, side)
        stopped, stop = os.pipe()
        self._selector.register(stopped, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()
        processes.on_end(lambda: (os.close(stop), self._thread.join(2)))

    def packets_from(self, side):
        return sum(count for (source, _), count in list(self.passed.items()) if source == side)

    @contextlib.contextmanager
    def fault(self, fault):
        self._fault = fault
        try:
            yield fault
        finally:
            self._fault = Fault()

    def pull(self, sides=(NEAR, FAR)):
        self._fault = Pulled(sides)

    def put_back(self):
        self._fault = Fault()

    def _carry(self):
        tick_at = 0
        while True:
            if self._tick and time.monotonic() > tick_at:
                tick_at = time.monotonic() + self._tick
                self._send(FAR, TICK)
            for key, _ in self._selector.select(self._tick):
                if key.data is None:
                    return
                self._carry_from(key.data)

    def _carry_from(self, side):
        for _ in range(64):  # then the other side's turn
            try:
                frame = self._sockets[side].recv(65536)
            except BlockingIOError:
                return
            except OSError:
                continue  # the device is down: an error of its own for each change
            if self._tcp and side == FAR:
                frame = with_tcp_checksum(frame)
            chunk = first_chunk(frame)
            fault = self._fault
            judged = fault.everything or chunk is not None
            going = fault.take(side, chunk, frame) if judged else [(side, frame)]
            for source, packet in going:
                if chunk is not None:
                    self.passed[source, first_chunk(packet)] += 1
                self._send(FAR if source == NEAR else NEAR, packet)

    def _send(self, side, frame):
        try:
            self._sockets[side].send(frame)
        except OSError:
            pass  # as a cable does with what nobody takes
