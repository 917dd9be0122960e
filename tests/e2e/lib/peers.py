# SPDX-License-Identifier: BSD-3-Clause
"""Starts the test peers and reads their JSON. A place is anything with start(words): a `Here`
(a namespace and a log folder) or a booted Uml.

    server = Peer(kernel, 'kernel_peer', '--listen', '--local', '10.9.0.2')
    client = Peer(Here(namespace, t), 'usrsctp_peer', '--connect', '10.9.0.2', '--sizes', '1,64')
    client.finish(); server.finish(received=100)      # raises unless all is well
"""
import json

from . import cases

# The sizes that the interop tests send: one byte, around padding, around the path MTU, up to 64 KiB.
SIZES = [1, 2, 3, 4, 5, 23, 24, 64, 255, 300, 1000, 1431, 1432, 1451, 1452, 1453, 1472, 1500, 2904,
         4096, 9000, 16384, 32768, 65535, 65536]
SIZE_LIST = ','.join(str(size) for size in SIZES)


class Here:
    """Runs programs in a namespace of this host, logging to the case's folder."""

    def __init__(self, namespace, case):
        self._namespace = namespace
        self._case = case
        self._count = 0

    def start(self, words):
        self._count += 1
        name = str(words[0]).rsplit('/', 1)[-1]
        return self._namespace.start(words, self._case.log(f'{name}-{self._count}.log'))


class Peer:
    """One run of a peer program (see tests/e2e/peers/peer_options.c for its command line)."""

    def __init__(self, place, name, *arguments, folder='tests/e2e/peers'):
        words = [cases.program(f'{folder}/{name}'), *[str(word) for word in arguments]]
        self.name = f'{name} {words[1]}'
        self._job = place.start(words)
        if '--listen' in arguments:
            self._job.expect('LISTENING')

    def expect(self, text, timeout=15):
        return self._job.expect(text, timeout)

    def alive(self):
        return self._job.alive()

    def send_signal(self, number):
        self._job.send_signal(number)

    def kill(self):
        """Gone at once, without a word to its peer where the peer lives in user space."""
        self._job.send_signal(9)
        self._job.wait(15)

    def wait(self, timeout=60):
        """(exit status, report); the report is {} when the program never got to print it."""
        status = self._job.wait(timeout)
        lines = [line for line in self._job.lines if line.startswith('{')]
        try:
            return status, json.loads(lines[-1]) if lines else {}
        except ValueError as error:
            raise AssertionError(f'{self.name}: bad report {lines[-1]!r}: {error}') from None

    def finish(self, timeout=60, **wanted):
        """The report, after checking that the peer found all well and said what is wanted."""
        status, report = self.wait(timeout)
        if status != 0 or not report.get('ok'):
            raise AssertionError(f'{self.name}: status {status}, {report or self._job.lines[-3:]}')
        for key, value in wanted.items():
            cases.check_equal(report.get(key), value, f'{self.name}: {key}')
        return report


def exchange(server, client, server_end, client_end, timeout=60):
    """Waits for both and checks how the association ended on each side."""
    first = client.finish(timeout, end=client_end)
    second = server.finish(timeout, end=server_end)
    return first, second


