# SPDX-License-Identifier: BSD-3-Clause
"""Scripts made from tables: every call in every state, every option with every length, every
pointer that may be wrong. script_sets() gives {set: [(name, steps)]}; each script starts afresh."""

PAIR = '''
0 socket as=l
0 bind s=l to=127.0.0.1:A
0 listen s=l
0 socket as=c
0 connect s=c to=127.0.0.1:A
0 accept s=l as=a
'''

# How a socket named s comes into each state. `o` is the other end, where there is one.
STATES = {
    'fresh': '0 socket as=s',
    'bound': '0 socket as=s\n0 bind s=s to=127.0.0.1:A',
    'bound_any': '0 socket as=s\n0 bind s=s to=0.0.0.0:0',
    'listening': '0 socket as=s\n0 bind s=s to=127.0.0.1:A\n0 listen s=s',
    'pending': '''0 socket as=s\n0 bind s=s to=127.0.0.1:A\n0 listen s=s\n0 socket as=o
0 connect s=o to=127.0.0.1:A''',
    'refused': '0 socket as=s\n0 connect s=s to=127.0.0.1:B',
    'refused_unread': '0 socket as=s flags=nonblock\n0 connect s=s to=127.0.0.1:B',
    'connecting': '0 socket as=s flags=nonblock\n0 connect s=s to=10.9.0.77:B',
    'established': PAIR.replace('as=c', 'as=s').replace('s=c ', 's=s ').replace('as=a', 'as=o'),
    'accepted': PAIR.replace('as=c', 'as=o').replace('s=c ', 's=o ').replace('as=a', 'as=s'),
    'readable': PAIR.replace('as=c', 'as=o').replace('s=c ', 's=o ').replace('as=a', 'as=s') +
                '0 sctp_sendmsg s=o data=first stream=2 ppid=9\n0 send s=o data=second',
    # With a time-out so long that a full window is not probed meanwhile.
    'full': PAIR.replace('0 socket as=c', '0 socket as=s\n0 setsockopt s=s opt=RTOINFO '
                         'initial=30000 min=30000 max=60000').replace('s=c ', 's=s ')
            .replace('as=a', 'as=o') +
            '0 fill s=s len=900',
    'shut_write': PAIR.replace('as=c', 'as=s').replace('s=c ', 's=s ').replace('as=a', 'as=o') +
                  '0 shutdown s=s how=w',
    'shut_read': PAIR.replace('as=c', 'as=s').replace('s=c ', 's=s ').replace('as=a', 'as=o') +
                 '0 shutdown s=s how=r',
    'shut_by_peer': PAIR.replace('as=c', 'as=o').replace('s=c ', 's=o ').replace('as=a', 'as=s') +
                    '0 send s=o data=last\n0 shutdown s=o how=w',
    'closed_by_peer': PAIR.replace('as=c', 'as=o').replace('s=c ', 's=o ').replace('as=a', 'as=s') +
                      '0 close s=o',
    'aborted': PAIR.replace('as=c', 'as=o').replace('s=c ', 's=o ').replace('as=a', 'as=s') +
               '0 setsockopt s=o level=socket opt=LINGER onoff=1 linger=0\n0 close s=o',
    'reset_taken': PAIR.replace('as=c', 'as=o').replace('s=c ', 's=o ').replace('as=a', 'as=s') +
                   '0 setsockopt s=o level=socket opt=LINGER onoff=1 linger=0\n0 close s=o\n'
                   '0 getsockopt s=s level=socket opt=ERROR',
    'closed': '0 socket as=s\n0 close s=s keep=1',
}

# What changes nothing, all in one script of a state.
LOOKS = '''
getsockname s=s
getsockname s=s alen=4
getpeername s=s
getpeername s=s alen=4
getsockopt s=s level=socket opt=TYPE
getsockopt s=s level=socket opt=PROTOCOL
getsockopt s=s level=socket opt=DOMAIN
getsockopt s=s level=socket opt=ACCEPTCONN
getsockopt s=s level=socket opt=REUSEADDR
getsockopt s=s level=socket opt=REUSEPORT
getsockopt s=s level=socket opt=LINGER
getsockopt s=s level=socket opt=SNDBUF
getsockopt s=s level=socket opt=RCVBUF
getsockopt s=s level=socket opt=RCVTIMEO
getsockopt s=s level=socket opt=SNDTIMEO
getsockopt s=s level=socket opt=KEEPALIVE
getsockopt s=s opt=RTOINFO
getsockopt s=s opt=ASSOCINFO
getsockopt s=s opt=INITMSG
getsockopt s=s opt=NODELAY
getsockopt s=s opt=EVENTS
getsockopt s=s opt=STATUS
getsockopt s=s opt=PEER_ADDR_PARAMS
getsockopt s=s opt=DEFAULT_SEND_PARAM
getsockopt s=s opt=DEFAULT_SNDINFO
getsockopt s=s opt=DISABLE_FRAGMENTS
getsockopt s=s opt=MAXSEG
getsockopt s=s opt=DELAYED_SACK
getsockopt s=s opt=CONTEXT
getsockopt s=s opt=FRAGMENT_INTERLEAVE
getsockopt s=s opt=PARTIAL_DELIVERY_POINT
getsockopt s=s opt=MAX_BURST
getsockopt s=s opt=AUTOCLOSE
getsockopt s=s opt=PRIMARY_ADDR
getsockopt s=s opt=GET_ASSOC_NUMBER
getpaddrs s=s
getladdrs s=s
ioctl s=s op=FIONREAD
ioctl s=s op=SIOCOUTQ
fcntl s=s
poll s=s timeout=0 events=IPOR
poll s=s timeout=0 events=I
poll s=s timeout=0 events=O
getsockopt s=s level=socket opt=ERROR
getsockopt s=s level=socket opt=ERROR
'''

# What changes something, each in a script of its own, followed by looks at what became of it.
ACTS = {
    'bind': '0 bind s=s to=127.0.0.1:C',
    'bind_any': '0 bind s=s to=0.0.0.0:0',
    'listen': '0 listen s=s',
    'listen_zero': '0 listen s=s backlog=0',
    'connect': '0 connect s=s to=127.0.0.1:D',
    'connect_good': '0 socket as=x\n0 bind s=x to=127.0.0.1:E\n0 listen s=x\n'
                    '0 connect s=s to=127.0.0.1:E\n0 connect s=s to=127.0.0.1:E',
    'accept': '0 accept s=s as=n flags=cloexec\n0 getpeername s=n\n0 fcntl s=n',
    'send': '0 send s=s data=hello flags=DONTWAIT\n0 send s=s data=again flags=DONTWAIT,NOSIGNAL',
    'send_empty': '0 send s=s len=0 flags=DONTWAIT',
    'sendto': '0 sendto s=s data=hello to=127.0.0.1:A flags=DONTWAIT',
    'sendmsg': '0 sendmsg s=s data=hello flags=DONTWAIT sndrcv.stream=1 sndrcv.ppid=5',
    'sendmsg_abort': '0 sendmsg s=s data=why sndrcv.flags=4 flags=DONTWAIT',
    'sendmsg_eof': '0 sendmsg s=s len=0 sndrcv.flags=0x200 flags=DONTWAIT',
    'send_waits': '0 send s=s data=hello id=w',
    'recv': '0 recv s=s flags=DONTWAIT\n0 recv s=s flags=DONTWAIT\n0 recv s=s flags=DONTWAIT',
    'recv_waits': '0 recv s=s id=w',
    'recvmsg': '0 recvmsg s=s flags=DONTWAIT\n0 recvmsg s=s flags=DONTWAIT alen=128',
    'peek': '0 recvmsg s=s flags=DONTWAIT,PEEK\n0 recvmsg s=s flags=DONTWAIT,PEEK len=3\n'
            '0 recvmsg s=s flags=DONTWAIT len=3\n0 recvmsg s=s flags=DONTWAIT,PEEK',
    'shutdown_read': '0 shutdown s=s how=r\n0 recv s=s flags=DONTWAIT\n0 recv s=s flags=DONTWAIT',
    'shutdown_write': '0 shutdown s=s how=w\n0 shutdown s=s how=w\n0 send s=s data=x',
    'shutdown_both': '0 shutdown s=s how=rw\n0 recv s=s flags=DONTWAIT\n0 send s=s data=x',
    'shutdown_wrong': '0 shutdown s=s how=7',
    'close': '0 close s=s',
    'abort': '0 setsockopt s=s level=socket opt=LINGER onoff=1 linger=0\n0 close s=s',
    'linger': '0 setsockopt s=s level=socket opt=LINGER onoff=1 linger=1\n0 close s=s id=w',
    'dup': '0 dup s=s as=d\n0 close s=s\n0 getsockname s=d\n0 send s=d data=x flags=DONTWAIT\n'
           '0 recv s=d flags=DONTWAIT\n0 close s=d',
    'dup2': '0 socket as=d\n0 dup2 s=s over=d as=d\n0 close s=s\n0 send s=d data=x flags=DONTWAIT',
    'fork': '0 fork to=1\n0 close s=s\n1 send s=s data=x flags=DONTWAIT\n1 recv s=s flags=DONTWAIT\n'
            '1 shutdown s=s how=w\n1 exit',
    'exec': '0 exec\n0 getsockname s=s\n0 send s=s data=x flags=DONTWAIT\n0 recv s=s flags=DONTWAIT',
    'reuse': '0 setsockopt s=s level=socket opt=REUSEADDR value=1\n0 close s=s\n0 socket as=n\n'
             '0 bind s=n to=127.0.0.1:A\n0 listen s=n',
}
AFTER = '''
0 getsockopt s=s level=socket opt=ERROR
0 getsockname s=s
0 getpeername s=s
0 recv s=o flags=DONTWAIT
0 recv s=o flags=DONTWAIT
0 send s=o data=y flags=DONTWAIT
0 getsockopt s=o level=socket opt=ERROR
'''


def steps(text):
    return [line for line in text.splitlines() if line.strip()]


def state_scripts():
    for state, begin in STATES.items():
        yield f'{state}.looks', steps(begin) + [f'0 {line}' for line in steps(LOOKS)]
        for act, text in ACTS.items():
            yield f'{state}.{act}', steps(begin) + steps(text) + steps(AFTER)


# Option, its exact size, values that may be set: each set, then read back.
OPTIONS = [
    ('sctp', 'RTOINFO', 16, ['initial=500 max=1000 min=200', 'initial=0 max=0 min=0',
                             'initial=500 max=200 min=100', 'initial=100 max=1000 min=200',
                             'initial=2000 max=0 min=0', 'min=5000', 'assoc=77 initial=1000']),
    ('sctp', 'ASSOCINFO', 20, ['maxrxt=5', 'maxrxt=0 cookie_life=30000', 'maxrxt=65535',
                               'cookie_life=0', 'assoc=77 maxrxt=4']),
    ('sctp', 'INITMSG', 8, ['ostreams=5 instreams=6 attempts=3 timeo=2000', 'ostreams=0',
                            'ostreams=65535 instreams=65535', 'attempts=1', 'timeo=1']),
    ('sctp', 'NODELAY', 4, ['value=1', 'value=0', 'value=7', 'value=-1']),
    ('sctp', 'AUTOCLOSE', 4, ['value=5']),
    ('sctp', 'DISABLE_FRAGMENTS', 4, ['value=1', 'value=0', 'value=9']),
    ('sctp', 'PEER_ADDR_PARAMS', 156, [
        'hb=5000 flags=1', 'flags=2', 'flags=3', 'maxrxt=3 flags=0', 'flags=1 hb=0 addr=127.0.0.1:A',
        'flags=0x80', 'flags=0x21 sackdelay=100', 'sackdelay=501 flags=0x20', 'sackdelay=100 flags=0x40',
        'flags=8', 'flags=0x10 mtu=1400', 'mtu=100 flags=0x10', 'assoc=77 flags=1',
        'addr=10.1.2.3:A flags=1', 'flags=0x18', 'flags=4', 'flags=0x200 dscp=8']),
    ('sctp', 'DEFAULT_SEND_PARAM', 32, ['stream=1 ppid=7 context=3', 'stream=900', 'flags=1 ttl=10',
                                        'flags=0x8000', 'assoc=77']),
    ('sctp', 'DEFAULT_SNDINFO', 16, ['stream=1 ppid=7 context=3', 'stream=900', 'flags=1',
                                     'flags=0x8000', 'assoc=77']),
    ('sctp', 'EVENTS', 14, ['data_io=1 association=1 address=1 send_failure=1 peer_error=1 shutdown=1',
                            'partial=1 adaptation=1', 'dry=1', 'data_io=255', 'authentication=1',
                            'stream_reset=1 assoc_reset=1 stream_change=1 send_failure_event=1']),
    ('sctp', 'EVENT', 8, ['type=0x8001 on=1', 'type=0x8001 on=0', 'type=0x8005 on=1', 'type=0x8000 on=1',
                          'type=0x800d on=1', 'type=0x800e on=1', 'type=1 on=1', 'assoc=77 type=0x8001 on=1']),
    ('sctp', 'MAPPED_V4', 4, ['value=0', 'value=1']),
    ('sctp', 'MAXSEG', 8, ['value=500', 'value=0', 'value=1', 'value=70000', 'assoc=77 value=500']),
    ('sctp', 'STATUS', 176, ['']),
    ('sctp', 'PRIMARY_ADDR', 132, ['addr=127.0.0.1:A', 'addr=10.1.2.3:A', '']),
    ('sctp', 'GET_PEER_ADDR_INFO', 152, ['addr=127.0.0.1:A', 'addr=10.1.2.3:A', '']),
    ('sctp', 'DELAYED_SACK', 12, ['delay=100 freq=2', 'delay=0 freq=1', 'delay=501', 'delay=0 freq=0',
                                  'freq=3', 'assoc=77 delay=100']),
    ('sctp', 'CONTEXT', 8, ['value=9', 'assoc=77 value=9']),
    ('sctp', 'FRAGMENT_INTERLEAVE', 4, ['value=1', 'value=0', 'value=2', 'value=3']),
    ('sctp', 'PARTIAL_DELIVERY_POINT', 4, ['value=1000', 'value=0', 'value=100000000']),
    ('sctp', 'MAX_BURST', 8, ['value=8', 'value=0']),
    ('sctp', 'ADAPTATION_LAYER', 4, ['value=1234', 'value=0']),
    ('sctp', 'RECVRCVINFO', 4, ['value=1', 'value=0', 'value=5']),
    ('sctp', 'RECVNXTINFO', 4, ['value=1', 'value=0', 'value=5']),
    ('sctp', 'PEER_ADDR_THLDS', 136, ['maxrxt=4 pf=2', 'pf=0']),
    ('sctp', 'REUSE_PORT', 4, ['value=1', 'value=0']),
    ('sctp', '77', 4, ['value=1']),
    ('sctp', '999', 4, ['value=1']),
    ('socket', 'SNDBUF', 4, ['value=4096', 'value=100000', 'value=0', 'value=-1', 'value=1',
                             'value=1000000000']),
    ('socket', 'RCVBUF', 4, ['value=4096', 'value=100000', 'value=0', 'value=-1', 'value=1',
                             'value=1000000000']),
    ('socket', 'REUSEADDR', 4, ['value=1', 'value=0', 'value=5']),
    ('socket', 'REUSEPORT', 4, ['value=1', 'value=0']),
    ('socket', 'LINGER', 8, ['onoff=1 linger=5', 'onoff=0 linger=5', 'onoff=1 linger=0',
                             'onoff=1 linger=-1', 'onoff=1 linger=100000']),
    ('socket', 'ERROR', 4, ['value=1']),
    ('socket', 'TYPE', 4, ['value=1']),
    ('socket', 'PROTOCOL', 4, ['value=1']),
    ('socket', 'ACCEPTCONN', 4, ['value=1']),
    ('socket', 'KEEPALIVE', 4, ['value=1']),
    ('socket', 'BROADCAST', 4, ['value=1']),
    ('socket', 'RCVLOWAT', 4, ['value=10', 'value=0']),
    ('socket', 'RCVTIMEO', 16, ['sec=0 usec=100000', 'sec=0 usec=0', 'sec=-1 usec=0', 'sec=0 usec=2000000']),
    ('socket', 'SNDTIMEO', 16, ['sec=0 usec=100000', 'sec=0 usec=0', 'sec=0 usec=-1']),
    ('ip', 'TOS', 4, ['value=8']),
    ('ip', 'TTL', 4, ['value=33', 'value=0']),
    ('tcp', '1', 4, ['value=1']),
]


def option_scripts():
    for state in ('fresh', 'listening', 'established', 'closed_by_peer'):
        for level, name, size, values in OPTIONS:
            if state in ('listening', 'closed_by_peer') and level != 'sctp':
                continue
            opt = f's=s level={level} opt={name}'
            lines = steps(STATES[state])
            lines.append(f'0 getsockopt {opt}')
            for value in values:
                lines += [f'0 setsockopt {opt} {value}'.strip(), f'0 getsockopt {opt}']
                if 'addr=' in value or 'assoc=' in value:
                    lines.append(f'0 getsockopt {opt} ' + ' '.join(
                        word for word in value.split() if word.startswith(('addr=', 'assoc='))))
            if state == 'established':
                lines += [f'0 setsockopt {opt} {values[0]} assoc=@s'.replace('  ', ' '),
                          f'0 getsockopt {opt} assoc=@s', f'0 getsockopt s=o level={level} opt={name}',
                          '0 send s=s data=still', '0 recv s=o flags=DONTWAIT']
            if state in ('fresh', 'established'):
                lines += pointers(opt, size, values[0])
            yield f'{state}.{level}.{name}', lines


def pointers(opt, size, value):
    lines = []
    for length in sorted({0, 1, 3, size - 1, size + 1, size + 100, 900} - {size}):
        lines.append(f'0 getsockopt {opt} optlen={length}')
        lines.append(f'0 setsockopt {opt} {value} optlen={length}'.replace('  ', ' '))
    for length in (-1, 2147483647):
        lines.append(f'0 getsockopt {opt} optlen={length}')
        lines.append(f'0 setsockopt {opt} optlen={length}')
    for wrong in ('null', 'wild'):
        lines += [f'0 getsockopt {opt} ptr={wrong}', f'0 getsockopt {opt} lenptr={wrong}',
                  f'0 setsockopt {opt} ptr={wrong}', f'0 setsockopt {opt} ptr={wrong} optlen=0',
                  f'0 getsockopt {opt} ptr={wrong} optlen=0']
    lines.append(f'0 getsockopt {opt}')
    return lines


# Bad pointers and lengths of every call; %s is "null" or "wild".
POINTERS = {
    'bind': '0 socket as=s\n0 bind s=s ptr=%s\n0 bind s=s to=127.0.0.1:A alen=0\n0 bind s=s ptr=%s alen=0\n'
            '0 bind s=s to=127.0.0.1:A alen=4\n0 bind s=s to=127.0.0.1:A alen=15\n'
            '0 bind s=s to=127.0.0.1:A alen=-1\n0 bind s=s to=127.0.0.1:A alen=129\n'
            '0 bind s=s to=127.0.0.1:A alen=128\n0 bind s=s to=unspec\n0 bind s=s to=unix\n'
            '0 bind s=s to=[::1]:A\n0 bind s=s to=10.255.255.1:A',
    'connect': '0 socket as=s flags=nonblock\n0 connect s=s ptr=%s\n0 connect s=s to=127.0.0.1:A alen=0\n'
               '0 connect s=s to=127.0.0.1:A alen=4\n0 connect s=s to=127.0.0.1:A alen=15\n'
               '0 connect s=s to=127.0.0.1:A alen=-1\n0 connect s=s to=127.0.0.1:A alen=129\n'
               '0 connect s=s to=unspec\n0 connect s=s to=unix\n0 connect s=s to=[::1]:A\n'
               '0 connect s=s to=127.0.0.1:0\n0 connect s=s to=0.0.0.0:A\n'
               '0 connect s=s to=224.0.0.1:A\n0 connect s=s to=255.255.255.255:A',
    'names': PAIR + '0 getsockname s=c ptr=%s\n0 getsockname s=c lenptr=%s\n0 getpeername s=c ptr=%s\n'
             '0 getpeername s=c lenptr=%s\n0 getsockname s=c alen=0\n0 getsockname s=c alen=-1\n'
             '0 getsockname s=c alen=2\n0 getpeername s=c alen=0\n0 getpeername s=c alen=-1\n'
             '0 getpeername s=c alen=200\n0 getsockname s=c ptr=%s alen=0\n0 getpeername s=c ptr=%s alen=0',
    'accept': '0 socket as=l flags=nonblock\n0 bind s=l to=127.0.0.1:A\n0 listen s=l\n'
              '0 socket as=c\n0 connect s=c to=127.0.0.1:A\n0 accept s=l as=a ptr=%s\n'
              '0 socket as=d\n0 connect s=d to=127.0.0.1:A\n0 accept s=l as=b lenptr=%s\n'
              '0 socket as=e\n0 connect s=e to=127.0.0.1:A\n0 accept s=l as=f alen=-1\n'
              '0 socket as=g\n0 connect s=g to=127.0.0.1:A\n0 accept s=l as=h alen=4\n'
              '0 socket as=i\n0 connect s=i to=127.0.0.1:A\n0 accept s=l as=j flags=4\n'
              '0 accept s=l as=k\n0 accept s=l as=m',
    'send': PAIR + '0 send s=c ptr=%s len=10 flags=DONTWAIT\n0 send s=c ptr=%s len=0\n'
            '0 write s=c ptr=%s len=10\n0 sendto s=c data=x toptr=%s alen=16\n'
            '0 sendto s=c data=x to=127.0.0.1:A alen=4\n0 sendto s=c data=x to=127.0.0.1:A alen=-1\n'
            '0 sendto s=c data=x to=127.0.0.1:B\n0 sendto s=c data=x to=10.1.1.1:A\n'
            '0 sendto s=c data=x to=127.0.0.1:A\n0 sendmsg s=c data=x msgptr=%s\n'
            '0 sendmsg s=c data=x vecptr=%s\n0 sendmsg s=c data=x vecptr=%s count=0\n'
            '0 sendmsg s=c data=xyz iov=1,1 count=2000\n0 writev s=c data=xyz iov=1,1 count=-1\n'
            '0 writev s=c data=xyz iov=1,1 count=1025\n0 writev s=c data=xyz iov=1,1 count=0\n'
            '0 writev s=c data=xyz vecptr=%s\n0 sendmsg s=c data=x ctlptr=%s ctllen=32\n'
            '0 sendmsg s=c data=x ctlptr=%s ctllen=0\n0 sendmsg s=c data=x toptr=%s alen=16\n'
            '0 sendmmsg s=c data=x msgptr=%s\n0 sendmmsg s=c data=x n=0\n0 drain s=a',
    'recv': PAIR + '0 send s=c data=one\n0 recv s=a ptr=%s len=10 flags=DONTWAIT\n0 send s=c data=two\n'
            '0 read s=a ptr=%s len=10\n0 send s=c data=three\n0 recvfrom s=a fromptr=%s flags=DONTWAIT\n'
            '0 send s=c data=four\n0 recvfrom s=a lenptr=%s flags=DONTWAIT\n0 send s=c data=five\n'
            '0 recvfrom s=a alen=-1 flags=DONTWAIT\n0 send s=c data=six\n0 recvfrom s=a alen=0 flags=DONTWAIT\n'
            '0 send s=c data=seven\n0 recvfrom s=a alen=3 flags=DONTWAIT\n0 send s=c data=eight\n'
            '0 recvmsg s=a msgptr=%s flags=DONTWAIT\n0 recvmsg s=a vecptr=%s flags=DONTWAIT\n'
            '0 recvmsg s=a count=2000 flags=DONTWAIT\n0 setsockopt s=a opt=EVENTS data_io=1\n'
            '0 recvmsg s=a ctlptr=%s flags=DONTWAIT\n0 send s=c data=nine\n'
            '0 recvmsg s=a ctllen=0 flags=DONTWAIT\n0 send s=c data=ten\n0 recvmsg s=a ctllen=10 flags=DONTWAIT\n'
            '0 send s=c data=eleven\n0 recvmsg s=a ctllen=30 flags=DONTWAIT\n0 send s=c data=twelve\n'
            '0 recvmsg s=a count=0 flags=DONTWAIT\n0 recv s=a len=0 flags=DONTWAIT\n'
            '0 recvmmsg s=a msgptr=%s flags=DONTWAIT\n0 recvmmsg s=a n=0 flags=DONTWAIT\n0 drain s=a',
    'ioctl': PAIR + '0 ioctl s=c op=FIONREAD ptr=%s\n0 ioctl s=c op=SIOCOUTQ ptr=%s\n0 ioctl s=c op=FIONBIO ptr=%s\n'
             '0 ioctl s=c op=12345',
    'lists': PAIR + '0 bindx s=c to=127.0.0.1:A\n0 bindx s=c to=\n0 connectx s=c to=127.0.0.1:A\n'
             '0 getpaddrs s=c assoc=77\n0 getladdrs s=c assoc=77\n0 peeloff s=c as=x\n0 peeloff s=c as=x assoc=77',
}


def pointer_scripts():
    for name, text in POINTERS.items():
        for wrong in ('null', 'wild'):
            yield f'{name}.{wrong}', steps(text.replace('%s', wrong))


def control_scripts():
    """Control data of sends: each kind right, and spoiled in each way."""
    good = ['sndrcv.stream=1 sndrcv.ppid=3 sndrcv.context=4', 'sndinfo.stream=2 sndinfo.ppid=4',
            'sndrcv.stream=9', 'sndrcv.stream=10', 'sndrcv.stream=65535', 'sndinfo.stream=10',
            'sndrcv.flags=1', 'sndinfo.flags=1', 'sndrcv.ttl=1000', 'sndrcv.flags=2',
            'sndrcv.flags=8', 'sndrcv.flags=0x40', 'sndrcv.flags=0x1000', 'sndrcv.flags=0x8000',
            'sndrcv.assoc=77', 'sndrcv.assoc=@c', 'init.ostreams=3', 'prinfo.policy=0x10 prinfo.value=100',
            'prinfo.policy=0x20 prinfo.value=2', 'prinfo.policy=0x30 prinfo.value=2', 'prinfo.policy=0x50',
            'authinfo.key=1', 'authinfo.key=0', 'dstaddrv4.addr=0x0100007f',
            'sndrcv.stream=1 sndinfo.stream=2', 'sndinfo.stream=3 prinfo.policy=0x10 prinfo.value=100']
    bad = ['cmsglen=0', 'cmsglen=8', 'cmsglen=16', 'cmsglen=20', 'cmsglen=47', 'cmsglen=49', 'cmsglen=400',
           'ctltype=99', 'ctltype=-1', 'ctltype=3', 'ctllevel=1', 'ctllevel=0', 'ctllen=4', 'ctllen=15',
           'ctllen=16', 'ctllen=40', 'ctllen=500']
    for index, begin in enumerate((good[:13], good[13:])):
        lines = steps(PAIR) + ['0 setsockopt s=a opt=EVENTS data_io=1 association=1 shutdown=1']
        for words in begin:
            lines += [f'0 sendmsg s=c data=x {words} flags=DONTWAIT', '0 recvmsg s=a flags=DONTWAIT']
        yield f'good.{index}', lines
    lines = steps(PAIR)
    for words in bad:
        lines += [f'0 sendmsg s=c data=x sndrcv.stream=1 {words} flags=DONTWAIT',
                  '0 recvmsg s=a flags=DONTWAIT']
    yield 'bad', lines
    lines = steps(PAIR) + ['0 setsockopt s=a opt=RECVRCVINFO value=1', '0 setsockopt s=a opt=RECVNXTINFO value=1']
    for words in good[:8]:
        lines += [f'0 sendmsg s=c data=x {words} flags=DONTWAIT']
    lines += [f'0 recvmsg s=a flags=DONTWAIT ctllen={size}' for size in (512, 100, 60, 52, 48, 20, 8, 0, 512)]
    yield 'info', lines


FLAGS = ['OOB', 'PEEK', 'DONTROUTE', 'DONTWAIT', 'EOR', 'WAITALL', 'FIN', 'NOSIGNAL', 'MORE',
         'ERRQUEUE', 'TRUNC', 'CTRUNC', '0x10000', '0x20000000', '0x4000000', '0x2000000', 'NOTIFICATION']


def flag_scripts():
    for flag in FLAGS:
        lines = steps(PAIR) + [
            f'0 send s=c data=hello flags={flag} id=x', '0 sendmsg s=c data=second', '0 sendmsg s=c data=third',
            f'0 recv s=a len=100 flags={flag},DONTWAIT', f'0 recvmsg s=a len=3 flags={flag},DONTWAIT',
            f'0 recvmsg s=a len=30 flags={flag},DONTWAIT', f'0 sendmmsg s=c data=m flags={flag},DONTWAIT n=2',
            '0 drain s=a', f'0 recvmsg s=a len=30 flags={flag},DONTWAIT',
            f'0 recv s=a len=10 flags={flag} id=y', '0 send s=c data=12345', '0 send s=c data=67890',
            '0 recvmsg s=a flags=DONTWAIT']
        yield flag, lines


def size_scripts():
    for size in (1, 2, 3, 4, 1000, 1400, 1452, 1500, 4000, 16384, 40000, 65000, 65536, 100000, 200000):
        lines = steps(PAIR) + [
            '0 setsockopt s=a opt=EVENTS data_io=1', f'0 send s=c len={size} flags=DONTWAIT',
            f'0 recvmsg s=a len={size // 2} flags=DONTWAIT', f'0 recvmsg s=a len={size} flags=DONTWAIT',
            f'0 recvmsg s=a len={size} flags=DONTWAIT', f'0 writev s=c len={size} iov=1,1,{size // 3}',
            f'0 readv s=a len={size + 5} iov=1,2,{size // 4}']
        yield f'{size}', lines
        for option in ('setsockopt s=c level=socket opt=SNDBUF value=8000',
                       'setsockopt s=c opt=DISABLE_FRAGMENTS value=1', 'setsockopt s=c opt=MAXSEG value=600'):
            yield f'{size}.{option.split()[2][4:]}', steps(PAIR) + [
                f'0 {option}', f'0 send s=c len={size} flags=DONTWAIT',
                f'0 recvmsg s=a len={size} flags=DONTWAIT', f'0 recvmsg s=a len={size} flags=DONTWAIT']


def socket_scripts():
    for family in ('inet', 'inet6', 'unix', '77'):
        for kind in ('stream', 'seqpacket', 'dgram', 'raw', '99'):
            yield f'{family}.{kind}', [
                f'0 socket as=s family={family} type={kind}',
                f'0 socket as=t family={family} type={kind} flags=nonblock,cloexec', '0 fcntl s=t',
                f'0 socket as=u family={family} type={kind} flags=0x4000000',
                '0 getsockopt s=s level=socket opt=TYPE', '0 getsockopt s=s level=socket opt=PROTOCOL',
                '0 getsockopt s=s level=socket opt=DOMAIN', '0 getsockname s=s', '0 getpeername s=s',
                '0 listen s=s', '0 accept s=s as=x flags=nonblock id=w',
                f'0 socketpair family={family} type={kind} proto=sctp as=y with=z']


def script_sets():
    """{set: [(script's name, steps)]}; a set is a file of golden lines."""
    return {'states': list(state_scripts()), 'options': list(option_scripts()),
            'pointers': list(pointer_scripts()), 'control': list(control_scripts()),
            'flags': list(flag_scripts()), 'sizes': list(size_scripts()),
            'sockets': list(socket_scripts())}
