#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What an operator sees when others write what is shown, when the daemon stands still, and when a
load generator cannot connect."""
import ctypes
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import cases, netns
from lib.daemon import Daemon, check_config

NULL_PORT = {'name': 'port0', 'device': 'net_null0', 'addresses': ['10.9.0.1/24']}
# What reaches a terminal as a control, however it is encoded, and what is no UTF-8.
NAMES = [b'\x1b[2J\x1b[31mred', b'two\nlines', b'csi \x9b31m', b'\xc2\x9b31m', b'\xff\xfe',
         b'left \xe2\x80\xae right', b'"quote\\', b'plain']


class Options(ctypes.Structure):
    """tl_options."""
    _fields_ = [('name', ctypes.c_char_p), ('rest', ctypes.c_uint32 * 7)]


def attach(daemon, name):
    library = ctypes.CDLL(str(cases.program('client/libtrunkline.so')))
    library.tl_last_error.restype = ctypes.c_char_p
    client = ctypes.c_void_p()
    options = Options(name, (1,))
    error = library.tl_attach(daemon.clients.encode(), ctypes.byref(options), ctypes.byref(client))
    cases.check_equal((error, library.tl_last_error() if error else b''), (0, b''), 'attach')


def run(words, timeout=30):
    return subprocess.run([str(word) for word in words], capture_output=True, check=False,
                          timeout=timeout)


def fit_for_a_terminal(output):
    """Valid UTF-8, and nothing but lines of visible characters."""
    text = output.decode('utf-8')
    hidden = re.findall('[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f]', text)
    cases.check_equal(hidden, [], 'controls in the output')
    return text


def case_names_of_clients_are_escaped(t):
    namespace = netns.Namespace('names')
    daemon = Daemon(namespace, t.folder, [NULL_PORT],
                    changes={'clients': {'limits': {'max_client_memory': '64MiB'}}})
    for name in NAMES:
        attach(daemon, name)
    trunkctl = [cases.program('dpdk_app/trunkctl'), '--socket', daemon.control]
    text = fit_for_a_terminal(run([*trunkctl, 'status']).stdout)
    for shown in ('\\x1b[2J\\x1b[31mred', 'two\\nlines', 'csi \ufffd31m', '\\u009b31m', '\ufffd\ufffd',
                  'left \\u202e right', '"quote\\\\', 'plain'):
        assert f' {shown} ' in text, f'{shown} in {text}'
    output = run([*trunkctl, '--json', 'status']).stdout
    told = json.loads(fit_for_a_terminal(output))
    cases.check_equal([client['name'] for client in told['clients']],
                      [name.decode('utf-8', errors='replace') for name in NAMES], 'names in JSON')
    # The socket itself speaks lines of JSON to any program.
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(5)
        raw.connect(daemon.control)
        raw.sendall(b'{"verb":"status"}\n{"verb":"\x1b\xff\\u009b"}\n')
        answers = b''
        while answers.count(b'\n') < 2:
            answers += raw.recv(65536)
    for line in answers.decode('utf-8').splitlines():
        json.loads(fit_for_a_terminal(line.encode()))
    wrong = run([*trunkctl, 'assoc', 'show', '\x1b[2J'])
    assert '\\x1b[2J' in fit_for_a_terminal(wrong.stderr), wrong.stderr
    daemon.stop()


def case_mistakes_and_log_are_escaped(t):
    config = {'ports': [{**NULL_PORT, 'device': 'no\x1b[2J\nFAKE'}], 'a\x1b\u202e': 1}
    status, said = check_config(json.dumps(config), t.folder)
    cases.check_equal((status, len(said.splitlines())), (1, 3), said)
    fit_for_a_terminal(said.encode())
    # What the daemon logs: a file's own line feed makes no line.
    namespace = netns.Namespace('log')
    port = {**NULL_PORT, 'device': 'net_null0,copy=0,\n2020-01-01 00:00:00.000 error forged\x1b[2J'}
    log = t.log('trunklined.log')
    daemon = Daemon(namespace, t.folder, [port], changes={'logging': {'file': str(log)}}, wait=False)
    daemon.process.wait(20)
    text = log.read_text(encoding='utf-8') if log.exists() else ''
    assert not re.search(r'^2020', text, re.MULTILINE), text
    fit_for_a_terminal(text.encode())


def case_stopped_daemon_is_said(t):
    """trunkctl gives up, with words, whatever it was asked to do; also when nobody accepts it."""
    namespace = netns.Namespace('stopped')
    daemon = Daemon(namespace, t.folder, [NULL_PORT])
    pid = daemon.ask('status')['pid']
    os.kill(pid, signal.SIGSTOP)
    crowd = []
    try:
        trunkctl = [cases.program('dpdk_app/trunkctl'), '--socket', daemon.control]
        for words in (['status'], ['counters', '--watch'], ['capture', '--count', '1']):
            crowd.append(subprocess.Popen([str(word) for word in [*trunkctl, *words]],
                                          stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        started = time.monotonic()
        for process in crowd:
            _, said = process.communicate(timeout=30)
            cases.check_equal((process.returncode, 'does not answer within 10 s' in said.decode()),
                              (1, True), said.decode())
        assert time.monotonic() - started > 8, 'patience'
        waiting = []  # until the queue of those who are not accepted is full
        while True:
            one = socket.socket(socket.AF_UNIX)
            one.setblocking(False)
            waiting.append(one)
            if one.connect_ex(daemon.control) != 0:
                break
        done = run([*trunkctl, 'status'])
        cases.check_equal((done.returncode, b'does not answer within 10 s' in done.stderr),
                          (1, True), done.stderr)
        for one in waiting:
            one.close()
    finally:
        os.kill(pid, signal.SIGCONT)
    daemon.stop()


def case_trunkload_says_why_a_connect_failed(t):
    namespace = netns.Namespace('why')
    daemon = Daemon(namespace, t.folder, [NULL_PORT])
    load = [cases.program('tools/trunkload/trunkload'), '--socket', daemon.clients, '--connect',
            '10.9.0.1', '--duration', '1s']
    for more, wanted in ((['--profile', 'nosuch'], 'no such profile'),
                         (['--port', '4711'], 'refused by the peer')):
        done = run([*load, *more])
        cases.check_equal((done.returncode, wanted in done.stderr.decode()), (3, True), done.stderr)
    daemon.stop()


if __name__ == '__main__':
    cases.main(__doc__, [case_names_of_clients_are_escaped, case_mistakes_and_log_are_escaped,
                         case_stopped_daemon_is_said, case_trunkload_says_why_a_connect_failed],
               needs=netns.missing, timeout=90)
