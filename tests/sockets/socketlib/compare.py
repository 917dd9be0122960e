# SPDX-License-Identifier: BSD-3-Clause
r"""Compares lines of two sides, script by script, and holds what differs against the list of known
differences, ../differences.toml: an entry is

    [[difference]]
    where = 'states/full.*'         # script's name, with its set; shell pattern
    kernel = '-> -1 EAGAIN'         # what the kernel's line must hold (regular expression), or
    ours = '-> 5'                   # ours, or both
    ends = true                     # the rest of the script follows from it; not compared
    reason = 'why, in a sentence'
    besides = ' c\.edge=\S+'       # if given: without what this matches, the lines must be the same
    sometimes = true                # if given: it need not be seen in each run
    source = true                   # if given: addresses differ as sources.py says
    after = 'listen s=\w+ -> 0'      # if given: one of the kernel's lines before must hold it

The lines of a script are compared up to its first difference that is not known: what follows is
mostly its consequence. `only = "epoll"` style refinements are not there on purpose: an entry says
which lines it means by what they hold.
"""
import dataclasses
import fnmatch
import re

import tomllib

from . import sources


@dataclasses.dataclass
class Known:
    """An entry of the list; `used` counts the lines that it explained."""
    where: str
    reason: str
    kernel: str = ''
    ours: str = ''
    besides: str = ''
    sometimes: bool = False
    ends: bool = False
    source: bool = False
    after: str = ''
    used: int = 0

    def explains(self, script, kernel, ours, before=()):
        """`before`: what the kernel said before that line."""
        return fnmatch.fnmatchcase(script, self.where) and \
            re.search(self.kernel, kernel) is not None and \
            re.search(self.ours, ours) is not None and \
            (not self.after or any(re.search(self.after, line) for line in before)) and \
            (not self.besides or self.bare(kernel) == self.bare(ours)) and \
            (not self.source or sources.explained(before, kernel, ours))

    def bare(self, line):
        return re.sub(self.besides, '', line).rstrip(' ;')


@dataclasses.dataclass
class Difference:
    script: str
    number: int
    kernel: str
    ours: str

    def __str__(self):
        return f'{self.script}, line {self.number}:\n  kernel: {self.kernel}\n  ours:   {self.ours}'


def load(path):
    listed = tomllib.loads(path.read_text()).get('difference', [])
    for entry in listed:
        if not entry.get('reason') or not (entry.get('kernel') or entry.get('ours')):
            raise ValueError(f'{path.name}: an entry needs a reason, and what it explains: {entry}')
    return [Known(**entry) for entry in listed]


def differences(script, kernel, ours, known):
    """The first difference that no entry explains, as a list of none or one."""
    for number in range(max(len(kernel), len(ours))):
        theirs = kernel[number] if number < len(kernel) else '(nothing)'
        own = ours[number] if number < len(ours) else '(nothing)'
        if theirs == own:
            continue
        before = kernel[:number]
        entry = next((each for each in known if each.explains(script, theirs, own, before)), None)
        if entry is None:
            return [Difference(script, number + 1, theirs, own)]
        entry.used += 1
        if entry.ends:
            break
    return []


def compare(name, kernel, ours, known):
    """All scripts of a set; the differences."""
    found = []
    for script, lines in kernel.items():
        found += differences(f'{name}/{script}', lines, ours.get(script, []), known)
    return found


def gone(known, names):
    """Entries for sets that were run and explained nothing, though they should."""
    return [entry for entry in known
            if entry.used == 0 and not entry.sometimes and entry.where.split('/')[0] in names]
