#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Programs on the sockets API (preloaded) at two daemons that memif joins, beside clients on the ring
API (trunkload) at the same two. Places and profile as in e2e/rate.

  socket/stream/SIZE      one socket, one direction, as fast as it goes
  socket/defaults/SIZE    the same with the buffers of a program that asks for none
  socket/ping-pong        round trips of 100 bytes, one at a time; and what two system calls cost
  socket/iperf3/SIZE      iperf3 --sctp; the peer is the two processes of usrsctp of e2e/rate
  socket/idle             a stream alone, and beside ten thousand accepted sockets that do nothing, or
                           as many as the limit of open files allows: a daemon counts three for each,
                           keeps some, and lets the peers of one user have three quarters of them;
                           resident memory of one of these, of daemon and program at the accepting side
  socket/unused           clients on the ring API at daemons that offer sockets which nobody uses,
                           beside daemons without
"""
import json
import pathlib
import resource
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'e2e'))
import places  # noqa: E402  (after the path)
from places import PORT, SECONDS, CpuTime, Place, Wrong, cases, final_of, processes, report  # noqa: E402
from bench_e2e import OURS, ROLE, SLOTS, Pair  # noqa: E402
from lib import netns  # noqa: E402

PRELOAD = 'sockets/libtrunkline-preload.so'
LOAD = 'perf/sockets/socket_load'
RING, ALONE, WITHOUT = 'ring API', 'alone', 'without'
IDLE = {'tiny': 100, 'quick': 10_000, 'full': 10_000}
MANY = {'sockets': {'limits': {'max_sockets_per_process': 16384}},
        'limits': {'max_associations': 16384, 'inits_per_second': 0, 'inits_per_second_per_source': 0}}


class SocketPair(Pair):
    """Two daemons that offer sockets."""

    def __init__(self, folder, namespace=None, more=None):
        super().__init__(folder, more={'sockets': {}, **(more or {})})
        self.programs_at = {daemon: Place(core, namespace) for daemon, core in
                            zip(self.daemons, places.cores())}

    def start(self, daemon, words, log, **options):
        """A program at that daemon, preloaded."""
        given = [f'LD_PRELOAD={cases.program(PRELOAD)}', f'TRUNKLINE_SOCKET={daemon.sockets}']
        return self.programs_at[daemon].start(['env', *given, *words], self.folder / log, **options)

    def load(self, options, send):
        """Starts a socket_load at each: the connecting one, the listening one."""
        program = cases.program(LOAD)
        common = ['--port', PORT, *options]
        listener = self.start(self.receiver, [program, '--listen', *common], 'listen.log')
        listener.expect('"listening"')
        sender = self.start(self.sender, [program, '--connect', OURS, *common, *send], 'connect.log',
                            stdin=processes.subprocess.PIPE)
        return sender, listener


def check_all_came(sent, received):
    if sent['sent'] != received['received'] or not sent['sent']:
        raise Wrong(f'sent {sent["sent"]}, received {received["received"]}')


def report_rate(role, case, received, cpu):
    report(role, case, 'messages_per_second', '1/s', received['per_s'])
    report(role, case, 'messages_per_cpu_second', '1/s', received['received'] / cpu)


def ring_stream(pair, size, seconds):
    """(what was received, CPU seconds), in the words of socket_load."""
    sent, received, cpu = pair.exchange(['--size', size, *SLOTS], ['--duration', f'{seconds}s'])
    check_all_came(sent, received)
    return {'received': received['received'], 'per_s': received['received_per_s']}, cpu


def stream(size, options=()):
    def measure(case, scale, folder):
        pair = SocketPair(folder)
        used = CpuTime(pair.daemons)
        sender, listener = pair.load(['--size', size, *options], ['--seconds', SECONDS[scale]])
        sent, received = final_of(sender, 60), final_of(listener, 60)
        cpu = used.used()
        check_all_came(sent, received)
        report_rate(ROLE, case, received, cpu)
        report_rate(RING, case, *ring_stream(pair, size, SECONDS[scale]))
        pair.stop()
    return measure


def ping_pong(case, scale, folder):
    pair = SocketPair(folder)
    sender, listener = pair.load(['--size', 100, '--echo'], ['--seconds', SECONDS[scale]])
    asked, answered = final_of(sender, 60), final_of(listener, 60)
    if asked['trips'] != answered['trips'] or not asked['trips']:
        raise Wrong(f'{asked} {answered}')
    report(ROLE, case, 'round_trip', 'us', asked['microseconds'])
    sent, _, _ = pair.exchange(['--size', 100, '--traffic', 'echo', *SLOTS],
                               ['--window', 1, '--duration', f'{SECONDS[scale]}s'])
    report(RING, case, 'round_trip', 'us', 1e6 / sent['received_per_s'])
    calls = pair.send_at.start([cases.program(LOAD), '--calls', '--seconds', SECONDS[scale] / 4],
                               folder / 'calls.log')
    report(ROLE, case, 'two_system_calls', 'us', final_of(calls, 20)['microseconds'])
    pair.stop()


def iperf3(size):
    """Its control connection is the kernel's TCP to the same address, which is on the loopback device
    of a namespace that both programs are in."""
    def measure(case, scale, folder):
        namespace = netns.Namespace('iperf')
        namespace.ip('addr', 'add', f'{OURS}/32', 'dev', 'lo')
        pair = SocketPair(folder, namespace)
        used = CpuTime(pair.daemons)
        server = pair.start(pair.receiver, ['iperf3', '--server', '--one-off', '--bind', OURS,
                                            '--forceflush'], 'server.log')
        server.expect('Server listening')
        client = pair.start(pair.sender, ['iperf3', '--sctp', '--client', OURS, '--json', '--length',
                                          size, '--no-delay', '--time', max(1, round(SECONDS[scale]))],
                            'client.log')
        status = client.wait(60)
        if status != 0:
            raise Wrong(f'iperf3: status {status}: {" ".join(client.lines)[-300:]}')
        told = json.loads('\n'.join(client.lines))
        server.wait(20)
        cpu = used.used()
        pair.stop()
        got = told['end']['sum_received']
        report(ROLE, case, 'messages_per_second', '1/s', got['bits_per_second'] / 8 / size)
        report(ROLE, case, 'messages_per_cpu_second', '1/s', got['bytes'] / size / cpu)
    return measure


def resident(pids):
    """Bytes; what several processes share counts once."""
    total = 0
    for pid in pids:
        for line in pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text(encoding='ascii').splitlines():
            if line.startswith('Pss:'):
                total += int(line.split()[1]) * 1024
    return total


def idle(case, scale, folder):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(IDLE[scale], hard // 3)
    pair = SocketPair(folder, more=MANY)
    sender, listener = pair.load(['--size', 100, '--idle', count], ['--seconds', SECONDS[scale]])
    pids = [pair.receiver.process.pid, listener.pid]
    processes.time.sleep(SECONDS[scale] / 2)  # while the one is at work
    before = resident(pids)
    sender.expect('"idle"', 100)
    after = resident(pids)
    sender.popen.stdin.write(b'\n')
    sender.popen.stdin.flush()
    sent, received = final_of(sender, 60), final_of(listener, 60)
    check_all_came(sent, received)
    report(ROLE, case, 'messages_per_second', '1/s', sent['beside_idle_per_s'])
    report(ALONE, case, 'messages_per_second', '1/s', sent['per_s'])
    report(ROLE, case, 'idle_sockets', '1', count)
    report(ROLE, case, 'resident_each', 'B', (after - before) / count)
    for one in pair.daemons:
        one.process.end()  # ten thousand associations would have to be shut down


def unused(case, scale, folder):
    for role, make in ((ROLE, SocketPair), (WITHOUT, Pair)):
        pair = make(folder)
        report_rate(role, case, *ring_stream(pair, 100, SECONDS[scale]))
        pair.stop()
        processes.run_cleanups()


CASES = {'socket/stream/100': stream(100), 'socket/stream/1000': stream(1000),
         'socket/defaults/100': stream(100, ['--defaults']),
         'socket/defaults/1000': stream(1000, ['--defaults']),
         'socket/ping-pong': ping_pong,
         'socket/iperf3/1000': iperf3(1000), 'socket/iperf3/65536': iperf3(65536),
         'socket/idle': idle, 'socket/unused': unused}


def missing():
    for path in ('dpdk_app/trunklined', 'tools/trunkload/trunkload', PRELOAD, LOAD):
        if not (cases.BUILD / path).exists():
            return f'{path} is not built'
    if not shutil.which('iperf3'):
        return 'no iperf3 (apt-get install iperf3)'
    return netns.missing()


if __name__ == '__main__':
    sys.exit(places.run(__doc__, CASES, missing))
