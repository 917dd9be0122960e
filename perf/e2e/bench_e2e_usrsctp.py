#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The peer of e2e/rate/SIZE: two processes of usrsctp (usrsctp_pair) over raw sockets on a veth
between two network namespaces that are made for it, each process on a core of its own. NODELAY, the
best of a sweep of buffer sizes (--sweep measures it anew). CPU time is that of both processes, in
which the kernel's work for their packets is counted.
"""
import os
import sys

import places
from places import SECONDS, CpuTime, Place, Wrong, cases, final_of, report
from lib import netns, processes

LISTENS, CONNECTS = '10.10.0.1', '10.10.0.2'
SWEEP = (128 << 10, 256 << 10, 512 << 10, 1 << 20, 2 << 20)
BUFFER = 1 << 20  # bytes, send and receive: the best of SWEEP
BURST = 4         # packets that a SACK may release: the best of the sweep, and its default
ROLE = 'usrsctp'


def cable(folder):
    """Two namespaces with a veth between them: where the sender is, where the receiver is."""
    first, second = places.cores()
    left, right = netns.Namespace('left'), netns.Namespace('right')
    netns.veth(left, right, [CONNECTS + '/24'], [LISTENS + '/24'])
    return Place(first, left), Place(second, right)


def exchange(folder, size, seconds, buffer, burst=BURST):
    """(messages, messages/s on the wall, CPU seconds of both)."""
    send_at, receive_at = cable(folder)
    program = cases.program('perf/e2e/usrsctp_pair')
    another = os.environ.get('TRUNKLINE_USRSCTP')  # another build of the library
    env = {'LD_PRELOAD': another} if another else {}
    common = [program, '--size', size, '--buffer', buffer, '--burst', burst]
    used = CpuTime()
    receiver = receive_at.start([*common, '--listen', '--local', LISTENS],
                                folder / 'receive.log', env=env)
    receiver.expect('"listening"')
    sender = send_at.start([*common, '--connect', LISTENS, '--local', CONNECTS, '--seconds',
                            seconds], folder / 'send.log', env=env)
    sent, received = final_of(sender, 60), final_of(receiver, 60)
    cpu = used.used()
    if sent['sent'] != received['received'] or not sent['sent']:
        raise Wrong(f'sent {sent["sent"]}, received {received["received"]}')
    return received['received'], received['per_s'], cpu


def rate(size):
    def measure(case, scale, folder):
        messages, per_second, cpu = exchange(folder, size, SECONDS[scale], BUFFER)
        report(ROLE, case, 'messages_per_second', '1/s', per_second)
        report(ROLE, case, 'messages_per_cpu_second', '1/s', messages / cpu)
    return measure


def sweep(case, scale, folder):
    """By hand: which buffer size is best. For people, on standard error."""
    for buffer in SWEEP:
        for burst in (0, 4):
            messages, per_second, cpu = exchange(folder, 100, SECONDS[scale], buffer, burst)
            print(f'buffers of {buffer >> 10} KiB, Max.Burst {burst}: {messages / cpu:.0f} messages '
                  f'per CPU-second, {per_second:.0f} messages/s', file=sys.stderr)
            processes.run_cleanups()


CASES = {'e2e/rate/100': rate(100), 'e2e/rate/1000': rate(1000)}


def missing():
    if not (cases.BUILD / 'perf/e2e/usrsctp_pair').exists():
        return 'usrsctp_pair is not built'
    return netns.missing()


if __name__ == '__main__':
    if '--sweep' in sys.argv:
        sys.argv.remove('--sweep')
        CASES = {'sweep': sweep}
    sys.exit(places.run(__doc__, CASES, missing))
