#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs a command on a terminal of its own and draws what the terminal shows at the end, as SVG.

    devtools/terminal_svg.py docs/images/demo.svg --prompt './dev demo' -- devtools/demo.py

It knows what the demo uses: colours, new lines, cursor up, erase below and erase to the end of the
line. Anything else on the way is an error, not a wrong picture.
"""
import argparse
import html
import os
import pty
import re
import struct
import sys

CELL, LINE, PAD, BAR = 8.4, 18, 16, 34
COLOURS = {31: '#ff7b72', 32: '#56d364', 33: '#e3b341', 34: '#79c0ff', 35: '#d2a8ff',
           36: '#56d4dd', 37: '#ffffff'}
BACKGROUND, FRAME, TEXT = '#0d1117', '#30363d', '#e6edf3'
TOKEN = re.compile(r'\x1b\[([\d;]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)')


class Terminal:
    """Cells of (character, style); a style is a tuple of SGR numbers."""

    def __init__(self):
        self.rows = [[]]
        self.row = self.column = 0
        self.style = ()

    def feed(self, text):
        at = 0
        for match in TOKEN.finditer(text):
            if match.start() != at:
                raise ValueError(f'not known: {text[at:at + 20]!r}')
            at = match.end()
            codes, final, carriage, new_line, plain = match.groups()
            if final:
                self._control(codes, final)
            elif carriage:
                self.column = 0
            elif new_line:
                self.row += 1
                if self.row == len(self.rows):
                    self.rows.append([])
            else:
                self._write(plain)

    def _control(self, codes, final):
        numbers = [int(code or 0) for code in codes.split(';')]
        if final == 'm':
            for number in numbers:
                self.style = () if number == 0 else (*self.style, number)
        elif final == 'A':
            self.row = max(0, self.row - max(1, numbers[0]))
        elif final == 'J' and numbers == [0]:
            del self.rows[self.row + 1:]
            del self.rows[self.row][self.column:]
        elif final == 'K' and numbers == [0]:
            del self.rows[self.row][self.column:]
        else:
            raise ValueError(f'not known: ESC[{codes}{final}')

    def _write(self, plain):
        row = self.rows[self.row]
        row.extend([(' ', ())] * (self.column - len(row)))
        for character in plain:
            row[self.column:self.column + 1] = [(character, self.style)]
            self.column += 1


def run_on_terminal(command, columns):
    """(output, exit status) of a command whose standard output is a terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.pop('NO_COLOR', None)
        os.environ.update(COLUMNS=str(columns), LINES='40', TERM='xterm-256color')
        os.execvp(command[0], command)
    import fcntl
    import termios
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack('HHHH', 40, columns, 0, 0))
    output = b''
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # how a terminal says that nobody writes any more
            break
        if not part:
            break
        output += part
    return output.decode('utf-8'), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def runs_of(row):
    """Neighbouring cells of one style, cut at wide gaps: (column, text, style)."""
    start = 0
    for end in range(1, len(row) + 1):
        if end == len(row) or row[end][1] != row[start][1]:
            text = ''.join(character for character, _ in row[start:end])
            for part in re.finditer(r'\S+(?: \S+)*', text):  # rulers apart from words
                for piece in re.finditer(r'[━─═]+|[^━─═]*[^━─═ ]', part.group()):
                    lead = len(piece.group()) - len(piece.group().lstrip())
                    yield (start + part.start() + piece.start() + lead, piece.group().strip(),
                           row[start][1])
            start = end


def draw_row(row, top):
    for column, text, style in runs_of(row):
        left, width = PAD + column * CELL, len(text) * CELL
        colour = next((COLOURS[number] for number in style if number in COLOURS), TEXT)
        more = ' font-weight="bold"' if 1 in style else ''
        more += ' opacity="0.55"' if 2 in style else ''
        if text[0] in '━─═':  # as shapes: fonts leave gaps between these
            for up, thick in {'━': ((7, 4),), '─': ((5.5, 1),), '═': ((7, 1), (4, 1))}[text[0]]:
                yield (f'<rect x="{left:.1f}" y="{top - up}" width="{width:.1f}" height="{thick}" '
                       f'fill="{colour}"{more}/>')
            continue
        # textLength keeps columns aligned whatever font the viewer has.
        yield (f'<text x="{left:.1f}" y="{top}" fill="{colour}"{more} textLength="{width:.1f}" '
               f'lengthAdjust="spacingAndGlyphs">{html.escape(text)}</text>')


def draw(rows, title):
    rows = list(rows)
    while rows and not rows[-1]:
        rows.pop()
    width = max(len(row) for row in rows) * CELL + 2 * PAD
    height = BAR + len(rows) * LINE + 2 * PAD - 6
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
           f'viewBox="0 0 {width:.0f} {height}" role="img">',
           f'<title>{html.escape(title)}</title>',
           '<desc>Made by devtools/terminal_svg.py, which says how.</desc>',
           f'<rect x="0.5" y="0.5" width="{width - 1:.0f}" height="{height - 1}" rx="9" '
           f'fill="{BACKGROUND}" stroke="{FRAME}"/>']
    for index, colour in enumerate(('#ff5f56', '#ffbd2e', '#27c93f')):
        out.append(f'<circle cx="{20 + 20 * index}" cy="18" r="6" fill="{colour}"/>')
    out.append('<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, '
               '\'DejaVu Sans Mono\', monospace" font-size="14">')
    for index, row in enumerate(rows):
        out += draw_row(row, BAR + PAD + index * LINE)
    return '\n'.join([*out, '</g>', '</svg>', ''])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('output')
    parser.add_argument('--prompt', help='the command to show; default: the one that is run')
    parser.add_argument('--columns', type=int, default=100)
    parser.add_argument('command', nargs='+')
    options = parser.parse_args()
    text, status = run_on_terminal(options.command, options.columns)
    if status != 0:
        sys.exit(f'{" ".join(options.command)}: status {status}\n{text}')
    prompt = options.prompt or ' '.join(options.command)
    terminal = Terminal()
    terminal.feed(f'\x1b[32m$\x1b[0m \x1b[1m{prompt}\x1b[0m\r\n{text}')
    os.makedirs(os.path.dirname(os.path.abspath(options.output)), exist_ok=True)
    with open(options.output, 'w', encoding='utf-8') as file:
        file.write(draw(terminal.rows, prompt))


if __name__ == '__main__':
    main()
