#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The differential tester is tested: the comparison, the list of differences, walks and what makes
them smaller, and the driver, on sockets that every machine has."""
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from socketlib import compare, judge, scripts, sides, walks
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


def case_what_must_have_been_before(_):
    ours = [*KERNEL[:1], '0 send s=s -> -1 ENOTCONN', *KERNEL[2:]]
    for after, expected in (('socket as=s', 0), ('recv', 1)):
        found = compare.compare('set', {'one': KERNEL}, {'one': ours}, [compare.Known(**ENTRY, after=after)])
        cases.check_equal(len(found), expected, after)


def case_addresses_that_sources_explain(_):
    several = ['0 bind s=s to=127.0.0.3:A -> 0', '0 bindx s=s to=127.0.0.2:A -> 0']
    first = [*several, '0 bindx s=s to=127.0.0.1:A -> 0']
    every = ['0 bind s=s to=0.0.0.0:A -> 0']
    begun = ['0 socket as=c -> ok ; c=-', '0 connect s=c to=127.0.0.2:A -> 0 ; s=I c=O']
    other = '0 bindx s=t to=127.0.0.1:A -> 0'
    refused = ['0 bindx s=s to=127.0.0.1:A -> -1 EINVAL']
    known = [compare.Known('set/one', 'because', 'getsockname', besides=r' \d\S*(?=:)', source=True)]
    for before, kernel, ours, explained in (
            ([*several, *begun], '127.0.0.3:A', '127.0.0.2:A', True),
            ([*first, *begun], '127.0.0.1:A', '127.0.0.2:A', True),
            ([*every, *begun], '127.0.0.1:A', '0.0.0.0:A', True),
            ([*several, other, *begun], '127.0.0.3:A', '127.0.0.2:A', True),
            ([*several, other, *begun], '127.0.0.1:A', '127.0.0.4:A', False),
            ([*first, *begun], '127.0.0.3:A', '127.0.0.2:A', False),     # not what it would prefer
            ([*several, *refused, *begun], '127.0.0.1:A', '127.0.0.2:A', False),
            ([*several, *begun], '127.0.0.3:A', '127.0.0.1:A', False),   # bound to no such address
            (several, '127.0.0.3:A', '127.0.0.2:A', False),              # has no association
            ([*several, *begun], '127.0.0.3:A', '127.0.0.2:B', False),
            (begun, '127.0.0.1:A', '127.0.0.2:A', False)):
        theirs, own = ([*before, f'0 getsockname s=s -> 0 {name}:16'] for name in (kernel, ours))
        found = compare.compare('set', {'one': theirs}, {'one': own}, known)
        cases.check_equal(not found, explained, f'{before}: {kernel}, {ours}')


def case_list_is_well_formed(_):
    compare.load(HERE / 'differences.toml')


def case_walks_repeat(_):
    cases.check_equal(walks.walk(7), walks.walk(7), 'the same seed')
    if walks.walk(7)[1] == walks.walk(8)[1]:
        raise AssertionError('two seeds, one walk')


def case_walks_go_where_they_should(_):
    some = [walks.walk(seed)[1] for seed in range(1, 201)]
    many = sum(any('type=seqpacket' in step for step in steps) for steps in some)
    cases.check_equal(90 <= many <= 110, True, f'{many} of 200 walks have one-to-many sockets')
    text = '\n'.join(step for steps in some for step in steps)
    for wanted in ('bindx', 'connectx', '127.0.0.3', 'fork', 'exec', '=wild', 'peeloff', 'collect', 'assocs',
                   'AUTOCLOSE', 'init.ostreams', 'sctp_sendv', 'sndinfo.flags=512', 'sndinfo.flags=64',
                   'assoc=@s1/s2', 'assoc=2', 'opt=EVENT type'):
        if wanted not in text:
            raise AssertionError(f'no {wanted} in 200 walks')


def case_what_is_not_compared_of_walks(_):
    up, end, data = ('(20 ASSOC_CHANGE{flags=0 state=%d out=0 assoc=%s} MORE)' % (0, 'a1'),
                     '(20 ASSOC_CHANGE{flags=0 state=3 out=0 assoc=a1} MORE)', '(1 "x" SNDRCV{tsn=t1 assoc=a1})')
    anew = up.replace('a1', 'a2')
    def line(*some):
        return judge.comparable([f'0 collect s=m -> [ {" ".join(some)} ] then EAGAIN'])
    cases.check_equal(line(up, data, end, anew), line(up, anew, data, end), 'one association after the other')
    lost = '(20 ASSOC_CHANGE{flags=0 state=4 out=0 assoc=0} MORE)'
    cases.check_equal(line(up, lost, data), line(up, data, lost), 'one association, and one that was refused')
    cases.check_equal(line(up, data, end) == line(up, end, data), False, 'the order of one association')
    cases.check_equal(line(data, end, lost), line(data, lost, end), 'one that ends, and one that was refused')
    cases.check_equal(line(data, end, anew), line(data, anew, end), 'one that ends, and the next one')
    cases.check_equal(line(data, end, anew) == line(end, data, anew), False, 'the order of each of two')
    cut, whole = ('(%d ASSOC_CHANGE{flags=0 length=%d state=1 assoc=a2}+"%s"..%d#ab MORE)' % some
                  for some in ((536, 536, 'x', 516), (1024, 1024, 'y', 1004)))
    theirs, ours = (re.findall(r'state=\d', line(*some)[0]) for some in ((whole, up), (up, cut)))
    cases.check_equal(theirs, ours, 'the place of an abort with a reason')
    bare = '(1 "x" 127.0.0.1:A:16) (1 "y" 127.0.0.1:A:16)', '(1 "y" 127.0.0.1:A:16) (1 "x" 127.0.0.1:A:16)'
    anonymous = [[f'0 {call} s=m -> 0', f'0 collect s=m -> [ {some} ] then EAGAIN'] for some in bare
                 for call in ('listen', 'shutdown')]
    one, ended_one, other, ended_other = map(judge.comparable, anonymous)
    cases.check_equal((one == other, ended_one == ended_other), (False, True), 'messages that name no association')
    groups = '[ %s ]  [ (1 "y" 127.0.0.1:B:16) ]' % data, '[ (1 "y" 127.0.0.2:B:16) ]  [ %s ]' % data
    theirs, ours = (judge.comparable([f'0 collect s=m -> {some} then EAGAIN']) for some in groups)
    cases.check_equal(theirs, [each.replace('127.0.0.2', '127.0.0.1') for each in ours], 'the order of peers')
    refused = '0 recvmsg s=m -> 20 ASSOC_CHANGE{flags=0 state=4 out=0 assoc=%s}'
    cases.check_equal(judge.comparable([refused % 'a3']), judge.comparable([refused % '0']), 'refused')


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
        case_known_difference_is_passed_over, case_what_follows_from_a_known_difference, case_listed_and_gone,
        case_missing_and_additional_lines, case_addresses_that_sources_explain, case_list_is_well_formed, case_walks_repeat,
        case_walks_go_where_they_should, case_what_is_not_compared_of_walks, case_shrinks_to_what_matters, case_golden_lines_belong_to_the_scripts,
        case_driver_runs_tcp, case_docs_name_every_option])
