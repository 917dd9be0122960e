#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""trunklined alone: it starts, answers pings on a veth, is seen in its own capture, survives the
death of a memif peer, and leaves nothing behind."""
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import cases, netns, processes
from lib.cases import until
from lib.daemon import WORKERS, Daemon, af_packet_port, check_config, memif_port

KERNEL = ['10.9.0.2/24', 'fd00:9::2/64']
OURS = ['10.9.0.1/24', 'fd00:9::1/64']


def on_veth(t, port=None, **more):
    """A namespace with a veth whose other end the daemon drives, and the daemon."""
    namespace = netns.Namespace('smoke')
    namespace.ip('link', 'add', 'kernel0', 'type', 'veth', 'peer', 'name', 'daemon0')
    for address in KERNEL:
        namespace.ip('addr', 'add', address, 'dev', 'kernel0',
                     *(['nodad'] if ':' in address else []))
    namespace.ip('link', 'set', 'kernel0', 'up')
    namespace.ip('link', 'set', 'daemon0', 'up')
    daemon = Daemon(namespace, t.folder, [af_packet_port('daemon0', OURS, **(port or {}))], **more)
    wait_link(daemon)
    return namespace, daemon


def status(daemon):
    return json.loads(daemon.ctl('status', '--json'))


def counters(daemon):
    return json.loads(daemon.ctl('counters', '--json'))


def wait_link(daemon, state='up'):
    until(lambda: all(port['link'] == state for port in status(daemon)['ports']),
          f'link {state}')


def ping(namespace, address, count=3, size=16):
    """That many echo requests of that many bytes, each answered with the same bytes."""
    ipv6 = ':' in address
    with namespace.inside():
        raw = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_RAW,
                            socket.IPPROTO_ICMPV6 if ipv6 else socket.IPPROTO_ICMP)
    with raw:
        raw.settimeout(5)
        for number in range(count):
            body = struct.pack('!HH', os.getpid() & 0xffff, number) + os.urandom(size)
            words = struct.unpack(f'!{len(body) // 2}H', body)
            total = sum(words) + 0x0800
            total = (total & 0xffff) + (total >> 16)
            total = (total & 0xffff) + (total >> 16)
            head = struct.pack('!BBH', 128 if ipv6 else 8, 0, 0 if ipv6 else ~total & 0xffff)
            raw.sendto(head + body, (address, 0))
            while True:
                answer = raw.recv(4096)
                answer = answer if ipv6 else answer[(answer[0] & 15) * 4:]
                if answer[0] == (129 if ipv6 else 0):
                    break
            cases.check_equal(answer[4:], body, 'what came back')


def case_ping_ipv4_and_ipv6(t):
    namespace, daemon = on_veth(t)
    for address in ('10.9.0.1', 'fd00:9::1'):
        ping(namespace, address)
        ping(namespace, address, size=1400)
    seen = counters(daemon)
    cases.check_equal(seen['net.echo_requests_in'], 12, 'pings counted')
    assert seen['net.arp_requests_in'] >= 1 and seen['net.neighbour_solicits_in'] >= 1, seen
    daemon.stop()


def pester(path, read):
    """Commands without end at a control socket, until the daemon hangs up."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.connect(path)

    def take():
        try:
            while stream.recv(1 << 20):
                pass
        except OSError:
            pass

    def ask():
        try:
            while True:
                stream.sendall(b'{"verb":"counters"}\n' * 100)
        except OSError:
            pass

    for work in [ask, take] if read else [ask]:
        threading.Thread(target=work, daemon=True).start()
    return stream


def case_busy_operators_do_not_keep_it_from_ending(t):
    """Some ask without end, and read the answers or do not: others are served, SIGTERM is heard
    while they go on. A daemon that listened to them first would not end before they do."""
    _, daemon = on_veth(t)
    streams = [pester(daemon.control, read=number % 2 == 0) for number in range(6)]
    time.sleep(0.5)
    status(daemon)
    daemon.stop(timeout=40)
    for stream in streams:
        stream.close()


def case_lost_cores_are_counted(t):
    """Workers that stand still, though they only wait for something to do."""
    _, daemon = on_veth(t)
    before = counters(daemon)['worker.long_gaps']
    daemon.freeze()
    time.sleep(0.1)
    daemon.process.send_signal(signal.SIGCONT)
    until(lambda: counters(daemon)['worker.long_gaps'] >= before + WORKERS, 'a gap of each worker')
    daemon.stop()


def tagged(vlan, ethertype, payload):
    """A broadcast frame from a station that is not there."""
    tag = struct.pack('!HH', 0x8100, vlan) if vlan else b''
    return b'\xff' * 6 + b'\x02\x00\x00\x00\x00\x77' + tag + struct.pack('!H', ethertype) + payload


def case_vlan(t):
    """Frames with the port's tag are answered, with the tag; others are counted drops."""
    namespace, daemon = on_veth(t, port={'vlan': 101})
    capture = daemon.capture(t.log('vlan.pcapng'))
    with namespace.inside():
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        raw.bind(('kernel0', 0))
    arp = struct.pack('!HHBBH', 1, 0x0800, 6, 4, 1) + b'\x02\x00\x00\x00\x00\x77' + \
        bytes([10, 9, 0, 77]) + bytes(6) + bytes([10, 9, 0, 1])
    before = counters(daemon)
    with raw:
        for vlan in (0, 102, 101):
            raw.send(tagged(vlan, 0x0806, arp))
    until(lambda: counters(daemon)['net.arp_requests_in'] == 1, 'the tagged request')
    wrong = counters(daemon)['net.drop_wrong_vlan'] - before['net.drop_wrong_vlan']
    assert wrong >= 2, wrong  # the kernel's own frames may be among them
    path = capture.stop()
    listed = processes.run(['tshark', '-n', '-r', path, '-Y', 'arp.opcode == 2', '-T', 'fields',
                            '-e', 'vlan.id', '-e', 'arp.dst.proto_ipv4'], timeout=30)
    cases.check_equal(listed.split(), ['101', '10.9.0.77'], 'the reply')
    marked = processes.run(['tshark', '-n', '-r', path, '-Y',
                            'frame.comment == "drop_wrong_vlan"'], timeout=30)
    cases.check_equal(len(marked.splitlines()) >= 2, True, 'drops named in the capture')
    daemon.stop()


def case_memif_joins_two_daemons(t):
    namespace = netns.Namespace('memif')
    path = f'/tmp/trunkline-memif-{os.getpid()}.sock'
    # The client first: it must wait for its server.
    client = Daemon(namespace, t.folder, [memif_port(path, 'client', ['10.8.0.2/24'])],
                    label='client')
    time.sleep(0.5)
    cases.check_equal(status(client)['ports'][0]['link'], 'down', 'link without a server')
    server = Daemon(namespace, t.folder, [memif_port(path, 'server', ['10.8.0.1/24'])],
                    label='server')
    for daemon in (client, server):
        wait_link(daemon)
    # Each has heard the other's announcement.
    until(lambda: counters(server)['port.port0.rx_packets'] >= 1, 'announcement')
    client.stop()
    wait_link(server, 'down')
    server.stop()
    assert not os.path.exists(path), 'the memif socket stays behind'


def case_killed_memif_peer(t):
    """Either side dies by SIGKILL; the other lives on and finds it again when it is back."""
    namespace = netns.Namespace('killed')
    path = f'/tmp/trunkline-memif-{os.getpid()}-k.sock'
    make = {'server': lambda n: Daemon(namespace, t.folder,
                                       [memif_port(path, 'server', ['10.8.0.1/24'])],
                                       label=f'server{n}'),
            'client': lambda n: Daemon(namespace, t.folder,
                                       [memif_port(path, 'client', ['10.8.0.2/24'])],
                                       label=f'client{n}')}
    running = {role: start(0) for role, start in make.items()}
    for round_number, victim in enumerate(['client', 'server', 'client', 'server'], 1):
        survivor = running['server' if victim == 'client' else 'client']
        for daemon in running.values():
            wait_link(daemon)
        running[victim].kill()
        wait_link(survivor, 'down')
        assert survivor.alive()
        running[victim] = make[victim](round_number)
    for daemon in running.values():
        wait_link(daemon)
    for daemon in running.values():
        daemon.stop()


def case_capture_read_by_tshark(t):
    namespace, daemon = on_veth(t)
    capture = daemon.capture(t.log('daemon.pcapng'))
    time.sleep(0.3)
    ping(namespace, '10.9.0.1')
    ping(namespace, 'fd00:9::1')
    path = capture.stop()
    fields = processes.run(['tshark', '-n', '-r', path, '-T', 'fields', '-e', 'frame.protocols',
                            '-e', 'frame.packet_flags_direction', '-e', 'frame.interface_name'],
                           timeout=30)
    rows = [line.split('\t') for line in fields.splitlines()]
    echo = [row for row in rows if 'icmp' in row[0]]
    assert len([row for row in echo if row[1].endswith('1')]) >= 6, rows  # inbound
    assert len([row for row in echo if row[1].endswith('2')]) >= 6, rows  # outbound
    cases.check_equal({row[2] for row in rows}, {'port0'}, 'interfaces')
    expert = processes.run(['tshark', '-n', '-r', path, '-q', '-z', 'expert'], timeout=30)
    assert 'Errors' not in expert and 'Malformed' not in expert, expert
    # One that ends by itself, into the daemon's own folder.
    pinging = threading.Thread(target=lambda: (time.sleep(0.5), ping(namespace, '10.9.0.1')))
    pinging.start()
    answer = json.loads(daemon.ctl('capture', '--count', '4', '--port', 'port0', '--json'))
    cases.check_equal(answer['packets'], 4, 'packets of a counted capture')
    listed = processes.run(['tshark', '-n', '-r', answer['file']], timeout=30)
    cases.check_equal(len(listed.splitlines()), 4, 'packets in its file')
    pinging.join()
    daemon.stop()


def case_wrong_trunkctl_calls(t):
    done = subprocess.run([cases.program('dpdk_app/trunkctl'), '--socket', '/tmp/no-such.sock',
                           'status'], capture_output=True, text=True, timeout=10, check=False)
    cases.check_equal((done.returncode, 'no daemon at /tmp/no-such.sock' in done.stderr),
                      (1, True), f'without a daemon: {done.stderr}')
    _, daemon = on_veth(t)
    for words, wanted in ((['assoc', 'show', '0.1.1'], 'there is no association 0.1.1'),
                          (['assoc', 'show', 'x'], 'is not an association'),
                          (['capture', '--port', 'nobody'], 'there is no port "nobody"'),
                          (['capture', '--assoc', '0.9.9'], 'there is no association 0.9.9')):
        done = subprocess.run([cases.program('dpdk_app/trunkctl'), '--socket', daemon.control,
                               *words], capture_output=True, text=True, timeout=10, check=False)
        cases.check_equal((done.returncode, wanted in done.stderr), (1, True),
                          f'{words}: {done.stderr}')
    # The socket itself does not fall over rubbish.
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(5)
        raw.connect(daemon.control)
        raw.sendall(b'rubbish\n[1]\n{"verb":"no-such"}\n{"verb":"status"}\n')
        text = b''
        while text.count(b'\n') < 4:
            text += raw.recv(65536)
        answers = [json.loads(line) for line in text.splitlines()]
        cases.check_equal([answer['ok'] for answer in answers], [False, False, False, True],
                          'answers to rubbish')
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(5)
        raw.connect(daemon.control)
        try:
            for _ in range(64):
                raw.sendall(b'x' * 65536)
            ended = raw.recv(1) == b''
        except (BrokenPipeError, ConnectionResetError):
            ended = True
        assert ended, 'an endless line is accepted'
    daemon.stop()


def case_second_daemon_is_refused(t):
    """The same file prefix or the same sockets: an error that says so, and the first lives on."""
    namespace, daemon = on_veth(t)
    config = json.loads(daemon.config.read_text())
    config['ports'][0]['device'] = 'net_null0'
    other = t.log('other.yaml')
    other.write_text(json.dumps(config))
    second = namespace.start([cases.program('dpdk_app/trunklined'), other], t.log('other.log'))
    cases.check_equal(second.wait(20), 1, 'status with a used file prefix')
    assert any('file_prefix' in line for line in second.lines), second.lines
    config['eal']['file_prefix'] += 'b'
    other.write_text(json.dumps(config))
    third = namespace.start([cases.program('dpdk_app/trunklined'), other], t.log('third.log'))
    cases.check_equal(third.wait(20), 1, 'status with used sockets')
    assert any('another daemon serves this socket' in line for line in third.lines), third.lines
    assert daemon.alive()
    ping(namespace, '10.9.0.1')
    daemon.stop()
    left = list(pathlib.Path('/var/run/dpdk').glob(config['eal']['file_prefix']))
    cases.check_equal(left, [], 'left behind by a failed start')


def case_check_says_what_is_wrong(t):
    good = 'ports:\n- name: a\n  device: net_null0\n  addresses: [10.9.0.1/24]\n'
    cases.check_equal(check_config(good, t.folder)[0], 0, 'status of a good file')
    code, said = check_config(good + 'profils: {}\n', t.folder)
    cases.check_equal(code, 1, 'status of a wrong file')
    assert re.search(r'check\.yaml:5: profils: unknown key; did you mean "profiles"\?', said), said
    for example in sorted((cases.ROOT / 'config').rglob('*.yaml')):
        done = subprocess.run([cases.program('dpdk_app/trunklined'), '--check', example],
                              capture_output=True, text=True, timeout=10, check=False)
        cases.check_equal(done.returncode, 0, f'{example}: {done.stderr}')


def case_device_that_does_not_exist(t):
    namespace = netns.Namespace('nodev')
    daemon = Daemon(namespace, t.folder, [af_packet_port('nothere0', OURS)], wait=False)
    cases.check_equal(daemon.process.wait(20), 1, 'status')
    assert any('DPDK cannot open' in line for line in daemon.process.lines), daemon.process.lines
    cases.check_equal(daemon.runtime_folders(), [], 'left behind')


if __name__ == '__main__':
    cases.main(__doc__, [case_ping_ipv4_and_ipv6, case_vlan, case_memif_joins_two_daemons, case_killed_memif_peer,
                         case_capture_read_by_tshark, case_wrong_trunkctl_calls,
                         case_second_daemon_is_refused,
                         case_busy_operators_do_not_keep_it_from_ending,
                         case_lost_cores_are_counted,
                         case_check_says_what_is_wrong,
                         case_device_that_does_not_exist],
               needs=netns.missing, timeout=90)
