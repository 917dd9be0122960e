# SPDX-License-Identifier: BSD-3-Clause
"""What both end-to-end benchmarks share: the two cores, CPU time of processes, the command line and
the samples. A program starts several processes and places them itself."""
import argparse
import json
import os
import pathlib
import resource
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / 'tests' / 'e2e'))
from lib import cases, processes  # noqa: E402  (after the path)

SECONDS = {'tiny': 0.15, 'quick': 1.5, 'full': 4.0}  # of sending
SKIP_STATUS = 77
PORT = 2905


class Wrong(Exception):
    """A run that counts for nothing, and why."""


def cores():
    """The two cores: the sender's side has the first, the receiver's the second. A machine with one
    has both sides on it."""
    mine = sorted(os.sched_getaffinity(0))
    return mine[0], mine[min(1, len(mine) - 1)]


class Place:
    """A core; starts programs there as a Namespace starts them in itself."""

    def __init__(self, core, namespace=None):
        self._core = core
        self._namespace = namespace

    def start(self, words, log, **options):
        words = ['taskset', '-c', self._core, *words]
        if self._namespace is not None:
            return self._namespace.start(words, log, **options)
        return processes.Process(words, log, **options)


class CpuTime:
    """CPU seconds, user and system, that daemons which live on and children which have ended since
    this was made have used."""

    def __init__(self, daemons=()):
        self._daemons = [daemon.process.pid for daemon in daemons]
        self._before = self._now()

    def _now(self):
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime + sum(map(_of_process, self._daemons))

    def used(self):
        return self._now() - self._before


def _of_process(pid):
    fields = pathlib.Path(f'/proc/{pid}/stat').read_text(encoding='ascii').rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def final_of(job, patience):
    """What a program printed last, and that it ended well."""
    status = job.wait(patience)
    finals = [line for line in job.lines if line.startswith('{"final"')]
    if status != 0 or not finals:
        said = [line for line in job.lines if not line.startswith('{')]
        raise Wrong(f'{job.command[3:5]}: status {status}: {" ".join(said)[-300:]}')
    return json.loads(finals[-1])['final']


def report(role, case, metric, unit, value):
    print(json.dumps({'case': case, 'metric': metric, 'unit': unit, 'role': role,
                      'value': round(value, 6)}), flush=True)


def run(description, known, missing):
    """`known`: names of cases and functions of (name, scale, folder). `missing()` gives a reason not
    to run, or None."""
    parser = argparse.ArgumentParser(description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--case', help='a name, or a prefix that ends in a slash')
    parser.add_argument('--scale', choices=list(SECONDS), default='quick')
    options = parser.parse_args()
    if options.list:
        print('\n'.join(known))
        return 0
    chosen = [name for name in known if not options.case or name == options.case or
              (options.case.endswith('/') and name.startswith(options.case))]
    if not chosen:
        parser.error(f'no such case: {options.case}')
    processes.install()
    status = 0
    for name in chosen:
        folder = pathlib.Path(tempfile.mkdtemp(prefix='trunkline-bench-'))
        try:
            reason = missing()
            if reason:
                raise cases.Skip(reason)
            known[name](name, options.scale, folder)
            processes.run_cleanups()
            shutil.rmtree(folder, ignore_errors=True)
        except cases.Skip as reason:
            print(f'{name}: {reason}', file=sys.stderr)
            status = status or SKIP_STATUS
        except (Wrong, processes.TimeOut, AssertionError, RuntimeError) as error:
            print(f'{name}: {error}; logs: {folder}', file=sys.stderr)
            status = 1
        processes.run_cleanups()
    return status
