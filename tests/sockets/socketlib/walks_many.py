# SPDX-License-Identifier: BSD-3-Clause
"""What a random walk does with one-to-many sockets: part of walks.Walk.

What one has received is mostly read by `collect`, which sorts it by peer: between associations there
is no order that both sides would have to share."""

FUTURE, CURRENT, ALL = 0, 1, 2
SETS = ['CONTEXT value=7', 'RTOINFO initial=700 max=9000 min=300', 'DEFAULT_SNDINFO stream=2 ppid=9',
        'DEFAULT_SEND_PARAM stream=1 ppid=3 context=2', 'DELAYED_SACK delay=10 freq=2',
        'MAX_BURST value=5', 'ASSOCINFO maxrxt=6', 'PEER_ADDR_PARAMS hb=40000 flags=1',
        'EVENT type=0x8001 on=1', 'EVENT type=0x8001 on=0', 'EVENT type=0x8005 on=1',
        'EVENT type=0x8003 on=1']
LOOKS = ['CONTEXT', 'RTOINFO', 'DEFAULT_SNDINFO', 'DEFAULT_SEND_PARAM', 'DELAYED_SACK', 'MAX_BURST',
         'ASSOCINFO', 'STATUS', 'EVENT type=0x8001', 'EVENT type=0x8005', 'PEER_ADDR_PARAMS']
EVENTS = ['opt=EVENTS data_io=1', 'opt=EVENTS data_io=1 association=1 shutdown=1',
          'opt=RECVRCVINFO value=1', 'opt=EVENTS association=1 send_failure=1',
          'opt=FRAGMENT_INTERLEAVE value=1']
EOF, ABORT, SENDALL, UNORDERED, OVER = 0x200, 4, 0x40, 1, 2


class Many:
    """Moves; the dice, the sockets and add() are Walk's."""

    def many_moves(self):
        return [(self.many_pair, 3 if self.made < 6 else 0.5), (self.many, 2), (self.begin, 8),
                (self.send_by_id, 7), (self.collect, 8), (self.peel_off, 2), (self.set_by_id, 3),
                (self.look_by_id, 3), (self.assocs, 3), (self.send_all, 0.7), (self.autoclose, 0.4)]

    def make_many(self, port=''):
        process = self.process()
        made = self.new(process, many=True)
        flags = self.dice.choice(['', ' flags=nonblock'])
        self.add(process, f'socket as={made.name} type=seqpacket{flags}')
        if port:
            self.bind_to(process, made, port)
        if self.chance(0.5):
            self.add(process, f'setsockopt s={made.name} {self.dice.choice(self.told(EVENTS))}')
        return process, made

    def many_pair(self):
        """A one-to-many socket that listens, and a peer of either kind that speaks to it."""
        ports = self.dice.sample('ABC', 2)
        process, server = self.make_many(ports[0])
        self.add(process, f'listen s={server.name}')
        to = f'{self.host(ports[0])}:{ports[0]}'
        if self.chance(0.4):
            client = self.new(process)
            self.add(process, f'socket as={client.name}')
            self.add(process, f'connect s={client.name} to={to}')
            self.met(client, ports[0])
            return
        process, client = self.make_many(ports[1] if self.chance(0.8) else '')
        self.met(client, ports[0])
        self.add(process, f'sendto s={client.name} {self.payload()} to={to}')

    def many(self):
        process, made = self.make_many(self.dice.choice('ABC') if self.chance(0.7) else '')
        if self.chance(0.5):
            self.add(process, f'listen s={made.name}')

    def begin(self):
        """A send to an address, which begins an association where there is none."""
        process, socket = self.one(many=True)
        name, to, bytes_ = socket.name, self.target(socket), self.payload()
        flags = self.dice.choice([0, 0, 0, UNORDERED, EOF, ABORT, OVER])
        wait = self.wait_flag(0.8)
        self.add(process, self.dice.choice([
            f'sendto s={name} {bytes_} to={to}{wait}', f'sendmsg s={name} {bytes_} to={to}{wait}',
            f'sendmsg s={name} {bytes_} to={to} init.ostreams=3 init.instreams=4{wait}',
            f'sendmsg s={name} {bytes_} to={to} init.ostreams=5 sndinfo.stream={self.dice.randrange(6)}{wait}',
            f'sendmsg s={name} {bytes_} to={to} sndinfo.stream=1 sndinfo.ppid=6 sndinfo.flags={flags}{wait}',
            f'sendmsg s={name} {bytes_} to={to} sndrcv.stream=2 sndrcv.flags={flags}{wait}',
            f'sctp_sendmsg s={name} {bytes_} to={to} stream=1 ppid=4 sflags={flags}',
            f'sctp_sendv s={name} {bytes_} to={to} sndinfo.stream=1 sndinfo.flags={flags}{wait}',
            f'sctp_sendv s={name} {bytes_} to={to}{wait}']))

    def id_of(self, process, socket):
        """An association of the socket with another one of the process, or what stands for several."""
        others = [each for each in self.sockets[process] if each.name != socket.name]
        met = [each for each in others
               if each.port in socket.met or each.name in socket.met]
        if others and self.chance(0.85):
            other = self.dice.choice(met if met and self.chance(0.9) else others)
            return f'@{socket.name}/{other.name}'
        return self.dice.choice([FUTURE, CURRENT, ALL, 77777])

    def send_by_id(self):
        process, socket = self.one(many=True)
        name, to, wait = socket.name, self.id_of(process, socket), self.wait_flag()
        flags = self.dice.choice([0, 0, 0, 0, UNORDERED, EOF, ABORT])
        bytes_ = '' if flags == EOF and self.chance(0.8) else ' ' + self.payload()
        self.add(process, self.dice.choice([
            f'sendmsg s={name}{bytes_} sndinfo.assoc={to} sndinfo.flags={flags}{wait}',
            f'sendmsg s={name}{bytes_} sndrcv.assoc={to} sndrcv.stream=1 sndrcv.flags={flags}{wait}',
            f'sctp_send s={name}{bytes_} sndrcv.assoc={to} sndrcv.flags={flags}{wait}',
            f'sctp_sendv s={name}{bytes_} sndinfo.assoc={to} sndinfo.flags={flags}{wait}']))

    def send_all(self):
        process, socket = self.one(many=True)
        flags = self.dice.choice([SENDALL, SENDALL, SENDALL | EOF])
        self.add(process, f'sendmsg s={socket.name} {self.payload()} sndinfo.flags={flags}{self.wait_flag()}')

    def collect(self):
        process, socket = self.one(many=True)
        self.add(process, f'collect s={socket.name} len=5000')

    def peel_off(self):
        process, socket = self.one(many=True)
        flags = self.dice.choice(['', '', ' flags=nonblock', ' flags=nonblock,cloexec'])
        of = self.id_of(process, socket)
        self.add(process, f'peeloff s={socket.name} assoc={of} as={self.new(process).name}{flags}')

    def set_by_id(self):
        process, socket = self.one(many=True)
        of = self.id_of(process, socket)
        self.add(process, f'setsockopt s={socket.name} opt={self.dice.choice(self.told(SETS))} assoc={of}')

    def look_by_id(self):
        process, socket = self.one(many=True)
        of = self.id_of(process, socket)
        call = f'getsockopt s={socket.name} opt={self.dice.choice(LOOKS)}'
        if socket.hosts and '0.0.0.0' not in socket.hosts and self.chance(0.2):
            call = f'getladdrs s={socket.name}'
        self.add(process, f'{call} assoc={of}')

    def assocs(self):
        process, socket = self.one(many=True)
        self.add(process, f'assocs s={socket.name}')

    def autoclose(self):
        process, socket = self.one(many=True)
        self.add(process, f'setsockopt s={socket.name} opt=AUTOCLOSE value=600')
