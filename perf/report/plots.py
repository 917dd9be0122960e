# SPDX-License-Identifier: BSD-3-Clause
"""Rows as pictures, by gnuplot. A plot whose cases were not measured is not drawn."""
import re
import subprocess

from . import stats

OURS, PEER, THIRD, FOURTH = '#1f5fa8', '#9a3b22', '#4a8c3f', '#8a6fb0'
HEAD = '''set terminal svg size 860,400 font "DejaVu Sans,14" background "white" dynamic
set output "{output}"
set border 3 lc rgb "#555555"
set tics nomirror out scale 0.5
set grid y lc rgb "#dddddd" lt 1
set key outside right top Left reverse samplen 2 spacing 1.2
set title "{title}" font ",16"
set xlabel "{xlabel}"
set ylabel "{ylabel}"
{more}
'''


class Line:
    """One curve: points (x, y), or (x, y, low, high)."""

    def __init__(self, title, colour, points, dashed=False):
        self.title, self.colour, self.dashed = title, colour, dashed
        self.points = sorted(points)


def number(text):
    """The number in a part of a case's name: 100, 10ms, 200k, loss-0.1."""
    found = re.search(r'(\d+(?:\.\d+)?)([kM]?)', text)
    return float(found[1]) * {'': 1, 'k': 1e3, 'M': 1e6}[found[2]]


def series(rows, pattern, metric, peer=None):
    """Points of the cases whose whole name matches; the group of the pattern is x. With a peer:
    its medians."""
    points = {}
    for row in rows:
        found = re.fullmatch(pattern, row['case'])
        if not found or row['metric'] != metric:
            continue
        if peer is None:
            points[number(found[1])] = row['median']
        elif row['peer'] == peer:
            points[number(found[1])] = row['peer_median']
    return list(points.items())


def plot_lines(path, data, lines, title, xlabel, ylabel, more=''):
    data.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = []
    for i, line in enumerate(lines):
        file = data / f'{path.stem}-{i}.dat'
        file.write_text(''.join(' '.join(f'{word:.6g}' for word in point) + '\n'
                                for point in line.points), encoding='utf-8')
        dash = ' dt 2' if line.dashed else ''
        parts.append(f'"{file}" using 1:2 with linespoints pt 7 ps 0.6 lw 1.8{dash} '
                     f'lc rgb "{line.colour}" title "{line.title}"')
    script = data / f'{path.stem}.gnuplot'
    script.write_text(HEAD.format(output=path, title=title, xlabel=xlabel, ylabel=ylabel, more=more) + 'plot ' + ', \\\n     '.join(parts) + '\n',
                      encoding='utf-8')
    subprocess.run(['gnuplot', str(script)], check=True)


PER_CPU = 'messages_per_cpu_second'
LOG_BOTH = 'set logscale xy\nset format y "%.0s%c"\nset format x "%.0s%c"'
LOG_X = 'set logscale x\nset format x "%.0s%c"\nset format y "%.1s%c"\nset yrange [0:*]'


def by_size(rows, path, data):
    lines = [Line('Trunkline', OURS, series(rows, r'bare/stream/(\d+)', PER_CPU)),
             Line('usrsctp', PEER, series(rows, r'bare/stream/(\d+)', PER_CPU, 'usrsctp'))]
    if len(lines[0].points) < 2:
        return False
    plot_lines(path, data, [line for line in lines if line.points],
               'One association, one direction, both ends on one core', 'bytes of a message',
               'messages per CPU-second', LOG_BOTH)
    return True


def by_associations(rows, path, data):
    lines = [Line('Trunkline, one message a packet', OURS,
                  series(rows, r'bare/associations/(\d+)', PER_CPU)),
             Line('Trunkline, bursts', THIRD,
                  series(rows, r'bare/bursts/(\d+)', PER_CPU)),
             Line('usrsctp, one message a packet', PEER,
                  series(rows, r'bare/associations/(\d+)', PER_CPU, 'usrsctp')),
             Line('usrsctp, bursts', FOURTH,
                  series(rows, r'bare/bursts/(\d+)', PER_CPU, 'usrsctp'))]
    if len(lines[0].points) < 2:
        return False
    plot_lines(path, data, [line for line in lines if line.points],
               '100-byte messages, associations round robin', 'associations',
               'messages per CPU-second', LOG_BOTH)
    return True


def latency(rows, path, data):
    lines = [Line(name, colour, series(rows, r'e2e/latency/(\w+)', metric))
             for name, metric, colour in (('p50', 'p50', OURS), ('p99', 'p99', THIRD),
                                          ('p99.9', 'p99.9', FOURTH), ('max', 'max', PEER))]
    lines = [line for line in lines if len(line.points) > 1]
    if not lines:
        return False
    plot_lines(path, data, lines, 'Round trip, application to application, over memif',
               'messages a second offered', 'microseconds',
               'set logscale xy\nset format x "%.0s%c"')
    return True


def by_loss(rows, path, data):
    lines = []
    for delay, colour in (('1', THIRD), ('10', OURS), ('50', FOURTH)):
        pattern = rf'link/100/loss-([\d.]+)/delay-{delay}ms'
        lines += [Line(f'Trunkline, {delay} ms', colour, series(rows, pattern, 'goodput')),
                  Line(f'usrsctp, {delay} ms', colour, series(rows, pattern, 'goodput', 'usrsctp'),
                       dashed=True)]
    lines = [line for line in lines if line.points]
    if len(lines) < 4 or min(len(line.points) for line in lines) < 2:
        return False
    plot_lines(path, data, lines, '100-byte messages over a link of 1 Gbit/s that loses packets', 'packets lost, per cent',
               'goodput, bit/s', 'set logscale xy\nset format y "%.0s%c"\nset xrange [0.08:6.5]\n'
               'set xtics ("0.1" 0.1, "1" 1, "5" 5)')
    return True


def by_flood(rows, path, data):
    lines = []
    for case, name, colour, dashed in (
            ('limiter/random', 'limiter on, random sources', OURS, False),
            ('limiter/one-source', 'limiter on, one source', THIRD, False),
            ('no-limiter/random', 'limiter off, random sources', PEER, True),
            ('no-limiter/one-source', 'limiter off, one source', FOURTH, True)):
        points = [(0, 1.0)] + series(rows, rf'flood/{case}/(\w+)', 'goodput_fraction')
        if len(points) > 1:
            lines.append(Line(name, colour, points, dashed))
    if len(lines) < 2:
        return False
    plot_lines(path, data, lines, 'Established associations under a flood of INITs',
               'hostile INITs a second', 'goodput, part of that without flood',
               'set format x "%.0s%c"\nset yrange [0:1.05]')
    return True


def of_model(rows, path, data):
    """Which part of the bare loop's rate is reached, by the size of the messages."""
    model = dict(series(rows, r'model/(\d+)', PER_CPU))

    def fraction(peer=None):
        return [(size, 100 * rate / model[size])
                for size, rate in series(rows, r'bare/stream/(\d+)', PER_CPU, peer) if size in model]
    lines = [Line('Trunkline', OURS, fraction()), Line('usrsctp', PEER, fraction('usrsctp'))]
    if len(lines[0].points) < 2:
        return False
    plot_lines(path, data, [line for line in lines if line.points],
               'How much of a bare loop without protocol', 'bytes of a message',
               'per cent of the loop\'s rate',
               'set logscale x\nset format x "%.0s%c"\nset yrange [0:100]')
    return True


PLOTS = {
    'rate-by-size.svg': by_size,
    'rate-by-associations.svg': by_associations,
    'latency-by-load.svg': latency,
    'goodput-by-loss.svg': by_loss,
    'goodput-by-flood.svg': by_flood,
    'model-fraction.svg': of_model,
}


def draw(rows, folder, data):
    """Names of the plots drawn, and of those that were not."""
    drawn = {name: function(rows, folder / name, data) for name, function in PLOTS.items()}
    return ([name for name, done in drawn.items() if done],
            [name for name, done in drawn.items() if not done])
