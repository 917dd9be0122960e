# SPDX-License-Identifier: BSD-3-Clause
"""The benchmark programs: which there are, which cases they have, and one run of one case.

A program is bench_* in build/perf/ or a folder of it, or perf/PART/bench_*.py. The former measure in one process and
are pinned to one core; the latter start several processes and place them themselves.
"""
import dataclasses
import os
import pathlib
import signal
import subprocess

from . import stats

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PYTHON = '/usr/bin/python3'
TIMEOUT = {'tiny': 60, 'quick': 120, 'full': 300}  # seconds for one run of one case
# Their time is simulated, or not asked: the same run gives the same figures, and each run of the
# former has several seeds.
SIMULATED = ('link/', 'count/')


@dataclasses.dataclass(frozen=True)
class Program:
    path: pathlib.Path
    cases: tuple

    @property
    def is_script(self):
        return self.path.suffix == '.py'

    @property
    def is_peer(self):
        return 'usrsctp' in self.path.name


class Failed(Exception):
    """A run that counts for nothing, and why."""


class Skipped(Failed):
    """The program says that it can't run here, and why."""


SKIP_STATUS = 77


def environment(usrsctp, program=None):
    """Another build of usrsctp takes the place of the installed one where that is the peer."""
    env = dict(os.environ)
    if usrsctp:
        env['TRUNKLINE_USRSCTP'] = str(usrsctp)  # for scripts, which preload it themselves
        if program is None or (program.is_peer and not program.is_script):
            env['LD_PRELOAD'] = str(usrsctp)
    return env


def command(path):
    return [PYTHON, str(path)] if path.suffix == '.py' else [str(path)]


def discover(build):
    """All programs, ours before peers in each part, with their cases."""
    built = [*(build / 'perf').glob('bench_*'), *(build / 'perf').glob('*/bench_*')]
    paths = sorted(built) + sorted((ROOT / 'perf').glob('*/bench_*.py'))
    found = []
    for path in paths:
        if path.is_dir() or not os.access(path, os.X_OK):
            continue
        listed = subprocess.run([*command(path), '--list'], capture_output=True, text=True,
                                check=False, timeout=60)
        if listed.returncode != 0:
            raise Failed(f'{path} --list: status {listed.returncode}: {listed.stderr[-300:]}')
        found.append(Program(path, tuple(listed.stdout.split())))
    return found


def cases_of(programs, prefix=''):
    """Names of cases in a fixed order, each with the programs that measure it."""
    out = {}
    for program in programs:
        for case in program.cases:
            if case.startswith(prefix):
                out.setdefault(case, []).append(program)
    return out


def run_case(program, case, scale, core=None, usrsctp=None):
    """One run: its samples. Raises Failed."""
    words = [*command(program.path), '--case', case, '--scale', scale]
    if core is not None and not program.is_script:
        words = ['taskset', '-c', str(core), *words]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               stdin=subprocess.DEVNULL, start_new_session=True,
                               env=environment(usrsctp, program))
    try:
        out, err = process.communicate(timeout=TIMEOUT[scale])
    except subprocess.TimeoutExpired:
        end_group(process)
        raise Failed(f'no end after {TIMEOUT[scale]} s') from None
    except BaseException:
        end_group(process)
        raise
    if process.returncode != 0:
        said = ' '.join((err or out).strip().splitlines()[-3:])
        kind = Skipped if process.returncode == SKIP_STATUS else Failed
        raise kind(f'status {process.returncode}: {said[-400:]}')
    samples = []
    try:
        samples = [stats.parse_sample(line) for line in out.splitlines() if line.strip()]
    except stats.Malformed as error:
        raise Failed(str(error)) from None
    if not samples:
        raise Failed('it printed nothing')
    for sample in samples:
        if sample['case'] != case and not sample['case'].startswith(case + '/'):
            raise Failed(f'it was asked for {case} and measured {sample["case"]}')
    return samples


def end_group(process):
    for number, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, number)
            process.communicate(timeout=patience)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
