#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The captures of perf/pktgen/, replayed at a daemon: the committed files are what their generator
writes; each kind of noise is counted by its name; an association that is at work meanwhile loses
nothing. testpmd replays them through a memif as fast as it can (net_pcap on its side), and once a
daemon reads them from a net_pcap port of its own."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import cases, netns, processes
from lib.cases import until
from lib.daemon import Daemon, memif_port
from lib.peers import Here, Peer

PCAPS = cases.ROOT / 'perf' / 'pktgen'
MAC = '02:70:63:61:70:00'  # where the captures are addressed to, with 10.20.0.1
NOISE = {'addresses': ['10.20.0.1/24'], 'gateway_v4': '10.20.0.254'}
MESSAGES = 2000  # each way: ten seconds
LIMITS = {'inits_per_second': 64, 'out_of_blue_replies_per_second': 20}


def frames_of(name):
    """How many frames a capture has."""
    data = (PCAPS / f'{name}.pcap').read_bytes()
    count, at = 0, 24
    while at < len(data):
        at += 16 + int.from_bytes(data[at + 8:at + 12], 'little')
        count += 1
    return count


def case_generator(t):
    done = subprocess.run([sys.executable, str(PCAPS / 'make_pcaps.py'), '--check'],
                          capture_output=True, text=True, check=False)
    cases.check_equal((done.returncode, done.stderr), (0, ''), 'make_pcaps.py --check')
    assert sum(path.stat().st_size for path in PCAPS.glob('*.pcap')) < 100 << 10


def replay(t, name, wire):
    """testpmd forwards a capture once, from net_pcap to the daemon's memif. What has no link yet it
    drops, and looks at its links for longer than a moment only where no interrupt would tell."""
    program = shutil.which('dpdk-testpmd')
    if program is None:
        raise cases.Skip('no dpdk-testpmd (apt-get install dpdk)')
    prefix = f'trunkline-test-{os.getpid()}-{name}'
    processes.on_end(lambda: shutil.rmtree(f'/var/run/dpdk/{prefix}', ignore_errors=True))
    job = processes.Process(
        [program, '--no-huge', '-m', '256', '--no-pci', '--no-telemetry',
         f'--file-prefix={prefix}', '--lcores=0@(0-1),1@(0-1)',
         f'--vdev=net_pcap0,rx_pcap={PCAPS / name}.pcap',
         f'--vdev=net_memif0,role=client,id=0,socket={wire},socket-abstract=no', '--',
         '--forward-mode=io', '--auto-start', '--no-flush-rx', '--no-lsc-interrupt',
         '--total-num-mbufs=4096',
         '--stats-period=1'], t.log(f'testpmd-{name}.log'))
    return job


class World:
    """Two daemons with an association under a steady load; one of them has a second port, where the
    noise comes in."""

    def __init__(self, t):
        self.namespace = netns.Namespace('pktgen')
        folder = pathlib.Path(processes.run(['mktemp', '-d']).strip())
        processes.on_end(lambda: shutil.rmtree(folder, ignore_errors=True))
        self.noise = folder / 'noise.memif'
        path = folder / 'wire.memif'
        noisy = memif_port(self.noise, 'server', name='noise', **NOISE)
        noisy['device'] += f',mac={MAC}'
        self.a = Daemon(self.namespace, t.folder,
                        [memif_port(path, 'server', ['10.8.0.1/24']), noisy],
                        {'limits': LIMITS}, label='a')
        self.b = Daemon(self.namespace, t.folder, [memif_port(path, 'client', ['10.8.0.2/24'])],
                        label='b')
        until(lambda: self.a.ask('status')['ports'][0]['link'] == 'up', 'link')
        self.here = Here(self.namespace, t)

    def seen(self):
        return self.a.ask('counters')


def case_noise_beside_an_association(t):
    world = World(t)
    words = ['--port', 2905, '--mode', 'steady', '--rate', 200, '--count', MESSAGES,
             '--timeout', 100, '--end', 'wait']
    server = Peer(world.here, 'trunkpeer', '--listen', '--attach', world.a.clients, *words)
    client = Peer(world.here, 'trunkpeer', '--connect', '10.8.0.1', '--attach', world.b.clients,
                  *words)
    until(lambda: world.seen()['stack.messages_received'] > 20, 'messages before the noise')
    total = 0
    for name in ('init-flood', 'out-of-the-blue', 'malformed', 'signalling'):
        job = replay(t, name, world.noise)
        total += frames_of(name)
        until(lambda: world.seen()['port.noise.rx_packets'] >= total, f'all frames of {name}')
        assert client.alive() and server.alive(), 'the association did not live on'
        job.end()
        until(lambda: {port['name']: port['link'] for port in world.a.ask('status')['ports']}[
            'noise'] == 'down', 'testpmd is gone')
    seen = world.seen()
    check_counters(seen)
    client.send_signal(signal.SIGUSR1)  # it may end when it has sent everything
    client.finish(end='shutdown', lost=0, repeated=0, corrupt=0)
    server.finish(lost=0, repeated=0, corrupt=0)
    after = world.seen()
    cases.check_equal((after['stack.passive_estabs'], after['stack.aborteds'],
                       after['stack.messages_received']), (1, 0, MESSAGES), 'the association')
    for daemon in (world.b, world.a):
        daemon.stop()


def check_counters(seen):
    """Each kind of noise has moved the counter with its name."""
    moved = ('stack.drop_init_total_rate', 'stack.inits_answered', 'stack.out_of_blues',
             'stack.drop_out_of_blue', 'stack.drop_oob_rate', 'stack.drop_bad_cookie',
             'stack.checksum_errors', 'stack.drop_zero_port', 'stack.drop_runt',
             'stack.drop_chunk_length', 'stack.drop_bundled_init', 'stack.drop_init_nonzero_tag',
             'stack.drop_bad_init', 'net.drop_ethertype', 'net.drop_arp_malformed',
             'net.drop_ip_header', 'net.drop_ip_checksum', 'net.drop_ip_source',
             'net.drop_not_our_address', 'net.drop_ip_protocol', 'net.drop_source_route')
    still = [name for name in moved if not seen.get(name)]
    cases.check_equal(still, [], 'counters that did not move')


def case_net_pcap_port(t):
    """The daemon's own port reads the capture; what it answers goes to another capture."""
    namespace = netns.Namespace('pcap')
    out = t.log('answers.pcap')
    device = f'net_pcap0,rx_pcap={PCAPS / "malformed.pcap"},tx_pcap={out}'
    changes = {'workers': {'count': 1, 'misdirect': False}, 'endpoints': [
        {'port': 2905, 'addresses': ['10.20.0.1']}]}
    daemon = Daemon(namespace, t.folder, [{'name': 'noise', 'device': device, **NOISE}], changes)
    seen = until(lambda: (lambda now: now['port.noise.rx_packets'] == frames_of('malformed') and now)(
        daemon.ask('counters')), 'all frames')
    cases.check_equal((seen['net.drop_ip_checksum'], seen['net.drop_source_route'],
                       seen['stack.checksum_errors'], seen['stack.curr_estab']), (8, 8, 8, 0),
                      'counters')
    daemon.stop()


if __name__ == '__main__':
    cases.main(__doc__, [case_generator, case_net_pcap_port, case_noise_beside_an_association],
               needs=netns.missing, timeout=120)
