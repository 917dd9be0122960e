#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Which test proves which rule of an RFC.

A rule is a sentence with MUST or SHOULD, found once in the RFC's text. tests/unit/rfc/lists/NUMBER/
has an RFC's rules, a file for each section: where it stands, a hash of it, what it demands in our
own words, and the tests that prove it, or why it does not apply. rfc.toml beside them names the
sections, and those that are left out as a whole, with the reason.

  rfc_coverage.py write           makes docs/rfc-coverage.md and docs/rfc/NUMBER.md
  rfc_coverage.py check           fails on a rule without a test, a test that is not there, ...
  rfc_coverage.py compare FILE    compares the lists with the RFC's text (rfc9260.txt)
  rfc_coverage.py read FILE [AT]  prints the sentences of FILE beside their rules; AT: 5 or 5.2.1

All RFCs that have lists are meant, or the one of --rfc NUMBER; with FILE, the one that its name or
--rfc says. A test is a GoogleTest name (Suite.Case), set/name of a script of the differential tester
(tests/sockets), or path:word for a case of a script or a scenario: the file must hold the word.

A rule has one of
  tests           they prove it
  not_applicable  why it demands nothing of an SCTP endpoint such as this one
  deviates        it is a SHOULD, and why it is not done; beside tests: which part is not done

An informational RFC (informational = true in rfc.toml) says what is so and demands little. Each of
its sentences may be a rule; a list's [silent] names those that are none. Its rules may have
  as_linux        beside tests: Linux does otherwise, and so does Trunkline, as the tests show
  open            why nothing shows it yet
"""
import argparse
import collections
import dataclasses
import hashlib
import pathlib
import re
import sys
import tomllib

import rfc_pages

ROOT = pathlib.Path(__file__).resolve().parent.parent
LISTS = ROOT / 'tests/unit/rfc/lists'
INDEX = ROOT / 'docs/rfc-coverage.md'
PAGES = ROOT / 'docs/rfc'
# Of the rules of an RFC, so many may be excused: one in twenty, of a short one so many.
MOST_EXCUSED, FEW = 1 / 20, 3
LEVELS = ('MUST', 'SHOULD')
KEYS = {'at', 'level', 'hash', 'demand', 'tests', 'not_applicable', 'deviates'}
INFORMATIONAL_KEYS = {'as_linux', 'open'}


@dataclasses.dataclass
class Rfc:
    number: str
    title: str
    sections: dict   # {number: title}
    left_out: list   # of {section, rules, reason}
    rules: dict      # {section: list of rules}
    informational: bool = False
    silent: dict = dataclasses.field(default_factory=dict)  # {section: numbers of its sentences}

    def all_rules(self):
        return [rule for its_rules in self.rules.values() for rule in its_rules]

    def leaves_out(self, number):
        """Which of left_out a section is part of."""
        return next((i for i, part in enumerate(self.left_out)
                     if within(number, part.get('section', '?'))), None)

    def lists(self, number):
        return any(within(number, s) for s in self.sections) and self.leaves_out(number) is None


def within(number, section):
    return (number + '.').startswith(section + '.')


# The RFC's text

def follows(number, heading):
    """Can that section come after this one? If not, it is an item of a numbered list."""
    if heading[0].isalpha() or number[0].isalpha():
        return heading > number
    old, new = ([int(part) for part in n.split('.')] for n in (number, heading))
    return new == old + [1] or (len(new) <= len(old) and
                                new == old[:len(new) - 1] + [old[len(new) - 1] + 1])


def sections(text):
    """(number, lines) of each section. A heading: a number, after a blank line; its last dot is
    missing from some."""
    number, lines, before = '0', [], ''
    body = text.splitlines()
    first = next(i for i, line in enumerate(body) if re.match(r'1\. +Introduction', line))
    for line in body[first:]:
        heading = re.match(r'(?:Appendix (?=[A-Z]\.))?((?:[A-Z]\.|\d+\.)+|\d+(?:\.\d+)+) +\S', line)
        place = heading.group(1).rstrip('.') if heading else ''
        if place and not before.strip() and follows(number, place):
            yield number, lines
            number, lines = place, []
        else:
            lines.append(line)
        before = line
    yield number, lines


def sentences(lines):
    # Where a page ended, a blank line stands within a sentence.
    text = re.sub(r'(?<=[a-z,)])\n\s*\n(?=\s*[a-z])', '\n', '\n'.join(lines))
    # An item of a list is a paragraph, whether or not a blank line is before it.
    for paragraph in re.split(r'\n\s*\n|\n(?=(?:-|\d+\.) {2,3}\S)', text):
        yield from re.split(r'(?<=[.?!])["\')]*\s+(?=[A-Z("*])', ' '.join(paragraph.split()))


def without_pages(text):
    """Without the foot and the head of pages."""
    return re.sub(r'\n+\S.*\[Page \d+\]\n+(?:\f\n*)?RFC \d+ .*\n+', '\n\n', text)


def level_of(sentence, informational):
    case = re.IGNORECASE if informational else 0
    return next((level for level in LEVELS if re.search(rf'\b{level}\b', sentence, case)), 'SAYS')


def rules_of_text(text, informational=False):
    """Yields (at, level, hash, sentence) for each sentence that demands something, or for each."""
    for number, lines in sections(without_pages(text) if informational else text):
        demanding = [s for s in sentences(lines) if s and
                     (informational or level_of(s, False) != 'SAYS')]
        for i, sentence in enumerate(demanding, 1):
            level = level_of(sentence, informational)
            digest = hashlib.sha256(sentence.encode()).hexdigest()[:12]
            yield f'{number} #{i}', level, digest, sentence


# Our lists

def parse(path):
    with open(path, 'rb') as file:
        return tomllib.load(file)


def load(numbers=()):
    """The RFCs of those numbers, or all, and complaints about the lists' form."""
    rfcs, wrong = [], []
    for folder in sorted(LISTS.iterdir()):
        if numbers and folder.name not in numbers:
            continue
        head = parse(folder / 'rfc.toml')
        rfc = Rfc(folder.name, head['title'], head['sections'], head.get('left_out', []), {},
                  head.get('informational', False))
        for section in rfc.sections:
            path = folder / f'section-{int(section):02}.toml'
            data = parse(path)
            rfc.rules[section] = data.get('rule', [])
            rfc.silent.update(data.get('silent', {}))
            if data.get('count') != len(rfc.rules[section]):
                wrong.append(f'{path.relative_to(ROOT)}: count is {data.get("count")}, rules are '
                             f'{len(rfc.rules[section])}')
        wrong += form_complaints(rfc)
        rfcs.append(rfc)
    missing = set(numbers) - {rfc.number for rfc in rfcs}
    wrong += [f'RFC {number} has no lists' for number in sorted(missing)]
    return rfcs, wrong


def form_complaints(rfc):
    wrong = []
    for section, its_rules in rfc.rules.items():
        seen = set()
        for rule in its_rules:
            at = rule.get('at', '?')
            name = f'RFC {rfc.number}: {at}'
            unknown = set(rule) - KEYS - (INFORMATIONAL_KEYS if rfc.informational else set())
            if unknown:
                wrong.append(f'{name}: unknown key {", ".join(sorted(unknown))}')
            if not re.fullmatch(re.escape(section) + r'(\.\d+)* #\d+', at) or at in seen:
                wrong.append(f'{name}: not a place in section {section}, or there twice')
            if rfc.leaves_out(at.split()[0]) is not None:
                wrong.append(f'{name}: its section is left out')
            levels = (*LEVELS, 'SAYS') if rfc.informational else LEVELS
            if rule.get('level') not in levels:
                wrong.append(f'{name}: level is {" or ".join(levels)}')
            if not re.fullmatch('[0-9a-f]{12}', rule.get('hash', '')):
                wrong.append(f'{name}: hash is 12 hexadecimal digits')
            seen.add(at)
    return wrong


def gtest_names():
    names = set()
    for path in (ROOT / 'tests').rglob('*.cpp'):
        text = path.read_text(encoding='utf-8')
        names |= {f'{suite}.{case}' for suite, case in re.findall(
            r'^\s*(?:TYPED_)?TEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)', text, re.M)}
    return names | script_names()


def script_names():
    """Scripts that both are there and have been recorded from Linux."""
    sys.path.insert(0, str(ROOT / 'tests/sockets'))
    from socketlib import scripts, sides
    recorded = {path.stem: sides.read_lines(path)
                for path in (ROOT / 'tests/sockets/golden').glob('*.txt')}
    return {f'{name}/{script.split()[0]}' for name, some in scripts.sets().items()
            for script, _ in some if script in recorded.get(name, {})}


def is_test(name, known):
    if ':' not in name:
        return name in known
    path, word = name.split(':', 1)
    file = ROOT / path
    return path.startswith('tests/') and file.is_file() and word != '' and bool(
        re.search(rf'(?<!\w){re.escape(word)}(?!\w)', file.read_text(encoding='utf-8')))


def rule_complaints(where, rule, known):
    tests = rule.get('tests', [])
    not_applicable, deviates, as_linux, still_open = (
        rule.get(k, '').strip() for k in ('not_applicable', 'deviates', 'as_linux', 'open'))
    wrong = [f'{where}: no such test: {test}' for test in tests if not is_test(test, known)]
    if not rule.get('demand', '').strip():
        wrong.append(f'{where}: says nothing of what it demands')
    if not tests and not not_applicable and not deviates and not still_open:
        wrong.append(f'{where}: needs tests, or a reason why not')
    if not_applicable and (tests or deviates or still_open):
        wrong.append(f'{where}: does not apply, and yet it does')
    if still_open and (tests or deviates):
        wrong.append(f'{where}: is open, and yet it is not')
    if as_linux and not tests:
        wrong.append(f'{where}: nothing shows that it is as on Linux')
    if deviates and not tests and rule.get('level') == 'MUST':
        wrong.append(f'{where}: nothing excuses from a MUST')
    return wrong


def complaints(rfc, known=None):
    """What keeps the lists of an RFC from being complete."""
    known = gtest_names() if known is None else known
    rules = rfc.all_rules()
    wrong = []
    for rule in rules:
        wrong += rule_complaints(f'RFC {rfc.number}: {rule["level"]} {rule["at"]}', rule, known)
    excused = sum(bool(rfc_pages.excuse(rule)) for rule in rules)
    if excused > max(FEW, len(rules) * MOST_EXCUSED):
        wrong.append(f'RFC {rfc.number}: {excused} of {len(rules)} rules are excused: more than '
                     f'one in twenty')
    wrong += [f'RFC {rfc.number}: section {part.get("section")} is left out without a reason'
              for part in rfc.left_out if not part.get('reason', '').strip()]
    return wrong


def page_complaints(rfcs):
    return [f'{path.relative_to(ROOT)} is not what the lists say: '
            'run devtools/rfc_coverage.py write'
            for path, text in pages(rfcs).items()
            if not path.is_file() or path.read_text(encoding='utf-8') != text]


def pages(rfcs):
    """{path: text} of all pages."""
    out = {PAGES / f'{rfc.number}.md': rfc_pages.page(rfc) for rfc in rfcs}
    out[INDEX] = rfc_pages.index(rfcs)
    return out


# Text and lists side by side

def numbers_of(some):
    """Of "1-3, 5": 1, 2, 3 and 5."""
    for part in some.split(','):
        first, _, last = part.strip().partition('-')
        yield from range(int(first), int(last or first) + 1)


def compare(rfc, text):
    ours = {(rule['at'], rule['level'], rule['hash']) for rule in rfc.all_rules()}
    silent = {f'{section} #{n}' for section, some in rfc.silent.items() for n in numbers_of(some)}
    theirs, left_out, wrong = set(), collections.Counter(), []
    for at, level, digest, _ in rules_of_text(text, rfc.informational):
        number = at.split()[0]
        part = rfc.leaves_out(number)
        if part is not None:
            left_out[part] += 1
        elif at in silent:
            silent.remove(at)
        elif rfc.lists(number):
            theirs.add((at, level, digest))
        else:
            wrong.append(f'in the RFC, neither in the lists nor left out: {at}')
    wrong += [f'in the RFC, not in the lists: {" ".join(r)}' for r in sorted(theirs - ours)]
    wrong += [f'in the lists, not in the RFC: {" ".join(r)}' for r in sorted(ours - theirs)]
    wrong += [f'silent, and not in the RFC: {at}' for at in sorted(silent)]
    wrong += [f'section {part["section"]}, left out, has {left_out[i]} such sentences, not '
              f'{part.get("rules")}'
              for i, part in enumerate(rfc.left_out) if part.get('rules') != left_out[i]]
    return wrong


def read(rfc, text, at):
    mine = {rule['at']: rule for rule in rfc.all_rules()}
    for place, level, digest, sentence in rules_of_text(text, rfc.informational):
        if at and not within(place.split()[0], at):
            continue
        rule = mine.get(place, {})
        print(f'{level} {place} {digest}\n    {sentence}\n    demand: {rule.get("demand", "")}'
              f'\n    tests: {", ".join(rule.get("tests", []))}{rfc_pages.excuse(rule)}\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('command', choices=('write', 'check', 'compare', 'read'))
    parser.add_argument('file', nargs='?', type=pathlib.Path)
    parser.add_argument('at', nargs='?', default='')
    parser.add_argument('--rfc', metavar='NUMBER', help='that one only')
    options = parser.parse_args()
    with_text = options.command in ('compare', 'read')
    if with_text != bool(options.file):
        parser.error(f'{options.command} takes {"the RFC" if with_text else "no"} text')
    number = options.rfc
    if with_text and not number:
        found = re.search(r'\d+', options.file.name)
        if not found:
            parser.error('which RFC is it? --rfc NUMBER')
        number = found.group()
    rfcs, wrong = load([number] if number else [])
    if with_text and rfcs:
        text = options.file.read_text(encoding='utf-8')
        if options.command == 'read':
            read(rfcs[0], text, options.at)
            return 0
        wrong += compare(rfcs[0], text)
    elif not with_text:
        everything, _ = load()
        if options.command == 'write':
            PAGES.mkdir(exist_ok=True)
            for path, content in pages(everything).items():
                path.write_text(content, encoding='utf-8')
        else:
            wrong += page_complaints(everything)
        known = gtest_names()
        for rfc in rfcs:
            wrong += complaints(rfc, known)
    for line in wrong:
        print(f'rfc_coverage: {line}')
    for rfc in rfcs:
        rules = rfc.all_rules()
        print(f'rfc_coverage: RFC {rfc.number}: {len(rules)} rules, '
              f'{sum(bool(rule.get("tests")) for rule in rules)} proven by tests, '
              f'{sum(bool(rfc_pages.excuse(rule)) for rule in rules)} excused, '
              f'{sum(bool(rule.get("open")) for rule in rules)} open')
    print(f'rfc_coverage: {len(wrong)} complaints')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
