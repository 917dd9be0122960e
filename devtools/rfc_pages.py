# SPDX-License-Identifier: BSD-3-Clause
"""The pages that rfc_coverage.py makes of the lists: docs/rfc-coverage.md, docs/rfc/NUMBER.md."""
import collections


def excuse(rule):
    """Why a rule is not done, or a part of it."""
    return (rule.get('not_applicable', '') or rule.get('deviates', '')).strip()


def figures(rules):
    count = collections.Counter(rule['level'] for rule in rules)
    proven = sum(bool(rule.get('tests')) for rule in rules)
    excused = sum(bool(excuse(rule)) for rule in rules)
    tests = {test for rule in rules for test in rule.get('tests', [])}
    return f'{count["MUST"]} | {count["SHOULD"]} | {proven} | {excused} | {len(tests)} |'


def figures_of_informational(rules):
    tests = {test for rule in rules for test in rule.get('tests', [])}
    count = [sum(bool(rule.get(key)) for rule in rules) for key in ('tests', 'as_linux', 'open')]
    excused = sum(bool(excuse(rule)) for rule in rules)
    return f'{len(rules)} | ' + ' | '.join(map(str, [*count, excused, len(tests)])) + ' |'


MADE = '<!-- made by devtools/rfc_coverage.py write; edit tests/unit/rfc/lists/ -->'
COLUMNS = 'MUST | SHOULD | proven by tests | excused | tests |'
RULER = '| --- | --: | --: | --: | --: | --: |'
INFORMATIONAL_COLUMNS = 'statements | shown by tests | of them as Linux | open | excused | tests |'
INFORMATIONAL_RULER = RULER + ' --: |'


def index(rfcs):
    """docs/rfc-coverage.md"""
    rows = '\n'.join(f'| [{rfc.number} {rfc.title}](rfc/{rfc.number}.md) | '
                     f'{figures(rfc.all_rules())}' for rfc in rfcs if not rfc.informational)
    others = '\n'.join(f'| [{rfc.number} {rfc.title}](rfc/{rfc.number}.md) | '
                       f'{figures_of_informational(rfc.all_rules())}'
                       for rfc in rfcs if rfc.informational)
    return f'''# RFCs, rule by rule

{MADE}

Each sentence with MUST, MUST NOT, SHOULD or SHOULD NOT, what it demands in our words, and the tests
that prove it. A page for each RFC; `./dev mutate` removes rules one at a time and shows that the
named test notices.

| RFC | {COLUMNS}
{RULER}
{rows}

Excused is what does not apply to an SCTP endpoint such as this one, and a SHOULD that is not done,
or not all of it: at most one rule in twenty, or three of a short RFC. Sections that address others
are left out as a whole; each page says which, and why.

Informational RFCs demand little, and say much. Of them each statement about what a program sees is a
rule:

| RFC | {INFORMATIONAL_COLUMNS}
{INFORMATIONAL_RULER}
{others}

As Linux is where Linux does otherwise, and so does Trunkline; open is what nothing shows yet.

For one more RFC: a folder in `tests/unit/rfc/lists/` with `rfc.toml` and a list for each section,
until `devtools/rfc_coverage.py compare` has nothing to say about its text.
'''


def shown(test):
    """A script of the differential tester is no path."""
    return test if ':' in test else test.replace('/', ' ')


def proof(rule):
    tests = ', '.join(f'`{shown(test)}`' for test in rule.get('tests', []))
    if rule.get('not_applicable'):
        return f'does not apply: {rule["not_applicable"]}'
    deviates = f'not done: {rule["deviates"]}' if rule.get('deviates') else ''
    as_linux = f'as Linux: {rule["as_linux"]}' if rule.get('as_linux') else ''
    still_open = f'open: {rule["open"]}' if rule.get('open') else ''
    return '; '.join(part for part in (tests, deviates, as_linux, still_open) if part)


WHAT = """Each sentence with MUST, MUST NOT, SHOULD or SHOULD NOT, where it stands (section,
and which such sentence in it), what it demands in our words, and the tests that
prove it. All RFCs: [the index](../rfc-coverage.md)."""
WHAT_OF_INFORMATIONAL = """Each statement about what a program sees of a socket, where it stands (section, and which
sentence in it), what it says in our words, and the tests that show it: unit tests, and as
`set script` scripts of the [differential tester](../../tests/sockets/README.md), which compares
with Linux. Where Linux does otherwise, so does Trunkline. All RFCs:
[the index](../rfc-coverage.md)."""


def page(rfc):
    """docs/rfc/NUMBER.md"""
    columns, ruler, count, what = (
        (INFORMATIONAL_COLUMNS, INFORMATIONAL_RULER, figures_of_informational, WHAT_OF_INFORMATIONAL)
        if rfc.informational else (COLUMNS, RULER, figures, WHAT))
    lines = [f'# RFC {rfc.number}, rule by rule', '', rfc.title + '.', '', MADE, '', what, '',
             f'| section | {columns}', ruler]
    lines += [f'| [{s} {rfc.sections[s]}](#section-{s}) | {count(its)}'
              for s, its in rfc.rules.items()]
    lines += [f'| all | {count(rfc.all_rules())}', '']
    if rfc.left_out:
        lines += ['Left out as a whole:', '', '| section | sentences | why |',
                  '| --- | --: | --- |']
        lines += [f'| {part["section"]} | {part["rules"]} | {part["reason"]} |'
                  for part in rfc.left_out]
        lines.append('')
    for section, its_rules in rfc.rules.items():
        lines += [f'<a id="section-{section}"></a>', '',
                  f'## {section} {rfc.sections[section]}', '',
                  '| where | level | demands | proven by |', '| --- | --- | --- | --- |']
        lines += [f'| {rule["at"]} | {rule["level"]} | {rule.get("demand", "")} | {proof(rule)} |'
                  for rule in its_rules]
        lines.append('')
    return '\n'.join(lines)
