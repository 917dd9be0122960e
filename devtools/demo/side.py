# SPDX-License-Identifier: BSD-3-Clause
"""One side of an exchange, while it runs and when it is over: an application, and the daemon that
it uses (the kernel's side has none). Reads the JSON lines that the applications print."""
import json

from lib import processes

WRONG = ('lost', 'corrupted', 'duplicated', 'misordered')


class Failure(Exception):
    """The demo cannot go on; says why, for people."""


class Side:
    """`job` is the running application; `daemon` may be None."""

    def __init__(self, name, job, daemon):
        self.name = name
        self.job = job
        self.daemon = daemon
        self.status = None
        self.counters = {}
        self.final = {}  # what the application printed last

    def running(self):
        return self.job.alive()

    def finish(self, timeout):
        """Waits for the application; reads the daemon's counters, which outlive its clients."""
        try:
            self.status = self.job.wait(timeout)
        except processes.TimeOut as late:
            self.status = str(late)
        finals = [line for line in self.job.lines if line.startswith('{"final"')]
        self.final = json.loads(finals[-1])['final'] if finals else {}
        if self.daemon is not None and self.daemon.alive():
            self.counters = counters_of(self.daemon)

    def complaints(self):
        """Everything that is wrong with this side, as sentences."""
        said = [f'{self.name}: {count} message{"s"[:count != 1]} {what}' for what in WRONG
                if (count := self.final.get(what, 0))]
        said += [f'{self.name}: {line.removeprefix("trunkload: ")}' for line in self.job.lines
                 if line and not line.startswith('{')]
        if self.status != 0 and not said:
            said.append(f'{self.name}: ended with status {self.status}')
        return said


def counters_of(daemon):
    return json.loads(daemon.ctl('counters', '--json'))


def associations_of(daemon):
    return json.loads(daemon.ctl('assoc', 'list', '--json'))['associations']


def percentile(sides, share):
    """Microseconds that this share of all messages of these sides did not exceed."""
    counts = {}
    for side in sides:
        for value, count in side.final.get('latency', []):
            counts[value] = counts.get(value, 0) + count
    wanted = share * sum(counts.values())
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= wanted:
            return value / 1000
    return 0.0
