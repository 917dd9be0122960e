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


def write(path, rows, verdicts, facts):
    text = path.read_text(encoding='utf-8')
    text = between(text, 'bar', table.markdown(bars.HEADINGS, verdicts))
    text = between(text, 'plots', picture_lines(path))
    text = between(text, 'machine', machine_lines(facts))
    text = between(text, 'figures', table.page(rows))
    path.write_text(text, encoding='utf-8')
