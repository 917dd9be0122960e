#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Do two builds say the same to other SCTPs? Compares what the interop matrix (tests/e2e/interop_*.py:
the Linux kernel's SCTP, usrsctp) puts on the wire: of set-up, tear-down and errors every chunk, flag,
parameter, cause and field that is not drawn, case by case, both ways. For changes that are to change
nothing; what becomes of the data in between the matrix itself judges, and the simulator's ledger.

usage: compare_interop.py BEFORE AFTER [CASE...]

Each is a build folder, with which the matrix is run, or a folder of captures that runs have left
(build/test-logs/interop, or what --keep FOLDER keeps). Exits with 1 where they differ, where one lacks
a case or has nothing, and where a case does not pass.

Times differ from run to run, and with them what is sent again, what shares a packet, how the two
directions lie between each other. So a capture is reduced to its associations, and each of these to
two rows: what one side said, each thing once, in the order of the first time. What is sent again adds
nothing to a row; what is missing, new, changed, or has changed places, does. Two things are out of the
rows, and are compared as kinds that the whole matrix has or has not: DATA, SACK, HEARTBEAT and their
like, which come when time wants it, and answers to packets of no association. Where chance has more
than one outcome (who is first when two connect at once?), the case is run again with both builds:
each outcome of the one must come up with the other. Where the cable loses packets (cases named loss)
what the peer has said may be missing, not what we have.

Addresses, streams, windows, lists and texts are compared as they are, and what IP says in our packets.
Of what is drawn there remains what it is good for: a tag is zero, the receiver's, the sender's own or
a stranger's, a port is one of the matrix's or drawn. Of our State Cookies the lengths are told, and
may differ."""
import argparse
import collections
import concurrent.futures
import ipaddress
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCRIPTS = ('interop_kernel', 'interop_usrsctp')
PARTS = ('ipv4', 'ipv6')  # of a script, each with namespaces of its own
OURS = {'10.9.0.1', 'fd00:9::1'}  # the daemon's addresses in the matrix
PORTS = {4444, 4445}
ROUNDS = 6  # of a case that differs, or does not pass
RARE = 20   # of a kind that comes by chance: so many may be missing from the other

DATA, INIT, INIT_ACK, SACK, HEARTBEAT, HEARTBEAT_ACK, ABORT, SHUTDOWN = range(8)
ERROR, COOKIE_ECHO, SHUTDOWN_COMPLETE, PAD = 9, 10, 14, 132
NAMES = {DATA: 'DATA', INIT: 'INIT', INIT_ACK: 'INIT ACK', SACK: 'SACK', HEARTBEAT: 'HEARTBEAT',
         HEARTBEAT_ACK: 'HEARTBEAT ACK', ABORT: 'ABORT', SHUTDOWN: 'SHUTDOWN', 8: 'SHUTDOWN ACK',
         ERROR: 'ERROR', COOKIE_ECHO: 'COOKIE ECHO', 11: 'COOKIE ACK', 12: 'ECNE', 13: 'CWR',
         SHUTDOWN_COMPLETE: 'SHUTDOWN COMPLETE', PAD: 'PAD'}
OF_DATA = {DATA, SACK, HEARTBEAT, HEARTBEAT_ACK, 12, 13, PAD}
COOKIE, IPV6_ADDRESS, RANDOM = 7, 6, 0x8002
STALE_COOKIE, NO_USER_DATA = 3, 9  # causes that hold a time, a TSN


# Reading

def blocks(content):
    """(type, body) of each block of a pcapng file, as far as it goes."""
    at = 0
    while at + 12 <= len(content):
        kind, length = struct.unpack_from('<II', content, at)
        if length < 12 or at + length > len(content):
            raise ValueError('not a pcapng file, or cut off')
        yield kind, content[at + 8:at + length - 4]
        at += length


def frames(path):
    """(link type, frame) of each packet."""
    links = []
    for kind, body in blocks(path.read_bytes()):
        if kind == 1:
            links.append(struct.unpack_from('<H', body)[0])
        elif kind == 6:
            interface, _, _, length = struct.unpack_from('<IIII', body)
            yield links[interface], body[20:20 + length]


def sctp_of(link, frame):
    """(source, destination, what IP says of it, SCTP packet), or None."""
    if link == 1:
        if frame[12:14] not in (b'\x08\x00', b'\x86\xdd'):
            return None
        frame = frame[14:]
    if frame[0] >> 4 == 4 and frame[9] == 132:
        tos, total, _, fragment, ttl = struct.unpack_from('!xBHHHB', frame)
        if fragment & 0x3fff:
            return None  # fragments carry DATA, and large ones
        ends = [str(ipaddress.ip_address(frame[at:at + 4])) for at in (12, 16)]
        how = f'tos {tos:#x} ttl {ttl}' + (' DF' if fragment & 0x4000 else '')
        return *ends, how, frame[(frame[0] & 15) * 4:total]
    if frame[0] >> 4 == 6 and frame[6] == 132:
        ends = [str(ipaddress.ip_address(frame[at:at + 16])) for at in (8, 24)]
        word, length, hops = struct.unpack_from('!IHxB', frame)
        return *ends, f'class {word >> 20 & 0xff:#x} hops {hops}', frame[40:40 + length]
    return None


def tlvs(data, head):
    """(type, length, value) of each; `head` says how many bytes type and length take: H, or chunks'."""
    at = 0
    while at + 4 <= len(data):
        kind, length = struct.unpack_from(head, data, at)
        if length < 4:
            yield kind, length, b'?'
            return
        yield kind, length, data[at + 4:at + length]
        at += length + -length % 4


# What a packet says, without what is drawn

def value_of(data):
    return data.hex() or '-'


def address(data):
    found = ipaddress.ip_address(data)
    return 'link-local' if found.is_link_local else str(found)  # made of a drawn MAC address


def parameter(kind, length, value, ours):
    if kind == COOKIE:
        return 'cookie' if ours else f'cookie/{length}'
    if kind == 5 and len(value) == 4 or kind == IPV6_ADDRESS and len(value) == 16:
        return address(value)
    if kind == RANDOM:
        return f'random/{length}'
    return f'{kind:#x}/{length} {value_of(value)}'


def cause(kind, length, value):
    if kind in (STALE_COOKIE, NO_USER_DATA):
        return f'cause {kind}/{length}'
    return f'cause {kind}/{length} {value_of(value)}'


def chunk_text(kind, flags, value, ours, chunk_length):
    """One chunk; `ours`: we sent it."""
    said = [NAMES.get(kind, f'chunk {kind:#x}'), f'flags {flags:#x}']
    if kind in (INIT, INIT_ACK) and len(value) >= 16:
        _, window, out, inbound, _ = struct.unpack_from('!IIHHI', value)
        said += [f'a_rwnd {window}', f'streams {out}/{inbound}']
        said += [parameter(*each, ours) for each in tlvs(value[16:], '!HH')]
    elif kind in (ABORT, ERROR):
        said += [cause(*each) for each in tlvs(value, '!HH')]
    elif kind == COOKIE_ECHO:  # it is as the other side made it
        said.append(f'length {chunk_length}' if ours else 'a cookie')
    elif kind not in (DATA, SACK, PAD):
        said.append(f'length {chunk_length}')
        if kind not in (SHUTDOWN, HEARTBEAT, HEARTBEAT_ACK) and value:
            said.append(value_of(value))
    return ', '.join(said)


class Association:
    """Its rows: what ours and theirs said, each thing once."""

    def __init__(self, ports):
        self.ports = ports
        self.rows = {True: [], False: []}
        self.own_tag = {}  # {ours: what it wants to be sent}

    def add(self, ours, text):
        if text not in self.rows[ours]:
            self.rows[ours].append(text)

    def key(self):
        return self.ports, tuple(self.rows[True]), tuple(self.rows[False])


class Reading:
    """What a capture comes to: associations, the kinds of what comes by chance, figures."""

    def __init__(self):
        self.associations = []
        self.kinds = collections.Counter()  # (ours, text): of the data phase, and by chance
        self.cookies = collections.Counter()  # lengths of our State Cookies
        self.packets = 0
        self.compared = 0
        self._living = {}  # {(our port, their port): Association}
        self._tags = {}    # {(the same, ours): all tags that side ever wanted}

    def read(self, path):
        for link, frame in frames(path):
            found = sctp_of(link, frame)
            if found is not None and len(found[3]) >= 12:
                self._packet(*found)
        return self

    def _packet(self, source, destination, how, packet):
        ours = source in OURS
        if ours == (destination in OURS):
            return
        self.packets += 1
        sent, received, tag, _ = struct.unpack_from('!HHII', packet)
        ends = (sent, received) if ours else (received, sent)
        chunks = [(pair >> 8, pair & 0xff, length, value)
                  for pair, length, value in tlvs(packet[12:], '!HH')]
        of_tag = self._tag(ends, ours, tag, chunks)
        head = f'{how}, tag {of_tag}' if ours else f'tag {of_tag}'
        living = self._living.get(ends)
        told = False
        for kind, flags, length, value in chunks:
            text = f'{head}: {chunk_text(kind, flags, value, ours, length)}'
            if kind == INIT_ACK and ours:
                self.cookies.update(size - 4 for what, size, _ in tlvs(value[16:], '!HH')
                                    if what == COOKIE)
            if kind in OF_DATA or of_tag in ('own', 'strange') or living is None:
                self.kinds[ours, text] += 1
            else:
                living.add(ours, text)
                told = True
        self.compared += told

    def _tag(self, ends, ours, tag, chunks):
        """What the tag is to the two. An INIT whose sender wants another one begins anew."""
        for kind, _, _, value in chunks:
            if kind in (INIT, INIT_ACK) and len(value) >= 4:
                wanted = struct.unpack_from('!I', value)[0]
                living = self._living.get(ends)
                if kind == INIT and (living is None or living.own_tag.get(ours, wanted) != wanted):
                    living = Association(tuple(p if p in PORTS else 'drawn' for p in ends))
                    self._living[ends] = living
                    self.associations.append(living)
                if living is not None and kind == INIT:
                    living.own_tag[ours] = wanted
                self._tags.setdefault((ends, ours), set()).add(wanted)
        if tag == 0:
            return 'zero'
        if tag in self._tags.get((ends, not ours), ()):
            return "the receiver's"
        return 'own' if tag in self._tags.get((ends, ours), ()) else 'strange'


# Runs

class Side:
    """What one build, or one folder of captures, has to show."""

    def __init__(self, name):
        self.name = name
        self.outcomes = {}  # {case: {outcome}}; an outcome: {association: how many}
        self.wrong = {}     # {case: why its last run is not fit to be compared}
        self.kinds = collections.Counter()
        self.cookies = collections.Counter()
        self.packets = self.compared = self.associations = self.captures = 0

    def take(self, case, path):
        """A capture of it."""
        self.wrong.pop(case, None)
        try:
            found = Reading().read(path)
        except (OSError, ValueError, IndexError, struct.error) as error:
            self.wrong[case] = f'{path}: {error}'
            return
        if not found.compared:
            self.wrong[case] = f'{path}: nothing in it to compare'
            return
        outcome = collections.Counter(each.key() for each in found.associations)
        self.outcomes.setdefault(case, set()).add(frozenset(outcome.items()))
        self.captures += 1
        self.packets += found.packets
        self.compared += found.compared
        self.associations += len(found.associations)
        self.kinds += found.kinds
        self.cookies += found.cookies

    def take_folder(self, folder):
        """All captures below it: .../interop_PEER.../CASE/packets.pcapng."""
        for path in sorted(folder.rglob('packets.pcapng')):
            peer = next((part for part in path.parts for each in SCRIPTS if part.startswith(each)), None)
            if peer is not None:
                peer = next(each for each in SCRIPTS if peer.startswith(each))
                self.take(f'{peer} {path.parent.name}', path)


def run_script(side, build, script, names, folder):
    """Runs some cases of a script with a build; what passes is taken."""
    command = ['/usr/bin/python3', str(ROOT / f'tests/e2e/{script}.py'), *names]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          env={**os.environ, 'TRUNKLINE_BUILD': str(build.resolve()),
                               'TRUNKLINE_TEST_LOGS': str(folder)})
    verdicts = re.findall(r'^(PASS|FAIL|SKIP) (\w+)(.*)$', done.stdout, re.M)
    for word, name, why in verdicts:
        case = f'{script} {name}'
        if word != 'PASS':
            side.wrong[case] = f'{word}{why}'
        elif (folder / name / 'packets.pcapng').is_file():
            side.take(case, folder / name / 'packets.pcapng')
        else:
            side.wrong.pop(case, None)  # a case without a capture: that it passes is all
    for name in set(names) - {name for _, name, _ in verdicts}:
        side.wrong[f'{script} {name}'] = f'no verdict, status {done.returncode}: {done.stderr[-200:]}'


def listed(script, part, words):
    """The cases of a part of a script that the words choose."""
    names = subprocess.run(['/usr/bin/python3', str(ROOT / f'tests/e2e/{script}.py'), '--list', part],
                           capture_output=True, text=True, check=True).stdout.split()
    return [name for name in names if not words or any(word in name for word in words)]


def run_matrix(sides, builds, jobs, keep, turn):
    """Each job, (script, part, names), with each build that is one."""
    with concurrent.futures.ThreadPoolExecutor(len(SCRIPTS) * len(PARTS)) as pool:
        done = [pool.submit(run_script, side, build, script, names,
                            keep / side.name / f'run-{turn}' / f'{script}_{part}')
                for side, build in zip(sides, builds) if is_build(build)
                for script, part, names in jobs if names]
        for each in done:
            each.result()


def is_build(folder):
    return (folder / 'dpdk_app/trunklined').is_file()


# The verdict

def within(row, other):
    """Is it the other row, but for what is not there?"""
    rest = iter(other)
    return all(text in rest for text in row)


def but_for_loss(outcome, others):
    """Where the cable loses packets, what theirs said may never have come: ours must be the same."""
    def same(one, other):
        return one[:2] == other[:2] and (within(one[2], other[2]) or within(other[2], one[2]))
    own = sorted(dict(outcome), key=str)
    return any(len(own) == len(other) and all(map(same, own, sorted(dict(other), key=str)))
               for other in others)


def unlike(before, after):
    """{case: (outcomes of before only, of after only)}; a case that one lacks has none there."""
    found = {}
    for case in sorted(before.outcomes.keys() | after.outcomes.keys()):
        old, new = before.outcomes.get(case, set()), after.outcomes.get(case, set())
        lossy = '_loss' in case
        apart = tuple({each for each in here - there if not (lossy and but_for_loss(each, there))}
                      for here, there in ((old, new), (new, old)))
        if any(apart):
            found[case] = apart
    return found


def kinds_apart(before, after):
    """(what only one has, how often, is that too often for chance?)"""
    for one, other in ((before, after), (after, before)):
        for (ours, text), count in sorted(one.kinds.items()):
            if (ours, text) not in other.kinds:
                yield f'{one.name} only, {"ours" if ours else "theirs"}: {text}', count, count > RARE


def show(case, old, new):
    """What an outcome of the one has that an outcome of the other has not."""
    print(f'DIFFERS {case}: {len(old)} outcomes of before only, {len(new)} of after only')
    for mark, here, there in (('-', old, new), ('+', new, old)):
        for outcome in list(here)[:2]:
            others = collections.Counter(dict(next(iter(there), ())))
            rows = [(arrow, text) for (_, *two), _ in others.items()
                    for arrow, row in zip('><', two) for text in row]
            for (ports, *two), count in (collections.Counter(dict(outcome)) - others).items():
                own = [(arrow, text) for arrow, row in zip('><', two) for text in row]
                new_to_other = [each for each in own if each not in rows]
                print(f'  {mark} {count} association(s), ports {ports}'
                      + ('' if new_to_other else ': in another order, or without what the other has'))
                print('\n'.join(f'    {mark} {arrow} {text}' for arrow, text in new_to_other or own))


def verdict(before, after):
    """The report; what is wrong, counted."""
    wrong = unlike(before, after)
    for case, (old, new) in wrong.items():
        show(case, old, new)
    count = len(wrong)
    for side in (before, after):
        for case, why in sorted(side.wrong.items()):
            print(f'NOT COMPARED {case} ({side.name}): {why}')
            count += 1
        print(f'{side.name}: {len(side.outcomes)} cases, {side.captures} captures, {side.packets} packets, '
              f'{side.associations} associations; {side.compared} packets set up, tear down or report an '
              f'error; State Cookies of ours, bytes: '
              + (', '.join(f'{size} ({n})' for size, n in sorted(side.cookies.items())) or 'none'))
        if not side.compared:
            print(f'{side.name}: nothing to compare')
            count += 1
    for text, times, too_often in kinds_apart(before, after):
        print(f'{"DIFFERS" if too_often else "rare"}: {text} ({times} times)')
        count += too_often
    both = before.outcomes.keys() & after.outcomes.keys()
    print(f'{len(both)} cases compared, {len(wrong)} differ, '
          f'{sum(len(before.outcomes[case]) > 1 for case in both)} have more than one outcome; '
          f'{count} complaints')
    return count


def compare(options, keep):
    folders = (options.before, options.after)
    sides = Side('before'), Side('after')
    for side, folder in zip(sides, folders):
        if not is_build(folder):
            side.take_folder(folder)
    jobs = [(script, part, listed(script, part, options.cases)) for script in SCRIPTS for part in PARTS]
    for turn in range(ROUNDS if any(is_build(folder) for folder in folders) else 0):
        run_matrix(sides, folders, jobs, keep, turn)
        again = unlike(*sides).keys() | sides[0].wrong.keys() | sides[1].wrong.keys()
        print(f'run {turn + 1}: {len(again)} cases to be run again', flush=True)
        jobs = [(script, part, [name for name in names if f'{script} {name}' in again])
                for script, part, names in jobs]
        if not again:
            break
    return verdict(*sides)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('before', type=pathlib.Path)
    parser.add_argument('after', type=pathlib.Path)
    parser.add_argument('cases', nargs='*', help='only cases whose name holds one of these')
    parser.add_argument('--keep', type=pathlib.Path, metavar='FOLDER', help='where captures and logs stay')
    options = parser.parse_args()
    if options.keep:
        return 1 if compare(options, options.keep.resolve()) else 0
    with tempfile.TemporaryDirectory(prefix='trunkline-wire-') as folder:
        return 1 if compare(options, pathlib.Path(folder)) else 0


if __name__ == '__main__':
    sys.exit(main())
