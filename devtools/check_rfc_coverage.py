#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Fails unless each rule of RFC 9260 names its tests, docs/rfc-coverage.md says so, and enough
mutations that fit the sources keep the list honest. Tries first that it would notice."""
import copy
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import mutate  # noqa: E402
import rfc_coverage  # noqa: E402

LEAST_MUTATIONS = 40
LEAST_PLANTED = 12


def self_test(rules):
    """Each way of lying about a rule must be noticed."""
    def complaints_after(change):
        changed = copy.deepcopy(rules)
        change(changed)
        return len(rfc_coverage.complaints(changed))

    proven = next(i for i, rule in enumerate(rules['6']) if rule.get('tests'))
    before = len(rfc_coverage.complaints(rules))

    def excuse_many(changed):
        for rule in changed['6']:
            rule.pop('tests', None)
            rule['not_applicable'] = 'too hard'

    lies = {
        'a rule without a test': lambda r: r['6'][proven].update(tests=[]),
        'a test that is not there': lambda r: r['6'][proven].update(tests=['No.SuchTest']),
        'a script that is not there': lambda r: r['6'][proven].update(tests=['tests/none.py:x']),
        'a rule without words': lambda r: r['6'][proven].update(demand=' '),
        'a test and an excuse': lambda r: r['6'][proven].update(not_applicable='why'),
        'too many excuses': excuse_many,
    }
    return [f'did not notice {name}' for name, lie in lies.items() if complaints_after(lie) <= before]


def mutation_complaints(rules):
    wrong = []
    mutations = mutate.load([])
    for mutation in mutations:
        try:
            mutate.mutated(mutation)
        except (OSError, ValueError) as error:
            wrong.append(f'mutation {mutation["name"]}: {error}')
    places = {rule['at'] for its in rules.values() for rule in its}
    by_rule = [m for m in mutations if m.get('tests') and m.get('rule') in places]
    wrong += [f'mutation {m["name"]}: no such rule: {m["rule"]}' for m in mutations
              if '#' in m.get('rule', '') and m['rule'] not in places]
    if len(by_rule) < LEAST_MUTATIONS:
        wrong.append(f'{len(by_rule)} mutations of rules, wanted are {LEAST_MUTATIONS}')
    planted = sum(bool(m.get('sim')) for m in mutations)
    if planted < LEAST_PLANTED:
        wrong.append(f'{planted} planted bugs for the simulator, wanted are {LEAST_PLANTED}')
    sections = {m['rule'].split('.')[0].split()[0] for m in by_rule}
    wrong += [f'no mutation of a rule in section {s}' for s in rules
              if s not in sections and any(rule.get('tests') for rule in rules[s])]
    return wrong


def main():
    rules, wrong = rfc_coverage.load()
    wrong += rfc_coverage.complaints(rules) + rfc_coverage.page_complaints(rules)
    wrong += self_test(rules) + mutation_complaints(rules)
    for line in wrong:
        print(f'check_rfc_coverage: {line}')
    print(f'check_rfc_coverage: {sum(map(len, rules.values()))} rules, {len(wrong)} complaints')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
