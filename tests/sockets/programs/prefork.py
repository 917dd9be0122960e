#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A server whose children each listen on the same port by SO_REUSEPORT and tell who they are, and
callers that have one of them killed.

    prefork.py serve ADDRESS PORT CHILDREN
    prefork.py call ADDRESS PORT THREADS CALLS
"""
import os
import signal
import socket
import sys
import threading

SCTP = 132
PATIENCE = 20  # seconds: a connect() that takes longer hangs


def serve(address, port):
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((address, port))
    listener.listen(50)
    os.write(1, b'listening\n')  # in one piece: the others do, too
    while True:
        connection, _ = listener.accept()
        with connection:
            try:
                if connection.recv(100) == b'die':
                    os.kill(os.getpid(), signal.SIGKILL)
                connection.send(str(os.getpid()).encode())
                connection.recv(100)
            except OSError:  # who called has gone
                pass


def call(address, port, word):
    """Who answered; None: that one ended meanwhile."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP) as caller:
        caller.settimeout(PATIENCE)
        try:
            caller.connect((address, port))
            caller.send(word)
            return caller.recv(100) or None
        except ConnectionError:
            return None


def call_all(address, port, threads, calls):
    """What came before one is killed, and what after; all threads go on calling in the meantime, and
    each makes half of its calls after that."""
    before, after, last = [], [], []
    killed = threading.Event()

    def run(kills):
        answered, made = None, 0
        while made < calls:
            if kills and made == calls // 2:
                call(address, port, b'die')
                killed.set()
            late = killed.is_set()
            answered = call(address, port, b'who')
            (after if late else before).append(answered)
            if late or made < calls // 2:
                made += 1
        last.append(answered)

    running = [threading.Thread(target=run, args=(number == 0,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    # Whose call was under way when the child ended may have had no answer.
    print(f'{len(last)} threads, {last.count(None)} had no answer at last')
    print(f'{len(set(before) - {None})} children answered before')
    print(f'{len(set(after) - {None})} children answered after')


def main():
    what, address, *numbers = sys.argv[1:]
    numbers = [int(number) for number in numbers]
    if what == 'call':
        return call_all(address, *numbers)
    port, children = numbers
    for _ in range(children):
        if os.fork() == 0:
            serve(address, port)
    for _ in range(children):
        os.wait()


if __name__ == '__main__':
    main()
