# SPDX-License-Identifier: BSD-3-Clause
"""Where scripts run: the Linux kernel's SCTP in user-mode Linux, or sockets of a daemon by preload.
A side's run() takes [(name, steps)] and gives {name: [lines]}; several drivers share the work."""
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE.parent / 'e2e'))
from lib import cases, netns, processes, uml          # noqa: E402  of tests/e2e
from lib.daemon import Daemon, af_packet_port         # noqa: E402

NOBODY = '10.9.0.77'  # who connects to it gets no answer
ADDRESS = '10.9.0.2/24'  # of both sides: names of sockets look alike
PEER = HERE / 'programs/peer_by_hand.py'
SEPARATOR = '== '
DRIVER = 'tests/sockets/socket_driver'
PRELOAD = 'sockets/libtrunkline-preload.so'


def write_scripts(path, scripts):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(''.join(
        '\n'.join([f'{SEPARATOR}{name}', *steps]) + '\n' for name, steps in scripts))


def read_lines(path):
    """{name: lines} of a driver's output, or of a golden file."""
    found, name = {}, None
    for line in path.read_text(errors='replace').splitlines():
        if line.startswith(SEPARATOR):
            name = line.removeprefix(SEPARATOR)
            found[name] = []
        elif name is not None:
            found[name].append(line)
    return found


class Side:
    """What both have in common: the scripts are dealt out to some drivers that run at once."""
    jobs = 4
    settle_ms = block_ms = 0

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.count = 0
        self.base = 0

    def start(self, words):
        raise NotImplementedError

    def run(self, scripts, timeout=300, patience=1):
        """`patience` 3: thrice the time to settle, for what may have been slow."""
        self.count += 1
        jobs = min(self.jobs, len(scripts))
        running = []
        for job in range(jobs):
            share = scripts[job::jobs]
            stem = self.folder / f'{type(self).__name__.lower()}-{self.count}-{job}'
            write_scripts(stem.with_suffix('.script'), share)
            output = stem.with_suffix('.lines')
            running.append((output, self.start(
                [cases.program(DRIVER), '--settle', self.settle_ms * patience, '--block',
                 self.block_ms * patience, '--base', self.base, '--output', output,
                 stem.with_suffix('.script')])))
            self.base = (self.base + len(share)) % 1300
        lines = {}
        for output, process in running:
            status = process.wait(timeout)
            if status != 0:
                raise AssertionError(f'the driver ended with status {status}; {output}')
            lines.update(read_lines(output))
        return {name: lines.get(name, []) for name, _ in scripts}


def start_peer(namespace, device, folder):
    """10.9.0.78 and 10.9.0.79, made by hand: see there."""
    peer = namespace.start([sys.executable, PEER, device], folder / f'peer-{device}.log')
    peer.expect('ready')
    return peer


class Kernel(Side):
    """One boot. The kernel delays SACKs no longer than a tick, so that the lines are soon final."""
    settle_ms, block_ms = 40, 200

    def __init__(self, folder):
        super().__init__(folder)
        namespace = netns.Namespace('sockets')
        namespace.add_tap('t0')
        self.peer = start_peer(namespace, 't0', self.folder)
        self.uml = uml.Uml(namespace, 't0', [ADDRESS], folder)
        self.uml.run(['sh', '-c', f'echo 10 >/proc/sys/net/sctp/sack_timeout; ip neigh add {NOBODY} '
                                  'lladdr 02:00:00:00:00:77 dev vec0'])
        # The first listener loads what the kernel signs cookies with.
        super().run([('warm', ['0 socket as=s', '0 listen s=s', '0 pause ms=300'])])

    def start(self, words):
        return self.uml.start(words)

    def stop(self):
        self.uml.power_off()
        self.peer.end()


def no_preload():
    """Why nothing can run on Trunkline, or None."""
    return None if (cases.BUILD / PRELOAD).exists() else f'{PRELOAD} is not built'


def namespace_with_port(label):
    """A namespace for a daemon whose port, v0, leads to nobody but who opens nowhere0."""
    namespace = netns.Namespace(label)
    namespace.ip('link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'nowhere0')
    for name in ('v0', 'nowhere0'):
        namespace.sysctl(f'net/ipv6/conf/{name}/disable_ipv6', '1')
        namespace.ip('link', 'set', name, 'up')
    return namespace


class Trunkline(Side):
    """A daemon, whose sockets meet on loopback; its port leads to the peer by hand alone."""
    settle_ms, block_ms = 60, 300

    def __init__(self, folder, label='daemon', jobs=8):
        super().__init__(folder)
        self.jobs = jobs
        self.namespace = namespace_with_port('ours')
        self.peer = start_peer(self.namespace, 'nowhere0', self.folder)
        self.daemon = Daemon(self.namespace, folder, [af_packet_port('v0', [ADDRESS])], CHANGES,
                             label=label)
        self.started = 0

    def environment(self):
        return {'LD_PRELOAD': str(cases.BUILD / PRELOAD), 'TRUNKLINE_SOCKET': self.daemon.sockets}

    def start(self, words):
        self.started += 1
        return start_preloaded(self, words, self.folder / f'driver-{self.started}.log')

    def stop(self):
        self.daemon.stop()
        self.peer.end()


# Timers as RFC 9260 and the kernel have them, but for SACKs that are soon sent.
CHANGES = {'sockets': {}, 'profiles': {'default': {
    'rto_initial': None, 'rto_min': None, 'rto_max': None, 'heartbeat_interval': None,
    'outbound_streams': None, 'sack_delay': '10ms'}}}


def start_preloaded(side, words, log):
    """`ip netns exec` itself must not be preloaded: env comes after it."""
    given = [f'{key}={value}' for key, value in side.environment().items()]
    return side.namespace.start(['env', *given, *words], log)
