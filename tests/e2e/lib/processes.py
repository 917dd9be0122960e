# SPDX-License-Identifier: BSD-3-Clause
"""Child processes that end with the test, however it ends, and whose output can be waited for.

Each child leads a process group of its own and gets `death_signal` when the test dies. `ended` runs
clean-up steps in reverse order at exit, on SIGTERM and on SIGINT.
"""
import atexit
import ctypes
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_cleanups = []


class TimeOut(Exception):
    """Something did not happen in its time."""


def on_end(step):
    """Registers a clean-up step; the last one registered runs first."""
    _cleanups.append(step)


def forget(step):
    if step in _cleanups:
        _cleanups.remove(step)


def run_cleanups():
    while _cleanups:
        step = _cleanups.pop()
        try:
            step()
        except Exception as error:  # one broken step must not keep the others from running
            print(f'clean-up: {error!r}', file=sys.stderr)


def _on_signal(number, _frame):
    sys.exit(128 + number)  # atexit does the rest


def install():
    """Makes SIGTERM and SIGINT end the test through its clean-ups. Called once, by cases.main."""
    atexit.register(run_cleanups)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _on_signal)


def _die_with_parent(number):
    def prepare():
        os.setsid()
        _libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    return prepare


class Process:
    """A running program: its lines are kept and written to a log as they come."""

    def __init__(self, command, log, stdin=None, env=None, death_signal=signal.SIGKILL):
        self.command = [str(word) for word in command]
        self.log = pathlib.Path(log)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.lines = []
        self._news = threading.Condition()
        self.popen = subprocess.Popen(
            self.command, stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, preexec_fn=_die_with_parent(death_signal),
            env={**os.environ, **(env or {})})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        on_end(self.end)

    def _read(self):
        with open(self.log, 'a', encoding='utf-8') as log:
            log.write('$ ' + ' '.join(self.command) + '\n')
            for raw in self.popen.stdout:
                line = raw.decode('utf-8', 'replace').rstrip('\r\n')
                log.write(line + '\n')
                log.flush()
                with self._news:
                    self.lines.append(line)
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def expect(self, text, timeout=10):
        """Waits for a line that holds `text`; returns it. Fails early when the program ends."""
        deadline = time.monotonic() + timeout
        seen = 0
        with self._news:
            while True:
                for line in self.lines[seen:]:
                    if text in line:
                        return line
                seen = len(self.lines)
                if not self._reader.is_alive():
                    raise TimeOut(f'{self.command[0]} ended without {text!r}; log: {self.log}')
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeOut(f'{self.command[0]}: no {text!r} in {timeout} s; log: {self.log}')
                self._news.wait(min(left, 0.2))

    def wait(self, timeout=30):
        """Exit status; the program is ended when it takes longer."""
        try:
            status = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.end()
            raise TimeOut(f'{" ".join(self.command)}: no end in {timeout} s; '
                          f'log: {self.log}') from None
        self._reader.join(5)
        forget(self.end)
        return status

    def send_signal(self, number):
        """To the program alone, not to its group."""
        if self.alive():
            os.kill(self.popen.pid, number)

    def end(self):
        """SIGTERM, then SIGKILL, to the group that we made, and only to it."""
        forget(self.end)
        for number, patience in ((signal.SIGTERM, 3), (signal.SIGKILL, 5)):
            if not self.alive():
                break
            try:
                os.killpg(self.popen.pid, number)
                self.popen.wait(patience)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)  # what the program left in its group
        except ProcessLookupError:
            pass
        self._reader.join(2)


def run(command, timeout=20, check=True, env=None):
    """A short command; its output. Its failure is an error that shows what it said."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=timeout, check=False, stdin=subprocess.DEVNULL,
                          env={**os.environ, **(env or {})})
    if check and done.returncode != 0:
        raise RuntimeError(f'{" ".join(str(w) for w in command)}: status {done.returncode}: '
                           f'{(done.stderr or done.stdout).strip()}')
    return done.stdout
