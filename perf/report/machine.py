# SPDX-License-Identifier: BSD-3-Clause
"""What machine this is, and whether anybody else used it meanwhile."""
import os
import re
import resource
import subprocess
import time

QUIET = 0.10  # cores that others may use


def lscpu():
    text = subprocess.run(['lscpu'], capture_output=True, text=True, check=False,
                          env={**os.environ, 'LC_ALL': 'C'}).stdout
    wanted = ('Model name', 'CPU(s)', 'Thread(s) per core', 'Hypervisor vendor', 'L1d cache',
              'L2 cache', 'L3 cache')
    out = {}
    for name in wanted:
        found = re.search(rf'^{re.escape(name)}:\s*(.*)$', text, re.M)
        if found:
            out[name] = found[1]
    flags = re.search(r'^Flags:\s*(.*)$', text, re.M)
    have = flags[1].split() if flags else []
    out['extensions'] = ' '.join(f for f in ('sse4_2', 'avx2', 'avx512f', 'vpclmulqdq', 'sha_ni')
                                 if f in have)
    return out


def version_of(package):
    run = subprocess.run(['dpkg-query', '-W', '-f', '${Version}', package], capture_output=True,
                         text=True, check=False)
    return run.stdout or 'not installed'


def describe(build, usrsctp):
    compiler = subprocess.run(['g++', '-dumpfullversion'], capture_output=True, text=True,
                              check=False).stdout.strip()
    return {**lscpu(), 'kernel': os.uname().release, 'compiler': f'g++ {compiler}',
            'usrsctp': str(usrsctp) if usrsctp else f'libusrsctp2 {version_of("libusrsctp2")}',
            'ISA-L': version_of('libisal2'), 'DPDK': version_of('libdpdk-dev'),
            'build': str(build)}


def busy_seconds():
    """CPU seconds that all cores have worked since the machine began, stolen time included."""
    with open('/proc/stat', encoding='ascii') as stat:
        fields = [int(word) for word in stat.readline().split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / os.sysconf('SC_CLK_TCK')


def own_seconds():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


class Watch:
    """What others use of the machine's cores from here on."""

    def __init__(self):
        self.began = (time.monotonic(), busy_seconds(), own_seconds())

    def others(self):
        """Cores, on average. Processes that were not waited for count as others."""
        wall, busy, own = (now - then for now, then in
                           zip((time.monotonic(), busy_seconds(), own_seconds()), self.began))
        return max(0.0, (busy - own) / wall) if wall > 0 else 0.0


def verdict(others):
    if others <= QUIET:
        return f'quiet: others used {others:.2f} cores'
    return f'NOT quiet: others used {others:.2f} cores; take its figures for hints'
