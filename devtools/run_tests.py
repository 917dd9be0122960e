#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Builds and runs the test suites, counts every case, and closes with
`N passed, N failed, N skipped`.

The suites are the list SUITES below; QUICK are those of `./dev test quick`. `./dev test` configures
the build folders, then calls this. Logs go to build/test-logs/SUITE/. Exit status: 0 only if
something passed and nothing failed.

What mostly waits, for links and peers, runs beside what only computes; where both want a core,
the latter gives way. Everything else has the machine to itself, one suite after the other.
"""
import argparse
import collections
import concurrent.futures
import dataclasses
import fnmatch
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / 'build' / 'test-logs'
SKIP_STATUS = 77  # what a script without result lines exits with when it could not run
PYTHON = '/usr/bin/python3'


@dataclasses.dataclass
class Suite:
    """What to build (targets under `under` in `build`), and how to run and count it."""
    name: str
    kind: str              # 'gtest', 'fuzz', 'replay', 'script' or 'program'
    build: str = ''        # build folder; '' for scripts that need none
    under: str = ''        # gtest, fuzz, replay: the source folder whose test programs are meant
    only: tuple = ()       # gtest: names (shell patterns); empty means all
    scripts: tuple = ()    # script, program: path patterns, each may carry arguments after a blank
    targets: tuple = ()    # script, program: what to build; empty means everything
    everything: bool = False  # build the folder's every target first
    parallel: bool = True  # may run beside others of its suite
    beside: str = ''       # 'waits' or 'computes': each runs beside the suites of the other kind
    timeout: int = 900     # seconds for one program or script: several times what it takes alone
    env: dict = dataclasses.field(default_factory=dict)


SANITIZERS = {
    'ASAN_OPTIONS': 'abort_on_error=1:detect_stack_use_after_return=1:strict_string_checks=1',
    'UBSAN_OPTIONS': 'halt_on_error=1:print_stacktrace=1',
    'TSAN_OPTIONS': 'halt_on_error=1:second_deadlock_stack=1',
}

CHECKS = Suite('checks', 'script', scripts=('devtools/check_*.py', 'devtools/check_layers.py --self-test',
                                           'devtools/check_spdx.py --self-test',
                                           'devtools/compile_alone.py --self-test'))
STACK = ('stack/libtrunkline_below.a', 'stack/libtrunkline_stack.a')
LAYERS = Suite('layers', 'script', 'build', targets=STACK,
               scripts=('devtools/check_layers.py --objects ' + ' '.join(f'build/{each}' for each in STACK),))

SUITES = [
    CHECKS,
    Suite('unit', 'gtest', 'build', 'tests/unit', everything=True),
    LAYERS,
    Suite('sim', 'gtest', 'build', 'tests/sim', timeout=1800, beside='computes'),
    # The folder is configured without DPDK: that everything else builds so, and knows nothing of it.
    Suite('stack-alone', 'script', 'build-asan', beside='computes',
          scripts=('devtools/check_layers.py --without-dpdk build-asan',)),
    Suite('sim-asan', 'gtest', 'build-asan', 'tests/sim', timeout=1800, env=SANITIZERS,
          beside='computes'),
    # How many instructions a message takes: counted, so that it does not matter what else runs.
    Suite('instructions', 'script', 'build', targets=('perf/bench_bare', 'perf/bench_ring'), beside='computes',
          scripts=('devtools/instructions.py --check',)),
    # ... and that nothing grows with what there is of it: few sizes, some twenty seconds.
    Suite('costs', 'script', 'build', targets=('perf/cost_by_size',), beside='computes',
          scripts=('devtools/cost_by_size.py --check',)),
    Suite('harness', 'script', 'build', scripts=('tests/e2e/harness_*.py',), parallel=False,
          beside='waits'),
    # Most of their time is waiting, so they run side by side; each has namespaces of its own.
    Suite('interop', 'script', 'build', beside='waits',
          scripts=('tests/e2e/interop_*.py ipv4 stops', 'tests/e2e/interop_*.py ipv6 stops')),
    Suite('e2e', 'script', 'build', scripts=('tests/e2e/test_*.py',), parallel=False, beside='waits'),
    # The same with two workers, and with two and every packet at the wrong one first.
    Suite('interop-2', 'script', 'build', env={'TRUNKLINE_WORKERS': '2'}, beside='waits',
          scripts=('tests/e2e/interop_kernel.py ipv4 stops',
                   'tests/e2e/interop_usrsctp.py ipv6 stops')),
    Suite('interop-wrong', 'script', 'build', beside='waits',
          env={'TRUNKLINE_WORKERS': '2,misdirect'},
          scripts=('tests/e2e/interop_kernel.py ipv6 stops',
                   'tests/e2e/interop_usrsctp.py ipv4 stops')),
    Suite('e2e-2', 'script', 'build', scripts=('tests/e2e/test_daemon_*.py',), parallel=False,
          env={'TRUNKLINE_WORKERS': '2'}, beside='waits'),
    Suite('e2e-wrong', 'script', 'build', scripts=('tests/e2e/test_daemon_*.py',), parallel=False,
          env={'TRUNKLINE_WORKERS': '2,misdirect'}, beside='waits'),
    # Scripts of calls, random walks, programs: on the kernel and on our sockets. Waiting, mostly.
    Suite('sockets', 'script', 'build', scripts=('tests/sockets/test_*.py',), timeout=1800,
          parallel=False, beside='waits'),
    Suite('sockets-2', 'script', 'build',
          scripts=('tests/sockets/test_programs.py ours kernel_serves',
                   'tests/sockets/test_daemon_end.py'),
          timeout=1800, env={'TRUNKLINE_WORKERS': '2'}, parallel=False, beside='waits'),
    Suite('sockets-wrong', 'script', 'build', timeout=1800, env={'TRUNKLINE_WORKERS': '2,misdirect'},
          scripts=('tests/sockets/test_programs.py ours kernel_serves',
                   'tests/sockets/test_daemon_end.py',
                   'tests/sockets/test_scripts.py ours_life ours_data ours_processes'),
          parallel=False, beside='waits'),
    Suite('unit-asan', 'gtest', 'build-asan', 'tests/unit', env=SANITIZERS),
    Suite('threads-tsan', 'gtest', 'build-tsan', 'tests/unit',
          only=('*client*', '*appring*', '*hand_over*', '*race*', '*socket*', '*sctp_threads*'), env=SANITIZERS),
    Suite('fuzz', 'fuzz', 'build-fuzz', 'tests/fuzz', env=SANITIZERS),
    # Each benchmark once, tiny: that it still runs and loses nothing. How fast is not asked here.
    Suite('bench', 'script', 'build', scripts=('perf/test_bench.py',)),
    # Mostly waiting as well, for links that are away, but timed. The kernel's direction is not ours:
    # once round.
    Suite('failover', 'script', 'build',
          scripts=('tests/e2e/failover_kernel.py one_worker',
                   'tests/e2e/failover_daemons.py wrong_worker',
                   'tests/e2e/failover_daemons.py one_worker',
                   'tests/e2e/failover_daemons.py two_workers',
                   'tests/e2e/failover_kernel.py wrong_worker_ours wrong_worker_theirs '
                   'wrong_worker_daemons')),
]

# Before each commit: minutes, one build folder, a part of each kind of proof.
QUICK = [
    CHECKS,
    Suite('unit', 'gtest', 'build', 'tests/unit'),
    LAYERS,
    Suite('sim-parts', 'gtest', 'build', 'tests/sim', only=('test_sim_parts',)),
    Suite('sim-short', 'program', 'build', targets=('tests/sim/simrun',),
          scripts=('build/tests/sim/simrun --seeds 2000',)),
    Suite('replay', 'replay', 'build', 'tests/fuzz'),
    Suite('smoke', 'script', 'build', scripts=('tests/e2e/test_daemon_smoke.py',),
          targets=('dpdk_app/trunklined', 'dpdk_app/trunkctl')),
]


@dataclasses.dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        return f'{self.passed} passed, {self.failed} failed, {self.skipped} skipped'


def say(text):
    """In one piece: suites run side by side."""
    sys.stdout.write(text + '\n')
    sys.stdout.flush()


SANITIZER_REPORT = r'.*(ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|: runtime error: )'
CASE_FAILED = r'FAIL |\[  FAILED  \] .*\(\d+ ms\)$'
CASE_ENDED = rf'PASS |SKIP |\[ RUN      \]|{CASE_FAILED}'


def failed_cases(text, lines):
    """What a log tells of the cases that failed, each by its last `lines`; a log may go on after them.
    And of one that has no end, because it crashed or hung."""
    shown, told = [], []
    for line in text:
        told.append(line)
        if re.match(CASE_FAILED, line):
            shown += told[-lines:]
        if re.match(CASE_ENDED, line):
            told = []
    ended = any(line.startswith('[==========]') for line in told)
    return shown + ([] if ended or not shown else told[-lines:])


def show_failure(what, log, lines=25, since=None):
    """What begins with a log's first line that matches `since`; else of its failed cases, else its end;
    and where it is."""
    try:
        text = pathlib.Path(log).read_text(encoding='utf-8', errors='replace').splitlines()
    except OSError:
        text = ['(no log)']
    first = next((i for i, line in enumerate(text) if since and re.match(since, line)), None)
    shown = text[first:first + lines] if first is not None else (
        failed_cases(text, lines)[:4 * lines] or text[-lines:])
    say('\n'.join([f'  FAILED: {what}', *[f'  | {line[:300]}' for line in shown], f'  log: {log}']))


class Running:
    """The processes that run, each in a group of its own, so that nothing is left behind."""
    def __init__(self):
        self.lock = threading.RLock()  # a signal may come while it is held
        self.processes = set()
        self.ended = False

    def start(self, command, output, env):
        with self.lock:
            if self.ended:
                raise SystemExit(143)
            process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT,
                                       stdin=subprocess.DEVNULL, start_new_session=True,
                                       env={**os.environ, **env})
            self.processes.add(process)
        return process

    def forget(self, process):
        with self.lock:
            self.processes.discard(process)

    def end(self, number, _):
        """Ctrl-C, or SIGTERM."""
        with self.lock:
            self.ended = True
            left = list(self.processes)
        for process in left:
            end_group(process)
        sys.exit(128 + number)


RUNNING = Running()
GIVES_WAY = threading.local()  # .yes: of this thread's processes


def give_way(process):
    """To others, by much; the kernel may weigh a session as a whole (autogroup)."""
    try:
        os.setpriority(os.PRIO_PROCESS, process.pid, 19)
        pathlib.Path(f'/proc/{process.pid}/autogroup').write_text('19', encoding='ascii')
    except OSError:
        pass


def run_logged(command, log, timeout, env=None):
    """Runs in a process group of its own; ends the whole group on time-out. Status, or None."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, 'wb') as output:
        process = RUNNING.start(command, output, env or {})
        try:
            if getattr(GIVES_WAY, 'yes', False):
                give_way(process)
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            end_group(process)
            output.write(f'\nrun_tests: no end after {timeout} s\n'.encode())
            return None
        finally:
            RUNNING.forget(process)


def end_group(process):
    """Asks first, so that a script can remove its namespaces, then insists."""
    for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def introspect(suite, what):
    run = subprocess.run(['meson', 'introspect', what, suite.build], cwd=ROOT, capture_output=True,
                         text=True, check=True)
    return json.loads(run.stdout)


def programs(suite):
    """The test executables of a suite: (ninja target, path), as Meson knows them."""
    found = []
    for target in introspect(suite, '--targets'):
        if target['type'] != 'executable':
            continue
        defined = os.path.relpath(os.path.dirname(target['defined_in']), ROOT)
        inside = defined == suite.under or defined.startswith(suite.under + '/')
        wanted = not suite.only or any(fnmatch.fnmatch(target['name'], p) for p in suite.only)
        prefix = {'fuzz': 'fuzz_', 'replay': 'replay_'}.get(suite.kind, 'test_')
        if inside and wanted and target['name'].startswith(prefix):
            path = pathlib.Path(target['filename'][0])
            found.append((os.path.relpath(path, ROOT / suite.build), path))
    return found


FOLDERS = collections.defaultdict(threading.Lock)  # one ninja in each at a time


def build(suite):
    """Builds what the suite needs. Its test programs; None on failure, with the log's tail."""
    if not suite.build:
        return []
    with FOLDERS[suite.build]:
        # Build files that changed since the last run: else Meson tells of the old targets.
        log = LOGS / suite.name / 'configure.log'
        status = run_logged(['ninja', '-C', suite.build, 'build.ninja'], log, 300)
        found = programs(suite) if status == 0 and suite.under else []
        names = [] if suite.everything else [*suite.targets, *[target for target, _ in found]]
        if status == 0:
            log = LOGS / suite.name / 'build.log'
            status = run_logged(['ninja', '-C', suite.build, *names], log, timeout=3600)
    if status != 0:
        show_failure(f'{suite.name}: build of {suite.build}', log, since='FAILED:')
        return None
    return [path for _, path in found]


def no_randomised_layout():
    """A prefix for sanitized programs: their runtimes crash at random where the kernel randomises
    addresses as much as new ones do. Empty where it is not allowed (some containers)."""
    tool = shutil.which('setarch')
    if tool and subprocess.run([tool, '-R', 'true'], capture_output=True, check=False).returncode == 0:
        return [tool, '-R']
    return []


def run_gtest(suite, path):
    log = LOGS / suite.name / f'{path.name}.log'
    report = log.with_suffix('.json')
    report.unlink(missing_ok=True)
    prefix = no_randomised_layout() if suite.env is SANITIZERS else []
    status = run_logged([*prefix, str(path), f'--gtest_output=json:{report}'], log, suite.timeout,
                        suite.env)
    count = Count()
    try:
        cases = [case for group in json.loads(report.read_text())['testsuites']
                 for case in group['testsuite']]
    except (OSError, ValueError, KeyError):
        cases = []
    for case in cases:
        if case.get('failures'):
            count.failed += 1
        elif case.get('result') == 'SKIPPED' or case.get('status') == 'NOTRUN':
            count.skipped += 1
            say(f'  skipped: {case["classname"]}.{case["name"]} (its reason is in {log})')
        else:
            count.passed += 1
    if (status != 0 or not cases) and count.failed == 0:
        count.failed += 1  # it crashed, hung, or holds no test
    if count.failed:
        show_failure(f'{suite.name}: {path.name}, status {status}', log, since=SANITIZER_REPORT)
    return count


def run_fuzz(suite, path, seconds):
    log = LOGS / suite.name / f'{path.name}.log'
    work = LOGS / suite.name / f'{path.name}.found'
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    corpus = ROOT / 'tests/fuzz/corpus' / path.name.removeprefix('fuzz_')
    folders = [str(work)] + ([str(corpus)] if corpus.is_dir() else [])
    command = [*no_randomised_layout(), str(path), f'-max_total_time={seconds}', '-timeout=60',
               '-rss_limit_mb=2048', '-print_final_stats=1', f'-artifact_prefix={work}/', *folders]
    status = run_logged(command, log, seconds + 120, suite.env)
    runs = re.search(r'^stat::number_of_executed_units: *(\d+)',
                     log.read_text(encoding='utf-8', errors='replace'), re.M)
    if status == 0 and runs:
        say(f'  {path.name}: {runs[1]} executions, {len(list(work.iterdir()))} inputs found')
        return Count(passed=1)
    show_failure(f'{suite.name}: {path.name}, status {status}; put the crash file from {work} '
                 f'into {os.path.relpath(corpus, ROOT)}', log)
    return Count(failed=1)


def run_replay(suite, path):
    """A fuzz target over its corpus, with the arguments that its Meson test has."""
    log = LOGS / suite.name / f'{path.name}.log'
    command = next(test['cmd'] for test in introspect(suite, '--tests')
                   if pathlib.Path(test['cmd'][0]) == path)
    if run_logged(command, log, suite.timeout, suite.env) == 0:
        return Count(passed=1)
    show_failure(f'{suite.name}: {path.name}', log)
    return Count(failed=1)


def run_script(suite, words):
    """A script's PASS/FAIL/SKIP lines are its cases; without any, its exit status is one."""
    name = '_'.join([pathlib.Path(words[0]).stem] + [w.strip('-') for w in words[1:2]])
    log = LOGS / suite.name / f'{name}.log'
    env = {**suite.env, 'TRUNKLINE_TEST_LOGS': str(LOGS / suite.name / name)}
    status = run_logged([*([PYTHON] if suite.kind == 'script' else []), *words], log, suite.timeout,
                        env)
    text = log.read_text(encoding='utf-8', errors='replace')
    count = Count()
    for word, reason in re.findall(r'^(PASS|FAIL|SKIP) (.*)$', text, re.M):
        if word == 'SKIP':
            say(f'  skipped: {reason}')
        field = {'PASS': 'passed', 'FAIL': 'failed', 'SKIP': 'skipped'}[word]
        setattr(count, field, getattr(count, field) + 1)
    if count == Count() and status == 0:
        count.passed = 1
    elif count == Count() and status == SKIP_STATUS:
        count.skipped = 1
        say(f'  skipped: {name}: {(text.strip().splitlines() or ["no reason given"])[-1]}')
    elif status != 0 and count.failed == 0:
        count.failed += 1
    if count.failed:
        show_failure(f'{suite.name}: {name}, status {status}', log)
    return count


def script_commands(suite):
    commands = []
    for pattern in suite.scripts:
        words = pattern.split()
        commands += [[str(path.relative_to(ROOT)), *words[1:]]
                     for path in sorted(ROOT.glob(words[0]))]
    return commands


def jobs_of(suite, tests, options):
    if suite.kind in ('script', 'program'):
        return [lambda c=command: run_script(suite, c) for command in script_commands(suite)]
    run = {'gtest': run_gtest, 'replay': run_replay,
           'fuzz': lambda s, path: run_fuzz(s, path, options.fuzz_seconds)}[suite.kind]
    return [lambda p=path: run(suite, p) for path in tests]


def run_suite(suite, options, gives_way=False):
    """Builds, runs, counts one suite, and prints its line."""
    GIVES_WAY.yes = gives_way
    shutil.rmtree(LOGS / suite.name, ignore_errors=True)
    started = time.monotonic()
    tests = build(suite)
    built = time.monotonic()
    if tests is None:
        return Count(failed=1)
    total = Count()
    jobs = jobs_of(suite, tests, options)
    with concurrent.futures.ThreadPoolExecutor(
            os.cpu_count() if suite.parallel else 1,
            initializer=lambda: setattr(GIVES_WAY, 'yes', gives_way)) as pool:
        for count in pool.map(lambda job: job(), jobs):
            total.add(count)
    if not jobs:
        say(f'  FAILED: {suite.name}: holds no test')
        total.failed += 1
    say(f'{suite.name:12} {total}  (built in {built - started:.0f} s, '
        f'ran {time.monotonic() - built:.0f} s)')
    return total


def run_beside(suites, later, options):
    """Those that wait and those that compute, side by side; the latter also build for `later`."""
    def waits():
        return [run_suite(s, options) for s in suites if s.beside == 'waits']

    def computes():
        GIVES_WAY.yes = True
        counts = [run_suite(s, options, gives_way=True) for s in suites if s.beside == 'computes']
        if any(s.beside == 'waits' for s in suites):
            for suite in later:
                build(suite)  # if it fails, the suite itself will say so
        return counts

    total = Count()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for lane in [pool.submit(waits), pool.submit(computes)]:
            for count in lane.result():
                total.add(count)
    return total


def run_all(suites, options):
    total = Count()
    beside = [suite for suite in suites if suite.beside]
    for at, suite in enumerate(suites):
        if not suite.beside:
            total.add(run_suite(suite, options))
        elif suite is beside[0]:
            total.add(run_beside(beside, [s for s in suites[at:] if not s.beside], options))
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('suites', nargs='*', metavar='SUITE', help='only these (default: all); quick: those before a commit')
    parser.add_argument('--list', action='store_true', help='show the suites and end')
    parser.add_argument('--fuzz-seconds', type=int, default=5, help='for each fuzz target')
    options = parser.parse_args()
    if options.list:
        for name, suites in (('', SUITES), ('quick:', QUICK)):
            say(name) if name else None
            for suite in suites:
                say(f'{suite.name:12} {suite.kind:7} {suite.build:12} '
                    f'{suite.under or " ".join(suite.scripts)}')
        return 0
    known = QUICK if options.suites[:1] == ['quick'] else SUITES
    wanted = options.suites[1:] if known is QUICK else options.suites
    unknown = set(wanted) - {suite.name for suite in known}
    if unknown:
        parser.error(f'no such suite: {", ".join(sorted(unknown))}; --list shows them')
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, RUNNING.end)
    started = time.monotonic()
    total = run_all([s for s in known if not wanted or s.name in wanted], options)
    say(f'time: {time.monotonic() - started:.0f} s')
    say(str(total))
    return 0 if total.failed == 0 and total.passed > 0 else 1


if __name__ == '__main__':
    sys.exit(main())
