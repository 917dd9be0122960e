# SPDX-License-Identifier: BSD-3-Clause
"""Puts a run's figures into docs/performance.md, between its markers:
<!-- bench:NAME --> ... <!-- /bench:NAME -->, NAME being bar, plots, machine or
figures."""
import re

from . import bars, table


def between(text, name, body):
    """`text` with `body` between the markers of that name. KeyError when they are not there."""
    pattern = re.compile(rf'(<!-- bench:{name} -->\n).*?(<!-- /bench:{name} -->)', re.S)
    if not pattern.search(text):
        raise KeyError(f'no markers <!-- bench:{name} --> and <!-- /bench:{name} -->')
    return pattern.sub(lambda found: found[1] + body.rstrip('\n') + '\n' + found[2], text)


def machine_lines(facts):
    lines = [[name, str(value)] for name, value in facts['machine'].items() if name != 'build']
    lines += [['command', f'`{facts["command"].strip()}`'], ['date', facts['date']],
              ['machine was', facts['quiet']],
              ['load average before', ' '.join(str(value) for value in facts['load_average'])],
              ['took', f'{facts["seconds"]} s']]
    return table.markdown(('', ''), lines, left=2)


def picture_lines(path):
    """Every plot that lies in the folder named like the page."""
    folder = path.with_suffix('')
    return '\n\n'.join(f'![{image.stem.replace("-", " ")}]({folder.name}/{image.name})'
                       for image in sorted(folder.glob('*.svg')))


def inside(text, name):
    """What stands between the markers of that name."""
    return re.search(rf'<!-- bench:{name} -->\n(.*?)<!-- /bench:{name} -->', text, re.S)[1]


def cells_of(markdown):
    """The lines of a table, without its headings, as words."""
    lines = [line for line in markdown.splitlines() if line.startswith('|')][2:]
    return [[word.strip() for word in line.strip('|').split(' | ')] for line in lines]


def whole_names(lines):
    """Each line by the name of its case; \'the same\' of what stands above."""
    head, out = '', {}
    for line in lines:
        if not line[0].startswith('the same'):
            head = line[0]
        out[head, line[0]] = line
    return out


def kept(before, verdicts):
    """The verdicts, with what stood there where a part of the cases was not measured."""
    known = whole_names(cells_of(before))
    return [known.get(key, line) if line[3] == '' else line
            for key, line in whole_names(verdicts).items()]


def counts(rows, facts):
    """The cases count/...: a line each, the peers beside it."""
    found = {}
    for row in rows:
        if row['case'].startswith('count/'):
            found.setdefault(row['case'], []).append(row)
    peers = sorted({row['peer'] for each in found.values() for row in each if row['peer']})
    heads = ['case', 'a message, or a round trip', 'a packet with DATA']
    for peer in peers:
        heads += [peer, 'ratio']
    lines = []
    for case, each in found.items():
        metrics = {row['metric']: row for row in each}
        packet = metrics.pop('instructions_per_packet', None)
        if not metrics:
            continue
        (metric, first), = metrics.items()
        trip = ', a round trip' if metric.endswith('round_trip') else ''
        line = [f'`{case}`{trip}', f'{first["median"]:,.0f}',
                f'{packet["median"]:,.0f}' if packet else '']
        for peer in peers:
            row = next((row for row in each if row['peer'] == peer), None)
            line += [f'{row["peer_median"]:,.0f}', f'{row["peer_median"] / row["median"]:.1f}'] \
                if row else ['', '']
        lines.append(line)
    return table.markdown(heads, lines) + f'\n\n`{facts["command"].strip()}`, {facts["date"][:10]}.'


def write(path, rows, verdicts, facts, partial=False):
    """`partial`: some cases alone, and what else stands there stays."""
    text = path.read_text(encoding='utf-8')
    if partial:
        verdicts = kept(inside(text, 'bar'), verdicts)
    text = between(text, 'bar', table.markdown(bars.HEADINGS, verdicts))
    if any(row['case'].startswith('count/') for row in rows):
        text = between(text, 'counts', counts(rows, facts))
    if not partial:
        text = between(text, 'plots', picture_lines(path))
        text = between(text, 'machine', machine_lines(facts))
        text = between(text, 'figures', table.page(rows))
    path.write_text(text, encoding='utf-8')
