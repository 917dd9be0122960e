# SPDX-License-Identifier: BSD-3-Clause
"""Random walks over the calls, from a seed, and what makes a walk that differs smaller.

A walk knows roughly what its sockets are, so that most calls find something to do; it doesn't
know what they should answer. Calls that wait are rare, and sizes small enough that buffers, which
are counted differently, do not decide. Every second seed has one-to-many sockets (walks_many.py)."""
import dataclasses
import random

from . import walks_many

PORTS = 'ABC'
HOSTS = ['127.0.0.1', '127.0.0.2', '127.0.0.3']
SIZES = [1, 2, 5, 100, 1000, 1400, 3000]
READS = [1, 3, 50, 1000, 5000]
LOOKS = ['level=socket opt=ERROR', 'level=socket opt=ACCEPTCONN', 'opt=STATUS', 'opt=EVENTS',
         'opt=INITMSG', 'opt=RTOINFO', 'opt=NODELAY', 'opt=PEER_ADDR_PARAMS', 'opt=ASSOCINFO',
         'level=socket opt=LINGER', 'opt=DEFAULT_SEND_PARAM']
SETS = ['opt=EVENTS data_io=1', 'opt=EVENTS data_io=1 association=1 shutdown=1', 'opt=EVENTS',
        'opt=EVENTS association=1 send_failure=1 peer_error=1', 'opt=NODELAY value=1',
        'opt=RECVRCVINFO value=1', 'opt=INITMSG ostreams=3 instreams=3',
        'level=socket opt=LINGER onoff=1 linger=0', 'level=socket opt=LINGER',
        'level=socket opt=REUSEADDR value=1', 'opt=DEFAULT_SNDINFO stream=1 ppid=5']
# Bytes to send and to receive are copied by the program itself: a wild pointer to them ends it.
WILD = ['bind s={} ptr=wild', 'connect s={} ptr=wild', 'accept s={} as=x ptr=null',
        'getsockname s={} ptr=wild', 'getpeername s={} lenptr=wild', 'sendmsg s={} data=x msgptr=wild',
        'sendmsg s={} data=x vecptr=wild', 'sendmsg s={} data=x ctlptr=wild ctllen=32',
        'sendto s={} data=x toptr=wild alen=16', 'recvmsg s={} msgptr=wild flags=DONTWAIT',
        'getsockopt s={} opt=STATUS ptr=wild', 'getsockopt s={} opt=EVENTS lenptr=wild',
        'setsockopt s={} opt=RTOINFO ptr=wild', 'ioctl s={} op=FIONREAD ptr=wild']


@dataclasses.dataclass
class Facts:
    """What the walk believes of a socket."""
    many: bool = False
    port: str = ''             # the letter that it is bound to
    hosts: tuple = ()
    # connect() of what was shut for reading waits for nothing on the kernel, and says 0.
    deaf: bool = False
    met: set = dataclasses.field(default_factory=set)  # ports that it has spoken to, names of who to it


@dataclasses.dataclass
class Socket:
    """A descriptor of a process; several may be one socket."""
    name: str
    facts: Facts = dataclasses.field(default_factory=Facts)

    def __getattr__(self, fact):
        return getattr(self.facts, fact)


class Walk(walks_many.Many):
    """The steps of one seed."""

    def __init__(self, seed, length=28):
        self.dice = random.Random(seed)
        self.has_many = seed % 2 == 0
        # Half a notification shows the ids in it, which are nobody's: either small reads, or those.
        self.tells = self.chance(0.6)
        self.steps = []
        self.sockets = {0: []}     # of each process
        self.made = 0
        if self.has_many:
            self.many_pair()
        while len(self.steps) < length:
            self.choose()

    def choose(self):
        fresh = 3 if self.made < 8 else 1
        moves = [(self.pair, fresh), (self.socket, 2), (self.bind, 2),
                 (self.listen, 2), (self.connect, 3), (self.accept, 3), (self.send, 9),
                 (self.receive, 9), (self.shutdown, 2), (self.close, 2), (self.look, 3),
                 (self.set, 3), (self.dup, 1), (self.fork, 1), (self.end, 0.3), (self.exec, 0.3),
                 (self.addresses, 1), (self.wild, 0.5)]
        if self.has_many:
            moves += self.many_moves()
        if not any(self.sockets.values()):
            moves = [(self.pair, 3), (self.socket, 1)]
        move, = self.dice.choices([m for m, _ in moves], [w for _, w in moves])
        move()

    def add(self, process, text):
        self.steps.append(f'{process} {text}')

    def process(self):
        return self.dice.choice(list(self.sockets))

    def new(self, process, **known):
        self.made += 1
        made = Socket(f's{self.made}', Facts(**known))
        self.sockets[process].append(made)
        return made

    def one(self, many=None):
        """(process, socket), of one kind if that is given and there; now and then one that is not there."""
        process = self.process()
        some = [each for each in self.sockets[process] if many in (None, each.many)]
        some = some or self.sockets[process]
        if not some or self.dice.random() < 0.01:
            return process, Socket('none')
        return process, self.dice.choice(some)

    def chance(self, share):
        return self.dice.random() < share

    def told(self, settings):
        return settings if self.tells else [each for each in settings if 'EVENT ' not in each and
                                            'association=1' not in each]

    def wait_flag(self, chance=0.93):
        return ' flags=DONTWAIT' if self.chance(chance) else ''

    def met(self, socket, port):
        """A socket spoke to a port: both know somebody more."""
        socket.met.add(port)
        for some in self.sockets.values():
            for other in some:
                if other.port == port:
                    other.met.add(socket.name)

    def host(self, port):
        """An address, mostly one that somebody has with that port. Who is bound to all has, on the
        kernel, 127.0.0.1 alone of those: others can't be reached to their end."""
        hosts = [host for some in self.sockets.values() for each in some if each.port == port
                 for host in each.hosts]
        if '0.0.0.0' in hosts or not hosts:
            return HOSTS[0]
        return self.dice.choice(hosts if self.chance(0.95) else HOSTS)

    def target(self, socket):
        """host:port, seldom the socket's own."""
        ports = [port for port in PORTS if port != socket.port or self.chance(0.03)]
        port = self.dice.choice(ports or PORTS)
        self.met(socket, port)
        return f'{self.host(port)}:{port}'

    def payload(self, size=None):
        size = size or self.dice.choice(SIZES)
        number = len(self.steps) % 25 + 1
        return f'data=m{number}' if size < 50 else f'len={size} seed={number}'

    def bind_to(self, process, socket, port):
        """To one address, to several by two calls, or to all."""
        kind, = self.dice.choices(['one', 'all', 'more'], [6, 2, 2])
        hosts = {'one': HOSTS[:1], 'all': ['0.0.0.0'], 'more': self.dice.sample(HOSTS, 2)}[kind]
        self.add(process, f'bind s={socket.name} to={hosts[0]}:{port}')
        if kind == 'more':
            self.add(process, f'bindx s={socket.name} to={hosts[1]}:{port}')
        if not socket.port and port != '0':
            socket.facts.port, socket.facts.hosts = port, tuple(hosts)

    def pair(self):
        process = self.process()
        port = self.dice.choice(PORTS)
        listener, client, accepted = self.new(process), self.new(process), self.new(process)
        self.add(process, f'socket as={listener.name} flags=nonblock')
        self.bind_to(process, listener, port)
        self.add(process, f'listen s={listener.name}')
        self.add(process, f'socket as={client.name}')
        self.add(process, f'connect s={client.name} to={self.host(port)}:{port}')
        self.add(process, f'accept s={listener.name} as={accepted.name}')
        self.met(client, port)

    def socket(self):
        process = self.process()
        flags = self.dice.choice(['', ' flags=nonblock'])
        self.add(process, f'socket as={self.new(process).name}{flags}')

    def bind(self):
        process, socket = self.one()
        self.bind_to(process, socket, self.dice.choice(PORTS + '0'))

    def listen(self):
        # With 0 a one-to-one socket listens no more, and is, on the kernel, partly those that wait.
        process, socket = self.one()
        backlog = self.dice.choice([0, 1, 5] if socket.many else [1, 5])
        self.add(process, f'listen s={socket.name} backlog={backlog}')

    def connect(self):
        process, socket = self.one()
        if socket.deaf:
            return
        to = self.target(socket)
        if self.chance(0.2):
            port = to.partition(':')[2]
            self.add(process, f'connectx s={socket.name} to={to},{self.host(port)}:{port}')
        else:
            self.add(process, f'connect s={socket.name} to={to}')

    def accept(self):
        process, socket = self.one()
        if self.chance(0.9):
            self.add(process, f'fcntl s={socket.name} nonblock=1')
        self.add(process, f'accept s={socket.name} as={self.new(process).name}')

    def send(self):
        process, socket = self.one()
        bytes_, wait = self.payload(), self.wait_flag()
        self.add(process, self.dice.choice([
            f'send s={socket.name} {bytes_}{wait}', f'sendmsg s={socket.name} {bytes_}{wait}',
            f'sendmsg s={socket.name} {bytes_} sndrcv.stream={self.dice.randrange(4)} sndrcv.ppid=7{wait}',
            f'sendmsg s={socket.name} {bytes_} sndinfo.stream=1 sndinfo.flags=1{wait}',
            f'sendto s={socket.name} {bytes_} to={self.target(socket)}{wait}',
            f'sendmsg s={socket.name} {bytes_} sndrcv.flags={self.dice.choice([1, 4, 0x200])}{wait}',
            f'send s={socket.name} len=0{wait}']))

    def receive(self):
        process, socket = self.one()
        if socket.many and (len(socket.met) > 1 or self.chance(0.5)):
            self.add(process, f'collect s={socket.name} len=5000')
            return
        size, wait = self.dice.choice(READS[2 if self.tells else 0:]), self.wait_flag()
        peek = wait + ',PEEK' if wait else ''
        self.add(process, self.dice.choice([
            f'recv s={socket.name} len={size}{wait}', f'recvmsg s={socket.name} len={size}{wait}',
            f'recvmsg s={socket.name} len={size}{peek}', f'recvfrom s={socket.name} len={size}{wait}',
            f'recvmmsg s={socket.name} len={size} n=3 flags=DONTWAIT',  # that waited leaves an error behind
            f'recvmsg s={socket.name} len={size} ctllen=20{wait}']))

    def shutdown(self):
        process, socket = self.one()
        how = self.dice.choice(['r', 'w', 'w', 'rw'])
        socket.facts.deaf = socket.deaf or how != 'w'
        self.add(process, f'shutdown s={socket.name} how={how}')

    def read_out(self, process, socket):
        """Before its last handle goes: what is unread makes the kernel abort all associations of a
        one-to-many socket, and here those that it came from."""
        if socket.many:
            self.add(process, f'collect s={socket.name} len=5000')

    def close(self):
        process, socket = self.one()
        self.read_out(process, socket)
        self.add(process, f'close s={socket.name}')
        if socket in self.sockets[process]:
            self.sockets[process].remove(socket)

    def look(self):
        process, socket = self.one()
        self.add(process, self.dice.choice([
            f'getsockname s={socket.name}',
            f'get{"sock" if socket.many else "peer"}name s={socket.name}',
            f'ioctl s={socket.name} op=FIONREAD',
            f'getsockopt s={socket.name} {self.dice.choice(LOOKS)}',
            f'getsockopt s={socket.name} {self.dice.choice(LOOKS)}']))

    def set(self):
        process, socket = self.one()
        self.add(process, f'setsockopt s={socket.name} {self.dice.choice(self.told(SETS))}')

    def addresses(self):
        """Of a socket that is bound by name: what is bound to all has others on the kernel's loopback."""
        process, socket = self.one()
        port = socket.port or self.dice.choice(PORTS)
        calls = [f'bindx s={socket.name} to={self.dice.choice(HOSTS)}:{port}',
                 f'bindx s={socket.name} to={self.dice.choice(HOSTS)}:{port} remove=1']
        if socket.hosts and '0.0.0.0' not in socket.hosts:
            calls.append(f'getladdrs s={socket.name}')
        self.add(process, self.dice.choice(calls))

    def wild(self):
        process, socket = self.one()
        self.add(process, self.dice.choice(WILD).format(socket.name))

    def dup(self):
        process, socket = self.one()
        self.made += 1
        copy = Socket(f's{self.made}', socket.facts)
        self.add(process, f'dup s={socket.name} as={copy.name}')
        self.sockets[process].append(copy)

    def fork(self):
        process = self.process()
        child = next((number for number in (1, 2) if number not in self.sockets), None)
        if child is not None:
            self.add(process, f'fork to={child}')
            self.sockets[child] = list(self.sockets[process])

    def end(self):
        process = self.process()
        if process != 0:
            for socket in self.sockets[process]:
                self.read_out(process, socket)
            self.add(process, self.dice.choice(['exit', 'kill']))
            del self.sockets[process]

    def exec(self):
        self.add(self.process(), 'exec')


def walk(seed):
    return f'walk.{seed}', Walk(seed).steps


def shrink(steps, differing, say=print):
    """Fewer steps that still differ. `differing([steps, ...])` tells for each candidate whether it
    does; all candidates of a round are run at once."""
    parts = 2
    while len(steps) > 1:
        size = max(1, len(steps) // parts)
        cuts = [steps[:at] + steps[at + size:] for at in range(0, len(steps), size)]
        found = differing(cuts)
        smaller = next((cut for cut, differs in zip(cuts, found) if differs), None)
        if smaller is not None:
            steps = smaller
            say(f'{len(steps)} steps')
            parts = max(2, parts - 1)
        elif size == 1:
            return steps
        else:
            parts = min(len(steps), parts * 2)
    return steps
