#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Fails when a layer names what it must not know.

stack/ is sans-IO: no clock, thread, socket, stdio, exception, DPDK or mutable global, and its
layers include downward only. dpdk_app/ sees the stack's public headers and the ring ABI, nothing
else of the others; client/ sees neither, tools/ its public header alone, sockets/ the ABI alone. --objects LIB... checks
what the compiler made of it: writable data and forbidden calls in the stack's libraries. --without-dpdk
BUILD: a build folder whose programs were made of nothing of DPDK. --self-test plants violations.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SUFFIXES = {'.h', '.cpp', '.c', '.inc'}

# A layer may include those of a lower rank and itself.
RANK = {'base': 0, 'wire': 1, 'timer': 1, 'rx': 2, 'tx': 2, 'path': 2,
        'assoc': 3, 'endpoint': 4, 'shards': 5}
PUBLIC = 'trunkline/stack/'
AREAS = ('stack', 'dpdk_app', 'client', 'sockets', 'tools')
# What both ends of a ring, and of a socket, share.
SEGMENT = ('trunkline/ring_abi.h', 'trunkline/ring_end.h', 'trunkline/socket_abi.h')
SOCKETS_PUBLIC = 'trunkline/sctp.h'

FORBIDDEN_HEADERS = re.compile(
    r'^(rte_\w+\.h|threads?(\.h)?|mutex|shared_mutex|condition_variable|future|semaphore|barrier|'
    r'latch|stop_token|pthread\.h|sched\.h|'
    r'sys/(socket|epoll|eventfd|time|mman|un|uio|ioctl|select)\.h|netinet/.*|arpa/.*|net/.*|'
    r'netdb\.h|poll\.h|unistd\.h|fcntl\.h|signal\.h|csignal|time\.h|ctime|'
    r'stdio\.h|cstdio|iostream|istream|ostream|fstream|sstream|syncstream|print|'
    r'spdlog/.*|fmt/.*|stdexcept|random|filesystem|csetjmp|setjmp\.h)$')

# What the text must not name, and what to call it in the message.
FORBIDDEN_NAMES = [
    ('clock', r'\b(steady_clock|system_clock|high_resolution_clock|clock_gettime|gettimeofday|'
              r'__rdtscp?|_rdtsc|__builtin_ia32_rdtscp?|timespec_get)\b|\btime\s*\(\s*(NULL|nullptr|0|&)'),
    ('thread', r'\bstd::(jthread|thread|mutex|shared_mutex|recursive_mutex|lock_guard|unique_lock|'
               r'scoped_lock|condition_variable|async|this_thread)\b|\bpthread_\w+|\bthread_local\b'
               r'|\b(usleep|nanosleep|sched_yield)\b'),
    ('socket', r'\b(sendto|recvfrom|sendmsg|recvmsg|setsockopt|getsockopt|sockaddr(_\w+)?)\b'
               r'|(?<![\w.>:])(socket|accept|listen|bind|connect)\s*\(\s*(AF_|PF_)'),
    ('stdio', r'\b(f|s|sn|v|vf|vs|vsn)?printf\b|\bstd::(cout|cerr|clog|cin|format|print)\b'
              r'|\bFILE\s*\*|\bf(open|write|read|puts|flush)\s*\(|\bputs\s*\(|\bperror\s*\('),
    ('exception', r'\bthrow\b|\btry\s*\{|\bcatch\s*\(|\bdynamic_cast\b|\btypeid\b'),
    ('DPDK', r'\brte_\w+|\bRTE_\w+'),
    ('environment', r'\bgetenv\b|\bstd::random_device\b|\brand\s*\(\s*\)|\bexit\s*\('),
]
FORBIDDEN_NAMES = [(what, re.compile(pattern)) for what, pattern in FORBIDDEN_NAMES]
# `static` or file-scope `inline` data that is neither const nor a function.
MUTABLE_STATIC = re.compile(
    r'^\s*(?:inline\s+)?(?:static|extern)\s+(?:inline\s+)?(?!.*\b(?:const|constexpr|constinit const)\b)'
    r'[\w:<>,\s*&]+?\w+(?:\s*\[[^\]]*\])?\s*(?:=[^=]|;|\{[^()]*\}\s*;)')

# Undefined symbols that betray IO in the compiled library, whatever the text looked like.
FORBIDDEN_SYMBOLS = re.compile(
    r'^(clock_gettime|gettimeofday|time|nanosleep|usleep|pthread_\w+|socket|sendto|recvfrom|send|recv|'
    r'printf|fprintf|puts|putchar|fputs|fwrite|fopen|fopen64|write|read|__printf_chk|__fprintf_chk|'
    r'__cxa_throw|__cxa_allocate_exception|__tls_get_addr|rte_\w+|_ZNSt6chrono.*clock.*now.*|'
    r'_ZSt4c(out|err|log)|_ZNSt13random_device.*)$')
# Data that may be writable although nobody changes it after start, each with its reason.
ALLOWED_DATA = re.compile(r'^(_GLOBAL_OFFSET_TABLE_|__asan|__ubsan|__sanitizer|\.L|__gcov|DW\.ref\.)')


def strip(text):
    """Blanks comments and the inside of literals, keeping line numbers; includes stay."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|^[ \t]*#[ \t]*include[^\n]*|"(?:\\.|[^"\\\n])*"'
                         r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'", re.S | re.M)

    def blank(match):
        found = match.group(0)
        if found.lstrip().startswith('#'):
            return found
        return '""' + '\n' * found.count('\n') if found[0] in '"\'' else '\n' * found.count('\n')
    return pattern.sub(blank, text)


def includes(code):
    """Yields (line number, quoted?, name) of each #include."""
    for number, line in enumerate(code.split('\n'), 1):
        match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if match:
            yield number, match.group(1) == '"', match.group(2)


def layer_of(path):
    """'rx' for stack/rx/x.h, 'public' for the public headers, None elsewhere."""
    parts = path.parts
    if parts[0] != 'stack':
        return None
    if parts[1] == 'include':
        return 'public'
    return parts[1] if len(parts) > 2 else None


def check_stack_include(path, layer, name):
    """What is wrong with a file of the stack including `name`, or None."""
    if FORBIDDEN_HEADERS.match(name):
        return f'includes <{name}>, which brings IO, threads or a clock'
    if name.startswith(PUBLIC):
        return None
    if name.startswith('trunkline/') or name.startswith(('client/', 'dpdk_app/', '../')):
        return f'includes "{name}", which is outside the stack'
    target = name.split('/')[0] if '/' in name else None
    if target not in RANK:
        return None  # the standard library, ISA-L, OpenSSL, or a neighbour in the same folder
    if layer == 'public':
        return f'is public and includes the private "{name}"'
    if target != layer and RANK[target] >= RANK[layer]:
        return f'includes upward or sideways: {layer} must not know {target} ("{name}")'
    return None


def check_stack_file(path, text):
    layer = layer_of(path)
    if layer != 'public' and layer not in RANK:
        yield 1, f'is in no known layer of the stack ({", ".join(RANK)})'
        return
    code = strip(text)
    for number, _, name in includes(code):
        wrong = check_stack_include(path, layer, name)
        if wrong:
            yield number, wrong
    for number, line in enumerate(code.split('\n'), 1):
        if re.match(r'\s*#\s*include', line):
            continue
        for what, pattern in FORBIDDEN_NAMES:
            match = pattern.search(line)
            if match:
                yield number, f'names a {what}: {match.group(0).strip()}'
        if MUTABLE_STATIC.match(line) and 'static_assert' not in line:
            yield number, f'declares mutable static data: {line.strip()}'


def check_other_file(path, text):
    """dpdk_app/ and client/ see only what DESIGN's layers let them."""
    area = path.parts[0]
    for number, quoted, name in includes(strip(text)):
        first = name.split('/')[0]
        if area == 'dpdk_app':
            if name.startswith('trunkline/') and not name.startswith(PUBLIC) \
                    and name not in SEGMENT:
                yield number, f'includes "{name}": only {PUBLIC}* and {", ".join(SEGMENT)} are for it'
            elif quoted and first in ('stack', 'client') or '../' in name:
                yield number, f'reaches into another part: "{name}"'
            elif quoted and first in RANK and not (ROOT / 'dpdk_app' / name).exists() \
                    and not (ROOT / path.parent / name).exists():
                yield number, f'includes a private header of the stack: "{name}"'
        elif area in ('client', 'tools'):
            if name.startswith(PUBLIC) or first in ('stack', 'dpdk_app') or '../' in name \
                    or re.match(r'rte_\w+\.h$', name):
                yield number, f'includes "{name}": a client knows neither the stack nor DPDK'
            elif (area == 'tools' or path.parts[1] == 'examples') and name in SEGMENT:
                yield number, f'includes "{name}": a program on the ring API needs trunkline.h alone'
        elif area == 'sockets':
            if first in ('stack', 'dpdk_app', 'client') or '../' in name \
                    or re.match(r'rte_\w+\.h$', name) \
                    or name.startswith('trunkline/') and name not in (*SEGMENT, SOCKETS_PUBLIC):
                yield number, f'includes "{name}": {", ".join(SEGMENT)} are for it, and its own files'


def source_files(root):
    for area in AREAS:
        for path in sorted((root / area).rglob('*')):
            if path.suffix in SUFFIXES and path.is_file():
                yield path.relative_to(root)


def check_tree(root):
    """All findings, as lines `file:line: what`."""
    findings = []
    for path in source_files(root):
        text = (root / path).read_text(encoding='utf-8', errors='replace')
        check = check_stack_file if path.parts[0] == 'stack' else check_other_file
        findings += [f'{path}:{number}: {what}' for number, what in check(path, text)]
    return findings


def check_objects(library):
    """Findings in a static library: writable data, calls that the text checks may have missed."""
    nm = subprocess.run(['nm', '--format=sysv', library], capture_output=True, text=True)
    if nm.returncode != 0:
        return [f'{library}: nm failed: {nm.stderr.strip()}']
    findings = []
    member = ''
    for line in nm.stdout.splitlines():
        if line.startswith('Symbols from'):
            member = line[len('Symbols from'):].strip(' :')
        fields = [field.strip() for field in line.split('|')]
        if len(fields) != 7:
            continue
        name, kind, section = fields[0], fields[2], fields[6]
        writable = re.match(r'\.(data|bss|tbss|tdata)\b', section) and '.rel.ro' not in section
        if writable and not ALLOWED_DATA.match(name) and fields[3] in ('OBJECT', 'TLS', 'NOTYPE'):
            findings.append(f'{member}: mutable global: {name} in {section}')
        if kind == 'U' and FORBIDDEN_SYMBOLS.match(name):
            findings.append(f'{member}: calls {name}')
    return findings


def check_without_dpdk(build):
    """What the folder's objects were compiled from and its programs linked with."""
    def ask(tool):
        return subprocess.run(['ninja', '-C', build, '-t', tool], capture_output=True, text=True,
                              check=True).stdout
    headers, commands = ask('deps'), ask('commands')
    findings = [] if '/stack/' in headers else [f'{build}: nothing of the stack was built']
    findings += [f'{build}: includes {name}' for name in
                 sorted(set(re.findall(r'^ +(\S*/rte_\w+\.h)$', headers, re.M)))]
    findings += [f'{build}: links {name}' for name in
                 sorted(set(re.findall(r'\S*(?:-l|/lib)rte_\S+', commands)))]
    return findings


def write_stamp(stamp, depfile):
    """A ninja stamp and the list of what it depends on: files, and folders for new ones."""
    pathlib.Path(stamp).write_text('ok\n')
    inputs = [ROOT / path for path in source_files(ROOT)] + [pathlib.Path(__file__).resolve()]
    for area in AREAS:
        inputs += [ROOT / area] + [p for p in (ROOT / area).rglob('*') if p.is_dir()]
    listed = ' '.join(str(path).replace(' ', '\\ ') for path in inputs)
    pathlib.Path(depfile).write_text(f'{stamp}: {listed}\n')


# (file, content, what the finding must say); None: nothing may be found.
PLANTS = [
    ('stack/base/a.cpp', '#include <chrono>\nauto t = std::chrono::steady_clock::now();', 'clock'),
    ('stack/base/b.cpp', '#include <thread>\n', '<thread>'),
    ('stack/rx/c.cpp', 'void f() { std::mutex m; }', 'thread'),
    ('stack/tx/d.cpp', '#include <sys/socket.h>\n', '<sys/socket.h>'),
    ('stack/tx/e.cpp', 'void f() { printf("x"); }', 'stdio'),
    ('stack/tx/f.cpp', 'void f() { throw 1; }', 'exception'),
    ('stack/wire/g.cpp', '#include <rte_mbuf.h>\n', 'rte_mbuf'),
    ('stack/wire/h.cpp', 'uint64_t f() { return rte_rdtsc(); }', 'DPDK'),
    ('stack/wire/i.cpp', '#include "assoc/association.h"\n', 'upward'),
    ('stack/rx/j.cpp', '#include "tx/send_queue.h"\n', 'sideways'),
    ('stack/tx/j2.cpp', '#include "rx/receiver.h"\n', 'sideways'),
    ('stack/tx/j3.cpp', '#include "path/path_set.h"\n', 'sideways'),
    ('stack/path/j4.cpp', '#include "tx/sender.h"\n', 'sideways'),
    ('stack/rx/j5.cpp', '#include "assoc/association.h"\n', 'upward'),
    ('stack/include/trunkline/stack/k.h', '#include "base/buffer.h"\n', 'private'),
    ('stack/base/l.cpp', 'static int counter = 0;\n', 'mutable static'),
    ('stack/base/m.cpp', 'void f() {\n  static std::vector<int> cache;\n}', 'mutable static'),
    ('stack/base/n.cpp', 'thread_local int x;\n', 'thread'),
    ('stack/odd/o.cpp', 'int f();\n', 'no known layer'),
    ('stack/base/p.cpp', '#include "trunkline/ring_abi.h"\n', 'outside the stack'),
    ('dpdk_app/q.cpp', '#include "assoc/association.h"\n', 'private header'),
    ('dpdk_app/r.cpp', '#include "trunkline/trunkline.h"\n', 'ring_abi'),
    ('client/s.cpp', '#include "trunkline/stack/types.h"\n', 'neither'),
    ('client/t.cpp', '#include <rte_ring.h>\n', 'neither'),
    ('sockets/src/t2.cpp', '#include "trunkline/trunkline.h"\n', 'its own files'),
    ('sockets/src/t3.cpp', '#include "dpdk_app/sockets/news.h"\n', 'its own files'),
    # What must pass.
    ('sockets/src/ok7.cpp', '#include "trunkline/socket_abi.h"\n#include "rings.h"\n', None),
    ('stack/base/ok1.cpp', '// throw printf rte_mbuf std::thread\n/* static int x = 0;\n*/\n', None),
    ('stack/assoc/ok2.cpp', '#include "rx/tsn_tracker.h"\n#include "trunkline/stack/types.h"\n', None),
    ('stack/base/ok3.cpp', 'static constexpr int kX = 1;\nstatic const char* const n = "throw";\n'
                           'static int f(int a);\nstatic int g() { return 1; }\n', None),
    ('stack/base/ok4.cpp', 'int n = 1\'000\'000; // it\'s\nbool connect(int);\nvoid abort(int cause);\n',
     None),
    ('dpdk_app/ok5.cpp', '#include "trunkline/stack/types.h"\n#include "trunkline/ring_abi.h"\n'
                         '#include <rte_mbuf.h>\n', None),
    ('tools/trunkload/u.c', '#include "trunkline/ring_abi.h"\n', 'trunkline.h alone'),
    ('tools/v.c', '#include "stack/tx/sender.h"\n', 'neither'),
    ('client/ok6.cpp', '#include <mutex>\n#include "trunkline/trunkline.h"\n', None),
]


def self_test():
    failures = 0
    for name, content, expected in PLANTS:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True)
            path.write_text(content)
            found = check_tree(pathlib.Path(folder))
        good = any(expected in line for line in found) if expected else not found
        if not good:
            failures += 1
            print(f'self-test: {name}: expected {expected!r}, found {found}')
    failures += self_test_objects()
    print(f'self-test: {len(PLANTS) + 3} plants, {failures} wrong')
    return failures == 0


def self_test_objects():
    failures = 0
    cases = [('int hidden_state = 3;', 'mutable global'),
             ('#include <time.h>\nlong f() { timespec t; clock_gettime(0, &t); return t.tv_sec; }',
              'clock_gettime'),
             ('extern const int kTable[2] = {1, 2}; int f(int i) { return kTable[i]; }', None)]
    for source, expected in cases:
        with tempfile.TemporaryDirectory() as folder:
            base = pathlib.Path(folder)
            (base / 'x.cpp').write_text(source)
            subprocess.run(['g++', '-c', 'x.cpp', '-o', 'x.o'], cwd=base, check=True)
            subprocess.run(['ar', 'rc', 'libx.a', 'x.o'], cwd=base, check=True)
            found = check_objects(str(base / 'libx.a'))
        good = any(expected in line for line in found) if expected else not found
        if not good:
            failures += 1
            print(f'self-test: object of {source!r}: expected {expected!r}, found {found}')
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--self-test', action='store_true', help='planted violations must be found')
    parser.add_argument('--objects', metavar='LIB', nargs='+', help="check the stack's static libraries")
    parser.add_argument('--without-dpdk', metavar='BUILD', help='check a build folder')
    parser.add_argument('--stamp', nargs=2, metavar=('STAMP', 'DEPFILE'), help='for the build')
    options = parser.parse_args()
    if options.self_test:
        return 0 if self_test() else 1
    if options.objects:
        findings = [line for library in options.objects for line in check_objects(library)]
    elif options.without_dpdk:
        findings = check_without_dpdk(options.without_dpdk)
    else:
        findings = check_tree(ROOT)
    for line in findings:
        print(line)
    if findings:
        print(f'check_layers: {len(findings)} violations')
        return 1
    if options.stamp:
        write_stamp(*options.stamp)
    else:
        print('check_layers: ok')
    return 0


if __name__ == '__main__':
    sys.exit(main())
