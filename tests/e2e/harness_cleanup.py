#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A test that is ended, or dies, leaves nothing behind: no namespace, no process."""
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import cases, netns, processes, uml

VICTIM = '''
import sys, time
sys.path.insert(0, {folder!r})
from lib import netns, processes, uml
processes.install()
a = netns.Namespace('victim')
a.add_tap('tap0')
child = a.start(['sleep', '1000'], {log!r})
pids = [child.pid]
if {kernel}:
    kernel = uml.Uml(a, 'tap0', ['10.9.0.2/24'], {folder_of_log!r})
    pids.append(kernel._process.pid)
print(a.name, *pids, flush=True)
time.sleep(1000)
'''


def exists(pid):
    try:
        state = pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0]
    except OSError:
        return False
    return state != 'Z'


def group_members(group):
    """Living processes of a process group: user-mode Linux has several."""
    found = []
    for path in pathlib.Path('/proc').glob('[0-9]*/stat'):
        try:
            fields = path.read_text().rsplit(')', 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != 'Z':
            found.append(int(path.parent.name))
    return found


def end_victim(t, number, kernel):
    folder = pathlib.Path(__file__).resolve().parent
    code = VICTIM.format(folder=str(folder), log=str(t.log('sleep.log')), kernel=kernel,
                         folder_of_log=str(t.folder))
    victim = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True)
    try:
        name, *pids = victim.stdout.readline().split()
        assert pathlib.Path('/run/netns', name).exists() and all(exists(pid) for pid in pids)
        victim.send_signal(number)
        victim.wait(20)
    finally:
        victim.kill()
        victim.stdout.close()
    deadline = time.monotonic() + 5
    left = pids
    while left and time.monotonic() < deadline:
        left = [m for pid in pids for m in group_members(int(pid))]
        time.sleep(0.02)
    assert not left, f'still there: {left}'
    return name


def case_sigterm_removes_all(t):
    name = end_victim(t, signal.SIGTERM, kernel=False)
    assert not pathlib.Path('/run/netns', name).exists(), 'the namespace stays'


def case_sigkill_ends_children_and_sweep_does_the_rest(t):
    name = end_victim(t, signal.SIGKILL, kernel=False)
    netns.sweep()
    assert not pathlib.Path('/run/netns', name).exists(), 'the namespace stays'


def kernel_ends_with(t, number):
    if uml.missing():
        raise cases.Skip(uml.missing())
    end_victim(t, number, kernel=True)
    netns.sweep()


def case_kernel_ends_with_sigterm(t):
    kernel_ends_with(t, signal.SIGTERM)


def case_kernel_ends_with_sigkill(t):
    kernel_ends_with(t, signal.SIGKILL)


def case_sweep_leaves_the_living_alone(t):
    mine = netns.Namespace('mine')
    netns.sweep()
    assert pathlib.Path('/run/netns', mine.name).exists(), 'a living test lost its namespace'
    mine.remove()
    assert not pathlib.Path('/run/netns', mine.name).exists()


def case_failed_expect_names_the_log(t):
    child = processes.Process(['sh', '-c', 'echo hello'], t.log('sh.log'))
    cases.check_equal(child.expect('hel'), 'hello', 'line')
    try:
        child.expect('other', 5)
    except processes.TimeOut as error:
        assert 'sh.log' in str(error), error
        return
    raise AssertionError('expect found what was never said')


if __name__ == '__main__':
    cases.main(__doc__, [value for name, value in list(globals().items())
                         if name.startswith('case_')], needs=netns.missing)
