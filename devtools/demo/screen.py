# SPDX-License-Identifier: BSD-3-Clause
"""What the demo shows: a progress bar and a live line on a terminal, plain occasional lines
elsewhere, and tables."""
import os
import shutil
import sys
import time

RESET, BOLD, DIM, RED, GREEN, CYAN = (f'\x1b[{n}m' for n in (0, 1, 2, 31, 32, 36))


def number(value):
    """1234567 as 1,234,567."""
    return f'{value:,.0f}'


def quantity(value, unit=''):
    """Three digits and a prefix: 1.23 M."""
    for prefix in ('', 'k', 'M', 'G'):
        if value < 1000 or prefix == 'G':
            digits = 0 if prefix == '' else 2 if value < 10 else 1 if value < 100 else 0
            return f'{value:.{digits}f} {prefix}{unit}'.rstrip()
        value /= 1000
    return ''


class Screen:
    """Standard output. The live part is redrawn in place; what `say` prints stays."""

    def __init__(self):
        self.terminal = sys.stdout.isatty()
        self.colour = self.terminal and 'NO_COLOR' not in os.environ
        self._live_lines = 0
        self._last_plain = 0.0
        self._last_share = -1.0

    def paint(self, text, *codes):
        return ''.join(codes) + text + RESET if self.colour else text

    def say(self, text=''):
        self.clear_live()
        print(text, flush=True)

    def clear_live(self):
        if self._live_lines:
            sys.stdout.write(f'\x1b[{self._live_lines}A\x1b[J')
            self._live_lines = 0

    def keep_live(self):
        """What the live part shows now stays."""
        self._live_lines = 0

    def live(self, share, text):
        """How much is done, from 0 to 1, and a line about it."""
        if not self.terminal:
            now = time.monotonic()
            if now - self._last_plain >= 5 or int(share * 4) != int(self._last_share * 4):
                print(f'{share:4.0%}  {text}', flush=True)
                self._last_plain, self._last_share = now, share
            return
        columns = shutil.get_terminal_size().columns
        width = max(10, min(columns, 100) - 9)
        filled = round(width * min(share, 1.0))
        bar = self.paint('━' * filled, GREEN) + self.paint('━' * (width - filled), DIM)
        self.clear_live()
        sys.stdout.write(f'  {bar} {share:4.0%}\n  {text[:columns - 3]}\n')
        sys.stdout.flush()
        self._live_lines = 2

    def table(self, heads, rows):
        """The first column to the left, the others to the right; values are text."""
        widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]

        def line(cells):
            return '  ' + '   '.join([cells[0].ljust(widths[0])] + [
                cell.rjust(width) for cell, width in zip(cells[1:], widths[1:])])
        self.say(self.paint(line(heads).rstrip(), BOLD))
        self.say(self.paint('  ' + '─' * (sum(widths) + 3 * (len(widths) - 1)), DIM))
        for row in rows:
            self.say(line(row).rstrip())
