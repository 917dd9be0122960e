# SPDX-License-Identifier: BSD-3-Clause
"""Programs of others, and the book's, as pairs that move data: each takes a case, the server's place,
the client's, and the address where the client finds the server. A place (a booted kernel, or a
namespace whose programs are preloaded) has start(words), the address that the other place knows, and
with_sctp, the words before a program whose TCP sockets are to be SCTP sockets; with_sctp_all, if
these work however it makes them."""
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
            jobs.append((shell(client_place, f'(cat {sent}; {hold}) | socat -t 1 - '
                                             f'SCTP-CONNECT:{address}:{port} >{got}'), got, sent))
        for job, got, sent in jobs:
            ended(job)
            same(got, sent)
    server.end()


def socat_exec(t, server_place, client_place, address, more='', fork='fork,'):
    """A program for each connection, behind a pipe."""
    need('socat')
    port = new_port()
    server = server_place.start(
        ['socat', '-d', '-d', f'SCTP-LISTEN:{port},{fork}reuseaddr', f'EXEC:cat{more}'])
    server.expect('listening on')
    sent, got = some_bytes(t.log('sent'), 20000), t.log('got')
    hold = f'until [ $(stat -c %s {got}) -ge 20000 ]; do sleep 0.2; done'
    ended(shell(client_place, f'(cat {sent}; {hold}) | socat -t 1 - '
                              f'SCTP-CONNECT:{address}:{port} >{got}'))
    same(got, sent)
    return server


def socat_nofork(t, server_place, client_place, address):
    """The connection is the program's input and output, and ends with it."""
    ended(socat_exec(t, server_place, client_place, address, ',nofork', ''))


def http_servers(place, address, port, folder):
    server = [PYTHON, '-u', '-m', 'http.server', '--directory', folder, '--bind']
    if place.with_sctp_all:
        started = [place.start([*place.with_sctp_all, *server, address, port])]
    else:
        behind = new_port()
        started = [place.start([*server, '127.0.0.1', behind]),
                   place.start(['socat', '-d', '-d', f'SCTP-LISTEN:{port},fork,reuseaddr',
                                f'TCP:127.0.0.1:{behind}'])]
        started[1].expect('listening on')
    started[0].expect('Serving HTTP')
    return started


def http(t, server_place, client_place, address):
    """Programs that know TCP alone."""
    need('curl')
    port = new_port()
    folder, got = t.log('folder'), t.log('got')
    folder.mkdir()
    sizes = (0, 100, 300000)
    for size in sizes:
        some_bytes(folder / str(size), size)
    servers = http_servers(server_place, address, port, folder)
    for size in sizes:
        ended(client_place.start([*client_place.with_sctp, 'curl', '--silent', '--show-error',
                                  '--output', got, f'http://{address}:{port}/{size}']))
        same(got, folder / str(size))
    for server in servers:
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


def prefork(t, server_place, client_place, address):
    """Children that listen on one port, each for itself; one is killed while clients connect. The
    kernel's listeners know only cookies of their own: there who is half connected waits in vain. Now
    and then the kernel has one of those that are left for all (6.1), until that one ends, too."""
    port, children = new_port(), 3
    ours = bool(server_place.with_sctp_all)
    threads, calls = (4, 30) if ours else (1, 80)
    server = server_place.start([PYTHON, '-u', PROGRAMS / 'prefork.py', 'serve', address, port,
                                 children])
    cases.until(lambda: server.lines.count('listening') == children, 'children listen')
    caller = client_place.start([PYTHON, '-u', PROGRAMS / 'prefork.py', 'call', address, port,
                                 threads, calls])
    ended(caller, 60)
    cases.check_equal(caller.lines[:-1], [f'{threads} threads, 0 had no answer at last',
                                          f'{children} children answered before'], 'caller')
    left = [children - 1] if ours else range(1, children)
    if caller.lines[-1] not in [f'{count} children answered after' for count in left]:
        raise AssertionError(f'caller: {caller.lines[-1]}')
    server.end()


ALL = [book, ncat, ncat_talks_back, socat, socat_exec, socat_nofork, http, iperf, iperf_reverse,
       iperf_parallel, python_socket, python_asyncio, prefork]
