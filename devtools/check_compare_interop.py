#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""devtools/compare_interop.py is tested: what chance decides is no difference, whatever else changes
is one, and nothing at all is never taken for the same."""
import contextlib
import io
import pathlib
import random
import struct
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / 'devtools'), str(ROOT / 'tests/e2e')]
import compare_interop  # noqa: E402  (after the path)
from lib import pcapng  # noqa: E402

OURS, THEIRS = '10.9.0.1', '10.9.0.2'
LOSS = 'interop_kernel_ipv4/ours_listens_ipv4_loss'
CASE = 'interop_kernel_ipv4/ours_listens_ipv4_sizes'
wrong = []


def tlv(kind, value, head='!HH'):
    return struct.pack(head, kind, 4 + len(value)) + value + bytes(-len(value) % 4)


def chunk(kind, value=b'', flags=0):
    return tlv(kind << 8 | flags, value)


def init(kind, tag, parameters, window=524288, streams=(10, 2048)):
    return chunk(kind, struct.pack('!IIHHI', tag, window, *streams, tag ^ 77) + parameters)


class Conversation:
    """A short association of theirs with ours, as captured; each piece may be said otherwise."""

    def __init__(self, seed, **otherwise):
        self.random = random.Random(seed)
        self.ports = (4444, self.random.randrange(20000, 60000))
        self.tags = {OURS: self.random.getrandbits(32) | 1, THEIRS: self.random.getrandbits(32) | 1}
        self.otherwise = otherwise
        self.packets = []

    def word(self, size):
        return self.random.getrandbits(8 * size).to_bytes(size, 'big')

    def say(self, source, name, chunks, tag=None):
        """`otherwise` may replace the chunks (by bytes, or a function of the tag that the source wants),
        leave them out (None), or change the tag."""
        chunks = self.otherwise.get(name, chunks)
        if callable(chunks):
            chunks = chunks(self.tags[source])
        if chunks is None:
            return
        other = THEIRS if source == OURS else OURS
        tag = self.otherwise.get(f'{name} tag', self.tags[other] if tag is None else tag)
        ports = self.ports if source == OURS else self.ports[::-1]
        self.packets.append(pcapng.ipv4(source, other, pcapng.sctp(ports, tag, chunks)))

    def whole(self):
        cookie = self.word(self.otherwise.get('cookie size', 104))
        addresses = tlv(5, bytes([10, 9, 0, 1])) + tlv(12, struct.pack('!HH', 5, 6))
        self.say(THEIRS, 'init', init(1, self.tags[THEIRS], tlv(0xc000, b''), 1048576, (10, 10)), 0)
        self.say(OURS, 'init ack', init(2, self.tags[OURS], addresses + tlv(7, cookie)))
        self.say(THEIRS, 'cookie echo', chunk(10, cookie))
        self.say(OURS, 'cookie ack', chunk(11))
        for _ in range(self.random.randrange(3, 9)):
            self.say(OURS, 'data', chunk(0, self.word(32), 3))
            self.say(THEIRS, 'sack', chunk(3, self.word(12)))
        self.say(THEIRS, 'shutdown', chunk(7, self.word(4)))
        self.say(OURS, 'shutdown ack', chunk(8))
        self.say(THEIRS, 'shutdown complete', chunk(14))
        return self

    def again(self, number):
        """That packet is sent a second time, at the end."""
        self.packets.append(self.packets[number])
        return self


def folder_with(base, name, *conversations, case):
    for run, packets in enumerate(each.packets for each in conversations):
        (base / name / f'run-{run}' / case).mkdir(parents=True)
        pcapng.write(base / name / f'run-{run}' / case / 'packets.pcapng', packets)
    (base / name).mkdir(exist_ok=True)
    return base / name


def complaints(before, after):
    """(how many, the report)"""
    report = io.StringIO()
    sides = compare_interop.Side('before'), compare_interop.Side('after')
    with contextlib.redirect_stdout(report):
        for side, folder in zip(sides, (before, after)):
            side.take_folder(folder)
        return compare_interop.verdict(*sides), report.getvalue()


def judge(what, before, after, alike, case=CASE):
    with tempfile.TemporaryDirectory() as base:
        base = pathlib.Path(base)
        count, report = complaints(folder_with(base, 'before', *before, case=case),
                                   folder_with(base, 'after', *after, case=case))
    if (count == 0) != alike:
        wrong.append(f'{what}: {count} complaints, wanted {"none" if alike else "some"}\n{report}')
    return report


def plain(seed=1, **otherwise):
    return Conversation(seed, **otherwise).whole()


def chance_is_no_difference():
    judge('another draw', [plain(1)], [plain(2)], True)
    for number in range(4):
        judge(f'packet {number} sent again', [plain(1)], [plain(2).again(number)], True)
    judge('a longer cookie', [plain(1)], [plain(2, **{'cookie size': 124})], True)
    bundled = chunk(10, bytes(104)) + chunk(0, bytes(32), 3)
    judge('DATA beside COOKIE ECHO', [plain(1)], [plain(2, **{'cookie echo': bundled})], True)
    shorter = plain(2, data=None)
    judge('two outcomes, both seen', [plain(1), plain(3, **{'cookie ack': None})],
          [plain(4, **{'cookie ack': None}), plain(5)], True)
    last = {'shutdown complete': None}
    judge('their last word is lost', [plain(1)], [plain(2, **last)], True, LOSS)
    judge('their last word is lost, before', [plain(1, **last)], [plain(2)], True, LOSS)
    if 'rare' not in judge('no DATA', [plain(1)], [shorter], True):
        wrong.append('that there is no DATA was not told')


def init_ack(parameters, **fields):
    return {'init ack': lambda tag: init(2, tag, parameters, **fields)}


def each_change_is_found():
    address, types = tlv(5, bytes([10, 9, 0, 1])), tlv(12, struct.pack('!HH', 5, 6))
    cookie = tlv(7, bytes(104))
    judge('the same by other means', [plain(1)], [plain(2, **init_ack(address + types + cookie))], True)
    plants = {
        'a parameter more': init_ack(address + types + cookie + tlv(0xc000, b'')),
        'a parameter less': init_ack(address + cookie),
        'parameters in another order': init_ack(cookie + address + types),
        'another address': init_ack(tlv(5, bytes([10, 9, 0, 3])) + types + cookie),
        'other address types': init_ack(address + tlv(12, struct.pack('!HH', 5, 5)) + cookie),
        'another window': init_ack(address + types + cookie, window=1500),
        'other streams': init_ack(address + types + cookie, streams=(10, 2047)),
        'a flag': {'cookie ack': chunk(11, flags=1)},
        'a length': {'shutdown ack': chunk(8, bytes(4))},
        'a chunk more': {'cookie ack': chunk(11) + chunk(9, tlv(8, tlv(0xc000, b'')))},
        'a chunk less': {'shutdown ack': None},
        'ABORT instead': {'shutdown ack': chunk(6, tlv(12, b'why'))},
        'a peer that answers otherwise': {'shutdown complete': chunk(6, tlv(12, b''))},
        'a chunk that nobody knows': {'shutdown ack': chunk(0x7f)},
        'a tag of zero': {'init ack tag': 0},
        "a stranger's tag": {'shutdown ack tag': 0x12345},
    }
    for what, otherwise in plants.items():
        judge(what, [plain(1)], [plain(2, **otherwise)], False)
        judge(f'{what}, before', [plain(1, **otherwise)], [plain(2)], False)
    for cause in (tlv(12, b'another text'), tlv(13, b'why')):
        judge('another cause', [plain(1, **{'shutdown ack': chunk(6, tlv(12, b'why'))})],
              [plain(2, **{'shutdown ack': chunk(6, cause)})], False)
    for name in ('cookie ack', 'shutdown ack'):
        judge('ours is missing where packets are lost', [plain(1)], [plain(2, **{name: None})], False, LOSS)
    judge('their last word is another where packets are lost', [plain(1)],
          [plain(2, **{'shutdown complete': chunk(14, flags=2)})], False, LOSS)
    swapped = plain(2)
    swapped.packets[3], swapped.packets[-2] = swapped.packets[-2], swapped.packets[3]
    judge('another order', [plain(1)], [swapped], False)
    judge('an outcome that only one has', [plain(1)], [plain(2), plain(3, **{'cookie ack': None})], False)
    twice = plain(2)
    twice.packets += plain(3).packets
    judge('an association more', [plain(1)], [twice], False)
    many = [plain(seed, data=chunk(0, bytes(32), 7)) for seed in range(20)]
    if 'DIFFERS: after only, ours' not in judge('DATA with other flags', [plain(1)], many, False):
        wrong.append('DATA with other flags: not called a difference')


def nothing_is_never_the_same():
    judge('no captures', [], [], False)
    judge('no captures after', [plain(1)], [], False)
    empty = Conversation(1)
    judge('captures without a packet', [empty], [empty], False)
    only_data = Conversation(1)
    only_data.say(OURS, 'data', chunk(0, bytes(32), 3))
    judge('captures without an association', [only_data], [only_data], False)
    with tempfile.TemporaryDirectory() as base:
        base = pathlib.Path(base)
        for name in ('before', 'after'):
            folder_with(base, name, plain(1), case=CASE)
        folder_with(base, 'more', plain(1), case=CASE)
        (base / 'more' / 'x/interop_usrsctp_ipv4/case').mkdir(parents=True)
        pcapng.write(base / 'more' / 'x/interop_usrsctp_ipv4/case/packets.pcapng', plain(1).packets)
        for what, before, after in (('a case more', 'before', 'more'), ('a case less', 'more', 'after')):
            if not complaints(base / before, base / after)[0]:
                wrong.append(f'{what} was not noticed')
        path = next((base / 'after').rglob('packets.pcapng'))
        path.write_bytes(path.read_bytes()[:-7])
        if not complaints(base / 'before', base / 'after')[0]:
            wrong.append('a capture that is cut off was not noticed')
        if not complaints(base / 'before', ROOT / 'devtools')[0]:
            wrong.append('a folder without captures was not noticed')


def main():
    chance_is_no_difference()
    each_change_is_found()
    nothing_is_never_the_same()
    print('\n'.join(wrong) or 'check_compare_interop: ok')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
