# SPDX-License-Identifier: BSD-3-Clause
"""Erlang's gen_sctp as a pair, a function as those of programs.py: a virtual machine that loads libsctp
when it is asked for a socket, and has threads of its own that poll."""
from .book import begin
from .lksctp import addresses_of
from .programs import PROGRAMS, ended, need, new_port
from .sides import cases, processes

# What it would have for each core takes its time to start in user-mode Linux.
SMALL = ['+S', '1:1', '+SDcpu', '1:1', '+SDio', 1, '+sbwt', 'none']

UP = 'connected: 4 streams out, 7 in'


def told_by_client(addresses):
    return [UP, 'connect_init: comm_up', 'sctp_status: established, 7 in, 4 out',
            f'peers: {addresses}', 'recv: passive, [unordered]', 'sctp_rtoinfo: changed',
            'active: active', 'eof: shutdown_comp', 'abort: comm_lost', UP, 'peeled off', UP,
            'recv: stream, [unordered]', 'closed']


# Of different associations the order is nobody's business.
MESSAGES = {'active': ['passive on stream 3 ppid 46', 'peel off on stream 0 ppid 0',
                       'stream on stream 3 ppid 46'],
            'passive': ['active on stream 1 ppid 0'],
            'peeled off': ['from a one-to-one socket on stream 2 ppid 0']}
EVENTS = {'active': 3 * ['comm_up 7 4'] + 2 * ['sctp_shutdown_event', 'shutdown_comp'],
          'passive': ['comm_up 7 4', 'comm_lost'],
          'peeled off': ['sctp_shutdown_event', 'shutdown_comp']}


def start(t, place, name, *words):
    return place.start(['erl', *SMALL, '-noinput', '-pa', t.folder, '-run', name, 'main', *words])


def gen_sctp(t, server_place, client_place, address):
    need('erlc')
    processes.run(['erlc', '-o', t.folder, *PROGRAMS.glob('gen_sctp_*.erl')], timeout=60)
    ports, addresses = (new_port(), new_port()), addresses_of(address)
    server = start(t, server_place, 'gen_sctp_server', *ports, *addresses)
    server.expect('Listening on port', 60)
    client = start(t, client_place, 'gen_sctp_client', *ports, *addresses)
    ended(client, 60)
    cases.check_equal(client.lines, told_by_client(len(addresses)), 'client')
    for who, events in EVENTS.items():
        count = len(events) + len(MESSAGES[who])
        cases.until(lambda: len(begin(server, f'{who}: ')) >= count, f'{count} lines of "{who}"')
        told = [line.removeprefix(f'{who}: ') for line in begin(server, f'{who}: ')]
        messages = [line for line in told if ' on stream ' in line]
        cases.check_equal(messages, MESSAGES[who], f'messages of "{who}"')
        cases.check_equal(sorted(line for line in told if line not in messages), sorted(events),
                          f'events of "{who}"')
    server.end()


ALL = [gen_sctp]
