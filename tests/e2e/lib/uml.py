# SPDX-License-Identifier: BSD-3-Clause
"""A Linux kernel with SCTP as a peer: Debian's user-mode Linux, booted in a namespace whose TAP
device is its vec0. One boot (about two seconds) runs any number of commands:

    kernel = Uml(namespace, 'tap0', ['10.9.0.2/24', 'fd00:9::2/64'], log_folder)
    job = kernel.start([program, ...])      # job.expect('text'), job.wait() -> exit status
    kernel.power_off()

With a list of TAPs it has as many devices, vec0, vec1, ..., and a list of addresses for each.

Its root file system is the host's, so programs run from where they were built. /run is its own.
It is slow (timers of 10 ms, hundreds of messages a second): a peer for correctness.
"""
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from . import netns, processes

INIT = pathlib.Path(__file__).with_name('uml_init.sh')
PROGRAM = '/usr/bin/linux.uml'


def missing():
    """Why the kernel peer can't run here, or None."""
    if not os.path.exists(PROGRAM):
        return 'no user-mode-linux (apt-get install user-mode-linux kmod)'
    if not os.path.exists('/usr/bin/kmod') and not os.path.exists('/bin/kmod'):
        return 'no kmod'
    return netns.missing()


class Job:
    """A command inside the kernel peer; the same verbs as processes.Process."""

    def __init__(self, uml, number, words):
        self._uml = uml
        self._number = number
        self.command = [str(word) for word in words]
        self.lines = []
        self.status = None
        processes.on_end(self.end)  # a case that fails must not leave its port taken

    def alive(self):
        return self.status is None

    def expect(self, text, timeout=15):
        """Waits for a line that holds `text`; returns it."""
        def found():
            return next((line for line in self.lines if text in line), None)
        self._uml.wait_for(lambda: found() is not None or self.status is not None, timeout,
                           f'{self.command[0]} said no {text!r}')
        line = found()
        if line is None:
            raise processes.TimeOut(f'{self.command[0]} in the kernel peer ended with status '
                                    f'{self.status} without {text!r}; log: {self._uml.log}')
        return line

    def wait(self, timeout=60):
        """Exit status (128 + N for signal N)."""
        try:
            self._uml.wait_for(lambda: self.status is not None, timeout,
                               f'{" ".join(self.command)} did not end')
        except processes.TimeOut:
            self.end()
            raise
        processes.forget(self.end)
        return self.status

    def send_signal(self, number):
        if self.alive():
            self._uml.order(f'kill {self._number} {int(number)}')

    def end(self):
        processes.forget(self.end)
        if self._uml.alive():
            self.send_signal(signal.SIGKILL)


class Uml:
    """One booted kernel; `taps` is one name and a list of addresses, or a list of each."""

    def __init__(self, namespace, taps, addresses, log_folder, mem='256M', boot_timeout=40):
        if isinstance(taps, str):
            taps, addresses = [taps], [addresses]
        devices = [f'vec{i}:transport=tap,ifname={tap},depth=64' for i, tap in enumerate(taps)]
        given = [f'vec{i}={address}' for i, own in enumerate(addresses) for address in own]
        self.log = pathlib.Path(log_folder) / 'uml.log'
        self.jobs = {}
        self._news = threading.Condition()
        self._ready = False
        # Its own folder of sockets must have a short path and must not be the user's home.
        self._folder = tempfile.mkdtemp(prefix=f'trunkline-uml-{os.getpid()}-')
        processes.on_end(lambda: shutil.rmtree(self._folder, ignore_errors=True))
        self._process = namespace.start(
            [PROGRAM, f'mem={mem}', 'root=/dev/root', 'rootfstype=hostfs', 'rootflags=/', 'rw',
             f'init={INIT}', f'uml_dir={self._folder}/', 'umid=peer', 'con=null', 'con0=fd:0,fd:1',
             'quiet', *devices, f'TL_ADDRS={",".join(given)}'],
            self.log, stdin=subprocess.PIPE, env={'TMPDIR': self._folder},
            death_signal=signal.SIGTERM)  # it has processes of its own to end
        self._guard()
        self._seen = 0
        self._follower = threading.Thread(target=self._follow, daemon=True)
        self._follower.start()
        self.wait_for(lambda: self._ready, boot_timeout, 'the kernel peer did not boot')

    def _guard(self):
        """When this test dies, user-mode Linux now and then hangs in its own end: whatever is left
        of its process group is killed a second after the pipe to this guard closes."""
        guard = subprocess.Popen(
            ['sh', '-c', f'read line; sleep 1; kill -KILL -{self._process.popen.pid}'],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)

        def dismiss():
            guard.kill()
            guard.wait()
        processes.on_end(dismiss)

    def _follow(self):
        """Sorts the console's lines to their jobs."""
        process = self._process
        while True:
            with process._news:
                while len(process.lines) == self._seen and process._reader.is_alive():
                    process._news.wait(0.2)
                fresh = process.lines[self._seen:]
            if not fresh and not process._reader.is_alive():
                break
            self._seen += len(fresh)
            with self._news:
                for line in fresh:
                    self._take(line)
                self._news.notify_all()
        with self._news:
            for job in self.jobs.values():
                job.status = -1 if job.status is None else job.status
            self._news.notify_all()

    def _take(self, line):
        word, _, rest = line.partition(' ')
        if word == '@ready':
            self._ready = True
        elif word in ('@out', '@done'):
            number, _, text = rest.partition(' ')
            job = self.jobs.get(int(number))
            if job and word == '@out':
                job.lines.append(text)
            elif job:
                job.status = int(text)

    def wait_for(self, condition, timeout, what):
        deadline = time.monotonic() + timeout
        with self._news:
            while not condition():
                left = deadline - time.monotonic()
                if left <= 0 or not self._process.alive():
                    why = f'in {timeout} s' if left <= 0 else 'and the kernel peer is gone'
                    raise processes.TimeOut(f'{what} {why}; log: {self.log}')
                self._news.wait(min(left, 0.2))

    def alive(self):
        return self._process.alive()

    def order(self, line):
        self._process.popen.stdin.write((line + '\n').encode())
        self._process.popen.stdin.flush()

    def start(self, words):
        """Starts a command; its program gets the signals that Job.send_signal sends."""
        number = len(self.jobs) + 1
        job = Job(self, number, words)
        with self._news:
            self.jobs[number] = job
        line = f'run {number} exec {shlex.join(job.command)}'
        if len(line) > 4000:
            raise ValueError('command too long for the console')
        self.order(line)
        return job

    def run(self, words, timeout=60):
        """Runs to the end; (status, lines)."""
        job = self.start(words)
        return job.wait(timeout), job.lines

    def power_off(self):
        """Ends the kernel in order; it is killed when it does not."""
        if self.alive():
            self.order('off')
        try:
            self._process.wait(10)
        except processes.TimeOut:
            pass
        shutil.rmtree(self._folder, ignore_errors=True)
