# SPDX-License-Identifier: BSD-3-Clause
"""The programs of lksctp-tools in their one-to-one and one-to-many modes as pairs, each a function as those of
programs.py. Their lines come unbuffered, which stdbuf does."""
import re

from .programs import client_address, ended, need, new_port, shell
from .sides import cases

UNBUFFERED = ['stdbuf', '-o0']
STREAMS = 4
ONE_TO_ONE, ONE_TO_MANY = ('-T',), ()


def addresses_of(address):
    """Of loopback there are as many as one likes; of the link one."""
    return ['127.0.0.1', '127.0.0.2'] if address == '127.0.0.1' else [address]


def sizes(job, pattern):
    return [int(found[1]) for found in (re.search(pattern, line) for line in job.lines) if found]


def sctp_test(t, server_place, client_place, address, *options, bind=(), to=None, style=ONE_TO_ONE):
    """Two clients, one after the other, that send thrice all the sizes of a test case."""
    need('sctp_test')
    port = new_port()
    server = server_place.start([*UNBUFFERED, 'sctp_test', '-l', *style, '-H', address, '-P', port,
                                 *bind])
    server.expect('accept(' if style else 'Receiving packets')
    sent = 0
    for _ in range(2):
        client = client_place.start(
            [*UNBUFFERED, 'sctp_test', '-s', *style, '-p', port, *(to or ['-h', address]),
             '-H', client_address(server_place, client_place), '-P', new_port(),
             '-M', STREAMS, '-x', 3, *(options or ['-c', 4, '-o', 1])])
        ended(client)
        in_this = sizes(client, r'sendmsg\(.*?\) +(\d+) bytes')
        cases.check_equal(len(in_this) >= 30, True, f'30 messages sent, or more, not {len(in_this)}')
        sent += sum(in_this)
        cases.until(lambda: sum(sizes(server, r'Data (\d+) bytes')) >= sent, 'all bytes')
    cases.check_equal(sum(sizes(server, r'Data (\d+) bytes')), sent, 'bytes')
    end = 'No association is present' if style else 'SHUTDOWN_COMPLETE'
    cases.until(lambda: sum(end in line for line in server.lines) == 2,
                'both ends')
    streams = {int(found[1]) for found in re.finditer(r'SNDRCV\(stream=(\d+)',
                                                      '\n'.join(server.lines))}
    cases.check_equal(streams, set(range(STREAMS)), 'streams')
    server.end()


def sctp_test_random(t, server_place, client_place, address):
    """Messages of random sizes, some of them unordered."""
    sctp_test(t, server_place, client_place, address,
              '-c', 6, '-m', 20000, '-o', 3, '-t', 0, '-r', 7)


def sctp_test_addresses(t, server_place, client_place, address, style=ONE_TO_ONE):
    """Several addresses to bind, several to connect to."""
    first, *others = addresses_of(address)
    bind = [word for other in others for word in ('-B', other)]
    to = [word for each in (first, *others) for word in ('-C', each)]
    sctp_test(t, server_place, client_place, address, bind=bind, to=to, style=style)


def sctp_test_many(t, server_place, client_place, address):
    """The set-up is the first message's."""
    sctp_test(t, server_place, client_place, address, style=ONE_TO_MANY)


def sctp_test_many_addresses(t, server_place, client_place, address):
    sctp_test_addresses(t, server_place, client_place, address, style=ONE_TO_MANY)


def sctp_test_mixed(t, server_place, client_place, address):
    """Mixed mode: two sockets at each end, which listen, send and read, and an association of each with each of
    the other end's. Neither end ends by itself. What the server tells goes into a file: it never rests, and the
    console of user-mode Linux would not keep up."""
    need('sctp_test')
    ports = [new_port() for _ in range(4)]  # of each end's second socket: one more
    near, far = (address, ports[0]), (client_address(server_place, client_place), ports[2])
    log = t.log('server.txt')

    def words(role, own, peer):
        return ['sctp_test', role, '-H', own[0], '-P', own[1], '-h', peer[0], '-p', peer[1], '-L', 2, '-S', 2]

    def told():
        return log.read_text(errors='replace').splitlines() if log.exists() else []

    server = shell(server_place, f'exec {" ".join(map(str, [*UNBUFFERED, *words("-l", near, far)]))} >{log} 2>&1')
    cases.until(lambda: sum('listen(' in line for line in told()) == 2, 'both sockets listen')
    client = client_place.start([*UNBUFFERED, *words('-s', far, near), '-M', STREAMS, '-x', 3, '-c', 4, '-o', 1])
    cases.until(lambda: sum('has completed 30 msg' in line for line in client.lines) == 4, 'all is sent', 60)
    sent = sum(sizes(client, r'sendmsg\(.*?\) +(\d+) bytes'))

    def got():
        return sum(int(found[1]) for found in (re.search(r'Data (\d+) bytes', line) for line in told()) if found)
    cases.until(lambda: got() >= sent, 'all bytes', 60)
    cases.check_equal(got(), sent, 'bytes')
    client.end()
    server.end()


def darn(place, style, *words):
    """Its last line has no end of its own."""
    line = ' '.join(map(str, [*UNBUFFERED, 'sctp_darn', *style, *words]))
    return shell(place, f'(echo one; sleep 0.2; echo two; sleep 0.2) | ({line}; status=$?; echo; '
                        'exit $status)')


def sctp_darn(t, server_place, client_place, address, bind=(), to=None, style=('-t',)):
    """Of one-to-many sockets the end is a notification, of others an empty message."""
    need('sctp_darn')
    port = new_port()
    server = darn(server_place, style, '-l', '-H', address, '-P', port, *bind)
    server.expect('listening')
    client = darn(client_place, style, '-s', '-H', client_address(server_place, client_place), '-P',
                  new_port(), *(to or ['-h', address]), '-p', port)
    server.expect('DATA(0)' if style else 'SHUTDOWN_COMP')
    cases.check_equal([line for line in server.lines if line.startswith('DATA')][:2],
                      ['DATA(5):  one.', 'DATA(5):  two.'], 'messages')
    client.expect('New connection, peer addresses')
    cases.check_equal(client.wait(), 5, 'status at the end of input')
    server.end()
    return client


def sctp_darn_many(t, server_place, client_place, address):
    sctp_darn(t, server_place, client_place, address, style=ONE_TO_MANY)


def interactive(t, place, style, *words, commands):
    """A list of one word among the commands: it waits until the test has made that file."""
    steps = '; '.join(f'until [ -e {t.log(step[0])} ]; do sleep 0.1; done' if isinstance(step, list)
                      else f'echo {step}' for step in commands)
    line = ' '.join(map(str, [*UNBUFFERED, 'sctp_darn', '-I', *style, *words]))
    return shell(place, f'({steps}) | ({line}; status=$?; echo; exit $status)')


def reader(place, style, *words):
    """It asks for messages over and over. No input of it ends before it does."""
    line = ' '.join(map(str, [*UNBUFFERED, 'sctp_darn', '-I', '-l', *style, *words]))
    return shell(place, f'while echo rcv=0; do sleep 0.1; done | {line}')


def sctp_darn_interactive(t, server_place, client_place, address, style=('-t',), client=('-n',),
                          server=()):
    """The client does not block: its first message sets the association up. Of one-to-many sockets the
    tool waits for the notification of that, and the server is the one that does not block."""
    need('sctp_darn')
    port = new_port()
    server = reader(server_place, (*style, *server), '-H', address, '-P', port)
    server.expect('listening')
    again = [] if style else ['stats', 'shutdown', 'snd=5', ['third']]
    client = interactive(
        t, client_place, (*style, *client), '-s', '-H', client_address(server_place, client_place),
        '-P', new_port(), '-h', address, '-p', port,
        commands=['nodelay', 'snd=100', ['first'], 'nodelay=1', 'nodelay', f'primary={address}',
                  'primary', f'heartbeat={address}', 'snd=3000', ['second'], *again, 'abort'])
    server.expect('DATA(100)')
    t.log('first').touch()
    server.expect('DATA(3000)')
    t.log('second').touch()
    if again:
        server.expect('SHUTDOWN_COMP')
        server.expect('DATA(5)')
        client.expect('Ordered data chunks sent')
        t.log('third').touch()
    server.expect('reset by peer' if style else 'COMM_LOST')
    cases.check_equal(client.wait(), 5 if again else 3000 % 256, 'status at the end of input')
    told = [line.rpartition('> ')[2] for line in client.lines]
    cases.check_equal([line for line in told if line.startswith('nodelay is') or line == address
                       or 'rror' in line or line.startswith(('Invalid', 'Successfully'))],
                      ['nodelay is 0.', 'nodelay is 1.', address,
                       *(['Successfully SHUTDOWN the original association'] if again else []),
                       'Successfully ABORT the original association'], 'what the client tells')
    server.end()


def sctp_darn_interactive_many(t, server_place, client_place, address):
    sctp_darn_interactive(t, server_place, client_place, address, ONE_TO_MANY, (), ('-n',))


def sctp_darn_poll(t, server_place, client_place, address, how=('--use-poll',)):
    """Three one-to-many sockets that do not block, two of them with clients."""
    need('sctp_darn')
    ports = [new_port() for _ in range(3)]
    server = server_place.start([*UNBUFFERED, 'sctp_darn', '-n', *how, '-i', len(ports), '-H', address,
                                 '-P', ports[0]])
    server.expect('listening')
    clients = [darn(client_place, style, '-s', '-H', client_address(server_place, client_place), '-P',
                    new_port(), '-h', address, '-p', port)
               for style, port in ((ONE_TO_MANY, ports[1]), (('-t',), ports[2]))]
    for client in clients:
        client.expect('New connection, peer addresses')
        cases.check_equal(client.wait(), 5, 'status at the end of input')
    cases.until(lambda: sum('SHUTDOWN_COMP' in line and 'NOTIFICATION' in line
                            for line in server.lines) == 2, 'both ends')
    cases.check_equal(sorted(line for line in server.lines if line.startswith('DATA')),
                      2 * ['DATA(5):  one.'] + 2 * ['DATA(5):  two.'], 'messages')
    server.end()


def sctp_darn_select(t, server_place, client_place, address):
    sctp_darn_poll(t, server_place, client_place, address, how=())


def sctp_status(t, server_place, client_place, address):
    """Both ends tell what SCTP_STATUS says of their association."""
    need('sctp_status')
    port = new_port()
    server = server_place.start([*UNBUFFERED, 'sctp_status', '-l', '-H', address, '-P', port,
                                 '-d', 2])
    server.expect('accept(')
    client = client_place.start(
        [*UNBUFFERED, 'sctp_status', '-s', '-H', client_address(server_place, client_place), '-P',
         new_port(), '-h', address, '-p', port, '-c', 1000, '-x', 2, '-X', 5, '-M', STREAMS])
    for job in (client, server):
        names, values = job.expect('NO. ASSOC-ID').split(), job.expect('ESTABLISHED').split()
        # What stands before the columns is not always the same.
        before = values.index('ESTABLISHED') - names.index('STATE')
        told = dict(zip(names, values[before:] if before >= 0 else [None] * -before + values))
        cases.check_equal((told['STATE'], told['SPINFO-STATE']), ('ESTABLISHED', 'ACTIVE'), 'states')
        cases.check_equal((told['INSTRMS'], told['OUTSTRMS']), (str(STREAMS),) * 2, 'streams')
    client.end()
    server.end()


def sctp_darn_addresses(t, server_place, client_place, address):
    """The client tells the addresses of its peer, which it asks for."""
    first, *others = addresses_of(address)
    client = sctp_darn(t, server_place, client_place, address,
                       bind=[word for other in others for word in ('-B', other)],
                       to=[word for each in (first, *others) for word in ('-c', each)])
    told = client.lines.index(client.expect('New connection, peer addresses'))
    found = [line.partition(':')[0] for line in client.lines[told + 1:told + 2 + len(others)]]
    cases.check_equal(sorted(found), [first, *others], 'the addresses of the peer')


ALL = [sctp_test, sctp_test_random, sctp_test_addresses, sctp_test_many, sctp_test_many_addresses,
       sctp_test_mixed,
       sctp_darn, sctp_darn_addresses, sctp_darn_many, sctp_darn_interactive,
       sctp_darn_interactive_many, sctp_darn_poll, sctp_darn_select, sctp_status]
