#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes sockets until it is refused, and tells what was said; what it had before goes on.

    limits.py take PORT [UID]   as that user, all that it can have; lets go of it at SIGUSR1
    limits.py own PORT          at its own limits: descriptors, memory, mappings
    limits.py first             at the first call of all
"""
import ctypes
import errno
import mmap
import os
import resource
import signal
import socket
import sys

STREAM, MANY = socket.SOCK_STREAM, socket.SOCK_SEQPACKET


def new_socket(kind=STREAM):
    return socket.socket(socket.AF_INET, kind, socket.IPPROTO_SCTP)


def say(*words):
    print(*words, flush=True)


def refusal(call, *arguments):
    """How call() ends, at last, and what it made until then."""
    made = []
    while True:
        try:
            made.append(call(*arguments))
        except OSError as error:
            return made, errno.errorcode[error.errno]


class Pair:
    """A connection to itself, and a one-to-many socket that others may send to."""

    def __init__(self, port):
        listener = new_socket()
        listener.bind(('127.0.0.1', port))
        listener.listen()
        self.client = new_socket()
        self.client.connect(('127.0.0.1', port))
        self.server = listener.accept()[0]
        listener.close()

    def check(self, when):
        self.client.sendall(b'goes on')
        say(when, self.server.recv(100))


def take(port, uid=None):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    if uid is not None:
        os.setgroups([])
        os.setuid(int(uid))
    pair = Pair(port)
    made, error = refusal(new_socket)
    say('took', len(made), error)
    signal.sigwait({signal.SIGUSR1})
    pair.check('what was there')


def with_limit(which, room, call):
    """What call() says when there is that much of it left."""
    before = resource.getrlimit(which)
    resource.setrlimit(which, (room, before[1]))
    result = call()
    resource.setrlimit(which, before)
    return result


def address_space():
    with open('/proc/self/statm', encoding='ascii') as file:
        return int(file.read().split()[0]) * mmap.PAGESIZE


def without_mappings(call, left=8):
    """What call() says when so few mappings may be made."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    page = mmap.PAGESIZE
    with open('/proc/sys/vm/max_map_count', encoding='ascii') as file:
        size = (int(file.read()) + 2) * page
    private_anonymous_noreserve = 0x2 | 0x20 | 0x4000
    at = libc.mmap(None, ctypes.c_size_t(size), 0, private_anonymous_noreserve, -1,
                   ctypes.c_long(0))
    done = 0
    while libc.mprotect(ctypes.c_void_p(at + done), ctypes.c_size_t(page), mmap.PROT_READ) == 0:
        done += 2 * page
    libc.munmap(ctypes.c_void_p(at), ctypes.c_size_t((left | 1) * page))
    result = call()
    libc.munmap(ctypes.c_void_p(at), ctypes.c_size_t(size))
    return result


def own(port):
    pair = Pair(port)
    many = new_socket(MANY)
    many.bind(('127.0.0.1', port + 1))
    many.listen()
    new_socket(MANY).close()
    peers = [new_socket() for _ in range(8)]
    for peer in peers:
        peer.connect(('127.0.0.1', port + 1))
        peer.sendall(b'to many')
    received = [many.recv(100)]
    for name, limited in (
            ('descriptors', lambda call: with_limit(resource.RLIMIT_NOFILE, 100, call)),
            ('memory', lambda call: with_limit(resource.RLIMIT_AS, address_space() + (9 << 20),
                                               call)),
            ('mappings', without_mappings)):
        made, error = limited(lambda: refusal(new_socket))
        say(name, 'some' if made else 'none', error)
        pair.check(f'after {name}:')
        del made
    # Of associations that this process knows nothing of yet.
    more, error = with_limit(resource.RLIMIT_AS, address_space(), lambda: refusal(many.recv, 100))
    say('members', error)
    received += more
    while len(received) < len(peers):
        received.append(many.recv(100))
    say('came', set(received))


def first():
    say('descriptors', with_limit(resource.RLIMIT_NOFILE, 5, lambda: refusal(new_socket)[1]))
    say('memory', with_limit(resource.RLIMIT_AS, address_space(), lambda: refusal(new_socket)[1]))
    new_socket()
    say('a socket')


if __name__ == '__main__':
    {'take': take, 'own': own, 'first': first}[sys.argv[1]](
        *map(int, sys.argv[2:3]), *sys.argv[3:])
