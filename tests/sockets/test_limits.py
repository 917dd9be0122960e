#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A daemon and programs that have little: who is refused, what that is called, and that everything
else goes on."""
import os
import pathlib
import signal
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from socketlib import programs, sides
from socketlib.sides import cases, netns
from lib.daemon import Daemon, af_packet_port, merge

STRANGER = 65534
LIMITS = HERE / 'programs/limits.py'


class Place:
    """A daemon that lets two users in."""

    def __init__(self, t, changes, under=()):
        self.namespace = sides.namespace_with_port('limits')
        self.folder = t.folder
        self.started = 0
        allow = [{'uid': uid, 'ports': 'any', 'ephemeral': True} for uid in (0, STRANGER)]
        merged = merge(sides.CHANGES, {'clients': {'allow': allow}, 'sockets': {
            'socket_mode': '0666', **changes}})
        self.daemon = Daemon(self.namespace, t.folder, [af_packet_port('v0', [sides.ADDRESS])],
                             merged, under=under)
        os.chmod(self.daemon.folder, 0o755)

    def start(self, *words):
        self.started += 1
        return sides.start_preloaded(self, [programs.PYTHON, LIMITS, *words],
                                     self.folder / f'program-{self.started}.log')

    def environment(self):
        return {'LD_PRELOAD': str(cases.BUILD / sides.PRELOAD),
                'TRUNKLINE_SOCKET': self.daemon.sockets}

    def taken(self, port, *uid):
        """A program that has all it can get: (the program, how many, what it was told)."""
        program = self.start('take', port, *uid)
        _, count, error = program.expect('took ', 30).split()
        return program, int(count), error

    def let_go(self, program):
        program.send_signal(signal.SIGUSR1)
        program.expect("what was there b'goes on'")
        programs.ended(program)


def refuses(t, changes, under, counter, others):
    """One user takes all that it can get; another one gets its part, operators are answered, and
    applications attach. `others`: what that other user is told in the end."""
    place = Place(t, changes, under)
    first, many, error = place.taken(6000)
    cases.check_equal(error, 'ENFILE', 'what the first user is told')
    second, some, error = place.taken(6010, STRANGER)
    cases.check_equal(error, others, 'what the second user is told')
    if not 0 < some < many:
        raise AssertionError(f'one user got {many} sockets, and left {some} to another')
    counted = place.daemon.ask('counters')
    cases.check_equal((counted['sockets.refused_user_sockets'], counted[f'sockets.{counter}']), (1, 1),
                      f'refused_user_sockets and {counter}')
    cases.check_equal(place.daemon.ask('sockets')[counter], 1, f'{counter} of trunkctl sockets')
    application = place.namespace.start(
        [cases.program('client/examples/book_server'), '--socket', place.daemon.clients],
        t.folder / 'application.log')
    application.expect('Listening on port')
    application.send_signal(signal.SIGKILL)
    for program in (second, first):
        place.let_go(program)
    place.daemon.stop()


def case_sockets_of_a_user(t):
    refuses(t, {'limits': {'max_sockets': 64}}, (), 'refused_sockets', 'ENFILE')


def case_descriptors_of_the_daemon(t):
    refuses(t, {}, ('prlimit', '--nofile=400'), 'refused_descriptors', 'ENFILE')


def tells(place, words, expected):
    program = place.start(*words)
    programs.ended(program)
    cases.check_equal([line for line in program.lines if line], expected, f'what {words[0]} tells')


def case_limits_of_the_program(t):
    place = Place(t, {})
    tells(place, ['first'], ['descriptors EMFILE', 'memory ENOMEM', 'a socket'])
    tells(place, ['own', 6000], [
        'descriptors some EMFILE', "after descriptors: b'goes on'",
        'memory some ENOMEM', "after memory: b'goes on'",
        'mappings some ENOMEM', "after mappings: b'goes on'", 'members ENOMEM', "came {b'to many'}"])
    place.daemon.stop()


if __name__ == '__main__':
    cases.main(__doc__, [case_sockets_of_a_user, case_descriptors_of_the_daemon,
                         case_limits_of_the_program],
               needs=lambda: netns.missing() or sides.no_preload(), timeout=120)
