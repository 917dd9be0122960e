#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The random mutations are tested: what is found in a sample, that each change is what it says, that
a seed's order does not depend on other files; and the list of survivors fits the sources."""
import sys

import mutants
import mutate_random

SAMPLE = '''// if (a comment) return;
bool Thing::judge(int a, const char* text) {
  assert(a == 1);
  if constexpr (kWide) return true;
  if (a < 3 && !seen_) {
    text_ = "if (x == y)";
    ++count_;
    return false;
  }
  if (const int b = half(a)) limit_ = b;
  for (int i = 0; i < a; ++i) {
    if (tsn.before(other) || i == 7) continue;
    total_ += i;
  }
  while (a > 0) --a;
  const bool ok = a == 4;
  return ok && a != 5;
}
bool Thing::is_sound(int a) const {
  if (a < 9) return false;
  return true;
}
'''
WANTED = {
    'negate: a < 3 && !seen_': 'if (!(a < 3 && !seen_)) {',
    'true: a < 3 && !seen_': 'if (true) {',
    'false: a < 3 && !seen_': 'if (false) {',
    'drop: a < 3 &&': 'if (!seen_) {',
    'drop: && !seen_': 'if (a < 3 ) {',
    '< to <=: a < 3': 'if (a <= 3 && !seen_) {',
    'drop: text_ = "if (x == y)";': '    ;',
    'drop: ++count_;': '    ;',
    'drop: return false;': '    ;',
    'drop: limit_ = b;': 'if (const int b = half(a)) ;',
    'false: i < a': 'for (int i = 0; false; ++i) {',
    '< to <=: i < a': 'for (int i = 0; i <= a; ++i) {',
    'negate: tsn.before(other) || i == 7': 'if (!(tsn.before(other) || i == 7)) continue;',
    'true: tsn.before(other) || i == 7': 'if (true) continue;',
    'false: tsn.before(other) || i == 7': 'if (false) continue;',
    'drop: tsn.before(other) ||': 'if (i == 7) continue;',
    'drop: || i == 7': 'if (tsn.before(other) ) continue;',
    '.before( to .at_or_before(: tsn.before(other)': 'if (tsn.at_or_before(other) || i == 7) continue;',
    '== to !=: i == 7': 'if (tsn.before(other) || i != 7) continue;',
    'drop: continue;': 'if (tsn.before(other) || i == 7) ;',
    'drop: total_ += i;': '    ;',
    'false: a > 0': 'while (false) --a;',
    '> to >=: a > 0': 'while (a >= 0) --a;',
    'drop: --a;': 'while (a > 0) ;',
    '== to !=: a == 4': 'const bool ok = a != 4;',
    'drop: ok &&': 'return a != 5;',
    'drop: && a != 5': 'return ok ;',
    '!= to ==: a != 5': 'return ok && a == 5;',
}


def changed_line(mutant):
    """The line that the change makes different."""
    after = mutant.apply(SAMPLE).splitlines()
    different = [b for a, b in zip(SAMPLE.splitlines(), after) if a != b]
    return different[0] if len(different) == 1 else f'{len(different)} lines differ'


def main():
    wrong = []
    found = {m.what: m for m in mutants.find('stack/sample.cpp', SAMPLE)}
    for what in sorted(set(found) ^ set(WANTED)):
        wrong.append(f'{"not found" if what in WANTED else "found and not wanted"}: {what}')
    for what, line in WANTED.items():
        if what in found and changed_line(found[what]).strip() != line.strip():
            wrong.append(f'{what} makes: {changed_line(found[what])}')
    moved = {m.what: m for m in mutants.find('stack/sample.cpp', '\n\n' + SAMPLE)}
    if any(moved[what].rank('1') != m.rank('1') for what, m in found.items()):
        wrong.append('a line that moves has another place in the order')
    if [m.rank('1') for m in found.values()] == [m.rank('2') for m in found.values()]:
        wrong.append('two seeds give one order')

    order = mutate_random.draw('1')
    if len(order) < 2000 or len({m.key for m in order}) != len(order):
        wrong.append(f'{len(order)} mutants in stack/, {len({m.key for m in order})} of them different')
    fits = {(m.file, ' '.join(m.line.split()), m.what, m.twin) for m in order}
    for entry in set(mutate_random.known_survivors()) - fits:
        wrong.append(f'survivors.toml: not in the sources any more: {entry[0]}: {entry[2]}')
    for text in wrong:
        print(f'FAIL {text}')
    if not wrong:
        print('PASS mutants')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
