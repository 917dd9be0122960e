#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Which test proves which rule of RFC 9260.

The rules are the sentences with MUST or SHOULD in sections 3 to 10 and 12, found once in the RFC's
text and kept in tests/unit/rfc/section-NN.toml: where it stands, a hash of it, what it demands in
our own words, and the tests that prove it, or why it does not apply.

  rfc_coverage.py write           makes docs/rfc-coverage.md
  rfc_coverage.py check           fails on a rule without a test, a test that is not there, ...
  rfc_coverage.py compare FILE    compares the lists with the RFC's text (rfc9260.txt)
  rfc_coverage.py read FILE [AT]  prints the sentences of FILE beside their rules; AT: 5 or 5.2.1

A test is a GoogleTest name (Suite.Case), or path:word for a case of a script or a scenario: the
file must hold the word.
"""
import argparse
import collections
import hashlib
import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
LISTS = ROOT / 'tests/unit/rfc'
PAGE = ROOT / 'docs/rfc-coverage.md'
SECTIONS = ('3', '4', '5', '6', '7', '8', '9', '10', '12')
MOST_NOT_APPLICABLE = 1 / 20
TITLES = {'3': 'Packet format', '4': 'State diagram', '5': 'Association initialization',
          '6': 'User data transfer', '7': 'Congestion control', '8': 'Fault management',
          '9': 'Termination', '10': 'ICMP handling', '12': 'Security considerations'}


# The RFC's text

def sections(text):
    """(number, lines) of each section. A heading is a number with a last dot, after a blank line."""
    number, lines, before = '0', [], ''
    body = text.splitlines()
    first = next(i for i, line in enumerate(body) if re.match(r'1\. +Introduction', line))
    for line in body[first:]:
        heading = re.match(r'((?:\d+\.)+) +\S', line)
        if heading and not before.strip():
            yield number, lines
            number, lines = heading.group(1).rstrip('.'), []
        else:
            lines.append(line)
        before = line
    yield number, lines


def sentences(lines):
    for paragraph in re.split(r'\n\s*\n', '\n'.join(lines)):
        yield from re.split(r'(?<=[.?!])["\')]*\s+(?=[A-Z("*])', ' '.join(paragraph.split()))


def rules_of_text(text):
    """Yields (at, level, hash, sentence) for each sentence that demands something."""
    for number, lines in sections(text):
        if number.split('.')[0] not in SECTIONS:
            continue
        demanding = [s for s in sentences(lines) if re.search(r'\b(MUST|SHOULD)\b', s)]
        for i, sentence in enumerate(demanding, 1):
            level = 'MUST' if re.search(r'\bMUST\b', sentence) else 'SHOULD'
            digest = hashlib.sha256(sentence.encode()).hexdigest()[:12]
            yield f'{number} #{i}', level, digest, sentence


# Our lists

def load():
    """{section: list of rules}, and complaints about the lists' form."""
    rules, wrong = {}, []
    for section in SECTIONS:
        path = LISTS / f'section-{int(section):02}.toml'
        name = path.relative_to(ROOT)
        with open(path, 'rb') as file:
            data = tomllib.load(file)
        rules[section] = data.get('rule', [])
        if data.get('count') != len(rules[section]):
            wrong.append(f'{name}: count is {data.get("count")}, rules are {len(rules[section])}')
        seen = set()
        for rule in rules[section]:
            at = rule.get('at', '?')
            unknown = set(rule) - {'at', 'level', 'hash', 'demand', 'tests', 'not_applicable'}
            if unknown:
                wrong.append(f'{name}: {at}: unknown key {", ".join(sorted(unknown))}')
            if not re.fullmatch(re.escape(section) + r'(\.\d+)* #\d+', at) or at in seen:
                wrong.append(f'{name}: {at}: not a place in section {section}, or there twice')
            if rule.get('level') not in ('MUST', 'SHOULD'):
                wrong.append(f'{name}: {at}: level is MUST or SHOULD')
            if not re.fullmatch('[0-9a-f]{12}', rule.get('hash', '')):
                wrong.append(f'{name}: {at}: hash is 12 hexadecimal digits')
            seen.add(at)
    return rules, wrong


def gtest_names():
    names = set()
    for path in (ROOT / 'tests').rglob('*.cpp'):
        text = path.read_text(encoding='utf-8')
        names |= {f'{suite}.{case}' for suite, case in re.findall(
            r'^\s*(?:TYPED_)?TEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)', text, re.M)}
    return names


def is_test(name, known):
    if ':' not in name:
        return name in known
    path, word = name.split(':', 1)
    file = ROOT / path
    return path.startswith('tests/') and file.is_file() and word != '' and bool(
        re.search(rf'(?<!\w){re.escape(word)}(?!\w)', file.read_text(encoding='utf-8')))


def complaints(rules):
    """What keeps the lists from being complete."""
    wrong, known = [], gtest_names()
    excused = 0
    for section, its_rules in rules.items():
        for rule in its_rules:
            where = f'{rule["level"]} {rule["at"]}'
            tests, reason = rule.get('tests', []), rule.get('not_applicable', '')
            if not rule.get('demand', '').strip():
                wrong.append(f'{where}: says nothing of what it demands')
            if bool(tests) == bool(reason.strip()):
                wrong.append(f'{where}: needs tests, or a reason why it does not apply; one of both')
            excused += bool(reason.strip())
            wrong += [f'{where}: no such test: {test}' for test in tests if not is_test(test, known)]
    total = sum(map(len, rules.values()))
    if excused > total * MOST_NOT_APPLICABLE:
        wrong.append(f'{excused} of {total} rules do not apply: more than one in twenty')
    return wrong


def page(rules):
    """docs/rfc-coverage.md"""
    def row(name, its_rules):
        count = collections.Counter(rule['level'] for rule in its_rules)
        proven = sum(bool(rule.get('tests')) for rule in its_rules)
        tests = {test for rule in its_rules for test in rule.get('tests', [])}
        excused = sum(bool(rule.get('not_applicable')) for rule in its_rules)
        return (f'| {name} | {count["MUST"]} | {count["SHOULD"]} | {proven} | {excused} '
                f'| {len(tests)} |')

    everything = [rule for its_rules in rules.values() for rule in its_rules]
    lines = ['# RFC 9260, rule by rule', '',
             '<!-- made by devtools/rfc_coverage.py write; edit tests/unit/rfc/*.toml -->', '',
             'Each sentence of RFC 9260 with MUST, MUST NOT, SHOULD or SHOULD NOT in sections 3 to',
             '10 and 12, where it stands (section, and which such sentence in it), what it demands',
             'in our words, and the tests that prove it. `./dev mutate` removes rules one at a time',
             'and shows that the named test notices.', '',
             '| section | MUST | SHOULD | proven by tests | not applicable | tests |',
             '| --- | --: | --: | --: | --: | --: |']
    lines += [row(f'[{s} {TITLES[s]}](#section-{s})', its) for s, its in rules.items()]
    lines += [row('all', everything), '']
    for section, its_rules in rules.items():
        lines += [f'<a id="section-{section}"></a>', '', f'## {section} {TITLES[section]}', '',
                  '| where | level | demands | proven by |', '| --- | --- | --- | --- |']
        for rule in its_rules:
            tests = ', '.join(f'`{test}`' for test in rule.get('tests', []))
            proof = tests or f'does not apply: {rule.get("not_applicable", "")}'
            lines.append(f'| {rule["at"]} | {rule["level"]} | {rule.get("demand", "")} | {proof} |')
        lines.append('')
    return '\n'.join(lines)


def page_complaints(rules):
    if PAGE.is_file() and PAGE.read_text(encoding='utf-8') == page(rules):
        return []
    return ['docs/rfc-coverage.md is not what the lists say: run devtools/rfc_coverage.py write']


def compare(rules, text):
    ours = [(rule['at'], rule['level'], rule['hash']) for its in rules.values() for rule in its]
    theirs = [(at, level, digest) for at, level, digest, _ in rules_of_text(text)]
    missing = [r for r in theirs if r not in set(ours)]
    extra = [r for r in ours if r not in set(theirs)]
    return ([f'in the RFC, not in the lists: {" ".join(r)}' for r in missing] +
            [f'in the lists, not in the RFC: {" ".join(r)}' for r in extra])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('command', choices=('write', 'check', 'compare', 'read'))
    parser.add_argument('file', nargs='?', type=pathlib.Path)
    parser.add_argument('at', nargs='?', default='')
    options = parser.parse_args()
    if options.command in ('compare', 'read') and not options.file:
        parser.error(f'{options.command} needs the RFC\'s text')
    rules, wrong = load()
    if options.command == 'read':
        mine = {rule['at']: rule for its in rules.values() for rule in its}
        for at, level, digest, sentence in rules_of_text(options.file.read_text(encoding='utf-8')):
            number = at.split()[0]
            if number == options.at or (number + '.').startswith(options.at + '.') or not options.at:
                rule = mine.get(at, {})
                print(f'{level} {at} {digest}\n    {sentence}\n    demand: {rule.get("demand", "")}'
                      f'\n    tests: {", ".join(rule.get("tests", []))}'
                      f'{rule.get("not_applicable", "")}\n')
        return 0
    if options.command == 'compare':
        wrong += compare(rules, options.file.read_text(encoding='utf-8'))
    elif options.command == 'write':
        PAGE.write_text(page(rules), encoding='utf-8')
        wrong += complaints(rules)
    else:
        wrong += complaints(rules) + page_complaints(rules)
    for line in wrong:
        print(f'rfc_coverage: {line}')
    proven = sum(bool(rule.get('tests')) for its in rules.values() for rule in its)
    print(f'rfc_coverage: {sum(map(len, rules.values()))} rules, {proven} proven by tests, '
          f'{len(wrong)} complaints')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
