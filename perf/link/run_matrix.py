#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""How long thin traffic takes over a link that loses and reorders: each rate, loss and RTO.min, with
each word of loss_recovery and with usrsctp. A cell is a case of bench_link or bench_link_usrsctp; what
it said stays in a file of its own, so that a run that was ended goes on where it was.

    perf/link/run_matrix.py                  what is missing below build/loss-matrix, then the table
    perf/link/run_matrix.py --write-docs     likewise, into docs/loss-recovery.md and docs/images/
"""
import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / 'docs/loss-recovery.md'
PLOT = ROOT / 'docs/images/loss-recovery.svg'
MARKS = ('<!-- matrix:begin -->', '<!-- matrix:end -->')
RATES = ('1', '10', '100')
LINKS = {'loss-0.1': '0.1 %', 'loss-1': '1 %', 'loss-5': '5 %',
         'burst-0.1': '0.1 %, in bursts', 'burst-1': '1 %, in bursts', 'burst-5': '5 %, in bursts',
         'reorder-1': '1 %, and 1 % overtaken'}
RTOS = ('1000', '100')
WORDS = ('rfc9260', 'early', 'rack', 'usrsctp')
COLOURS = {'rfc9260': '#888888', 'early': '#e69f00', 'rack': '#0072b2', 'usrsctp': '#d55e00'}
FIGURES = ('p50', 'p99', 'p99.5', 'p99.9', 'max', 'T3', 'sent again')


def cells():
    return [f'link/matrix/{rate}/{link}/rto-{rto}/{word}'
            for rto in RTOS for rate in RATES for link in LINKS for word in WORDS]


def place_of(folder, cell):
    return folder / (cell.removeprefix('link/matrix/').replace('/', '_') + '.json')


def measure(build, folder, cell, messages):
    """One cell, unless it is there with that many messages."""
    place = place_of(folder, cell)
    if place.exists() and json.loads(place.read_text(encoding='utf-8'))['messages'] == messages:
        return
    program = 'bench_link_usrsctp' if cell.endswith('/usrsctp') else 'bench_link'
    run = subprocess.run([build / 'perf/link' / program, '--case', cell, '--messages', str(messages)],
                         capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(f'{cell}: {run.stderr.strip()[-300:]}')
    said = {}
    for line in run.stdout.splitlines():
        sample = json.loads(line)
        said[sample['metric']] = sample['value']
    new = place.with_suffix('.new')
    new.write_text(json.dumps({'messages': messages, 'figures': said}), encoding='utf-8')
    new.replace(place)
    print(f'{cell}: {" ".join(f"{name} {value:.0f}" for name, value in said.items())}', flush=True)


def table(figures, rto):
    lines = ['| messages a second | lost | | ' + ' | '.join(FIGURES) + ' |',
             '| ---: | --- | --- |' + ' ---: |' * len(FIGURES)]
    for rate in RATES:
        for link, name in LINKS.items():
            for word in WORDS:
                got = figures[f'link/matrix/{rate}/{link}/rto-{rto}/{word}']
                shown = f'`{word}`' if word != 'usrsctp' else word
                lines.append(f'| {rate} | {name} | {shown} | ' +
                             ' | '.join(f'{got[name]:.0f}' for name in FIGURES) + ' |')
    return '\n'.join(lines)


def write_page(figures, messages):
    text = PAGE.read_text(encoding='utf-8')
    before, rest = text.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    parts = [f'{messages} messages a cell.']
    for rto in RTOS:
        parts.append(f'RTO.min {rto} ms:\n\n{table(figures, rto)}')
    PAGE.write_text(before + MARKS[0] + '\n' + '\n\n'.join(parts) + '\n' + MARKS[1] + after,
                    encoding='utf-8')


def draw(figures, folder):
    """p99.9 by link, a picture for each rate; RTO.min 1 s."""
    script = [f'set terminal svg size 1000,900 font "DejaVu Sans,11"\nset output "{PLOT}"',
              'set multiplot layout 3,1', 'set style data histograms',
              'set style histogram cluster gap 1', 'set style fill solid border -1',
              'set boxwidth 0.9', 'set logscale y', 'set yrange [5:20000]', 'set ylabel "ms"',
              'set grid ytics', 'set key outside right']
    for rate in RATES:
        data = folder / f'rate-{rate}.dat'
        rows = []
        for link, name in LINKS.items():
            values = [figures[f'link/matrix/{rate}/{link}/rto-1000/{word}']['p99.9']
                      for word in WORDS]
            rows.append(f'"{name}" ' + ' '.join(f'{value:.1f}' for value in values))
        data.write_text('\n'.join(rows) + '\n', encoding='utf-8')
        script.append(f'set title "p99.9 of {rate} messages a second, RTO.min 1 s"')
        script.append('plot ' + ', '.join(
            f'"{data}" using {i + 2}:xtic(1) title "{word}" lc rgb "{COLOURS[word]}"'
            for i, word in enumerate(WORDS)))
    script.append('unset multiplot')
    path = folder / 'matrix.gnuplot'
    path.write_text('\n'.join(script) + '\n', encoding='utf-8')
    subprocess.run(['gnuplot', str(path)], check=True)
    # Where the data lay says nothing to a reader.
    text = PLOT.read_text(encoding='utf-8')
    PLOT.write_text(re.sub(re.escape(str(folder)) + '/', '', text), encoding='utf-8')


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--build', type=Path, default=ROOT / 'build')
    parser.add_argument('--state', type=Path, default=None, help='default: BUILD/loss-matrix')
    parser.add_argument('--messages', type=int, default=100_000)
    parser.add_argument('--jobs', type=int, default=1)
    parser.add_argument('--write-docs', action='store_true')
    return parser.parse_args()


def main():
    options = arguments()
    folder = options.state or options.build / 'loss-matrix'
    folder.mkdir(parents=True, exist_ok=True)
    os.nice(10)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        tasks = [pool.submit(measure, options.build, folder, cell, options.messages)
                 for cell in cells()]
        for task in tasks:
            task.result()
    figures = {cell: json.loads(place_of(folder, cell).read_text(encoding='utf-8'))['figures']
               for cell in cells()}
    if not options.write_docs:
        for rto in RTOS:
            print(f'\nRTO.min {rto} ms\n\n{table(figures, rto)}')
        return 0
    write_page(figures, options.messages)
    if shutil.which('gnuplot'):
        draw(figures, folder)
    return 0


if __name__ == '__main__':
    sys.exit(main())
