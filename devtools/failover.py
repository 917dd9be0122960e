#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Failover, measured: two daemons on two links carry a steady load both ways, a link is pulled and
put back at known times, and later both for a moment; several runs for each profile. Prints a table,
writes the numbers to build/failover.json and the plots to docs/images/failover-*.svg (gnuplot).

Every run also checks that nothing is lost, repeated, misordered or changed; docs/failover.md explains
what is measured.
"""
import argparse
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tests' / 'e2e'))
sys.dont_write_bytecode = True
from lib import cases, failover, netns, processes  # noqa: E402  (after the path)
from lib.failover import Back, Pull  # noqa: E402

RATE = 1000      # messages a second, in each direction
LATE_MS = 50.0   # a message that took longer is counted as late
PULL, BACK, END = 3.0, 8.0, 14.0   # seconds: link 0 is away from PULL to BACK
BOTH, BOTH_BACK, BOTH_END = 2.0, 2.6, 6.0
BIN_RATE, BIN_DELAY = 0.1, 0.02    # seconds of a point in the plots

RFC = {'rto_initial': '1s', 'rto_min': '1s', 'rto_max': '60s', 'path_max_retrans': 5,
       'association_max_retrans': 10, 'heartbeat_interval': '30s', 'sack_delay': '200ms'}
# What vendors of telecom equipment ship.
TIGHT = {'rto_initial': '200ms', 'rto_min': '100ms', 'rto_max': '400ms', 'path_max_retrans': 4,
         'association_max_retrans': 12, 'heartbeat_interval': '1s', 'sack_delay': '20ms'}


def documented(name):
    """A profile of config/trunklined.yaml: lines `key: value` with four blanks in front."""
    text = (ROOT / 'config' / 'trunklined.yaml').read_text(encoding='utf-8')
    block = re.search(rf'^  {name}:.*\n((?: {{4}}.*\n)+)', text, re.M)[1]
    pairs = re.findall(r'^ {4}(\w+): *([^#\n]*?) *(?:#.*)?$', block, re.M)
    return {key: {'true': True, 'false': False}.get(value, int(value) if value.isdigit() else value)
            for key, value in pairs if key != 'extends'}


PROFILES = {
    'rfc': ('RFC 9260 defaults', RFC),
    'signalling': ('profile signalling', documented('signalling')),
    'tight': ('RTO 100 to 400 ms', TIGHT),
    'linear': ('RTO 100 ms, linear', {**TIGHT, 'linear_backoff': True}),
}
ROWS = (('silence_ms', 'time without delivery, ms'),
        ('moved_ms', 'first new packet on the other path, ms'),
        ('moved_rto', '  the same in RTO'),
        ('late', f'messages later than {LATE_MS:.0f} ms'),
        ('worst_ms', 'worst delay of a message, ms'),
        ('retransmitted', 'chunks sent again'),
        ('returned_ms', 'back on the first link after, ms'),
        ('both_silence_ms', 'both links away 600 ms: silence, ms'),
        ('both_retransmitted', '  chunks sent again'))


class World:
    """What lib/failover.py wants of a case: a folder for logs."""

    def __init__(self, folder):
        self.folder = folder

    def log(self, name):
        return self.folder / name


def returned_ms(side, pull):
    """When this sender's new messages came back to the link after it was put back; None: never."""
    seen, back = set(), None
    for packet in side.packets:
        if packet['source'] not in side.addresses:
            continue
        new = [tsn for tsn in packet['tsns'] if tsn not in seen]
        seen.update(new)
        if new and packet['time'] > pull.back_realtime and \
                failover.link_of(packet['source']) == pull.link:
            back = packet['time']
            break
    return (back - pull.back_realtime) * 1000 if back else None


def measure(run, pull):
    """One dict for each direction; the delays are seen by whoever receives."""
    found = []
    for sender, receiver in ((run.ours, run.theirs), (run.theirs, run.ours)):
        move = sender.move(pull)
        delays = [(received - sent) / 1e6 for sent, received in receiver.arrivals()
                  if sent > pull.monotonic_ns - 1e9]
        found.append({'silence_ms': receiver.silence_ms(pull.monotonic_ns),
                      'moved_ms': move.seconds * 1000, 'moved_rto': move.seconds / move.rto,
                      'late': sum(delay > LATE_MS for delay in delays), 'worst_ms': max(delays),
                      'retransmitted': retransmitted(sender),
                      'returned_ms': returned_ms(sender, pull)})
    return found


def retransmitted(side):
    sent = [tsn for p in side.packets if p['source'] in side.addresses for tsn in p['tsns']]
    return len(sent) - len(set(sent))


def measure_both(run, pulled_ns):
    return [{'both_silence_ms': receiver.silence_ms(pulled_ns),
             'both_retransmitted': retransmitted(sender)}
            for sender, receiver in ((run.ours, run.theirs), (run.theirs, run.ours))]


def one_run(joined, folder, number):
    """A link is pulled and put back; (what was measured, what may be plotted)."""
    run = failover.Run(folder, joined.ours, joined.theirs, joined.cables, rate=RATE,
                       seconds=int(END), number=number)
    run.play([(PULL, Pull(0)), (BACK, Back(0))])
    run.finish()
    return measure(run, run.pulls[0]), series(run, PULL)


def series(run, pull):
    """What is plotted of a run: one direction (both would hide each other), and when it began."""
    return {'began_ns': run.pulls[0].monotonic_ns - int(pull * 1e9),
            'arrivals': run.theirs.arrivals()}


def run_both(joined, folder, number):
    run = failover.Run(folder, joined.ours, joined.theirs, joined.cables, rate=RATE,
                       seconds=int(BOTH_END), number=number)
    run.play([(BOTH, Pull(0)), (BOTH, Pull(1)), (BOTH_BACK, Back(0)), (BOTH_BACK, Back(1))])
    run.finish()
    return measure_both(run, run.pulls[0].monotonic_ns), series(run, BOTH)


def run_profile(name, options, folder):
    """All runs of a profile: the samples by row, and what is plotted of the first one."""
    samples = {key: [] for key, _ in ROWS}
    first = None
    for number in range(options.runs):
        before = list(processes._cleanups)
        logs = folder / f'{name}-{number}'
        joined = failover.TwoDaemons(World(logs), {'default': PROFILES[name][1]})
        one, plotted = one_run(joined, logs, 0)
        both, plotted_both = run_both(joined, logs, 1)
        for sample in one + both:
            for key, value in sample.items():
                samples[key].append(value)
        first = first or {'one': plotted, 'both': plotted_both}
        print(f'  {PROFILES[name][0]}, run {number + 1}: ' +
              ', '.join(f'silence {sample["silence_ms"]:.0f} ms, moved after '
                        f'{sample["moved_rto"]:.2f} RTO' for sample in one), flush=True)
        for step in [s for s in reversed(processes._cleanups) if s not in before]:
            processes.forget(step)
            step()
    return samples, first


def summary(values):
    """None: it did not come to that in each run."""
    if not values or None in values:
        return None
    return {'median': statistics.median(values), 'min': min(values), 'max': max(values),
            'samples': len(values)}


def show(value, key):
    if value is None:
        return 'not in the run'
    digits = 2 if key.endswith('_rto') else 0
    return f'{value["median"]:.{digits}f} ({value["min"]:.{digits}f} to {value["max"]:.{digits}f})'


def print_table(result):
    heads = ['median (min to max)', *[PROFILES[name][0] for name in result]]
    rows = [[title, *[show(result[name][key], key) for name in result]] for key, title in ROWS]
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    print()
    for row in [heads, *rows]:
        print('  '.join(cell.ljust(width) if i == 0 else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(row, widths))))


def write_series(first, path):
    """Two blocks: seconds and the messages/s that arrived; seconds and the worst delay of the
    messages that became ready in that step. Gives the peak: (seconds, messages/s)."""
    arrivals, began = first['arrivals'], first['began_ns']
    rates, worst = {}, {}
    for sent, received in arrivals:
        at = int((received - began) / 1e9 / BIN_RATE)
        rates[at] = rates.get(at, 0) + 1
        at = int((sent - began) / 1e9 / BIN_DELAY)
        worst[at] = max(worst.get(at, 0.0), (received - sent) / 1e6)
    # The first and the last step are not whole.
    steps = [(at * BIN_RATE, rates.get(at, 0) / BIN_RATE) for at in range(1, max(rates))]
    with open(path, 'w', encoding='utf-8') as out:
        out.writelines(f'{at:.3f} {rate:.0f}\n' for at, rate in steps)
        out.write('\n\n')
        out.writelines(f'{at * BIN_DELAY:.3f} {worst[at]:.4f}\n' for at in sorted(worst) if at > 0)
    return max(steps, key=lambda step: step[1])


PLOT = '''
set terminal svg size 1040,660 font "DejaVu Sans,15" background "white" dynamic
set output "{output}"
set multiplot layout 2,2 columnsfirst margins 0.10,0.98,0.12,0.88 spacing 0.06,0.05
set border 3 lc rgb "#555555"
set tics nomirror out scale 0.5
set grid y lc rgb "#dddddd" lt 1
unset key
set xrange [0:{end}]
set object 1 rectangle from {pull}, graph 0 to {back}, graph 1 fc rgb "#f6e3dd" fs solid noborder behind
set arrow 1 from {pull}, graph 0 to {pull}, graph 1 nohead lc rgb "#9a3b22" dt 2
set arrow 2 from {back}, graph 0 to {back}, graph 1 nohead lc rgb "#9a3b22" dt 2
'''
PANEL = '''
set title "{title}" font ",17" offset 0,1
set ylabel "{rate_label}" offset 0.5,0
set format x ""
unset xlabel
unset logscale y
set format y "%g"
set yrange [0:{rate_top}]
set ytics 500
set label 1 "{what}" at {middle}, graph 1.05 center tc rgb "#9a3b22"
set label 2 "{peak_text}" at {peak}, graph 0.95 offset 0.4,0 tc rgb "#1f5fa8"
plot "{data}" index 0 with steps lw 1.8 lc rgb "#1f5fa8"
unset label 1
unset label 2
unset title
set ylabel "{delay_label}" offset 0.5,0
set format x "%g"
set xlabel "seconds"
set logscale y
set yrange [0.1:3000]
set ytics ("0.1" 0.1, "1" 1, "10" 10, "100" 100, "1000" 1000)
plot "{data}" index 1 with points pt 7 ps 0.3 lc rgb "#1f5fa8"
'''
FIGURES = (  # which profiles, which of their runs, and what happened in it
    ('failover-one-link.svg', ('rfc', 'signalling'), 'one', PULL, BACK, 12, 'first link pulled'),
    ('failover-both-links.svg', ('tight', 'linear'), 'both', BOTH, BOTH_BACK, BOTH_END,
     'both links pulled'),
)


def plot(firsts, folder, images):
    """Two profiles side by side: above what arrives, below how late."""
    images.mkdir(parents=True, exist_ok=True)
    for image, names, kind, pull, back, end, what in FIGURES:
        if any(name not in firsts for name in names):
            continue
        text = PLOT.format(output=images / image, end=end, pull=pull, back=back)
        for i, name in enumerate(names):
            data = folder / f'{name}-{kind}.dat'
            peak, rate = write_series(firsts[name][kind], data)
            text += PANEL.format(title=PROFILES[name][0], data=data, what=what,
                                 rate_label='' if i else 'messages/s delivered',
                                 delay_label='' if i else 'worst delay, ms', rate_top=2.5 * RATE,
                                 middle=(pull + back) / 2, peak=peak + BIN_RATE,
                                 peak_text=f'{rate:,.0f}/s' if rate > 2.5 * RATE else '')
        script = folder / f'{image}.gnuplot'
        script.write_text(text, encoding='utf-8')
        subprocess.run(['gnuplot', str(script)], check=True)
        print(f'wrote {images / image}')


def main():
    parser = argparse.ArgumentParser(prog='./dev failover', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--runs', type=int, default=5, help='of each profile (5)')
    parser.add_argument('--profile', action='append', choices=list(PROFILES), help='only these')
    parser.add_argument('--images', type=pathlib.Path, default=ROOT / 'docs' / 'images',
                        help='where the plots go')
    parser.add_argument('--keep-logs', action='store_true', help='and say where they are')
    options = parser.parse_args()
    reason = netns.missing()
    if reason:
        sys.exit(f'failover: {reason}')
    processes.install()
    netns.sweep()
    folder = pathlib.Path(tempfile.mkdtemp(prefix='trunkline-failover-'))
    if not options.keep_logs:
        processes.on_end(lambda: shutil.rmtree(folder, ignore_errors=True))
    result, firsts = {}, {}
    for name in options.profile or PROFILES:
        samples, firsts[name] = run_profile(name, options, folder)
        result[name] = {key: summary(values) for key, values in samples.items()}
    print_table(result)
    numbers = cases.BUILD / 'failover.json'
    numbers.write_text(json.dumps({'rate': RATE, 'late_ms': LATE_MS, 'profiles': result}, indent=1))
    print(f'\nwrote {numbers}')
    plot(firsts, folder, options.images)
    if options.keep_logs:
        print(f'logs: {folder}')


if __name__ == '__main__':
    main()
