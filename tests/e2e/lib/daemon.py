# SPDX-License-Identifier: BSD-3-Clause
"""Runs trunklined in a namespace, with a configuration made here, and asks it with trunkctl.

    daemon = Daemon(namespace, log_folder, ports=[af_packet_port('tap0', ['10.9.0.1/24'])])
    Peer(place, 'trunkpeer', '--listen', '--attach', daemon.clients)
    daemon.ctl('status')
    daemon.stop()                     # SIGTERM; checks that nothing stays behind
"""
import copy
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

from . import cases, processes

# Timers short enough for a test, long enough for a peer in user-mode Linux on a busy machine.
PROFILE = {'rto_initial': '500ms', 'rto_min': '300ms', 'rto_max': '2s', 'sack_delay': '20ms',
           'heartbeat_interval': '5s', 'association_max_retrans': 10, 'outbound_streams': 10}
_count = 0


def _workers():
    """(how many, misdirected) from TRUNKLINE_WORKERS: "2", or "2,misdirect"."""
    count, _, how = os.environ.get('TRUNKLINE_WORKERS', '1').partition(',')
    if how not in ('', 'misdirect'):
        raise ValueError(f'TRUNKLINE_WORKERS: N or N,misdirect, not {count},{how}')
    return int(count), how == 'misdirect'


WORKERS, MISDIRECT = _workers()


def af_packet_port(device, addresses, name='port0', queues=WORKERS, **more):
    """A port on a TAP or veth of the daemon's namespace; the addresses must not be the kernel's."""
    return {'name': name, 'addresses': addresses, **more,
            'device': f'net_af_packet_{name},iface={device},blocksz=4096,framesz=2048,framecnt=512,'
                      f'qpairs={queues}'}


def memif_port(path, role, addresses, name='port0', **more):
    """A port on a memif whose socket is `path`; role is server at one end, client at the other."""
    return {'name': name, 'addresses': addresses, **more,
            'device': f'net_memif_{name},role={role},id=0,socket={path},socket-abstract=no'}


class Daemon:
    """One trunklined. `changes` are merged into the configuration, key by key; `under` are words
    before its command, of a program that becomes it."""

    def __init__(self, namespace, log_folder, ports, changes=None, label='daemon', wait=True,
                 under=()):
        global _count
        _count += 1
        self.prefix = f'trunkline-test-{os.getpid()}-{_count}'
        # UNIX socket paths are short: not in the log folder.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f'trunkline-{os.getpid()}-'))
        processes.on_end(lambda: shutil.rmtree(self.folder, ignore_errors=True))
        self.clients = str(self.folder / 'clients.sock')
        self.control = str(self.folder / 'control.sock')
        self.sockets = str(self.folder / 'sockets.sock')  # where `changes` ask for sockets
        self.config = pathlib.Path(log_folder) / f'{label}.yaml'
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(json.dumps(self._configuration(ports, changes or {}), indent=1))
        self._namespace = namespace
        self.process = namespace.start([*under, cases.program('dpdk_app/trunklined'), self.config],
                                       pathlib.Path(log_folder) / f'{label}.log')
        processes.on_end(self._remove_runtime_folder)
        if wait:
            self.wait_ready()

    def _configuration(self, ports, changes):
        config = {
            'eal': {'file_prefix': self.prefix, 'huge_pages': False, 'memory': '256MiB',
                    'pci': False},
            'workers': {'count': WORKERS, 'misdirect': MISDIRECT},
            'ports': [{'buffers': 2048, **port} for port in ports],
            'profiles': {'default': dict(PROFILE)},
            'clients': {'socket': self.clients,
                        'allow': [{'uid': 'root', 'ports': 'any', 'ephemeral': True}]},
            'control': {'socket': self.control},
            'capture': {'directory': str(self.folder)},
            'drain_timeout': '2s',
        }
        if 'sockets' in changes:
            config['sockets'] = {'socket': self.sockets}
        return merge(config, changes)

    def wait_ready(self, timeout=20):
        """Until applications can attach."""
        self.process.expect('ready: ', timeout)

    def ctl(self, *words, check=True, timeout=10):
        """What trunkctl prints."""
        program = cases.program('dpdk_app/trunkctl')
        return processes.run([program, '--socket', self.control, *words], timeout, check)

    def ask(self, *words):
        """What trunkctl prints, as JSON."""
        return json.loads(self.ctl('--json', *words))

    def capture(self, path, *words):
        """Starts `trunkctl capture` into `path`; Capture.stop() ends it."""
        return DaemonCapture(self, path, words)

    def alive(self):
        return self.process.alive()

    def kill(self):
        """A crash, as its clients and peers see it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(5)

    def freeze(self):
        """SIGSTOP, and until every thread has stopped."""
        self.process.send_signal(signal.SIGSTOP)
        threads = pathlib.Path(f'/proc/{self.process.pid}/task')
        cases.until(lambda: all(path.read_text().rsplit(')', 1)[1].split()[0] == 'T'
                                for path in threads.glob('*/stat')), 'standstill')

    def stop(self, timeout=15):
        """SIGTERM; it must end with status 0 and leave no socket, no runtime folder."""
        self.check_hand_overs()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout)
        cases.check_equal(status, 0, 'exit status of trunklined')
        left = [path for path in (self.clients, self.control, self.sockets) if os.path.exists(path)]
        left += [str(path) for path in self.runtime_folders()]
        cases.check_equal(left, [], 'left behind by trunklined')

    def check_hand_overs(self):
        """Where every packet is to arrive at a wrong worker, each must have been handed over."""
        if not json.loads(self.config.read_text())['workers']['misdirect']:
            return
        seen = self.ask('counters')
        if seen['worker.handed_over_in'] < seen['net.in_sctp']:
            raise AssertionError(f'{seen["net.in_sctp"]} packets came to the stack, but only '
                                 f'{seen["worker.handed_over_in"]} were handed over')

    def runtime_folders(self):
        return [path for path in pathlib.Path('/var/run/dpdk').glob(self.prefix)]

    def _remove_runtime_folder(self):
        for path in self.runtime_folders():
            shutil.rmtree(path, ignore_errors=True)


class DaemonCapture:
    """The daemon's own capture, written by trunkctl until it is interrupted."""

    def __init__(self, daemon, path, words):
        self.path = pathlib.Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._process = processes.Process(
            [cases.program('dpdk_app/trunkctl'), '--socket', daemon.control, 'capture', *words,
             '--output', self.path], self.path.with_suffix('.log'))
        deadline = time.monotonic() + 10
        while not self.path.exists() or self.path.stat().st_size == 0:  # its first block
            if not self._process.alive() or time.monotonic() > deadline:
                raise processes.TimeOut(f'trunkctl capture did not start; log: {self._process.log}')
            time.sleep(0.02)

    def stop(self):
        time.sleep(0.1)
        self._process.send_signal(signal.SIGINT)
        cases.check_equal(self._process.wait(10), 0, 'exit status of trunkctl capture')
        return self.path


def merge(base, changes):
    """A copy of `base` with `changes` laid over it; None removes a key."""
    merged = copy.deepcopy(base)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def check_config(text, folder):
    """(status, output) of `trunklined --check` on that text."""
    path = pathlib.Path(folder) / 'check.yaml'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    done = subprocess.run([str(cases.program('dpdk_app/trunklined')), '--check', str(path)],
                          capture_output=True, text=True, check=False, timeout=30)
    return done.returncode, re.sub(r'\x1b\[[0-9;]*m', '', done.stdout + done.stderr)
