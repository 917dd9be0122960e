# SPDX-License-Identifier: BSD-3-Clause
"""Programs of others, and the book's, as pairs that move data: each takes a case, the server's place,
the client's, and the address where the client finds the server. A place is anything with
start(words) and the address that the other place knows: a booted kernel, or a namespace whose programs
are preloaded."""
import hashlib
import json
import random
import shutil

from .sides import HERE, cases

PROGRAMS = HERE / 'programs'
PYTHON = '/usr/bin/python3'
_port = [6000]


def new_port():
    _port[0] += 1
    return _port[0]


def need(program):
    if not shutil.which(program):
        raise cases.Skip(f'no {program}')


def shell(place, text):
    return place.start(['sh', '-c', text])


def client_address(server_place, client_place):
    """Where the server sees the client."""
    return '127.0.0.1' if server_place is client_place else client_place.address


def some_bytes(path, size):
    path.write_bytes(random.Random(size).randbytes(size))
    return path


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def same(got, wanted):
    cases.until(lambda: digest(got) == digest(wanted), f'{got.name} has what was sent', 20)


def ended(job, timeout=30):
    cases.check_equal(job.wait(timeout), 0, f'status of {" ".join(map(str, job.command))[-200:]}: '
                                            f'{job.lines[-3:]}')


def book(t, server_place, client_place, address):
    port = new_port()
    server = server_place.start([cases.program('tests/sockets/programs/one_to_one_server'), port])
    server.expect(f'Listening on port {port}')
    for _ in range(2):
        client = client_place.start(
            [cases.program('tests/sockets/programs/one_to_one_client'), address, port])
        ended(client)
        wanted = [f'Sending message {i} of 5. Result: OK' for i in range(1, 6)]
        cases.check_equal(client.lines, ['Connecting...', 'OK', *wanted, 'Closing...'], 'client')
    cases.until(lambda: server.lines.count('Connection closed by remote peer.') == 2, 'ends seen')
    cases.check_equal([line for line in server.lines if line.startswith('Message')],
                      [f'Message received: DATA {i}' for i in range(5)] * 2, 'messages')
    server.end()


# A program that half closes ends an SCTP association: there is no half of it. What comes back must
# have come before, so the clients' input stays open for a while.
def ncat(t, server_place, client_place, address):
    need('ncat')
    port = new_port()
    sent, got = some_bytes(t.log('sent'), 200000), t.log('got')
    server = shell(server_place, f'sleep 30 | ncat --sctp -v -l -p {port} >{got}')
    server.expect('Listening')
    ended(shell(client_place, f'ncat --sctp {address} {port} <{sent}'))
    same(got, sent)
    server.end()


def ncat_talks_back(t, server_place, client_place, address):
    """The server runs a command for each connection: the socket is read and written by turns."""
    need('ncat')
    port = new_port()
    server = shell(server_place, f'exec ncat --sctp -v -k -l -p {port} --sh-exec "cat"')
    server.expect('Listening')
    for word in ('one', 'two'):
        client = shell(client_place, f'(echo {word}; sleep 15) | ncat --sctp {address} {port}')
        client.expect(word)
        client.end()
    server.end()


def socat(t, server_place, client_place, address):
    """A child for each connection: one, then two at once."""
    need('socat')
    port = new_port()
    server = server_place.start(
        ['socat', '-d', '-d', f'SCTP-LISTEN:{port},fork,reuseaddr', 'SYSTEM:cat'])
    server.expect('listening on')
    for numbers in ((0,), (1, 2)):
        jobs = []
        for number in numbers:
            sent, got = some_bytes(t.log(f'sent{number}'), 30000 + number), t.log(f'got{number}')
            hold = f'until [ $(stat -c %s {got}) -ge {30000 + number} ]; do sleep 0.2; done'
            jobs.append((shell(client_place, f'(cat {sent}; {hold}) | socat -t 5 - '
                                             f'SCTP-CONNECT:{address}:{port} >{got}'), got, sent))
        for job, got, sent in jobs:
            ended(job)
            same(got, sent)
    server.end()


def iperf(t, server_place, client_place, address, *options):
    need('iperf3')
    port = new_port()
    server = server_place.start(['iperf3', '--server', '--one-off', '--port', port, '--forceflush'])
    server.expect('Server listening')
    client = client_place.start(['iperf3', '--sctp', '--client', address, '--port', port, '--json',
                                 '--length', 4000, '--time', 1, *options])
    ended(client, 60)
    told = json.loads('\n'.join(client.lines))
    cases.check_equal(told.get('error'), None, 'iperf3 says')
    got = told['end']['sum_received']['bytes']
    if got < 20 * 4000:
        raise AssertionError(f'only {got} bytes were received')
    ended(server)


def iperf_reverse(t, server_place, client_place, address):
    iperf(t, server_place, client_place, address, '--reverse')


def iperf_parallel(t, server_place, client_place, address):
    iperf(t, server_place, client_place, address, '--parallel', 3)


def python_socket(t, server_place, client_place, address):
    port = new_port()
    server = server_place.start([PYTHON, PROGRAMS / 'echo_socket.py', 'serve', port, 2])
    server.expect('listening')
    callers = [client_place.start([PYTHON, PROGRAMS / 'echo_socket.py', 'call', address, port])
               for _ in range(2)]
    for caller in callers:
        ended(caller)
        caller.expect('all came back')
    ended(server)


def python_asyncio(t, server_place, client_place, address):
    port = new_port()
    server = server_place.start([PYTHON, PROGRAMS / 'echo_asyncio.py', 'serve', port, 5])
    server.expect('listening')
    caller = client_place.start([PYTHON, PROGRAMS / 'echo_asyncio.py', 'call', address, port, 5])
    ended(caller)
    caller.expect('all came back')
    ended(server)


ALL = [book, ncat, ncat_talks_back, socat, iperf, iperf_reverse, iperf_parallel, python_socket,
       python_asyncio]
