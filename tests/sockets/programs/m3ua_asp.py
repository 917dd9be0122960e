#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A small M3UA application server process (RFC 4666) on a one-to-one SCTP socket: registers its
point code, becomes active, and exchanges messages with another point code.

    m3ua_asp.py call ADDRESS PORT OWN_PC OTHER_PC COUNT    sends, and waits for each answer
    m3ua_asp.py answer ADDRESS PORT OWN_PC                 sends everything back, until it is ended
"""
import socket
import struct
import sys

IPPROTO_SCTP, SCTP_SNDINFO, M3UA_PPID = 132, 2, 3
MANAGEMENT, TRANSFER, STATE, TRAFFIC, REGISTRATION = 0, 1, 3, 4, 9
ERROR, NOTIFY = (MANAGEMENT, 0), (MANAGEMENT, 1)
DATA = (TRANSFER, 1)
ASP_UP, ASP_UP_ACK = (STATE, 1), (STATE, 4)
ASP_ACTIVE, ASP_ACTIVE_ACK = (TRAFFIC, 1), (TRAFFIC, 3)
REG_REQ, REG_RSP = (REGISTRATION, 1), (REGISTRATION, 2)
ROUTING_CONTEXT, TRAFFIC_MODE = 0x0006, 0x000b
ROUTING_KEY, REGISTRATION_RESULT, LOCAL_KEY, REGISTRATION_STATUS, DESTINATION, PROTOCOL_DATA = \
    0x0207, 0x0208, 0x020a, 0x0212, 0x020b, 0x0210
OVERRIDE, SERVICE_ISUP, NETWORK = 1, 5, 2


def parameter(tag, body):
    return struct.pack('!HH', tag, 4 + len(body)) + body + bytes(-len(body) % 4)


def word(tag, value):
    return parameter(tag, struct.pack('!I', value))


def message(kind, *parameters):
    body = b''.join(parameters)
    return struct.pack('!BBBBI', 1, 0, *kind, 8 + len(body)) + body


def parameters(body):
    """{tag: value} of a message's parameters."""
    found = {}
    while body:
        tag, length = struct.unpack_from('!HH', body)
        found[tag] = body[4:length]
        body = body[length + -length % 4:]
    return found


class Asp:
    def __init__(self, address, port, point_code):
        self.point_code = point_code
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_SCTP)
        self.socket.connect((address, port))
        self.send(message(ASP_UP), stream=0)
        self.expect(ASP_UP_ACK)
        key = parameter(ROUTING_KEY, word(LOCAL_KEY, 1) + word(DESTINATION, point_code))
        self.send(message(REG_REQ, key), stream=0)
        result = parameters(self.expect(REG_RSP)[REGISTRATION_RESULT])
        if result[REGISTRATION_STATUS] != bytes(4):
            sys.exit(f'not registered: {result}')
        self.context = parameter(ROUTING_CONTEXT, result[ROUTING_CONTEXT])
        self.send(message(ASP_ACTIVE, word(TRAFFIC_MODE, OVERRIDE), self.context), stream=0)
        self.expect(ASP_ACTIVE_ACK)
        print('active', flush=True)

    def send(self, what, stream):
        info = struct.pack('=HHIII', stream, 0, socket.htonl(M3UA_PPID), 0, 0)
        self.socket.sendmsg([what], [(IPPROTO_SCTP, SCTP_SNDINFO, info)])

    def expect(self, kind):
        """The parameters of the next message of that kind; states that change are passed over."""
        while True:
            received = self.socket.recv(65536)
            if not received:
                sys.exit('the association ended')
            if received[2:4] == bytes(kind):
                return parameters(received[8:])
            if received[2:4] == bytes(ERROR):
                sys.exit(f'an error came: {received.hex()}')

    def send_data(self, to, text):
        label = struct.pack('!IIBBBB', self.point_code, to, SERVICE_ISUP, NETWORK, 0, to & 15)
        self.send(message(DATA, self.context, parameter(PROTOCOL_DATA, label + text)), stream=1)

    def receive_data(self):
        """(from, text) of the next message."""
        data = self.expect(DATA)[PROTOCOL_DATA]
        origin, to = struct.unpack_from('!II', data)
        if to != self.point_code:
            sys.exit(f'a message for {to} came to {self.point_code}')
        return origin, data[12:]


def call(address, port, own, other, count):
    asp = Asp(address, int(port), int(own))
    for number in range(int(count)):
        text = f'message {number} '.encode() * (1 + number % 15)
        asp.send_data(int(other), text)
        if asp.receive_data() != (int(other), text):
            sys.exit(f'another answer than expected to message {number}')
    print(f'{count} answers', flush=True)


def answer(address, port, own):
    asp = Asp(address, int(port), int(own))
    while True:
        origin, text = asp.receive_data()
        asp.send_data(origin, text)


if __name__ == '__main__':
    {'call': call, 'answer': answer}[sys.argv[1]](*sys.argv[2:])
