#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Programs in containers that have nothing of the daemon but its socket."""
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from socketlib import programs, sides
from socketlib.sides import cases, netns
from lib import processes
from lib.daemon import Daemon, af_packet_port, merge


class Container:
    """A place for programs, as those of socketlib/programs.py are."""

    def __init__(self, folder, mounted):
        self.folder = folder
        self.mounted = mounted
        self.root = folder / 'root'
        self.root.mkdir(parents=True)
        self.tools = folder / 'tools'
        self.tools.mkdir()
        for name in ('trunkline-run', 'libtrunkline-preload.so'):
            shutil.copy(cases.program(f'sockets/{name}'), self.tools)
        self.count = 0

    def start(self, words):
        self.count += 1
        return processes.Process(
            [HERE / 'programs/in_container.sh', self.root, self.mounted, self.tools, *words],
            self.folder / f'program-{self.count}.log')


def start_daemon(t, namespace, path=None, label='daemon'):
    changes = merge(sides.CHANGES, {'sockets': {'socket': str(path)}} if path else {})
    return Daemon(namespace, t.folder, [af_packet_port('v0', [sides.ADDRESS])], changes, label=label)


def echo(server_place, client_place, word):
    """socat's child is the program itself, to whom the socket is passed on."""
    programs.need('socat')
    port = programs.new_port()
    server = server_place.start(['socat', '-d', '-d', f'SCTP-LISTEN:{port},reuseaddr',
                                 'EXEC:cat,nofork'])
    server.expect('listening on')
    client = client_place.start(['sh', '-c', f'(echo {word}; sleep 1) | socat - '
                                             f'SCTP-CONNECT:127.0.0.1:{port}'])
    client.expect(word)
    programs.ended(client)
    programs.ended(server)


def case_two_containers(t):
    daemon = start_daemon(t, sides.namespace_with_port('host'))
    places = [Container(t.log(name), daemon.sockets) for name in ('server', 'client')]
    echo(*places, 'hello')
    daemon.stop()


def case_the_folder_is_mounted_and_the_daemon_starts_anew(t):
    """A socket that is mounted itself is the old daemon's; in its folder the new one's is found."""
    namespace = sides.namespace_with_port('host')
    first = start_daemon(t, namespace)
    path = first.folder / 'run' / 'sockets.sock'
    first.stop()
    path.parent.mkdir()
    daemon = start_daemon(t, namespace, path, 'first')
    place = Container(t.log('folder'), path.parent)
    alone = Container(t.log('socket'), path)
    echo(place, alone, 'first')
    daemon.stop()
    daemon = start_daemon(t, namespace, path, 'second')
    echo(place, place, 'second')
    daemon.stop()


if __name__ == '__main__':
    cases.main(__doc__, [case_two_containers, case_the_folder_is_mounted_and_the_daemon_starts_anew],
               needs=lambda: netns.missing() or sides.no_preload())
