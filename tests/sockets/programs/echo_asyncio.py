#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""An echo server and its clients on asyncio, which waits with epoll and never blocks.

    echo_asyncio.py serve PORT CONNECTIONS
    echo_asyncio.py call ADDRESS PORT CLIENTS     that many at once
"""
import asyncio
import socket
import sys

SIZES = [1, 100, 1452, 5000, 20000]


def new_socket():
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
    made.setblocking(False)
    return made


async def server(port, connections):
    ended = asyncio.Semaphore(0)

    async def serve(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
        ended.release()

    listener = new_socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(('', port))
    await asyncio.start_server(serve, sock=listener)
    print('listening', flush=True)
    for _ in range(connections):
        await ended.acquire()


async def call(address, port, number):
    connection = new_socket()
    await asyncio.get_running_loop().sock_connect(connection, (address, port))
    reader, writer = await asyncio.open_connection(sock=connection)
    for size in SIZES:
        data = bytes((i * 7 + number) % 251 for i in range(size))
        writer.write(data)
        if await reader.readexactly(size) != data:
            sys.exit(f'{size} bytes came back changed')
    writer.close()
    await writer.wait_closed()


async def clients(address, port, count):
    await asyncio.gather(*[call(address, port, number) for number in range(count)])
    print('all came back', flush=True)


if __name__ == '__main__':
    if sys.argv[1] == 'serve':
        asyncio.run(server(int(sys.argv[2]), int(sys.argv[3])))
    else:
        asyncio.run(clients(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
