# SPDX-License-Identifier: BSD-3-Clause
"""The frame of an end-to-end test script:

    from lib import cases

    def case_something(t):            # t.log(name) is a path in the case's log folder
        assert ..., 'why'

    if __name__ == '__main__':
        cases.main(__doc__, [case_something])

Each case prints one line, `PASS name`, `FAIL name: why` or `SKIP name: why`, which
devtools/run_tests.py counts. A case that hangs is ended by its time-out; everything that a case
started is ended when it is over. Arguments on the command line choose cases by part of their name.
Logs: build/test-logs/…, or $TRUNKLINE_TEST_LOGS.
"""
import argparse
import os
import pathlib
import re
import shutil
import signal
import sys
import time
import traceback

from . import netns, processes

ROOT = pathlib.Path(__file__).resolve().parents[3]
# Absolute: peers run from it with another working folder.
BUILD = pathlib.Path(os.environ.get('TRUNKLINE_BUILD', ROOT / 'build')).resolve()


class Skip(Exception):
    """Raised by a case that cannot run here; says why."""


class CaseTimeOut(Exception):
    """The whole case took too long."""


class Case:
    """What a case is given: its name, its folder for logs; setup() also learns which cases run."""

    def __init__(self, name, folder, chosen=()):
        self.name = name
        self.chosen = chosen
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def log(self, name):
        return self.folder / name


def program(relative):
    """A built program; the case is skipped when it is not there."""
    path = BUILD / relative
    if not path.exists():
        raise Skip(f'{relative} is not built')
    return path


def check_equal(got, wanted, what):
    if got != wanted:
        raise AssertionError(f'{what}: got {got!r}, wanted {wanted!r}')


def until(condition, what, timeout=15):
    """Waits for a condition; its value. `what` names it when it does not come."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f'{what}: not within {timeout} s')
        time.sleep(0.02)


def _alarm(_number, _frame):
    raise CaseTimeOut()


def log_folder():
    given = os.environ.get('TRUNKLINE_TEST_LOGS')
    return pathlib.Path(given) if given else BUILD / 'test-logs' / 'by-hand' / \
        pathlib.Path(sys.argv[0]).stem


def _one_line(error):
    return re.sub(r'\s+', ' ', f'{error}' or type(error).__name__)[:500]


def run_case(name, body, folder, timeout):
    """Runs one case; its verdict: 'PASS', 'FAIL' or 'SKIP'."""
    shutil.rmtree(folder, ignore_errors=True)
    case = Case(name, folder)
    before = list(processes._cleanups)
    started = time.monotonic()
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(timeout)
    verdict, why = 'PASS', ''
    try:
        body(case)
    except Skip as reason:
        verdict, why = 'SKIP', _one_line(reason)
    except CaseTimeOut:
        verdict, why = 'FAIL', f'no end in {timeout} s; logs: {folder}'
        traceback.print_exc(file=sys.stdout)
    except Exception as error:
        verdict, why = 'FAIL', f'{type(error).__name__}: {_one_line(error)}; logs: {folder}'
        traceback.print_exc(file=sys.stdout)
    finally:
        signal.alarm(0)
        for step in [s for s in reversed(processes._cleanups) if s not in before]:
            try:
                processes.forget(step)
                step()
            except Exception as error:
                print(f'clean-up of {name}: {error!r}')
    print(f'  {name}: {time.monotonic() - started:.1f} s')
    print(f'{verdict} {name}' + (f': {why}' if why else ''), flush=True)
    return verdict


def main(description, cases, needs=None, setup=None, timeout=60):
    """Runs the cases: functions, or (name, function) pairs. `needs()` gives a reason to skip them
    all; `setup()` runs once before the first, and what it starts lives until the end."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('cases', nargs='*', help='only cases whose name holds one of these')
    parser.add_argument('--list', action='store_true')
    options = parser.parse_args()
    named = [c if isinstance(c, tuple) else (c.__name__.removeprefix('case_'), c) for c in cases]
    chosen = [(n, f) for n, f in named
              if not options.cases or any(part in n for part in options.cases)]
    if options.list:
        print('\n'.join(name for name, _ in chosen))
        sys.exit(0)
    if not chosen:
        sys.exit('no such case')
    processes.install()
    reason = needs() if needs else None
    if reason:
        for name, _ in chosen:
            print(f'SKIP {name}: {reason}', flush=True)
        sys.exit(0)
    netns.sweep()
    folder = log_folder()
    if setup:
        try:
            setup(Case('setup', folder, [name for name, _ in chosen]))
        except Exception as error:
            verdict = 'SKIP' if isinstance(error, Skip) else 'FAIL'
            traceback.print_exc(file=sys.stdout)
            for name, _ in chosen:
                print(f'{verdict} {name}: setup: {_one_line(error)}', flush=True)
            sys.exit(0 if verdict == 'SKIP' else 1)
    verdicts = [run_case(name, body, folder / name, timeout) for name, body in chosen]
    processes.run_cleanups()
    sys.exit(1 if 'FAIL' in verdicts else 0)
