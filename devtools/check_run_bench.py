#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The benchmark runner is tested: its statistics, what it makes of programs that fail, its pages."""
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / 'perf'))
import run_bench  # noqa: E402  (after the path)
from report import bars, machine, page, plots, programs, stats, table  # noqa: E402

wrong = []


def check(what, got, wanted):
    if got != wanted:
        wrong.append(f'{what}: {got!r}, wanted {wanted!r}')


def sample(role, value, case='bare/stream/100', metric='messages_per_cpu_second', unit='1/s'):
    return {'case': case, 'metric': metric, 'unit': unit, 'role': role, 'value': value}


def statistics_of_samples():
    check('quartiles of one', stats.quartiles([7]), (7, 7))
    check('quartiles of five', stats.quartiles([5, 1, 4, 2, 3]), (2, 4))
    check('quartiles between values', stats.quartiles([1, 2, 3, 4]), (1.75, 3.25))
    check('spread', stats.spread([5, 1, 4, 2, 3]), 2 / 3)
    check('spread of one', stats.spread([5]), 0)
    check('spread around nothing', stats.spread([0, 0, 0]), 0)
    rows = stats.rows([sample('trunkline', 30), sample('usrsctp', 2), sample('trunkline', 10),
                       sample('usrsctp', 4), sample('trunkline', 20), sample('model', 40),
                       sample('model', 80, 'model'), sample('usrsctp', 1, 'sweep')])
    check('rows', [(r['case'], r['n'], r['median'], r['min'], r['max'], r['peer'], r['peer_median'],
                    r['ratio']) for r in rows],
          [('bare/stream/100', 3, 20, 10, 30, 'usrsctp', 3, 20 / 3),
           ('bare/stream/100', 3, 20, 10, 30, 'model', 40, 0.5),
           ('model', 1, 80, 80, 80, None, None, None), ('sweep', 1, 1, 1, 1, None, None, None)])
    check('shape', stats.check_rows(rows), [])
    check('a peer of nothing', stats.rows([sample('trunkline', 1), sample('usrsctp', 0)])[0]['ratio'],
          None)
    check('two metrics', len(stats.rows([sample('trunkline', 1),
                                         sample('trunkline', 1, metric='other')])), 2)
    for what, broken in (('a key too few', {k: v for k, v in rows[0].items() if k != 'n'}),
                         ('median above max', {**rows[0], 'median': 31}),
                         ('not a number', {**rows[0], 'median': None}),
                         ('a peer without figures', {**rows[0], 'peer_median': None})):
        if not stats.check_rows([broken]):
            wrong.append(f'shape: {what} was not seen')
    if not stats.check_rows([rows[0], rows[0]]):
        wrong.append('shape: a row that is there twice was not seen')


def lines_of_programs():
    good = '{"case": "a/b", "metric": "m", "unit": "1/s", "role": "trunkline", "value": 1.5}'
    check('a sample', stats.parse_sample(good)['value'], 1.5)
    for bad in ('', 'hello', '[]', good.replace('1.5', '"1.5"'), good.replace('1.5', 'NaN'),
                good.replace('1.5', 'true'), good.replace('"metric"', '"metrics"'),
                good.replace('"m"', '""'), good.replace('1.5}', '1.5, "more": 1}')):
        try:
            stats.parse_sample(bad)
            wrong.append(f'taken for a sample: {bad}')
        except stats.Malformed:
            pass


PROGRAM = '''#!/bin/sh
case "$*" in *--list*) echo a/b; exit 0;; esac
%s
'''
SAY = 'echo \'{"case": "%s", "metric": "m", "unit": "1/s", "role": "%s", "value": 3}\''
RUNS = (('good', SAY % ('a/b', 'trunkline'), None),
        ('one below its case', SAY % ('a/b/c', 'trunkline'), None),
        ('another case', SAY % ('a/bc', 'trunkline'), 'was asked for'),
        ('ends badly', SAY % ('a/b', 'trunkline') + '; echo lost 3 >&2; exit 1', 'lost 3'),
        ('can not run here', 'echo no root >&2; exit 77', 'no root'),
        ('killed', 'kill -SEGV $$', 'status -11'),
        ('silent', 'true', 'printed nothing'),
        ('chatters', 'echo hello', 'not JSON'),
        ('hangs', 'sleep 60', 'no end'))


def runs_of_programs():
    patience = programs.TIMEOUT['tiny']
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / 'perf' / 'part').mkdir(parents=True)
        path = folder / 'perf' / 'part' / 'bench_try'
        for what, body, complaint in RUNS:
            path.write_text(PROGRAM % body)
            path.chmod(0o755)
            found = [each for each in programs.discover(folder) if each.path == path]
            check(f'{what}: its cases', [each.cases for each in found], [('a/b',)])
            programs.TIMEOUT['tiny'] = 1 if what == 'hangs' else patience
            try:
                samples = programs.run_case(found[0], 'a/b', 'tiny')
                check(what, (len(samples), complaint), (1, None))
            except programs.Failed as why:
                if complaint is None or complaint not in str(why):
                    wrong.append(f'{what}: {why}')
        programs.TIMEOUT['tiny'] = patience
        campaign_goes_on(folder, path)
        if 'not a build folder' not in run_bench.refusal(folder):
            wrong.append('a folder without a build was accepted')


def campaign_goes_on(folder, path):
    """A case that fails is told by name; the others still run, the peer's program as well."""
    path.write_text(PROGRAM.replace('echo a/b', 'echo a/b c/d') %
                    f'case "$*" in *c/d*) {SAY % ("c/d", "trunkline")}; exit 0;; esac; exit 1')
    peer = path.with_name('bench_usrsctp')
    peer.write_text(PROGRAM % (SAY % ('a/b', 'usrsctp')))
    peer.chmod(0o755)
    found = [each for each in programs.discover(folder) if each.path.parent == path.parent]
    options = type('Options', (), {'scale': 'tiny', 'core': None, 'usrsctp': None})
    campaign = run_bench.Campaign(programs.cases_of(found), options)
    said = []
    run_bench.say, saying = said.append, run_bench.say
    campaign.run(3, 600)
    run_bench.say = saying
    check('failures', list(campaign.failures), [('a/b', 'bench_try')])
    check('told once', sum('FAILED: a/b' in line for line in said), 1)
    check('what still ran', sorted(s['case'] + ' ' + s['role'] for s in campaign.samples),
          ['a/b usrsctp'] * 3 + ['c/d trunkline'] * 3)


def whole_page():
    """The page as it is, filled in a copy: all its markers are there, and the plots are named."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / 'performance.md'
        path.write_text((ROOT / 'docs' / 'performance.md').read_text(encoding='utf-8'))
        path.with_suffix('').mkdir()
        (path.with_suffix('') / 'rate-by-size.svg').write_text('')
        rows = stats.rows([sample('trunkline', 4321)])
        facts = {'machine': {'Model name': 'Abacus'}, 'command': './dev bench', 'date': 'today',
                 'quiet': 'quiet', 'load_average': [0.5], 'seconds': 3}
        page.write(path, rows, bars.judge(rows), facts)
        text = path.read_text()
        for word in ('| Abacus |', '| 4321 |', 'not measured',
                     '![rate by size](performance/rate-by-size.svg)'):
            if word not in text:
                wrong.append(f'the page does not say {word}')


def partial_pages():
    """A run of some cases leaves alone what it did not measure."""
    before = table.markdown(bars.HEADINGS, [['one', '1', '', '2', 'reached'], ['the same: two', '', '3', '4', 'aim reached'],
                                            ['three', '5', '', '6', 'BELOW'], ['the same: two', '', '7', '8', 'BELOW']])
    now = [['new', '1', '', '', 'not measured'], ['one', '1', '', '', 'not measured'],
           ['the same: two', '', '3', '9', 'aim reached'], ['three', '5', '', '', 'not measured'],
           ['the same: two', '', '7', '', 'not measured']]
    check('what was not measured stays', [line[3] for line in page.kept(before, now)],
          ['', '2', '9', '6', '8'])
    row = stats.row(('count/x/1', 'instructions_per_message', '1'), [900], 'usrsctp', [9000])
    said = page.counts([row], {'command': './dev bench --counts', 'date': '2001-02-03 04:05 UTC'})
    check('counts', '| `count/x/1` | 900 |  | 9,000 | 10.0 |' in said, True)


def pages():
    partial_pages()
    check('human', [table.human(v) for v in (0, 3, 1234.4, 70700, 668000, 14.71e6, 2.5e9, None)],
          ['0', '3', '1234', '70.7 k', '668 k', '14.71 M', '2.5 G', ''])
    check('numbers in names', [plots.number(text) for text in ('100', '10ms', '200k', '2M', '0.1')],
          [100, 10, 2e5, 2e6, 0.1])
    text = 'a\n<!-- bench:bar -->\nold\n<!-- /bench:bar -->\nb\n'
    once = page.between(text, 'bar', 'new \\1')
    check('between markers', once, text.replace('old', 'new \\1'))
    check('twice', page.between(once, 'bar', 'old'), text)
    try:
        page.between(text, 'machine', '')
        wrong.append('missing markers were not noticed')
    except KeyError:
        pass
    whole_page()
    bar = bars.Bar('x', bars.median('c', 'm'), table.percent, 0.4, 0.6)
    small = bars.Bar('x', bars.median('c', 'm'), table.human, 1024, 512, True)
    aim = bars.Bar('x', bars.median('c', 'm'), table.human, None, 10)
    for judge, value, word in ((bar, 0.3, 'BELOW'), (bar, 0.4, 'reached'), (bar, 0.7, 'aim reached'),
                               (small, 1025, 'BELOW'), (small, 1000, 'reached'),
                               (small, 512, 'aim reached'), (aim, 9, 'below the aim')):
        rows = stats.rows([sample('trunkline', value, 'c', 'm')])
        check(f'verdict of {value}', judge.judge(rows)[-1], word)
    check('nothing measured', {line[-1] for line in bars.judge([])}, {'not measured'})
    check('other people', machine.verdict(0.01)[:5] + machine.verdict(1)[:3], 'quietNOT')


def main():
    statistics_of_samples()
    lines_of_programs()
    runs_of_programs()
    pages()
    print('\n'.join(wrong) or 'check_run_bench: ok')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
