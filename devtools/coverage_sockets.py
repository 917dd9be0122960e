#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Line coverage of sockets/ by its unit tests and by the scripts of tests/sockets/.

Builds in build-coverage-sockets/ with clang (no optimisation, without DPDK), runs the tests, and the
scripts under the preloaded library against a daemon in one process. Counters lie in files that
processes map, so that those that are killed, or that become other programs, count as well. Prints
a table, also of dpdk_app/sockets/, the daemon's side, and with --missing the lines that nothing
reached. Exit status 1: below the goal.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / 'build-coverage-sockets'
LOG = BUILD / 'coverage.log'
GOAL = 90.0  # of the lines of sockets/
FLAGS = '-fprofile-instr-generate -fcoverage-mapping -mllvm -runtime-counter-relocation'
PRELOAD = 'sockets/libtrunkline-preload.so'
RUN = 'sockets/trunkline-run'
DRIVER = 'tests/sockets/socket_driver'
DAEMONS = 'tests/unit/sctp_calls/two_daemons'
FAKE = 'tests/unit/sctp_calls/fake_socket_daemon'
STATIC = 'tests/unit/sctp_calls/static_program'
TESTS = [f'tests/unit/test_{name}'
         for name in ('sctp_calls', 'sctp_threads', 'sctp_holders', 'sockets', 'socket_server')]
WITHOUT_MODELS = '--gtest_filter=-*Model*'  # they have nothing of sockets/ in them
JOBS = 4  # drivers at once: they wait, mostly
SETTLE_MS, BLOCK_MS = 5, 60  # what is reached is asked here, not what is said


def run(words, **options):
    print(f'coverage: {" ".join(os.path.basename(str(each)) for each in words[:3])}', flush=True)
    with open(LOG, 'ab') as output:
        return subprocess.run(words, cwd=BUILD, stdout=output, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, check=False, **options).returncode


def build():
    if not (BUILD / 'build.ninja').is_file():
        link = '-fprofile-instr-generate'
        subprocess.run(['meson', 'setup', str(BUILD), '-Dbuildtype=plain', '-Doptimization=0',
                        '-Dperf=false', '-Ddpdk=disabled', '-Db_lundef=false', f'-Dc_args={FLAGS}',
                        f'-Dcpp_args={FLAGS}', f'-Dc_link_args={link}', f'-Dcpp_link_args={link}'],
                       cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, 'CC': 'clang', 'CXX': 'clang++'})
    LOG.write_text('')
    if run(['ninja', PRELOAD, RUN, DRIVER, DAEMONS, FAKE, STATIC, *TESTS]) != 0:
        raise SystemExit(f'coverage: the build failed; see {LOG}')


def run_scripts(folder):
    """All scripts, whatever they say."""
    sys.path.insert(0, str(ROOT / 'tests/sockets'))
    from socketlib import scripts, sides
    path = folder / 'sockets.sock'
    environment = {**os.environ, 'LD_PRELOAD': str(BUILD / PRELOAD), 'TRUNKLINE_SOCKET': str(path)}
    work = [script for scripts_of_set in scripts.sets().values() for script in scripts_of_set]
    with subprocess.Popen([BUILD / DAEMONS, path], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as daemon:
        daemon.stdout.readline()
        print(f'coverage: {len(work)} scripts', flush=True)
        drivers = []
        for job in range(JOBS):
            script = folder / f'{job}.script'
            sides.write_scripts(script, work[job::JOBS])
            drivers.append(subprocess.Popen(
                [BUILD / DRIVER, '--settle', str(SETTLE_MS), '--block', str(BLOCK_MS), '--base',
                 str(job * 325), '--output', folder / f'{job}.lines', script], env=environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        failed = [job for job, driver in enumerate(drivers) if driver.wait() != 0]
        daemon.stdin.close()
    if failed:
        raise SystemExit(f'coverage: drivers {failed} failed')


def measure():
    """{file: {line: count}}"""
    profiles = BUILD / 'profiles'
    profiles.mkdir(exist_ok=True)
    for old in profiles.iterdir():
        old.unlink()
    os.environ['LLVM_PROFILE_FILE'] = str(profiles / '%c%m.profraw')
    failed = [test for test in TESTS if run([BUILD / test, WITHOUT_MODELS]) != 0]
    if run([ROOT / 'tests/unit/sctp_calls/preload_test.py', RUN, FAKE, STATIC, DAEMONS]) != 0:
        failed.append('preload_test.py')
    with tempfile.TemporaryDirectory() as folder:
        run_scripts(pathlib.Path(folder))
    if failed:
        raise SystemExit(f'coverage: {", ".join(failed)} failed; see {LOG}')
    del os.environ['LLVM_PROFILE_FILE']
    return read_profiles(profiles)


def read_profiles(profiles):
    merged = BUILD / 'coverage.profdata'
    subprocess.run(['llvm-profdata', 'merge', '-o', merged, *profiles.glob('*.profraw')], check=True)
    objects = [each for name in (RUN, DAEMONS, *TESTS) for each in ('-object', BUILD / name)]
    text = subprocess.run(['llvm-cov', 'export', '-format=lcov', f'-instr-profile={merged}',
                           BUILD / PRELOAD, *objects], check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True).stdout
    found, lines = {}, {}
    for record in text.splitlines():
        if record.startswith('SF:'):
            path = os.path.relpath(os.path.normpath(BUILD / record[3:]), ROOT)
            lines = found.setdefault(path, {})
        elif match := re.match(r'DA:(\d+),(\d+)', record):
            line = int(match[1])
            lines[line] = lines.get(line, 0) + int(match[2])
    return found


def ranges(lines):
    """[1, 2, 3, 7] -> '1-3 7'"""
    out = []
    for line in lines:
        if out and out[-1][1] == line - 1:
            out[-1][1] = line
        else:
            out.append([line, line])
    return ' '.join(str(a) if a == b else f'{a}-{b}' for a, b in out)


def report(found, folder, missing):
    """The share of lines that were reached."""
    reached = there = 0
    for path, lines in sorted(found.items()):
        if not path.startswith(folder):
            continue
        hit = sum(count != 0 for count in lines.values())
        reached += hit
        there += len(lines)
        print(f'{path:48} {hit:5} of {len(lines):5} {100 * hit / len(lines):6.1f} %')
        if missing and hit != len(lines):
            print('  ' + ranges(sorted(line for line, count in lines.items() if count == 0)))
    share = 100 * reached / there
    print(f'{folder:48} {reached:5} of {there:5} {share:6.1f} %')
    return share


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--missing', action='store_true', help='name what was not reached')
    options = parser.parse_args()
    build()
    found = measure()
    report(found, 'dpdk_app/sockets/', options.missing)
    share = report(found, 'sockets/', options.missing)
    print(f'coverage: lines of sockets/: {share:.1f} %, the goal is {GOAL:.0f} %'
          f'{"" if share >= GOAL else ": MISSED"}')
    return 0 if share >= GOAL else 1


if __name__ == '__main__':
    sys.exit(main())
