#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The book's first program on the ring API at both ends, over two daemons joined by memif. Against
the kernel's sockets, in both roles, it is in interop_kernel.py."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import cases, netns
from lib.daemon import Daemon, memif_port
from lib.peers import Here

SERVER, CLIENT = {4: '10.10.0.1', 6: 'fd00:10::1'}, {4: '10.10.0.2', 6: 'fd00:10::2'}
WANTED = ['Connecting...', 'OK', *[f'Sending message {i} of 5. Result: OK' for i in range(1, 6)],
          'Closing...']


class Setting:
    """Made once."""
    namespace = server = client = None


def setup(t):
    wire = f'/tmp/trunkline-book-{os.getpid()}.memif'
    Setting.namespace = netns.Namespace('book')
    Setting.server, Setting.client = [
        Daemon(Setting.namespace, t.folder,
               [memif_port(wire, role, [own[4] + '/24', own[6] + '/64'])], label=role)
        for role, own in (('server', SERVER), ('client', CLIENT))]


def serve(here, *words):
    server = here.start([cases.program('client/examples/book_server'), '--socket',
                         Setting.server.clients, *words])
    server.expect('Listening on port ')
    return server


def talk(here, *words):
    client = here.start([cases.program('client/examples/book_client'), '--socket',
                         Setting.client.clients, *words])
    return client.wait(20), client.lines


def served(address):
    return [f'Got connection from {address}', *[f'Message received: DATA {i}' for i in range(5)],
            'Connection closed by remote peer.']


def case_ipv4(t):
    here = Here(Setting.namespace, t)
    server = serve(here, '--connections', 1)
    cases.check_equal(talk(here, SERVER[4]), (0, WANTED), 'the client')
    cases.check_equal(server.wait(10), 0, 'status of the server')
    cases.check_equal(server.lines, ['Listening on port 4444', *served(CLIENT[4])], 'the server')


def case_ipv6_another_port_and_twice(t):
    here = Here(Setting.namespace, t)
    server = serve(here, '--connections', 2, '--port', 4445)
    for _ in range(2):
        cases.check_equal(talk(here, SERVER[6], '--port', 4445), (0, WANTED), 'the client')
    cases.check_equal(server.wait(10), 0, 'status of the server')
    cases.check_equal(server.lines, ['Listening on port 4445', *served(CLIENT[6]) * 2],
                      'the server')


def case_nobody_listens(t):
    status, lines = talk(Here(Setting.namespace, t), SERVER[4], '--port', 4446)
    cases.check_equal((status, lines[0]), (1, 'Connecting...'), f'the client: {lines}')
    assert 'CONNECT_FAILED' in lines[-1], lines


def case_wrong_words(t):
    here = Here(Setting.namespace, t)
    for words in ([], ['not-an-address'], [SERVER[4], '--colour', 'blue'], [SERVER[4], 'twice']):
        status, lines = talk(here, *words)
        cases.check_equal(status, 2, f'status of {words}: {lines}')
        assert 'usage: book_client' in '\n'.join(lines), lines


def case_daemons_stop_cleanly(t):
    Setting.client.stop()
    Setting.server.stop()


if __name__ == '__main__':
    cases.main(__doc__, [case_ipv4, case_ipv6_another_port_and_twice, case_nobody_listens,
                         case_wrong_words, case_daemons_stop_cleanly],
               needs=netns.missing, setup=setup)
