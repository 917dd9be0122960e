#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""An echo server and its client on Python's socket module.

    echo_socket.py serve PORT CONNECTIONS     a thread for each connection, select for accept
    echo_socket.py call ADDRESS PORT          messages of many sizes, each answered in full
"""
import select
import socket
import sys
import threading

SIZES = [1, 2, 100, 1452, 1453, 5000, 20000]


def serve(connection):
    with connection:
        while True:
            data = connection.recv(65536)
            if not data:
                return
            connection.sendall(data)


def server(port, connections):
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(('', port))
    listener.listen()
    listener.setblocking(False)
    print('listening', flush=True)
    threads = []
    while len(threads) < connections:
        select.select([listener], [], [])
        connection, _ = listener.accept()
        connection.setblocking(True)
        threads.append(threading.Thread(target=serve, args=(connection,)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def client(address, port):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP) as connection:
        connection.settimeout(20)
        connection.connect((address, port))
        for size in SIZES:
            data = bytes(i * 7 % 251 for i in range(size))
            connection.sendall(data)
            got = b''
            while len(got) < size:
                part = connection.recv(65536)
                if not part:
                    sys.exit(f'the connection ended after {len(got)} of {size} bytes')
                got += part
            if got != data:
                sys.exit(f'{size} bytes came back changed')
        connection.shutdown(socket.SHUT_WR)
        print('all came back', flush=True)


if __name__ == '__main__':
    if sys.argv[1] == 'serve':
        server(int(sys.argv[2]), int(sys.argv[3]))
    else:
        client(sys.argv[2], int(sys.argv[3]))
