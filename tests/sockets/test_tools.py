#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The differential tester is tested: the comparison, the list of differences, walks and what makes
them smaller, and the driver, on sockets that every machine has."""
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from socketlib import compare, scripts, sides, walks
from socketlib.sides import cases
from lib import processes

KERNEL = ['0 socket as=s -> ok', '0 send s=s -> -1 EPIPE', '0 recv s=s -> 0']
ENTRY = {'where': 'set/one', 'kernel': 'EPIPE$', 'ours': 'ENOTCONN$', 'reason': 'because'}

TCP = '''== tcp watch=select,epoll,edge,oneshot
0 socket as=l proto=tcp
0 bind s=l to=127.0.0.1:0
0 getsockname s=l
0 listen s=l
0 socket as=c proto=tcp
0 connect s=c to=127.0.0.1:@l
0 accept s=l as=a
0 recv s=a id=r
0 send s=c data=hello
0 fork to=1
1 recv s=a id=q
0 send s=c data=again
1 send s=a data=back
0 exec
0 recv s=c len=100
1 recv s=a id=z
1 signal id=z
1 kill
0 close s=a
0 send s=c data=x
0 send s=c data=x
0 bind s=c ptr=wild
0 nonsense s=c
'''


def case_same_lines_are_no_difference(_):
    cases.check_equal(compare.compare('set', {'one': KERNEL}, {'one': list(KERNEL)}, []), [], 'same')


def case_first_difference_of_a_script(_):
    ours = [KERNEL[0], '0 send s=s -> -1 ENOTCONN', '0 recv s=s -> 1']
    found = compare.compare('set', {'one': KERNEL, 'two': KERNEL}, {'one': ours, 'two': KERNEL}, [])
    cases.check_equal([(each.script, each.number) for each in found], [('set/one', 2)], 'found')


def case_known_difference_is_passed_over(_):
    known = [compare.Known(**ENTRY)]
    ours = [KERNEL[0], '0 send s=s -> -1 ENOTCONN', KERNEL[2]]
    cases.check_equal(compare.compare('set', {'one': KERNEL}, {'one': ours}, known), [], 'found')
    cases.check_equal(compare.gone(known, ['set']), [], 'gone')
    found = compare.compare('set', {'two': KERNEL}, {'two': ours}, known)
    cases.check_equal(len(found), 1, 'in another script')


def case_what_follows_from_a_known_difference(_):
    ours = [KERNEL[0], '0 send s=s -> -1 ENOTCONN', '0 recv s=s -> -1 ENOTCONN']
    for ends, expected in ((True, 0), (False, 1)):
        known = [compare.Known(**ENTRY, ends=ends)]
        found = compare.compare('set', {'one': KERNEL}, {'one': ours}, known)
        cases.check_equal(len(found), expected, ends)


def case_listed_and_gone(_):
    known = [compare.Known(**ENTRY)]
    compare.compare('set', {'one': KERNEL}, {'one': list(KERNEL)}, known)
    cases.check_equal(compare.gone(known, ['set']), known, 'gone')
    cases.check_equal(compare.gone(known, ['other']), [], 'not run')


def case_missing_and_additional_lines(_):
    for ours in (KERNEL[:2], [*KERNEL, '  process 0 died'], []):
        cases.check_equal(len(compare.compare('set', {'one': KERNEL}, {'one': ours}, [])), 1, ours)


def case_list_is_well_formed(_):
    compare.load(HERE / 'differences.toml')


def case_walks_repeat(_):
    cases.check_equal(walks.walk(7), walks.walk(7), 'the same seed')
    if walks.walk(7)[1] == walks.walk(8)[1]:
        raise AssertionError('two seeds, one walk')


def case_shrinks_to_what_matters(_):
    steps = [f'step {i}' for i in range(40)]

    def differing(candidates):
        return ['step 7' in cut and 'step 31' in cut for cut in candidates]
    cases.check_equal(walks.shrink(steps, differing, say=lambda _: None), ['step 7', 'step 31'],
                      'smallest')


def case_golden_lines_belong_to_the_scripts(_):
    calls = 0
    for name, some in scripts.sets().items():
        lines = sides.read_lines(HERE / 'golden' / f'{name}.txt')
        cases.check_equal(list(lines), [script for script, _ in some], f'scripts of golden/{name}.txt')
        for script, steps in some:
            told = [line.partition(' -> ')[0] for line in lines[script] if line[0] != ' ']
            differing = [pair for pair in zip(told, steps) if pair[0] != pair[1]][:1]
            cases.check_equal((differing, len(told)), ([], len(steps)), f'calls of {name}/{script}')
            calls += len(steps)
    if calls < 3000:
        raise AssertionError(f'only {calls} calls')
    print(f'  {calls} calls')


def case_driver_runs_tcp(t):
    script = t.log('tcp.script')
    script.write_text(TCP)
    process = processes.Process([cases.program(sides.DRIVER), '--output', t.log('tcp.lines'), script],
                                t.log('driver.log'))
    cases.check_equal(process.wait(30), 0, 'status')
    (lines,) = sides.read_lines(t.log('tcp.lines')).values()
    text = '\n'.join(lines)
    for wanted in ('getsockname s=l -> 0 127.0.0.1:p1:16', 'connect s=c to=127.0.0.1:@l -> 0 ; l=I',
                   'l.select=r--', 'l.edge=I', 'recv s=a id=r -> blocks', '  ended r -> 5 "hello"',
                   'fork to=1 -> child', '  ended q -> 5 "again"', 'exec -> kept l c a',
                   'recv s=c len=100 -> 4 "back"', '  ended z -> -1 EINTR', '1 kill -> killed',
                   'close s=a -> 0 ; c=IOR', 'send s=c data=x -> -1 EPIPE SIGPIPE',
                   'ptr=wild -> -1 EFAULT', 'nonsense s=c -> no such call'):
        if wanted not in text:
            raise AssertionError(f'no {wanted!r} in {t.log("tcp.lines")}')


def case_docs_name_every_option(_):
    root = HERE.parents[1]
    section = (root / 'docs/sockets.md').read_text().partition('## Options')[2].partition('\n## ')[0]
    named = set(re.findall(r'`([A-Z][A-Z0-9_]+)`', section.partition('| --- |')[2]))
    sources = ''.join(path.read_text() for path in (root / 'dpdk_app/sockets').glob('*.cpp'))
    tables = re.findall(r'OptionEntry\{\s*SCTP_(\w+)|flag<[^>]*>\(SCTP_(\w+)', sources)
    entries = {name for pair in tables for name in pair if name}
    cases.check_equal(sorted(entries - named), [], 'in the tables of options, and not in the docs')
    if len(entries) < 50:
        raise AssertionError(f'only {len(entries)} options are found')
    unknown = [name for name in sorted(named) if not re.search(rf'\bSCTP_{name}\b', sources)]
    cases.check_equal(unknown, [], 'in the docs, and not in the daemon')


if __name__ == '__main__':
    cases.main(__doc__, [
        case_same_lines_are_no_difference, case_first_difference_of_a_script,
        case_known_difference_is_passed_over, case_listed_and_gone,
        case_missing_and_additional_lines, case_list_is_well_formed, case_walks_repeat,
        case_shrinks_to_what_matters, case_golden_lines_belong_to_the_scripts,
        case_driver_runs_tcp, case_docs_name_every_option])
