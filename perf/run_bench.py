#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs every benchmark several times, each beside its peer on the same core, and says what came out:
a table and the bar on the terminal, build/bench/results.json, plots in docs/performance/.

`./dev bench` builds the release build and calls this; docs/performance.md explains what is measured.
Exit status: 0 only if every case ran to its end with nothing lost.
"""
import argparse
import datetime
import json
import os
import pathlib
import shlex
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from report import bars, machine, page, plots, programs, stats, table  # noqa: E402

ROOT = programs.ROOT
RUNS = {'tiny': 1, 'quick': 3, 'full': 5}
BUDGET = {'tiny': 600, 'quick': 225, 'full': 1500}  # seconds; what is over gets fewer runs
IMAGES = ROOT / 'docs' / 'performance'


def say(text=''):
    print(text, flush=True)


def refusal(build):
    """Why figures of this build would be worth nothing, or None."""
    try:
        options = json.loads((build / 'meson-info' / 'intro-buildoptions.json').read_text())
    except (OSError, ValueError):
        return f'{build} is not a build folder'
    values = {option['name']: option['value'] for option in options}
    if values.get('buildtype') != 'release' or values.get('optimization') != '3':
        return (f'{build} is no release build: buildtype {values.get("buildtype")}, '
                f'optimization {values.get("optimization")}')
    if values.get('b_sanitize', 'none') != 'none':
        return f'{build} is built with sanitizers'
    return None


class Campaign:
    """All runs of all cases: round after round, so that a slow minute touches every case."""

    def __init__(self, cases, options):
        self.cases = cases
        self.scale = options.scale
        self.core = options.core
        self.usrsctp = options.usrsctp
        self.samples = []
        self.failures = {}   # (case, program): why
        self.cost = {}       # case: seconds of its dearest run with all its peers
        self.began = time.monotonic()
        self.skipped = 0

    def elapsed(self):
        return time.monotonic() - self.began

    def run_once(self, case, number):
        began = time.monotonic()
        order = self.cases[case] if number % 2 == 0 else list(reversed(self.cases[case]))
        for program in order:
            if (case, program.path.name) in self.failures:
                continue
            try:
                self.samples += programs.run_case(program, case, self.scale, self.core,
                                                  self.usrsctp)
            except programs.Failed as why:
                self.failures[case, program.path.name] = str(why)
                say(f'FAILED: {case} ({program.path.name}): {why}')
        self.cost[case] = max(self.cost.get(case, 0), time.monotonic() - began)

    def run(self, runs, budget):
        for number in range(runs):
            say(f'run {number + 1} of {runs}, {self.elapsed():.0f} s')
            for case in self.cases:
                if number > 0 and case.startswith(programs.SIMULATED):
                    continue
                if number > 0 and self.elapsed() + self.cost[case] > budget:
                    self.skipped += 1
                    continue
                self.run_once(case, number)
        if self.skipped:
            say(f'{self.skipped} runs were left out to end within {budget} s: see n')


def write_results(folder, rows, campaign, facts):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'results.json').write_text(json.dumps(rows, indent=1) + '\n', encoding='utf-8')
    cost = {case: round(seconds, 1) for case, seconds in campaign.cost.items()}
    run = {**facts, 'seconds_of_a_run': cost, 'samples': campaign.samples,
           'failures': [{'case': case, 'program': program, 'why': why}
                        for (case, program), why in campaign.failures.items()]}
    (folder / 'run.json').write_text(json.dumps(run, indent=1) + '\n', encoding='utf-8')
    say(f'wrote {folder / "results.json"}, and what else belongs to the run to run.json')


def arguments():
    parser = argparse.ArgumentParser(prog='./dev bench', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--quick', action='store_true', help='smaller, under five minutes')
    parser.add_argument('--counts', action='store_true',
                        help='instructions alone, which are the same on a busy machine: --case count/')
    parser.add_argument('--case', default='', metavar='PREFIX', help='only these; --list names them')
    parser.add_argument('--runs', type=int, help='of each case (5, with --quick 3)')
    parser.add_argument('--usrsctp', type=pathlib.Path, metavar='PATH',
                        help='libusrsctp.so of another build, for the peer')
    parser.add_argument('--write-docs', action='store_true',
                        help='put the figures of this run into docs/performance.md')
    parser.add_argument('--list', action='store_true', help='names the cases and ends')
    parser.add_argument('--core', type=int, help='where to run (default: the last one)')
    parser.add_argument('--build', type=pathlib.Path, default=ROOT / 'build', help=argparse.SUPPRESS)
    parser.add_argument('--scale', choices=list(RUNS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.counts:
        options.case, options.runs = options.case or 'count/', 1
    options.scale = options.scale or ('quick' if options.quick else 'full')
    options.runs = options.runs or RUNS[options.scale]
    if options.core is None:
        options.core = max(os.sched_getaffinity(0))
    if options.usrsctp:
        options.usrsctp = options.usrsctp.resolve()
        if not options.usrsctp.is_file():
            parser.error(f'--usrsctp: there is no {options.usrsctp}')
    options.build = options.build.resolve()
    os.environ['TRUNKLINE_BUILD'] = str(options.build)  # for scripts, which start programs of it
    return options


def draw(rows, options, failed):
    """Plots of a full run of everything are for the docs, others lie beside the results."""
    whole = options.scale == 'full' and not options.case and not failed
    folder = IMAGES if whole else options.build / 'bench' / 'plots'
    drawn, missing = plots.draw(rows, folder, options.build / 'bench' / 'data')
    for name in drawn:
        say(f'drew {folder / name}')
    for name in [] if options.case else missing:
        say(f'not drawn, for want of its cases: {name}')


def said(arguments):
    """The command as others can give it: where this machine has its library is nobody's business."""
    out = list(arguments)
    for at, word in enumerate(out):
        if word.startswith('--usrsctp='):
            out[at] = '--usrsctp=LIBRARY'
        elif at > 0 and out[at - 1] == '--usrsctp':
            out[at] = 'LIBRARY'
    return shlex.join(out)


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    reason = refusal(options.build)
    if reason:
        sys.exit(f'bench: {reason}')
    cases = programs.cases_of(programs.discover(options.build), options.case)
    if not cases:
        sys.exit(f'bench: no case begins with {options.case!r}; --list names them')
    if options.list:
        say('\n'.join(cases))
        return 0
    load = os.getloadavg()
    facts = {'command': './dev bench ' + said(sys.argv[1:]), 'scale': options.scale,
             'date': datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d %H:%M UTC'),
             'machine': machine.describe(options.build, options.usrsctp), 'core': options.core,
             'load_average': [round(value, 2) for value in load]}
    for name, value in facts['machine'].items():
        say(f'{name + ":":22}{value}')
    say(f'{"load average:":22}{load[0]:.2f} {load[1]:.2f} {load[2]:.2f}; core {options.core}')

    watch = machine.Watch()
    campaign = Campaign(cases, options)
    campaign.run(options.runs, BUDGET[options.scale])
    facts['quiet'] = machine.verdict(watch.others())
    facts['seconds'] = round(campaign.elapsed())

    rows = stats.rows(campaign.samples)
    say('\n' + table.terminal(rows))
    say('\nspread: the distance between the quartiles, as a part of the median. Ratio: of the medians.')
    verdicts = bars.judge(rows)
    shown = [line for line in verdicts if line[3] or not options.case]
    if shown:
        say('\n' + table.aligned(bars.HEADINGS, shown) + '\n')
    write_results(options.build / 'bench', rows, campaign, facts)
    draw(rows, options, campaign.failures)
    if options.write_docs:
        page.write(ROOT / 'docs' / 'performance.md', rows, verdicts, facts, partial=bool(options.case))
        say('wrote docs/performance.md')
    say(f'machine {facts["quiet"]}; {facts["seconds"]} s')
    for (case, program), why in campaign.failures.items():
        say(f'FAILED: {case} ({program}): {why}')
    return 1 if campaign.failures else 0


if __name__ == '__main__':
    sys.exit(main())
