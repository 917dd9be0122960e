# SPDX-License-Identifier: BSD-3-Clause
"""Random walks over the calls, from a seed, and what makes a walk that differs smaller.

A walk knows roughly what its sockets are, so that most calls find something to do; it doesn't
know what they should answer. Calls that wait are rare, and sizes small enough that buffers, which
are counted differently, do not decide."""
import random

PORTS = 'ABC'
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


class Walk:
    """The steps of one seed."""

    def __init__(self, seed, length=28):
        self.dice = random.Random(seed)
        self.steps = []
        self.names = {0: []}       # of each process
        self.listeners = []        # ports where somebody may listen
        self.made = 0
        while len(self.steps) < length:
            self.choose()

    def choose(self):
        moves = [(self.pair, 3 if self.made < 8 else 1), (self.socket, 2), (self.bind, 2),
                 (self.listen, 2), (self.connect, 3), (self.accept, 3), (self.send, 9),
                 (self.receive, 9), (self.shutdown, 2), (self.close, 2), (self.look, 3),
                 (self.set, 3), (self.dup, 1), (self.fork, 1), (self.end, 0.3), (self.exec, 0.3)]
        if not any(self.names.values()):
            moves = [(self.pair, 3), (self.socket, 1)]
        move, = self.dice.choices([m for m, _ in moves], [w for _, w in moves])
        move()

    def add(self, process, text):
        self.steps.append(f'{process} {text}')

    def process(self):
        return self.dice.choice(list(self.names))

    def name(self):
        self.made += 1
        return f's{self.made}'

    def one(self):
        """(process, socket); now and then one that is not there."""
        process = self.process()
        names = self.names[process]
        if not names or self.dice.random() < 0.01:
            return process, 'none'
        return process, self.dice.choice(names)

    def wait_flag(self, chance=0.93):
        return ' flags=DONTWAIT' if self.dice.random() < chance else ''

    def pair(self):
        process = self.process()
        port = self.dice.choice(PORTS)
        listener, client, accepted = self.name(), self.name(), self.name()
        self.add(process, f'socket as={listener} flags=nonblock')
        self.add(process, f'bind s={listener} to=127.0.0.1:{port}')
        self.add(process, f'listen s={listener}')
        self.add(process, f'socket as={client}')
        self.add(process, f'connect s={client} to=127.0.0.1:{port}')
        self.add(process, f'accept s={listener} as={accepted}')
        self.names[process] += [listener, client, accepted]
        self.listeners.append(port)

    def socket(self):
        process, name = self.process(), self.name()
        flags = self.dice.choice(['', ' flags=nonblock'])
        self.add(process, f'socket as={name}{flags}')
        self.names[process].append(name)

    def bind(self):
        process, name = self.one()
        host = self.dice.choice(['127.0.0.1', '127.0.0.1', '0.0.0.0'])
        self.add(process, f'bind s={name} to={host}:{self.dice.choice(PORTS + "0")}')

    def listen(self):
        process, name = self.one()
        self.add(process, f'listen s={name} backlog={self.dice.choice([0, 1, 5])}')

    def connect(self):
        process, name = self.one()
        self.add(process, f'connect s={name} to=127.0.0.1:{self.dice.choice(PORTS)}')

    def accept(self):
        process, name = self.one()
        new = self.name()
        if self.dice.random() < 0.9:
            self.add(process, f'fcntl s={name} nonblock=1')
        self.add(process, f'accept s={name} as={new}')
        self.names[process].append(new)

    def send(self):
        process, name = self.one()
        size, wait = self.dice.choice(SIZES), self.wait_flag()
        self.add(process, self.dice.choice([
            f'send s={name} len={size}{wait}', f'sendmsg s={name} len={size}{wait}',
            f'sendmsg s={name} len={size} sndrcv.stream={self.dice.randrange(4)} sndrcv.ppid=7{wait}',
            f'sendmsg s={name} len={size} sndinfo.stream=1 sndinfo.flags=1{wait}',
            f'sendto s={name} len={size} to=127.0.0.1:{self.dice.choice(PORTS)}{wait}',
            f'sendmsg s={name} len={size} sndrcv.flags={self.dice.choice([1, 4, 0x200])}{wait}',
            f'send s={name} len=0{wait}']))

    def receive(self):
        process, name = self.one()
        size, wait = self.dice.choice(READS), self.wait_flag()
        peek = wait + ',PEEK' if wait else ''
        self.add(process, self.dice.choice([
            f'recv s={name} len={size}{wait}', f'recvmsg s={name} len={size}{wait}',
            f'recvmsg s={name} len={size}{peek}', f'recvfrom s={name} len={size}{wait}',
            f'recvmmsg s={name} len={size} n=3{wait}', f'recvmsg s={name} len={size} ctllen=20{wait}']))

    def shutdown(self):
        process, name = self.one()
        self.add(process, f'shutdown s={name} how={self.dice.choice(["r", "w", "w", "rw"])}')

    def close(self):
        process, name = self.one()
        self.add(process, f'close s={name}')
        if name in self.names[process]:
            self.names[process].remove(name)

    def look(self):
        process, name = self.one()
        self.add(process, self.dice.choice([
            f'getsockname s={name}', f'getpeername s={name}', f'ioctl s={name} op=FIONREAD',
            f'getsockopt s={name} {self.dice.choice(LOOKS)}',
            f'getsockopt s={name} {self.dice.choice(LOOKS)}']))

    def set(self):
        process, name = self.one()
        self.add(process, f'setsockopt s={name} {self.dice.choice(SETS)}')

    def dup(self):
        process, name = self.one()
        new = self.name()
        self.add(process, f'dup s={name} as={new}')
        self.names[process].append(new)

    def fork(self):
        process = self.process()
        child = next((number for number in (1, 2) if number not in self.names), None)
        if child is not None:
            self.add(process, f'fork to={child}')
            self.names[child] = list(self.names[process])

    def end(self):
        process = self.process()
        if process != 0:
            self.add(process, self.dice.choice(['exit', 'kill']))
            del self.names[process]

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
