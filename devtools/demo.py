#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The demo: real SCTP associations carry signalling between two applications through two daemons
joined by memif; with --kernel, between an application and the Linux kernel's SCTP, in both roles.

Every message carries its stream's sequence number, a time stamp and a seeded hash of its content;
its receiver recomputes the hash and checks the order. Exit status 0: every message arrived once,
whole and in order, and everything that was started has ended well and left nothing behind.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / 'demo'), str(HERE.parent / 'tests' / 'e2e')]
sys.dont_write_bytecode = True
from lib import cases, processes  # noqa: E402  (after the path)
from lib.daemon import WORKERS  # noqa: E402

import runs  # noqa: E402
import screen as screens  # noqa: E402
from side import WRONG, Failure, percentile  # noqa: E402

EDGES = ('sender', 'receiver')
ROWS = (('associations', 'associations'), ('messages sent', 'sent'),
        ('messages received', 'received'), ('bytes sent', 'sent_bytes'),
        ('bytes received', 'received_bytes'))
COUNTER_ROWS = (('packets sent', 'stack.out_sctp_packs'),
                ('packets received', 'stack.in_sctp_packs'),
                ('retransmitted chunks', 'stack.retransmitted_chunks'))
HANDED = ('packets handed over', 'worker.handed_over_in')


def arguments():
    parser = argparse.ArgumentParser(prog='./dev demo', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kernel', action='store_true',
                        help='the peer is the Linux kernel, in user-mode Linux')
    parser.add_argument('--messages', type=int, metavar='N',
                        help='in all, both ways (4,000,000; with --kernel 200,000)')
    parser.add_argument('--associations', type=int, default=16, metavar='N')
    parser.add_argument('--streams', type=int, default=8, metavar='N', help='of each association')
    parser.add_argument('--workers', type=int, default=WORKERS, metavar='N',
                        help='of each daemon')
    parser.add_argument('--seed', type=int, default=1, metavar='N', help='of sizes and contents')
    for kind in ('corrupt', 'drop', 'swap'):
        parser.add_argument(f'--{kind}', nargs='?', const='sender', choices=EDGES, metavar='EDGE',
                            help=f'{kind} one message at the client\'s edge, sender or receiver: '
                                 'the demo must fail')
    parser.add_argument('--patience', type=int, default=600, metavar='SECONDS',
                        help='for the exchange')
    parser.add_argument('--keep-logs', action='store_true',
                        help='keep configurations and logs, and say where they are')
    options = parser.parse_args()
    if options.messages is None:
        options.messages = 200_000 if options.kernel else 4_000_000
    if sum(getattr(options, kind) is not None for kind in ('corrupt', 'drop', 'swap')) > 1:
        parser.error('one fault at a time')
    if not 1 <= options.workers <= 16 or not 1 <= options.associations <= 256 or not 1 <= options.streams <= 1024 or \
            options.messages < 1:
        parser.error('impossible numbers')
    # Every stream carries as many as every other.
    unit = options.associations * options.streams * (4 if options.kernel else 2)
    options.messages = -(-options.messages // unit) * unit
    return options


def show_table(screen, sides):
    heads = ['', *[side.name for side in sides]]
    rows = [[title, *[screens.number(side.final.get(key, 0)) for side in sides]]
            for title, key in ROWS]

    def counted(title, name):
        rows.append([title, *[screens.number(side.counters[name]) if name in side.counters else '-'
                              for side in sides]])
    for title, name in COUNTER_ROWS:
        counted(title, name)
    if any(side.counters.get(HANDED[1]) for side in sides):
        counted(*HANDED)
    for name in sorted({n for side in sides for n, value in side.counters.items()
                        if '.drop_' in n and value}):
        counted(name, name)
    for what in WRONG:
        if any(side.final.get(what) for side in sides):
            rows.append([what.upper(), *[screens.number(side.final.get(what, 0))
                                         for side in sides]])
    screen.table(heads, rows)


def seconds_of(sides):
    """From the first association to the last message, by the applications' common clock; of each
    role, one after the other, where the kernel is the peer."""
    timed = [side.final for side in sides if side.final.get('began_ns')]
    if not timed:
        return 0.0
    if len(timed) < len(sides):
        return sum(one['ended_ns'] - one['began_ns'] for one in timed) / 1e9
    return (max(one['ended_ns'] for one in timed) - min(one['began_ns'] for one in timed)) / 1e9


def total(sides, key):
    return sum(side.final.get(key, 0) for side in sides)


def final_line(sides):
    """The line that scripts read; msgs_per_packet counts every packet, SACKs alone included."""
    seconds = seconds_of(sides)
    packets = sum(side.counters.get('stack.out_sctp_packs', 0) for side in sides)
    if any(side.daemon is None for side in sides):
        packets += sum(side.counters.get('stack.in_sctp_packs', 0) for side in sides)
    received = total(sides, 'received')
    return (f'demo: sent={total(sides, "sent")} received={received} '
            f'lost={total(sides, "lost")} misordered={total(sides, "misordered")} '
            f'msgs_per_s={received / seconds if seconds else 0:.0f} '
            f'msgs_per_packet={received / packets if packets else 0:.2f} '
            f'p50_us={percentile(sides, 0.50):.0f} p99_us={percentile(sides, 0.99):.0f}')


def run(options, screen, folder):
    """True: all is well."""
    what = "the Linux kernel's SCTP" if options.kernel else 'two daemons, two applications'
    screen.say(screen.paint(f'Trunkline demo: {what}', screens.BOLD))
    sides, wrong = (runs.run_kernel if options.kernel else runs.run_memif)(options, screen, folder)
    if total(sides, 'sent') != total(sides, 'received') and not wrong:
        wrong.append('not everything that was sent was received')
    screen.say()
    show_table(screen, sides)
    screen.say()
    cores = len(os.sched_getaffinity(0))
    measured = 'there and back, in user-mode Linux' if options.kernel else 'one way'
    screen.say(screen.paint(
        f'  Latency is from application to application, {measured}. On {cores} cores p99 is the\n'
        f'  scheduler\'s: {"several" if options.kernel else "four"} busy processes share them.',
        screens.DIM))
    for line in wrong:
        screen.say('  ' + screen.paint(f'WRONG  {line}', screens.RED, screens.BOLD))
    screen.say(screen.paint(final_line(sides), screens.RED if wrong else screens.GREEN))
    return not wrong


def main():
    options = arguments()
    processes.install()
    screen = screens.Screen()
    folder = pathlib.Path(tempfile.mkdtemp(prefix='trunkline-demo-'))
    if not options.keep_logs:
        processes.on_end(lambda: shutil.rmtree(folder, ignore_errors=True))
    try:
        well = run(options, screen, folder)
    except (Failure, cases.Skip, processes.TimeOut, RuntimeError,
            subprocess.TimeoutExpired) as error:
        screen.clear_live()
        print(f'demo: {error}', file=sys.stderr)
        well = False
    processes.run_cleanups()
    if options.keep_logs:
        screen.say(f'  logs: {folder}')
    sys.exit(0 if well else 1)


if __name__ == '__main__':
    main()
