# SPDX-License-Identifier: BSD-3-Clause
"""Which of its addresses a socket speaks from on loopback, worked out from the lines of a script. The
kernel takes the one that routes prefer, 127.0.0.1, if the socket is bound to it, and else the one that was
bound first; Trunkline takes the one that is written to. An entry of ../differences.toml with `source = true`
explains that much and no more."""
import re

PREFERRED, ALL = '127.0.0.1', '0.0.0.0'
BIND = re.compile(r'\d (bindx?) s=(\w+) to=(\S+) -> 0\b')
BEGIN = re.compile(r'\d (?:connect|connectx|send\w*|sctp_send\w*) s=(\w+) .*?to=(\S+) .*-> (?:\d|blocks|-1 EINPROGRESS)')
NAME = re.compile(r'(\d+\.\d+\.\d+\.\d+):(\w+)')
OWN = re.compile(r'\d (?:bindx?|getsockname) s=(\w+) .*?\d+\.\d+\.\d+\.\d+:(\w+)')


def bound(lines):
    """{port: [hosts of one that was bound to it, in their order]}. A name that only bindx() has is of a socket
    of its own, or another name of the last one."""
    found, last = {}, {}
    for line in lines:
        match = BIND.match(line)
        for host, port in NAME.findall(match[3]) if match else []:
            sets = found.setdefault(port, [])
            of = last.get((match[2], port)) if match[1] == 'bindx' else None
            if of is None:
                if match[1] == 'bindx' and sets:
                    sets.append([*sets[-1], host])
                of = last[match[2], port] = []
                sets.append(of)
            of.append(host)
    return found


def speaks_from(hosts):
    return PREFERRED if PREFERRED in hosts or ALL in hosts else hosts[0]


def has_begun(lines, port):
    """Whether somebody began an association with that port, or from it."""
    ports = {match[1]: match[2] for match in map(OWN.match, lines) if match}
    begun = [match for match in map(BEGIN.match, lines) if match]
    return any(f':{port}' in match[2] or ports.get(match[1]) == port for match in begun)


def explained(before, kernel, ours):
    """`before`: the kernel's lines of the script so far. That all addresses that differ are of sockets with
    several, the kernel's the one that it prefers, ours another one of them."""
    theirs, own = NAME.findall(kernel), NAME.findall(ours)
    if len(theirs) != len(own):
        return False
    sockets = bound(before)

    def is_known(one, other):
        return one == other or one[1] == other[1] and has_begun(before, one[1]) and any(
            one[0] == speaks_from(hosts) and other[0] in hosts for hosts in sockets.get(one[1], []))
    return all(map(is_known, theirs, own))
