#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Programs under trunkline-run, against the fake daemon: and between two
real stacks: preload_test.py RUN DAEMON STATIC_PROGRAM TWO_DAEMONS."""
import os
import struct
import subprocess
import sys
import tempfile
import unittest

RUN, DAEMON, STATIC, TWO = sys.argv[1:5]

ECHO = """
import os, select, socket, sys
sctp = socket.IPPROTO_SCTP
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, sctp)
server.bind(('127.0.0.1', 6000))
server.listen(5)
if os.fork() == 0:
    peer, name = server.accept()
    while data := peer.recv(65536):
        peer.sendall(data.upper())
    peer.close()
    os._exit(0)
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, sctp)
client.connect(('127.0.0.1', 6000))
assert client.getpeername() == ('127.0.0.1', 6000), client.getpeername()
for n in 1, 100, 5000:
    client.sendall(b'x' * n)
    assert client.recv(65536) == b'X' * n
assert select.select([client], [client], [], 0) == ([], [client], [])
client.shutdown(socket.SHUT_WR)
assert client.recv(10) == b''
os.wait()
print('echoed')
"""

ASYNC = """
import asyncio, socket
async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(line[::-1].strip() + b'\\n')
    writer.close()
async def main():
    def make():
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
    listener = make()
    listener.bind(('127.0.0.1', 6000))
    listener.setblocking(False)
    server = await asyncio.start_server(serve, sock=listener)
    sock = make()
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ('127.0.0.1', 6000))
    reader, writer = await asyncio.open_connection(sock=sock)
    for word in b'one', b'two', b'three':
        writer.write(word + b'\\n')
        assert await reader.readline() == word[::-1] + b'\\n'
    print('reversed')
asyncio.run(main())
"""

# The descriptor is a socket of ours in another program, too.
EXEC = """
import os, socket, subprocess, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
sock.bind(('127.0.0.1', 6000))
sock.set_inheritable(True)
code = ("import socket; s = socket.socket(fileno=%d); print(s.getsockname(), s.proto)" % sock.fileno())
print(subprocess.run([sys.executable, '-c', code], pass_fds=[sock.fileno()],
                     capture_output=True, text=True, check=True).stdout.strip())
"""

# A descriptor that comes over a UNIX socket, too; the one that passed it on may close it.
PASS = """
import os, socket
sctp = socket.IPPROTO_SCTP
ours, theirs = socket.socketpair()
if os.fork() == 0:
    ours.close()
    _, fds, _, _ = socket.recv_fds(theirs, 10, 1)
    got = socket.socket(fileno=fds[0])
    print(got.getsockname(), flush=True)
    os._exit(0)
sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, sctp)
sock.bind(('127.0.0.1', 6000))
socket.send_fds(ours, [b'x'], [sock.fileno()])
sock.close()
os.wait()
"""

STDIO = """
import ctypes, socket
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
server.bind(('127.0.0.1', 6000))
server.listen(5)
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
client.connect(('127.0.0.1', 6000))
peer, _ = server.accept()
stream = ctypes.c_void_p(libc.fdopen(client.detach(), b'w'))
libc.fputs(b'by stdio', stream)
libc.fclose(stream)
assert peer.recv(100) == b'by stdio'
assert peer.recv(100) == b''
print('written')
"""

# Names that compilers write, and those that nobody writes.
NAMES = """
import ctypes, errno, os, signal, socket
libc = ctypes.CDLL(None, use_errno=True)
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
server.bind(('127.0.0.1', 6000))
server.listen(5)
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
client.connect(('127.0.0.1', 6000))
peer, _ = server.accept()
fd = peer.fileno()
data = ctypes.create_string_buffer(16)
name, length = ctypes.create_string_buffer(16), ctypes.c_uint(16)
for read in (lambda: libc.__read_chk(fd, data, 16, 16), lambda: libc.__recv_chk(fd, data, 16, 16, 0),
             lambda: libc.__recvfrom_chk(fd, data, 16, 16, 0, name, ctypes.byref(length))):
    client.send(b'four')
    assert read() == 4 and data.raw[:4] == b'four'
# At the current position, which is what a socket has; other positions are libc's to refuse.
part = (ctypes.c_void_p * 2)(ctypes.addressof(data), 4)
for read, write in ((libc.preadv2, libc.pwritev2), (libc.preadv64v2, libc.pwritev64v2)):
    client.send(b'four')
    assert read(fd, part, 1, ctypes.c_int64(-1), 0) == 4 and data.raw[:4] == b'four'
    assert read(fd, part, 1, ctypes.c_int64(-1), os.RWF_NOWAIT) == -1
    assert ctypes.get_errno() == errno.EAGAIN
    assert write(fd, part, 1, ctypes.c_int64(-1), 0) == 4 and client.recv(16) == b'four'
    assert write(fd, part, 1, ctypes.c_int64(0), 0) == -1 and ctypes.get_errno() == errno.ESPIPE
    assert read(fd, part, 1, ctypes.c_int64(0), 0) == -1 and ctypes.get_errno() == errno.ESPIPE
for call in (lambda at: libc.pread(fd, data, 4, at), lambda at: libc.pread64(fd, data, 4, at),
             lambda at: libc.pwrite(fd, data, 4, at), lambda at: libc.pwrite64(fd, data, 4, at),
             lambda at: libc.preadv(fd, part, 1, at), lambda at: libc.preadv64(fd, part, 1, at),
             lambda at: libc.pwritev(fd, part, 1, at), lambda at: libc.pwritev64(fd, part, 1, at),
             lambda at: libc.__pread_chk(fd, data, 4, at, 16)):
    for at, error in ((0, errno.ESPIPE), (-1, errno.EINVAL)):
        assert call(ctypes.c_int64(at)) == -1 and ctypes.get_errno() == error
what = (ctypes.c_int * 2)(fd, 4)  # struct pollfd: POLLOUT
assert libc.__poll_chk(what, 1, 0, 8) == 1
what[1] = 4
assert libc.__ppoll_chk(what, 1, None, None, 8) == 1
child = os.fork()
if child == 0:
    signal.signal(signal.SIGABRT, signal.SIG_DFL)
    libc.__read_chk(fd, data, 17, 16)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGABRT
source, sink = os.pipe()
for call in (lambda: libc.sendfile64(fd, source, None, 4), lambda: libc.sendfile(fd, source, None, 4),
             lambda: libc.splice(source, None, fd, None, 4, 0)):
    assert call() == -1 and ctypes.get_errno() == errno.EINVAL
os.write(sink, b'pipe')
assert libc.splice(source, None, os.pipe()[1], None, 4, 0) == 4
# What is closed by ranges and by duplicates is closed.
extra = [libc.dup3(fd, 200 + i, os.O_CLOEXEC) for i in range(3)]
assert extra == [200, 201, 202]
assert libc.close_range(200, 201, 0) == 0
client.send(b'more')
assert os.read(202, 16) == b'more'
assert libc.dup2(client.fileno(), 202) == 202
assert libc.close_range(5, 4, 0) == -1
libc.closefrom(202)
assert os.posix_spawn('/bin/true', ['true'], {}) > 0 and os.wait()[1] == 0
assert libc.posix_spawnp(ctypes.byref(ctypes.c_int()), b'true', None, None,
                         (ctypes.c_char_p * 2)(b'true', None), (ctypes.c_char_p * 1)(None)) == 0
os.wait()
assert libc.system(b'true') == 0
libc.popen.restype = ctypes.c_void_p
libc.pclose.argtypes = [ctypes.c_void_p]
assert libc.pclose(libc.popen(b'true', b'r')) == 0
libc.fdopen.restype = ctypes.c_void_p
libc.fgets.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
libc.fileno.argtypes = [ctypes.c_void_p]
client.send(b'line\\n')
stream = libc.fdopen(fd, b'r')
assert libc.fileno(stream) == fd
libc.fgets(data, 16, stream)
assert data.value == b'line\\n'
assert libc.fdopen(source, b'r')
client.close()
assert os.read(fd, 16) == b''
print('all names')
"""

TCP = """
import socket, threading
server = socket.create_server(('127.0.0.1', 6000))
def serve():
    peer, _ = server.accept()
    while data := peer.recv(65536):
        peer.sendall(data)
thread = threading.Thread(target=serve)
thread.start()
client = socket.create_connection(('127.0.0.1', 6000))
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
whole = bytes(range(256)) * 4000
got = b''
sender = threading.Thread(target=lambda: client.sendall(whole))
sender.start()
while len(got) < len(whole):
    got += client.recv(65536)
sender.join()
assert got == whole
client.close()
thread.join()
print('as tcp')
"""

SERVER = """
import socket
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
listener.bind(('10.1.0.2', 7000))
listener.listen(5)
print('listens', flush=True)
peer, name = listener.accept()
assert name[0] == '10.1.0.1', name
while data := peer.recv(65536):
    peer.sendall(data.upper())
"""

CLIENT = """
import socket
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
client.connect(('10.1.0.2', 7000))
for n in 1, 100, 5000, 100000:
    client.sendall(b'x' * n)
    got = b''
    while len(got) < n:
        got += client.recv(65536)
    assert got == b'X' * n
client.close()
print('echoed')
"""


def elf(note=b'', interpreter=False):
    """The smallest ELF file that says this of itself."""
    header = struct.Struct('<16sHHIQQQIHHHHHH')
    segment = struct.Struct('<IIQQQQQQ')
    kinds = [4] + ([3] if interpreter else [])
    at = header.size + segment.size * len(kinds)
    out = header.pack(b'\x7fELF\x02\x01\x01' + bytes(9), 2, 62, 1, 0, header.size, 0, 0, header.size,
                      segment.size, len(kinds), 64, 0, 0)
    for kind in kinds:
        out += segment.pack(kind, 4, at, 0, 0, len(note), len(note), 4)
    return out + note + bytes(64)


class PreloadTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.socket = self.folder.name + '/sockets.sock'
        self.daemon = subprocess.Popen([DAEMON, self.socket], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE)
        self.assertEqual(self.daemon.stdout.readline(), b'ready\n')

    def tearDown(self):
        self.daemon.stdin.close()
        self.daemon.stdout.close()
        self.assertEqual(self.daemon.wait(60), 0)
        self.folder.cleanup()

    def run_it(self, *arguments, code=0, environment=None):
        done = subprocess.run([RUN, *arguments], capture_output=True, text=True, timeout=120,
                              env={**os.environ, 'TRUNKLINE_SOCKET': self.socket,
                                   **(environment or {})})
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def python(self, program, *options):
        return self.run_it(*options, sys.executable, '-c', program)

    def test_a_server_that_forks_and_its_client(self):
        self.assertEqual(self.python(ECHO).stdout, 'echoed\n')

    def test_asyncio(self):
        self.assertEqual(self.python(ASYNC).stdout, 'reversed\n')

    def test_a_descriptor_outlives_exec(self):
        self.assertEqual(self.python(EXEC).stdout, "('127.0.0.1', 6000) 132\n")

    def test_a_descriptor_is_passed_on(self):
        self.assertEqual(self.python(PASS).stdout, "('127.0.0.1', 6000)\n")

    def test_stdio(self):
        self.assertEqual(self.python(STDIO).stdout, 'written\n')

    def test_names_that_compilers_write(self):
        self.assertEqual(self.python(NAMES).stdout, 'all names\n')

    def test_tcp_becomes_sctp(self):
        self.assertEqual(self.python(TCP, '--tcp').stdout, 'as tcp\n')

    def test_trace(self):
        lines = self.python(ECHO, '--trace').stderr.split('\n')
        self.assertTrue(any('socket(2, ' in line and line.endswith(' = 3') for line in lines), lines)
        self.assertTrue(any('] recvfrom(' in line or '] recv(' in line for line in lines), lines)

    def test_without_a_daemon(self):
        done = self.run_it('--socket', self.socket + '.not', sys.executable, '-c',
                           'import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)',
                           code=1)
        self.assertIn('Protocol not supported', done.stderr)

    def test_other_programs_notice_nothing(self):
        done = self.run_it('sh', '-c', 'echo one | tr a-z A-Z; exec 3</dev/null; exec 3<&-; ls / >&2')
        self.assertEqual(done.stdout, 'ONE\n')

    def test_programs_that_can_not_work_are_told(self):
        self.assertIn('statically', self.run_it(STATIC, code=126).stderr)
        program = self.folder.name + '/go'
        with open(program, 'wb') as out:
            out.write(elf(struct.pack('<III', 4, 8, 4) + b'Go\0\0' + bytes(8), interpreter=True))
        os.chmod(program, 0o755)
        self.assertIn('Go', self.run_it(program, code=126).stderr)
        self.assertIn('no such program', self.run_it('no-such-program', code=127).stderr)


class StackTest(unittest.TestCase):
    def test_two_programs_of_two_daemons(self):
        with tempfile.TemporaryDirectory() as folder:
            left, right = folder + '/left.sock', folder + '/right.sock'
            pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE}
            with subprocess.Popen([TWO, left, right], **pipes) as daemons:
                self.assertEqual(daemons.stdout.readline(), b'ready\n')
                with subprocess.Popen([RUN, '--socket', right, sys.executable, '-c', SERVER],
                                      stdout=subprocess.PIPE) as server:
                    self.assertEqual(server.stdout.readline(), b'listens\n')
                    done = subprocess.run([RUN, '--socket', left, sys.executable, '-c', CLIENT],
                                          capture_output=True, text=True, timeout=120)
                    self.assertEqual(done.stdout, 'echoed\n', done.stderr)
                    self.assertEqual(server.wait(60), 0)
                daemons.stdin.close()
                self.assertEqual(daemons.wait(60), 0)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[5:])
