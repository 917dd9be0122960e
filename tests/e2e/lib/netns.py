# SPDX-License-Identifier: BSD-3-Clause
"""Private network namespaces for tests. The host's own interfaces are never touched: every
command runs inside a namespace that this process made, and veth pairs are created within one.

    a, b = Namespace('a'), Namespace('b')
    veth(a, b, '10.9.0.1/24', '10.9.0.2/24')
    a.start([program, ...], log)
"""
import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import socket
import struct
import tempfile
import time

from . import processes
from .processes import run

IPPROTO_SCTP = 132
SO_ATTACH_FILTER = 26
CLONE_NEWNET = 0x40000000
_count = 0


def missing():
    """Why namespaces can't be made here, or None."""
    if os.geteuid() != 0:
        return 'needs root'
    if not shutil.which('ip'):
        return 'no ip (apt-get install iproute2)'
    return None


def sweep():
    """Removes what a test that was killed with SIGKILL left behind: our names, dead process."""
    for path in pathlib.Path('/run/netns').glob('trunkline-*'):
        match = re.fullmatch(r'trunkline-(\d+)-\d+-\w+', path.name)
        if match and not pathlib.Path('/proc', match.group(1)).exists():
            run(['ip', 'netns', 'del', path.name], check=False)
    for path in pathlib.Path(tempfile.gettempdir()).glob('trunkline-uml-*'):
        match = re.fullmatch(r'trunkline-uml-(\d+)-\w+', path.name)
        if match and not pathlib.Path('/proc', match.group(1)).exists():
            shutil.rmtree(path, ignore_errors=True)


class Namespace:
    """One network namespace, gone when the test ends."""

    def __init__(self, label):
        global _count
        _count += 1
        self.name = f'trunkline-{os.getpid()}-{_count}-{label}'
        run(['ip', 'netns', 'add', self.name])
        processes.on_end(self.remove)
        self.ip('link', 'set', 'lo', 'up')
        # A test must not wait two seconds for duplicate address detection.
        self.sysctl('net/ipv6/conf/default/accept_dad', '0')
        self.sysctl('net/ipv6/conf/all/accept_dad', '0')
        self.sysctl('net/ipv6/conf/default/router_solicitations', '0')

    def remove(self):
        processes.forget(self.remove)
        run(['ip', 'netns', 'del', self.name], check=False)

    def command(self, words):
        return ['ip', 'netns', 'exec', self.name, *[str(word) for word in words]]

    def run(self, words, **options):
        return run(self.command(words), **options)

    def start(self, words, log, **options):
        """A program inside the namespace, as processes.Process."""
        return processes.Process(self.command(words), log, **options)

    def ip(self, *words):
        return run(['ip', '-n', self.name, *words])

    def sysctl(self, key, value):
        with self.inside():
            pathlib.Path('/proc/sys', key).write_text(value)

    @contextlib.contextmanager
    def inside(self):
        """This thread's sockets (and /proc/sys/net) are the namespace's within the block."""
        libc = processes._libc
        with open('/proc/thread-self/ns/net', 'rb') as home, \
                open(f'/run/netns/{self.name}', 'rb') as away:
            if libc.setns(away.fileno(), CLONE_NEWNET) != 0:
                raise OSError('setns failed')
            try:
                yield
            finally:
                if libc.setns(home.fileno(), CLONE_NEWNET) != 0:
                    os._exit(70)  # never go on in the wrong namespace

    def add_tap(self, name, addresses=()):
        """A TAP device; addresses like '10.9.0.1/24' are for the namespace's own kernel."""
        self.ip('tuntap', 'add', 'dev', name, 'mode', 'tap')
        self._up(name, addresses)

    def _up(self, name, addresses):
        for address in addresses:
            self.ip('addr', 'add', address, 'dev', name, *(['nodad'] if ':' in address else []))
        self.ip('link', 'set', name, 'up')

    def mac(self, name):
        return re.search(r'link/ether (\S+)', self.ip('link', 'show', name)).group(1)

    def quiet_sctp(self):
        """Keeps this namespace's kernel from answering SCTP with ICMP protocol unreachable: it
        does not while a raw socket takes the packets. A full one takes none, so these have a
        filter that drops all before it is queued. Returns the sockets; keep them."""
        drop_all = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0))  # BPF: return 0
        program = struct.pack('HP', 1, ctypes.addressof(drop_all))
        with self.inside():
            found = []
            for family in (socket.AF_INET, socket.AF_INET6):
                raw = socket.socket(family, socket.SOCK_RAW, IPPROTO_SCTP)
                raw.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
                found.append(raw)
            return found

    def ping(self, address, timeout=5):
        """True once `address` answers an echo request sent from here."""
        family = socket.AF_INET6 if ':' in address else socket.AF_INET
        with self.inside():
            protocol = socket.IPPROTO_ICMPV6 if ':' in address else socket.IPPROTO_ICMP
            raw = socket.socket(family, socket.SOCK_RAW, protocol)
        with raw:
            raw.settimeout(0.2)
            deadline = time.monotonic() + timeout
            number = 0
            while time.monotonic() < deadline:
                number += 1
                try:
                    raw.sendto(_echo_request(family, number), (address, 0))
                    if _is_reply(family, raw.recv(2048)):
                        return True
                except OSError:
                    time.sleep(0.05)
        return False


def _echo_request(family, number):
    kind = 128 if family == socket.AF_INET6 else 8
    packet = struct.pack('!BBHHH', kind, 0, 0, os.getpid() & 0xffff, number) + b'trunkline-ping--'
    total = sum(struct.unpack(f'!{len(packet) // 2}H', packet))
    total = (total & 0xffff) + (total >> 16)
    total = ~((total & 0xffff) + (total >> 16)) & 0xffff  # ICMPv6: the kernel writes its own
    return packet[:2] + struct.pack('!H', total) + packet[4:]


def _is_reply(family, data):
    body = data if family == socket.AF_INET6 else data[(data[0] & 15) * 4:]
    return body[0] == (129 if family == socket.AF_INET6 else 0) \
        and body[4:6] == struct.pack('!H', os.getpid() & 0xffff)


def veth(left, right, left_addresses=(), right_addresses=(), names=('v0', 'v0')):
    """A cable between two namespaces, each end up with its addresses."""
    left.ip('link', 'add', names[0], 'type', 'veth', 'peer', 'name', names[1],
            'netns', right.name)
    left._up(names[0], left_addresses)
    right._up(names[1], right_addresses)
    for namespace, name in ((left, names[0]), (right, names[1])):
        _no_offload(namespace, name)


def _no_offload(namespace, name):
    """Checksums must be real on the wire: a veth otherwise passes packets on unfinished."""
    siocethtool, set_tx_csum = 0x8946, 0x17
    import array
    import fcntl
    with namespace.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        value = array.array('B', struct.pack('II', set_tx_csum, 0))
        request = struct.pack('16sP', name.encode(), value.buffer_info()[0])
        try:
            fcntl.ioctl(control, siocethtool, request)
        except OSError:
            pass  # a device without the switch has nothing to switch off
