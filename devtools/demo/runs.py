# SPDX-License-Identifier: BSD-3-Clause
"""The demo's two exchanges: between two daemons joined by memif, and between a daemon and the Linux
kernel. Each starts everything, watches it, ends it in order, and gives back its sides."""
import os
import signal
import subprocess
import time

from lib import cases, netns, processes, uml
from lib.daemon import Daemon, af_packet_port, memif_port

from screen import CYAN, number, quantity
from side import Failure, Side, associations_of, counters_of

PORT = 2905  # M3UA's
SERVER, CLIENT = '10.10.0.1', '10.10.0.2'
OURS, KERNEL = '10.9.0.1', '10.9.0.2'
LIVE_SECONDS = 0.4
# As signalling has them: many short acknowledgements and updates, some long set-ups.
SIZES = '64:2,72:2,80,96:2,112,128,144,160,180,200,232,264,300'


class Host:
    """Starts programs where this one runs; the same verb as a Namespace's."""

    @staticmethod
    def start(words, log, **options):
        return processes.Process(words, log, **options)


def changes(options):
    """What the demo's daemons have beyond the tests': room for its streams, and its user."""
    return {'workers': {'count': options.workers},
            'profiles': {'default': {'outbound_streams': max(10, options.streams)}},
            'clients': {'allow': [{'uid': os.getuid(), 'ports': 'any',
                                   'ephemeral': True}]}}


def daemon(place, folder, port, options, label):
    return Daemon(place, folder, [port], changes(options), label)


def app_words(options, ours, role, messages):
    return [cases.program('tools/trunkload/trunkload'), *role, '--socket', ours.clients,
            '--port', PORT, '--associations', options.associations, '--streams', options.streams,
            '--seed', options.seed, '--count', messages, '--size', SIZES, '--verify', '--json',
            '--quiet']


def fault_words(options):
    """One message is spoiled once: where it leaves the application, or where it reaches it."""
    return [word for kind in ('corrupt', 'drop', 'swap') if getattr(options, kind)
            for word in ('--fault', f'{kind}:{getattr(options, kind)}')]


def expect_listening(job, what):
    try:
        job.expect('"listening"')
    except processes.TimeOut:
        said = [line for line in job.lines if not line.startswith('{')]
        raise Failure(f'{what} does not listen: {" ".join(said) or "it says nothing"}') from None


def wait_links(daemons, patience=10):
    deadline = time.monotonic() + patience
    while any(port['link'] != 'up' for one in daemons for port in one.ask('status')['ports']):
        if time.monotonic() > deadline:
            raise Failure('the daemons\' link does not come up')
        time.sleep(0.02)


class Watch:
    """Draws the live part while the sides run."""

    def __init__(self, screen, sides, total):
        self._screen = screen
        self._sides = sides
        self._total = total
        self._daemons = [side.daemon for side in sides if side.daemon is not None]
        self._echoed = len(self._daemons) < len(sides)  # the peer has no daemon to ask
        self._before = (time.monotonic(), 0, 0)
        self._line = 'no live line: it was over too soon'

    def _count(self):
        """Messages and packets so far, both ways, and the mean congestion window: what the
        daemons say."""
        messages = packets = 0
        for one in self._daemons:
            counters = counters_of(one)
            messages += counters['stack.messages_received']
            packets += counters['stack.out_sctp_packs']
            if self._echoed:
                messages += counters['stack.messages_sent']
                packets += counters['stack.in_sctp_packs']
        windows = [path['cwnd'] for one in associations_of(self._daemons[0])
                   for path in one['paths']]
        return messages, packets, sum(windows) / len(windows) if windows else 0

    def _look(self):
        messages, packets, window = self._count()
        now = time.monotonic()
        before, had_messages, had_packets = self._before
        self._before = (now, messages, packets)
        seconds = max(now - before, 1e-6)
        new, new_packets = messages - had_messages, packets - had_packets
        if window and messages:  # between the first association and the last
            self._line = (f'{number(new / seconds)} messages/s   '
                          f'{number(new_packets / seconds)} packets/s   '
                          f'{new / new_packets if new_packets else 0:.1f} messages/packet   '
                          f'cwnd {quantity(window, "B")}')
            self._screen.live(min(1.0, messages / self._total), self._line)

    def _let_go(self):
        """A daemon has died: its application says so by itself, the other one must not wait for
        all its time-outs."""
        deadline = time.monotonic() + 3
        while any(side.running() for side in self._sides) and time.monotonic() < deadline:
            time.sleep(0.05)
        for side in self._sides:
            side.job.send_signal(signal.SIGTERM)

    def _last(self):
        if all(one.alive() for one in self._daemons):
            self._screen.live(min(1.0, self._count()[0] / self._total), self._line)
        self._screen.keep_live()

    def until_over(self, patience):
        deadline = time.monotonic() + patience
        while any(side.running() for side in self._sides):
            started = time.monotonic()
            if started > deadline:
                raise Failure(f'no end in {patience} s')
            try:
                self._look()
            except (RuntimeError, subprocess.TimeoutExpired):
                if not all(one.alive() for one in self._daemons):
                    self._let_go()
                    break
                # A worker that is starved of its core: there is no live line this time.
            while any(side.running() for side in self._sides) and \
                    time.monotonic() < started + LIVE_SECONDS:
                time.sleep(0.02)
        self._last()


def finish(sides, daemons, patience=20):
    """Applications first, then the daemons, in order. What went wrong, as sentences."""
    for side in sides:
        side.finish(patience)
    wrong = [line for side in sides for line in side.complaints()]
    for one in daemons:
        if not one.alive():
            wrong.append(f'{one.config.stem}: ended with status {one.process.wait()}')
            continue
        try:
            one.stop()
        except (AssertionError, processes.TimeOut) as error:
            wrong.append(f'{one.config.stem}: {error}')
    return wrong


def run_memif(options, screen, folder):
    """Four processes: server application, daemon, daemon, client application."""
    place = Host()  # memif and UNIX sockets need no namespace
    socket = folder / 'wire.memif'
    each_way = options.messages // 2
    server_daemon = daemon(place, folder, memif_port(socket, 'server', [SERVER + '/24']), options,
                           'server-daemon')
    client_daemon = daemon(place, folder, memif_port(socket, 'client', [CLIENT + '/24']), options,
                           'client-daemon')
    wait_links([server_daemon, client_daemon])
    both = ['--traffic', 'both']
    server = place.start(app_words(options, server_daemon, ['--listen', *both], each_way),
                         folder / 'server-app.log')
    expect_listening(server, 'the server application')
    client = place.start(app_words(options, client_daemon, ['--connect', SERVER, *both], each_way) +
                         fault_words(options), folder / 'client-app.log')
    screen.say('  ' + screen.paint('server application', CYAN) +
               f' ── trunklined {SERVER} ══ memif ══ {CLIENT} trunklined ── ' +
               screen.paint('client application', CYAN))
    screen.say(f'  {options.associations} associations of {options.streams} streams, '
               f'{number(options.messages)} messages of 64 to 300 bytes, half each way\n')
    sides = [Side('server', server, server_daemon), Side('client', client, client_daemon)]
    Watch(screen, sides, options.messages).until_over(options.patience)
    # The memif's client first: a server that loses its peer is the common case of the two.
    wrong = finish(sides, [client_daemon, server_daemon])
    if socket.exists():
        wrong.append('the memif socket stayed behind')
    return sides, wrong


def kernel_exchange(options, screen, folder, kernel, ours, role):
    """One role: 'listen' is ours, and the kernel connects; or the other way round."""
    echo_words = [cases.program('tools/trunkload/kernel_echo'), '--port', PORT,
                  '--associations', options.associations, '--streams', options.streams, '--seed',
                  options.seed]
    words = ['--listen', '--reverse'] if role == 'listen' else ['--connect', KERNEL]
    app = app_words(options, ours, words + ['--traffic', 'echo', '--window', 16],
                    options.messages // 4) + fault_words(options)
    listener, connecter = (app, echo_words + ['--connect', OURS]) if role == 'listen' else \
        (echo_words + ['--listen'], app)

    def start(words):
        return Host.start(words, folder / f'app-{role}.log') if words is app else \
            kernel.start(words)
    first = start(listener)
    expect_listening(first, 'the listener')
    second = start(connecter)
    job, echo = (first, second) if role == 'listen' else (second, first)
    other = 'connect' if role == 'listen' else 'listen'
    screen.say(f'  trunkline {role}s, the kernel {other}s')
    sides = [Side(f'trunkline {role}s', job, ours), Side(f'kernel {other}s', echo, None)]
    Watch(screen, sides, options.messages / 2).until_over(options.patience)
    return sides


def run_kernel(options, screen, folder):
    """Twice: the kernel in user-mode Linux connects to the application, then listens for it. It
    sends every message back."""
    reason = uml.missing()
    if reason:
        raise Failure(reason)
    namespace = netns.Namespace('demo')
    namespace.add_tap('tap0')
    namespace.sysctl('net/ipv6/conf/tap0/disable_ipv6', '1')  # the TAP is the daemon's
    screen.say('  ' + screen.paint('application', CYAN) +
               f' ── trunklined {OURS} ══ TAP ══ {KERNEL} ' +
               screen.paint('Linux kernel SCTP', CYAN) + ' (user-mode Linux)')
    screen.say(f'  {options.associations} associations of {options.streams} streams, '
               f'{number(options.messages)} messages, a quarter each way in each role\n')
    kernel = uml.Uml(namespace, 'tap0', [KERNEL + '/24'], folder)
    sides, wrong = [], []
    for role in ('listen', 'connect'):  # a daemon for each, so that its counters are the role's
        port = af_packet_port('tap0', [OURS + '/24'], queues=options.workers)
        ours = daemon(namespace, folder, port, options, f'daemon-{role}')
        pair = kernel_exchange(options, screen, folder, kernel, ours, role)
        wrong += finish(pair, [ours], patience=30)
        sides += pair
    kernel.power_off()
    return sides, wrong
