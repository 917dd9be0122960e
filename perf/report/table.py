# SPDX-License-Identifier: BSD-3-Clause
"""Rows as text: for a terminal, and for a page."""


def human(value):
    """Three or four digits that a person reads: 1.234 M, 87.1 k, 0.053, 12."""
    if value is None:
        return ''
    size = abs(value)
    for limit, unit in ((1e9, ' G'), (1e6, ' M'), (1e4, ' k')):
        if size >= limit:
            return f'{value / (1e3 if unit == " k" else limit):.4g}{unit}'
    return f'{value:.4g}'


def percent(value):
    return f'{100 * value:.1f} %'


HEADINGS = ('case', 'metric', 'unit', 'n', 'median', 'spread', 'min', 'max', 'peer', "peer's median",
            'ratio')


def cells(row):
    return (row['case'], row['metric'].replace('_', ' '), row['unit'], str(row['n']),
            human(row['median']), percent(row['spread']), human(row['min']), human(row['max']),
            row['peer'] or '', human(row['peer_median']),
            f'{row["ratio"]:.3g}' if row['ratio'] is not None else '')


def aligned(heads, lines, left=1):
    """Columns as wide as they need; the first `left` to the left, the others to the right."""
    widths = [max(len(line[i]) for line in [heads, *lines]) for i in range(len(heads))]

    def text(line):
        return '  '.join(word.ljust(width) if i < left else word.rjust(width)
                         for i, (word, width) in enumerate(zip(line, widths))).rstrip()
    return '\n'.join([text(heads), '  '.join('-' * width for width in widths),
                      *(text(line) for line in lines)])


def terminal(rows):
    return aligned(HEADINGS, [cells(row) for row in rows], left=3)


def markdown(heads, lines, left=1):
    rule = ['---' if i < left else '---:' for i in range(len(heads))]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in [heads, rule, *lines])


def page(rows):
    return markdown(HEADINGS, [cells(row) for row in rows], left=3)
