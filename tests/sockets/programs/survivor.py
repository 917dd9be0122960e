#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Waits in calls of many kinds for SCTP to go away, tells what each says, waits for SCTP to be there
again, and uses it.

    survivor.py PORT NOBODY     NOBODY: an address from where no answer comes
"""
import errno
import os
import select
import socket
import sys
import threading
import time

IPPROTO_SCTP, SCTP_STATUS, SCTP_NODELAY = socket.IPPROTO_SCTP, 14, 3


def new_socket():
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_SCTP)


def say(name, call):
    try:
        result = call()
    except OSError as error:
        result = errno.errorcode[error.errno]
    sys.stdout.write(f'{name}: {result}\n')
    sys.stdout.flush()


class Pairs:
    """A listener and connections to it."""

    def __init__(self, port):
        self.address = ('127.0.0.1', port)
        self.listener = new_socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(self.address)
        self.listener.listen()
        self.kept = []

    def one(self):
        near = new_socket()
        near.connect(self.address)
        far, _ = self.listener.accept()
        self.kept += [near, far]
        return near


def fill(connection):
    while True:
        connection.send(bytes(1000))


def polled(connection):
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return len(poll.poll())


def epolled(connection):
    with select.epoll() as epoll:
        epoll.register(connection, select.EPOLLIN | select.EPOLLET)
        return len(epoll.poll())


def in_child(connection):
    child = os.fork()
    if child == 0:
        say('recv of a child', lambda: connection.recv(100))
        os._exit(0)
    return os.waitpid(child, 0)[1]


def wait_for_the_end(pairs, nobody):
    """Waits in all of these at once; the connections, by what they did."""
    unread = pairs.one()
    pairs.kept[-1].send(b'unread')
    select.select([unread], [], [])
    used = {name: pairs.one() for name in ('recv', 'send', 'select', 'poll', 'epoll', 'child')}
    used['unread'] = unread
    connecting = new_socket()
    waits = {
        'recv': lambda: used['recv'].recv(100),
        'send': lambda: fill(used['send']),
        'select': lambda: len(select.select([used['select']], [], [])[0]),
        'poll': lambda: polled(used['poll']),
        'epoll': lambda: epolled(used['epoll']),
        'a child ends': lambda: in_child(used['child']),
        'accept': pairs.listener.accept,
        'connect': lambda: connecting.connect((nobody, 7)),
    }
    threads = [threading.Thread(target=say, args=item) for item in waits.items()]
    for thread in threads:
        thread.start()
    time.sleep(0.5)  # most of them wait by then; whoever comes later finds the same
    print('waiting', flush=True)
    for thread in threads:
        thread.join()
    used['connect'] = connecting
    return used


def after_the_end(used, listener):
    for name in ('select', 'poll', 'epoll'):
        say(f'recv after {name}', lambda name=name: used[name].recv(100))
    for which in ('first', 'second', 'third'):
        say(f'{which} recv of what was unread', lambda: used['unread'].recv(100))
    say("SO_ERROR of the child's",
        lambda: used['child'].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    say('recv again', lambda: used['recv'].recv(100))
    say('send again', lambda: used['recv'].send(b'x'))
    say('SCTP_STATUS', lambda: used['recv'].getsockopt(IPPROTO_SCTP, SCTP_STATUS, 256))
    say('SCTP_NODELAY', lambda: used['recv'].setsockopt(IPPROTO_SCTP, SCTP_NODELAY, 1))
    say('connect again', lambda: used['connect'].connect(('127.0.0.1', 7)))
    say('accept again', listener.accept)
    say('listen again', listener.listen)


def echo(listener):
    connection, _ = listener.accept()
    with connection:
        connection.send(connection.recv(100))
        connection.recv(100)


def go_on(port, name):
    pairs = Pairs(port)
    thread = threading.Thread(target=echo, args=(pairs.listener,))
    thread.start()
    with new_socket() as connection:
        connection.connect(pairs.address)
        connection.send(b'hello')
        say(name, lambda: connection.recv(100))
    thread.join()


def main():
    port, nobody = int(sys.argv[1]), sys.argv[2]
    pairs = Pairs(port)
    used = wait_for_the_end(pairs, nobody)
    while True:  # a daemon that ends in order takes its time
        try:
            new_socket().close()
        except OSError:
            break
        time.sleep(0.05)
    after_the_end(used, pairs.listener)
    say('socket', new_socket)
    print('without', flush=True)
    while True:
        try:
            new_socket().close()
            break
        except OSError:
            time.sleep(0.05)
    go_on(port, 'came back')
    say('recv of the old one', lambda: used['recv'].recv(100))
    say('SCTP_STATUS of the old one',
        lambda: used['recv'].getsockopt(IPPROTO_SCTP, SCTP_STATUS, 256))
    for each in (*pairs.kept, *used.values(), pairs.listener):
        each.close()
    go_on(port, 'came back once more')
    print('all closed', flush=True)


if __name__ == '__main__':
    main()
