#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""devtools/compare_packets.py is tested, on builds that are small scripts: what differs is found, what
differs by the Measure of Staleness alone counts only until it is left out, and nothing at all is never
taken for the same."""
import contextlib
import io
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / 'devtools'))
import compare_packets  # noqa: E402  (after the path)

compare_packets.PROGRAMS = ('assoc',)  # one says as much as six

# Digests as a dictionary {run or test: (digest, digest without the Measure of Staleness)}.
SIMRUN = '''#!/usr/bin/python3 -IS
import os, sys
apart = os.environ.get('TRUNKLINE_DIGEST_APART') == 'staleness'
given = dict(zip(sys.argv[2::2], sys.argv[3::2]))
for (scenario, seed), digests in RUNS.items():
    if given.get('--scenario', scenario) == scenario and int(given.get('--seed', seed)) == seed:
        print(f'{scenario} {seed} {digests[apart]:016x}')
print('sim: runs=2 failed=0')
'''
UNIT = '''#!/usr/bin/python3 -IS
import os, sys
apart = os.environ.get('TRUNKLINE_DIGEST_APART') == 'staleness'
if sys.argv[1] == '--gtest_list_tests':
    print('Suite.')
    for test in TESTS:
        print('  ' + test)
else:
    chosen = sys.argv[1].split('=')[1]
    digests = [both[apart] for test, both in TESTS.items() if chosen in ('Suite.*', 'Suite.' + test)]
    with open(os.environ['TRUNKLINE_PACKET_DIGEST'], 'w') as out:
        out.write(f'{len(digests)} {sum(digests):016x}\\n')
'''
RUNS = {('setup', 1): (1, 1), ('setup', 2): (2, 2), ('attacker', 1): (3, 3)}
TESTS = {'Opens': (5, 5), 'Closes': (6, 6)}
wrong = []


def build(folder, simulated, tests):
    for name, text in [('tests/sim/simrun', SIMRUN.replace('RUNS', repr(simulated))),
                       *((f'tests/unit/test_{one}', UNIT.replace('TESTS', repr(tests)))
                         for one in compare_packets.PROGRAMS)]:
        program = folder / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)


def case(what, wanted, says, *options, simulated=None, tests=None, before=RUNS, of_unit=TESTS):
    """The same builds but for what is named; the exit status, and lines that are said."""
    with tempfile.TemporaryDirectory() as folder:
        old, new = pathlib.Path(folder, 'old'), pathlib.Path(folder, 'new')
        build(old, before, of_unit)
        build(new, before | (simulated or {}), of_unit | (tests or {}))
        out, argv = io.StringIO(), sys.argv
        sys.argv = ['compare_packets.py', str(old), str(new), *options]
        with contextlib.redirect_stdout(out):
            status = compare_packets.main()
        sys.argv = argv
    if status != wanted:
        wrong.append(f'{what}: exits with {status}, wanted {wanted}\n{out.getvalue()}')
    for line in says:
        if line not in out.getvalue().splitlines():
            wrong.append(f'{what}: does not say "{line}"\n{out.getvalue()}')


def main():
    case('equal', 0, ['simulator: 3 runs, 0 differ'])
    case('a run differs', 1, ['simulator: 3 runs, 1 differ', '  setup 2'],
         simulated={('setup', 2): (8, 8)})
    case('a test differs', 1, ['  Suite.Closes'], tests={'Closes': (9, 9)})
    stale = {('setup', 2): (8, 2)}
    case('staleness counts', 1, ['  setup 2'], simulated=stale)
    case('staleness apart', 0, ['simulator: 3 runs, 1 differ',
                                'the Measure of Staleness apart: 0 runs and 0 tests differ'],
         '--staleness-apart', simulated=stale)
    case('more than staleness', 1, ['the Measure of Staleness apart: 1 runs and 0 tests differ',
                                    '  attacker 1'],
         '--staleness-apart', simulated=stale | {('attacker', 1): (7, 7)})
    case('a test, staleness counts', 1, ['  Suite.Opens'], tests={'Opens': (9, 5)})
    case('a test, staleness apart', 0, [], '--staleness-apart', tests={'Opens': (9, 5)})
    case('a test, more than staleness', 1, ['  Suite.Opens'], '--staleness-apart',
         tests={'Opens': (9, 9)})
    case('a run that was not there before', 1, ['  setup 3'], '--staleness-apart',
         simulated={('setup', 3): (8, 8)})
    case('no runs', 1, ['simulator: 0 runs, 0 differ'], before={})
    case('no packets', 1, [], of_unit={})
    print('\n'.join(wrong) or 'check_compare_packets: ok')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
