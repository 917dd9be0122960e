#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The demo, small: it passes; it notices each planted fault; it cleans up after itself; with the
Linux kernel as the peer; what it draws on a terminal."""
import os
import pathlib
import re
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import cases, processes, uml

DEMO = cases.ROOT / 'devtools' / 'demo.py'
LINE = re.compile(r'demo: sent=(\d+) received=(\d+) lost=(\d+) misordered=(\d+) msgs_per_s=(\d+) '
                  r'msgs_per_packet=(\d+\.\d+) p50_us=(\d+) p99_us=(\d+)')


def start(t, *words):
    """The demo with a folder of its own for everything temporary."""
    for name in ('trunkload', 'kernel_echo'):
        cases.program(f'tools/trunkload/{name}')
    temporary = pathlib.Path(f'/tmp/demo-{os.getpid()}')  # sockets need a short path
    temporary.mkdir(exist_ok=True)
    processes.on_end(lambda: temporary.exists() and temporary.rmdir())
    return temporary, processes.Process(
        ['/usr/bin/python3', DEMO, *words], t.log('demo.log'),
        env={'TMPDIR': str(temporary), 'TRUNKLINE_BUILD': str(cases.BUILD)},
        death_signal=signal.SIGTERM)


def check_clean(temporary, demo):
    cases.check_equal(list(temporary.iterdir()), [], 'left in the temporary folder')
    # The demo's daemons name their runtime folders after its process.
    left = [path.name for path in pathlib.Path('/var/run/dpdk').glob(f'*-{demo.pid}-*')]
    cases.check_equal(left, [], 'runtime folders left behind')
    cases.check_equal(descendants_of(temporary), [], 'processes left behind')


def descendants_of(temporary):
    """Processes whose environment names the temporary folder: the demo passes it on to all."""
    found = []
    for path in pathlib.Path('/proc').glob('[0-9]*/environ'):
        try:
            if f'TMPDIR={temporary}'.encode() in path.read_bytes().split(b'\0'):
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def run(t, *words, status=0):
    """Runs the demo to its end; the numbers of its last line, and everything it printed."""
    temporary, demo = start(t, *words)
    cases.check_equal(demo.wait(100), status, f'exit status of the demo; log: {demo.log}')
    check_clean(temporary, demo)
    match = LINE.fullmatch(demo.lines[-1])
    assert match, f'last line: {demo.lines[-1]!r}'
    return [float(number) for number in match.groups()], '\n'.join(demo.lines)


def case_passes(t):
    (sent, received, lost, misordered, rate, per_packet, p50, p99), text = run(
        t, '--messages', 50000)
    assert sent == received >= 50000 and lost == misordered == 0, text
    assert rate > 0 and per_packet > 1 and 0 < p50 <= p99, text
    for word in ('associations', 'packets sent', 'retransmitted chunks', "scheduler's"):
        assert word in text, f'{word} is not in the table'
    assert '\x1b' not in text, 'control characters outside of a terminal'


def case_other_shape(t):
    """Numbers that do not divide, more streams than the profile's own, another seed."""
    (sent, received, *_), text = run(t, '--messages', 20001, '--associations', 7, '--streams', 33,
                                     '--seed', 99)
    assert sent == received == -(-20001 // 462) * 462, text


def fault_case(kind, edge):
    """One message is spoiled at the client's edge; whose side sees it depends on the edge."""
    def case(t):
        (sent, received, lost, misordered, *_), text = run(
            t, '--messages', 20000, f'--{kind}', edge, status=1)
        side = 'server' if edge == 'sender' else 'client'
        wanted = {'corrupt': (0, 1, 0, 'corrupted'), 'drop': (1, 1, 0, 'lost'),
                  'swap': (0, 0, 1, 'misordered')}[kind]
        cases.check_equal((sent - received, lost, misordered), wanted[:3],
                          'missing, lost, misordered')
        assert f'WRONG  {side}: 1 message {wanted[3]}' in text, text
    return f'notices_{kind}_at_{edge}', case


def case_refuses_two_faults(t):
    _, demo = start(t, '--drop', '--swap')
    cases.check_equal(demo.wait(10), 2, 'exit status')
    assert 'one fault at a time' in demo.lines[-1], demo.lines


def case_interrupted(t):
    """Ctrl-C in the middle: four processes end, nothing stays behind."""
    temporary, demo = start(t, '--messages', 1000000000)
    demo.expect('messages/s', 30)
    assert len(descendants_of(temporary)) == 5, 'the demo and four processes'
    demo.send_signal(signal.SIGINT)
    cases.check_equal(demo.wait(20), 130, 'exit status')
    check_clean(temporary, demo)


def case_daemon_dies(t):
    """A daemon that is killed under the demo makes it fail, and say so."""
    temporary, demo = start(t, '--messages', 1000000000)
    demo.expect('messages/s', 30)
    victims = [pid for pid in descendants_of(temporary)
               if b'client-daemon.yaml' in pathlib.Path('/proc', pid, 'cmdline').read_bytes()]
    cases.check_equal(len(victims), 1, 'client daemons')
    os.kill(int(victims[0]), signal.SIGKILL)
    cases.check_equal(demo.wait(90), 1, 'exit status')
    text = '\n'.join(demo.lines)
    for said in ('client: daemon: it is gone', 'client-daemon: ended with status -9'):
        assert f'WRONG  {said}' in text, text
    check_clean(temporary, demo)


def case_on_a_terminal(t):
    """The picture's maker runs the demo on a terminal, and knows everything that it draws with."""
    picture = t.log('demo.svg')
    processes.run(['/usr/bin/python3', cases.ROOT / 'devtools' / 'terminal_svg.py', picture, '--',
                   '/usr/bin/python3', DEMO, '--messages', 6000000], timeout=100,
                  env={'TRUNKLINE_BUILD': str(cases.BUILD)})
    text = picture.read_text(encoding='utf-8')
    for word in ('100%', 'messages/s', 'messages/packet', 'cwnd', 'demo: sent='):
        assert word in text, f'{word} is not in the picture'


def case_kernel(t):
    reason = uml.missing()
    if reason:
        raise cases.Skip(reason)
    (sent, received, lost, misordered, *_), text = run(
        t, '--kernel', '--messages', 8000, '--associations', 4)
    assert sent == received == 8064 and lost == misordered == 0, text
    for word in ('trunkline listens', 'kernel connects', 'trunkline connects', 'kernel listens'):
        assert word in text, f'{word} is not in the table'


def case_kernel_notices_corruption(t):
    reason = uml.missing()
    if reason:
        raise cases.Skip(reason)
    _, text = run(t, '--kernel', '--messages', 4000, '--associations', 2, '--corrupt', status=1)
    assert 'WRONG  kernel connects: 1 message corrupted' in text, text


if __name__ == '__main__':
    cases.main(__doc__, [case_passes, case_other_shape,
                         *[fault_case(kind, edge) for kind in ('corrupt', 'drop', 'swap')
                           for edge in ('sender', 'receiver')],
                         case_refuses_two_faults, case_interrupted, case_daemon_dies,
                         case_on_a_terminal, case_kernel, case_kernel_notices_corruption],
               timeout=120)
