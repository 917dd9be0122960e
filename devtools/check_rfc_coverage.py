#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Fails unless each rule of the RFCs names its tests, docs/rfc-coverage.md and docs/rfc/ say so,
and enough mutations that fit the sources keep the lists honest. Tries that it would notice."""
import copy
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import mutate  # noqa: E402
import rfc_coverage  # noqa: E402

LEAST_MUTATIONS = 40
LEAST_PLANTED = 12
BY_SECTION = ('9260',)      # RFCs each of whose sections has a mutation
BY_RULE = ('7829', '8899')  # each of whose rules has one, which a test of the rule notices

# An RFC in small, with what disturbs: a list that looks like a heading, the end of a page in a
# sentence, and a rule in a section that is left out.
SMALL = """1.  Introduction

   It SHOULD be short.

2.  Rules

   Three of them:

1.  One MUST walk. One MUST NOT
    run.
2.  Also, one SHOULD rest

    now and then.

2.1.  Others

   Others MUST fly.
"""
SMALL_READ = [('1 #1', 'It SHOULD be short.'), ('2 #1', 'One MUST walk.'),
              ('2 #2', 'One MUST NOT run.'), ('2 #3', 'Also, one SHOULD rest now and then.'),
              ('2.1 #1', 'Others MUST fly.')]


def lies_noticed(rfc, known):
    """Each way of lying about a rule must be noticed."""
    def complaints_after(change):
        changed = copy.deepcopy(rfc)
        change(changed.all_rules())
        return len(rfc_coverage.complaints(changed, known))

    proven = next(i for i, rule in enumerate(rfc.all_rules()) if rule.get('tests'))
    before = len(rfc_coverage.complaints(rfc, known))

    def change(**what):
        return lambda rules: rules[proven].update(what)

    def excuse_many(key):
        def excuse(rules):
            for rule in rules[:len(rules) // 2]:
                for other in ('tests', 'not_applicable', 'deviates', 'as_linux', 'open'):
                    rule.pop(other, None)
                rule.update({key: 'too hard', 'level': 'SHOULD'})
        return excuse

    lies = {
        'a rule without a test': change(tests=[]),
        'a test that is not there': change(tests=['No.SuchTest']),
        'a script that is not there': change(tests=['tests/none.py:x']),
        'a script of calls that is not there': change(tests=['data/none']),
        'a script of calls in another set': change(tests=['life/partial']),
        'a test and an open question': change(open='why'),
        'what is open and does not apply': change(tests=[], open='why', not_applicable='why'),
        'what is as on Linux, and nothing shows it': change(tests=[], as_linux='how'),
        'a rule without words': change(demand=' '),
        'a test and an excuse': change(not_applicable='why'),
        'a MUST that is not done': change(level='MUST', tests=[], deviates='why'),
    }
    if len(rfc.all_rules()) // 2 > rfc_coverage.FEW:  # of a shorter one half may be excused
        lies['too many excuses'] = excuse_many('not_applicable')
        lies['too much that is not done'] = excuse_many('deviates')
    wrong = [f'did not notice {name}' for name, lie in lies.items()
             if complaints_after(lie) <= before]
    without = copy.deepcopy(rfc)
    without.left_out.append({'section': '99', 'rules': 1, 'reason': ' '})
    if len(rfc_coverage.complaints(without, known)) <= before:
        wrong.append('did not notice a section left out without a reason')
    return [f'RFC {rfc.number}: {line}' for line in wrong]


def small_rfc():
    rules = [{'at': at, 'level': level, 'hash': digest}
             for at, level, digest, _ in rfc_coverage.rules_of_text(SMALL) if at.startswith('2 ')]
    left_out = [{'section': '1', 'rules': 1, 'reason': 'why'},
                {'section': '2.1', 'rules': 1, 'reason': 'why'}]
    return rfc_coverage.Rfc('0', 'Small', {'2': 'Rules'}, left_out, {'2': rules})


def reading_is_right():
    """The text of an RFC must be read rightly, and what its lists leave out be noticed."""
    wrong = []
    found = [(at, sentence) for at, _, _, sentence in rfc_coverage.rules_of_text(SMALL)]
    if found != SMALL_READ:
        wrong.append(f'an RFC is read wrongly: {found}')
    if rfc_coverage.compare(small_rfc(), SMALL):
        wrong.append('compare complains of nothing')

    def forget(rfc):
        rfc.rules['2'].pop()

    def invent(rfc):
        rfc.rules['2'].append({'at': '2 #4', 'level': 'MUST', 'hash': '0' * 12})

    def change(rfc):
        rfc.rules['2'][0]['hash'] = '0' * 12

    def soften(rfc):
        rfc.rules['2'][0]['level'] = 'SHOULD'

    def hide(rfc):
        rfc.left_out[1]['rules'] = 2

    def skip(rfc):
        rfc.left_out.pop(0)

    for lie in (forget, invent, change, soften, hide, skip):
        rfc = small_rfc()
        lie(rfc)
        if not rfc_coverage.compare(rfc, SMALL):
            wrong.append(f'compare did not notice: {lie.__name__}')
    both = small_rfc()
    both.rules['2'].append({'at': '2.1 #1', 'level': 'MUST', 'hash': '0' * 12})
    if not rfc_coverage.form_complaints(both):
        wrong.append('did not notice a rule of a section that is left out')
    return wrong


def statements_are_read():
    """Of an informational RFC each sentence counts, and is a rule or is said to be silent."""
    wrong = []
    texts = dict(forgotten=SMALL, paged=SMALL.replace(
        'rest\n\n    now', 'rest\n\nSome One, et al.      Standards Track     [Page 7]\n\f\n'
        'RFC 0           Small           May 2000\n\n    now'))
    found = [(at, level) for at, level, _, _ in rfc_coverage.rules_of_text(texts['paged'], True)]
    levels = [level for at, level in found if at.startswith('2 ')]
    if levels != ['SAYS', 'SAYS', 'MUST', 'MUST', 'SAYS', 'SHOULD']:  # "1." and "2." count, too
        wrong.append(f'an informational RFC is read wrongly: {found}')
    rfc = small_rfc()
    rules = [{'at': at, 'level': level, 'hash': digest} for at, level, digest, _ in
             rfc_coverage.rules_of_text(SMALL, True) if at.startswith('2 ')]
    rfc.informational, rfc.rules = True, {'2': rules[1:]}
    for silent, complaints in (({'2': '1'}, 0), ({}, 1), ({'2': '1, 7-8'}, 2), ({'2': '1-2'}, 1)):
        rfc.silent = silent
        if len(rfc_coverage.compare(rfc, SMALL)) != complaints:
            wrong.append(f'compare is wrong about silent sentences: {silent}')
    return wrong


def place(rfc, at):
    """As mutations name it: of RFC 9260 the place alone, of others with the RFC's number."""
    return at if rfc.number == '9260' else f'{rfc.number} {at}'


def mutation_complaints(rfcs):
    wrong = []
    mutations = mutate.load([])
    for mutation in mutations:
        try:
            mutate.mutated(mutation)
        except (OSError, ValueError) as error:
            wrong.append(f'mutation {mutation["name"]}: {error}')
    places = {place(rfc, rule['at']) for rfc in rfcs for rule in rfc.all_rules()}
    wrong += [f'mutation {m["name"]}: no such rule: {m["rule"]}' for m in mutations
              if '#' in m.get('rule', '') and m['rule'] not in places]
    count = sum(bool(m.get('tests')) and m.get('rule') in places for m in mutations)
    if count < LEAST_MUTATIONS:
        wrong.append(f'{count} mutations of rules, wanted are {LEAST_MUTATIONS}')
    planted = sum(bool(m.get('sim')) for m in mutations)
    if planted < LEAST_PLANTED:
        wrong.append(f'{planted} planted bugs for the simulator, wanted are {LEAST_PLANTED}')
    return wrong + unmutated(rfcs, mutations)


def unmutated(rfcs, mutations):
    """What is proven by tests, and has no mutation to prove the tests."""
    tests = {}
    for mutation in mutations:
        tests.setdefault(mutation.get('rule'), set()).update(mutation.get('tests', []))
    wrong = []
    for rfc in rfcs:
        if rfc.number in BY_SECTION:
            wrong += [f'RFC {rfc.number}: no mutation of a rule in section {section}'
                      for section, its_rules in rfc.rules.items()
                      if any(rule.get('tests') for rule in its_rules)
                      and not any(tests.get(place(rfc, rule['at'])) for rule in its_rules)]
        if rfc.number in BY_RULE:
            wrong += [f'RFC {rfc.number}: no mutation of {rule["at"]} that one of its tests notices'
                      for rule in rfc.all_rules() if rule.get('tests')
                      and not tests.get(place(rfc, rule['at']), set()) & set(rule['tests'])]
    return wrong


def mutations_are_missed(rfcs):
    """Without its mutations, a section or a rule must be complained of; so must one whose mutation
    is noticed by other tests only."""
    wrong = []
    mutations = mutate.load([])
    for rfc in (rfc for rfc in rfcs if rfc.number in BY_SECTION + BY_RULE):
        if not any(rule.get('tests') for rule in rfc.all_rules()):
            wrong.append(f'RFC {rfc.number}: no rule to mutate')
        for section, its_rules in rfc.rules.items():
            proven = [place(rfc, rule['at']) for rule in its_rules if rule.get('tests')]
            gone = proven[:1] if rfc.number in BY_RULE else proven
            if gone and not unmutated([rfc], [m for m in mutations if m.get('rule') not in gone]):
                wrong.append(f'RFC {rfc.number}: did not miss the mutations of {section}')
            others = [m | {'tests': ['No.SuchTest']} if m.get('rule') in gone else m for m in mutations]
            if gone and rfc.number in BY_RULE and not unmutated([rfc], others):
                wrong.append(f'RFC {rfc.number}: any test does for a mutation of {gone[0]}')
    return wrong


def main():
    rfcs, wrong = rfc_coverage.load()
    known = rfc_coverage.gtest_names()
    for rfc in rfcs:
        wrong += rfc_coverage.complaints(rfc, known) + lies_noticed(rfc, known)
    wrong += rfc_coverage.page_complaints(rfcs) + reading_is_right() + mutation_complaints(rfcs)
    wrong += mutations_are_missed(rfcs) + statements_are_read()
    for line in wrong:
        print(f'check_rfc_coverage: {line}')
    rules = sum(len(rfc.all_rules()) for rfc in rfcs)
    print(f'check_rfc_coverage: {len(rfcs)} RFCs, {rules} rules, {len(wrong)} complaints')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
