#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The daemon ends, crashes, is started anew, refuses: what programs see of it."""
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from socketlib import programs, sides
from socketlib.sides import cases, netns
from lib.daemon import Daemon, af_packet_port, merge

# What programs/survivor.py is told. What it waited in comes in any order.
CRASH = {
    'accept': 'EINVAL', 'a child ends': '0', 'connect': 'ECONNRESET', 'epoll': '1', 'poll': '1',
    'recv': 'ECONNRESET', 'recv of a child': 'ECONNRESET', 'select': '1', 'send': 'ECONNRESET',
    'recv after select': 'ECONNRESET', 'recv after poll': 'ECONNRESET',
    'recv after epoll': 'ECONNRESET', 'first recv of what was unread': "b'unread'",
    'second recv of what was unread': 'ECONNRESET', 'third recv of what was unread': "b''",
    "SO_ERROR of the child's": '0', 'recv again': "b''", 'send again': 'EPIPE',
    'SCTP_STATUS': 'ECONNRESET', 'SCTP_NODELAY': 'ECONNRESET', 'connect again': 'ECONNRESET',
    'accept again': 'EINVAL', 'listen again': 'ECONNRESET', 'socket': 'EPROTONOSUPPORT',
    'came back': "b'hello'", 'recv of the old one': "b''",
    'SCTP_STATUS of the old one': 'ECONNRESET', 'came back once more': "b'hello'"}
# Both ends are the daemon's: a reader may be told that its peer, at another worker, has shut down. A
# sender that waits finds that the association is no more.
ERROR, AFTER = ('ECONNRESET', "b''"), ('ENOTCONN', "b''")
END = {**CRASH, 'send': 'ESRCH', 'recv': ERROR, 'recv of a child': ERROR,
       'recv after select': ERROR, 'recv after poll': ERROR, 'recv after epoll': ERROR,
       'second recv of what was unread': ERROR, 'third recv of what was unread': AFTER,
       'recv again': AFTER, 'recv of the old one': AFTER}


class Place:
    """A namespace, and daemons in it, one after the other, all with the same socket."""

    def __init__(self, t):
        self.namespace = sides.namespace_with_port('ends')
        self.folder = t.folder
        self.started = 0
        self.daemons = 0
        self.socket = None

    def daemon(self):
        self.daemons += 1
        changes = merge(sides.CHANGES, {'sockets': {'socket': self.socket}} if self.socket else {})
        daemon = Daemon(self.namespace, self.folder, [af_packet_port('v0', [sides.ADDRESS])], changes,
                        label=f'daemon-{self.daemons}')
        self.socket = self.socket or daemon.sockets
        return daemon

    def environment(self):
        return {'LD_PRELOAD': str(cases.BUILD / sides.PRELOAD), 'TRUNKLINE_SOCKET': self.socket}

    def start(self, words):
        self.started += 1
        return sides.start_preloaded(self, words, self.folder / f'program-{self.started}.log')


def one_or_more(expected):
    return expected if isinstance(expected, tuple) else (expected,)


def survives(t, end, expected):
    place = Place(t)
    daemon = place.daemon()
    survivor = place.start([programs.PYTHON, HERE / 'programs/survivor.py', 6000, sides.NOBODY])
    survivor.expect('waiting')
    end(daemon)
    survivor.expect('without')
    daemon = place.daemon()
    programs.ended(survivor)
    told = dict(line.split(': ', 1) for line in survivor.lines if ': ' in line)
    differing = {name: (told.get(name), expected.get(name)) for name in {**told, **expected}
                 if told.get(name) not in one_or_more(expected.get(name))}
    cases.check_equal(differing, {}, '(told, expected)')
    daemon.stop()


def case_crash(t):
    survives(t, Daemon.kill, CRASH)


def case_end_in_order(t):
    survives(t, Daemon.stop, END)


def case_a_server_that_tries_again(t):
    """socat listens for the daemon that crashed, and then for the next."""
    programs.need('socat')
    place = Place(t)
    daemon = place.daemon()
    server = place.start(['socat', '-d', '-d', 'SCTP-LISTEN:6000,fork,reuseaddr,forever,interval=0.2',
                          'EXEC:cat'])
    for word in ('one', 'two'):
        cases.until(lambda: word in heard(place, word), 'an answer', 20)
        if word == 'one':
            daemon.kill()
            daemon = place.daemon()
    server.end()
    daemon.stop()


def heard(place, word):
    """What a client hears that says this; it may come too early."""
    client = programs.shell(place, f'(echo {word}; sleep 1) | socat - SCTP-CONNECT:127.0.0.1:6000')
    client.wait()
    return client.lines


def case_no_daemon(t):
    place = Place(t)
    place.socket = str(t.log('nobody.sock'))
    for words, expected in ((['ncat', '--sctp', '127.0.0.1', 7], 'Protocol not supported'),
                            (['socat', '-', 'SCTP-CONNECT:127.0.0.1:7'], 'Protocol not supported')):
        programs.need(words[0])
        program = place.start(words)
        program.expect(expected)
        cases.check_equal(program.wait() in (1, 2), True, 'it fails')


def case_refused(t):
    """Nobody listens; nobody may use the daemon but root."""
    programs.need('ncat')
    place = Place(t)
    daemon = place.daemon()
    program = place.start(['ncat', '--sctp', '127.0.0.1', 7])
    program.expect('Connection refused')
    cases.check_equal(program.wait(), 1, 'status of ncat')
    daemon.folder.chmod(0o755)
    os.chmod(daemon.sockets, 0o666)
    program = place.start(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'ncat',
                           '--sctp', '127.0.0.1', 7])
    program.expect('Protocol not supported')
    cases.check_equal(program.wait() in (1, 2), True, 'it fails')
    daemon.stop()


if __name__ == '__main__':
    cases.main(__doc__, [case_crash, case_end_in_order, case_a_server_that_tries_again,
                         case_no_daemon, case_refused], 
               needs=lambda: netns.missing() or sides.no_preload())
