# SPDX-License-Identifier: BSD-3-Clause
"""The book's programs of chapters 7 to 11 as pairs, each a function as those of programs.py, which has
chapter 6's."""
from .lksctp import addresses_of
from .programs import client_address, ended, new_port
from .sides import NOBODY, cases


def start(place, name, *words):
    return place.start([cases.program(f'tests/sockets/programs/{name}'), *words])


def server_of(place, name, *words):
    server = start(place, name, *words)
    server.expect('Listening on port')
    return server


def begin(job, wanted):
    return [line for line in job.lines if line.startswith(wanted)]


def one_to_many(t, server_place, client_place, address):
    """Chapter 7: two clients at once, one socket for both."""
    port = new_port()
    server = server_of(server_place, 'one_to_many_server', port)
    clients = [start(client_place, 'one_to_many_client', address, port) for _ in range(2)]
    for client in clients:
        ended(client)
        cases.check_equal(client.lines, [f'Sending message {i} of 5. Result: OK'
                                         for i in range(1, 6)] + ['Closing...'], 'client')
    sender = client_address(server_place, client_place)
    cases.until(lambda: len(server.lines) >= 11, 'messages')
    cases.check_equal(sorted(server.lines[1:]), sorted([f'Message from {sender}: DATA {i}'
                                                        for i in range(5)] * 2), 'messages')
    server.end()


def ancillary(t, server_place, client_place, address):
    """Chapter 8."""
    port, addresses = new_port(), addresses_of(address)
    server = server_of(server_place, 'ancillary_server', port, *addresses)
    client = start(client_place, 'ancillary_client', port, *addresses)
    ended(client)
    cases.check_equal(client.lines, ['OK on stream 0 ppid 1',
                                     f'5 streams out, 7 in, {len(addresses)} addresses',
                                     'OK on stream 4 ppid 46', 'OK on stream 1 ppid 2'], 'client')
    server.expect('three:')
    # Which message is already there behind another one is certain after LATER alone.
    later = server.lines.index(server.expect('LATER:')) + 1
    told = [line.partition(';')[0] for line in server.lines[1:later]] + server.lines[later:]
    cases.check_equal(told, ['first: stream 0 ssn 0 ppid 1',
                             'unordered: stream 4 ssn 0 unordered ppid 46',
                             'mortal: stream 1 ssn 0 ppid 2', 'SHORT: stream 2 ssn 0 ppid 0',
                             'cut: ancillary data cut short', 'LATER: stream 2 ssn 2 ppid 2',
                             'one: stream 2 ssn 3 ppid 3; next: stream 2 ppid 4 length 5',
                             'three: stream 2 ssn 4 ppid 4'], 'server')
    server.end()


def parts(lines):
    """What was told of each of the three associations."""
    text = '\n'.join(lines).split('\n--\n')
    return [part.splitlines() for part in text]


def interleaved(lines, one, other):
    """Whether the lines are these two lists, each in its order."""
    if not lines:
        return not one and not other
    return (one[:1] == lines[:1] and interleaved(lines[1:], one[1:], other)) or \
        (other[:1] == lines[:1] and interleaved(lines[1:], one, other[1:]))


def notifications(t, server_place, client_place, address, way='event'):
    """Chapter 9."""
    port, addresses = new_port(), addresses_of(address)
    server = server_of(server_place, 'notifications_server', way, port, *addresses)
    client = start(client_place, 'notifications_client', way, port, NOBODY, *addresses)
    ended(client)
    shut_down, aborted, failed = parts(client.lines)
    up = ['ASSOC_CHANGE COMM_UP streams 10 10', 'ADAPTATION_INDICATION 4711']
    cases.check_equal(shut_down[:2], up, 'first association')
    moved = [f'PEER_ADDR_CHANGE {addresses[1]} MADE_PRIM'] if addresses[1:] else []
    cases.check_equal([line for line in shut_down[2:] if not line.endswith('CONFIRMED')
                       and line != 'SENDER_DRY_EVENT'],
                      ['Answer: shut down', *moved, 'ASSOC_CHANGE SHUTDOWN_COMP'], 'its end')
    cases.check_equal('SENDER_DRY_EVENT' in shut_down, True, 'all was acknowledged')
    cases.check_equal(aborted[:2], up, 'second association')
    cases.check_equal(aborted[-1], 'ASSOC_CHANGE COMM_LOST', 'its end')
    name = 'SEND_FAILED' if way == 'events' else 'SEND_FAILED_EVENT'
    cases.check_equal(sorted(failed), ['ASSOC_CHANGE CANT_STR_ASSOC', f'{name} unsent: in vain'],
                      'third association')
    end = server.expect('ASSOC_CHANGE COMM_LOST')
    cases.check_equal(end, 'ASSOC_CHANGE COMM_LOST cause 12', 'ABORT')
    # Of each association the order counts, of both together it is nobody's business: the first one's
    # end may be told last.
    first = [*up, 'Message: shut down', 'SHUTDOWN_EVENT', 'ASSOC_CHANGE SHUTDOWN_COMP']
    second = [*up, 'Message: abort', end]
    cases.until(lambda: first[-1] in server.lines, 'the end of the first association')
    told = [line for line in server.lines[1:] if not line.endswith('CONFIRMED')
            and line != 'SENDER_DRY_EVENT']
    if not interleaved(told, first, second):
        raise AssertionError(f'server: {told} is not {first} and {second}')
    server.end()


def notifications_at_once(t, server_place, client_place, address):
    """Subscribed to by the older SCTP_EVENTS."""
    notifications(t, server_place, client_place, address, 'events')


def peel_off(t, server_place, client_place, address):
    """Chapter 10: the first association is a thread's, the second one a child's."""
    port, addresses = new_port(), addresses_of(address)
    server = server_of(server_place, 'peeloff_server', port, *addresses)
    ended(start(client_place, 'one_to_one_client', address, port))
    ended(start(client_place, 'one_to_many_client', address, port))
    cases.until(lambda: server.lines.count('Association closed by its peer.') == 2, 'both ends')
    sender = client_address(server_place, client_place)
    # The clients are bound to all addresses: of loopback the kernel lists the others, too.
    told = ['Local addresses: ' + ' '.join(addresses), f'Addresses of the peer: {sender}',
            'Peeled off; 0 associations left']
    for line in told:
        cases.check_equal(len(begin(server, line)), 2, line)
    for by in ('thread', 'child'):
        cases.check_equal(begin(server, f'Message received by a {by}'),
                          [f'Message received by a {by}: DATA {i}' for i in range(5)], by)
    server.end()


def functions(t, server_place, client_place, address):
    """Chapter 10: libsctp's functions, with a peel-off server for a peer."""
    port, addresses = new_port(), addresses_of(address)
    server = server_of(server_place, 'peeloff_server', port, *addresses)
    client = start(client_place, 'functions_client', port, *addresses)
    ended(client)
    cases.check_equal(client.lines, ['One id, told in three ways', 'sctp_sendmsg, sctp_recvmsg',
                                     'sctp_send, recv', 'sctp_sendv, sctp_recvv', 'Peeled off'],
                      'client')
    server.expect('Association closed by its peer.')
    cases.check_equal([line.partition(': ')[2] for line in begin(server, 'Message received')],
                      ['sctp_sendmsg', 'sctp_send', 'sctp_sendv', 'peeled off'], 'messages')
    server.end()


def multihomed(t, server_place, client_place, address, style='many'):
    """Chapter 11: each path has its turn."""
    port, addresses = new_port(), addresses_of(address)
    own = addresses_of(client_address(server_place, client_place))
    server = server_of(server_place, 'multihomed_server', port, *addresses)
    client = start(client_place, 'multihomed_client', style, port, ','.join(own), *addresses)
    ended(client)
    wanted = []
    for number in reversed(range(len(addresses))):
        wanted += [f'Primary address: {addresses[number]} of {len(addresses)}',
                   f'Answer: by path {number}']
    cases.check_equal(client.lines, wanted, 'client')
    server.expect('Message: by path 0')
    cases.check_equal(begin(server, 'Message'), [f'Message: by path {number}' for number in
                                                 reversed(range(len(addresses)))], 'server')
    server.end()


def multihomed_one_to_one(t, server_place, client_place, address):
    multihomed(t, server_place, client_place, address, 'one')


ALL = [one_to_many, ancillary, notifications, notifications_at_once, peel_off, functions, multihomed,
       multihomed_one_to_one]
