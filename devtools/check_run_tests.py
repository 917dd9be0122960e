#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The test runner is tested: it must count what scripts and programs say, and see what goes wrong."""
import contextlib
import io
import pathlib
import sys
import tempfile

import run_tests
from run_tests import Count, Suite

GTEST = '''#!/bin/sh
for word; do case $word in --gtest_output=json:*) report=${word#--gtest_output=json:} ;; esac; done
%s
'''
REPORT = '''cat > "$report" <<'END'
{"testsuites": [{"testsuite": [
 {"name": "A", "classname": "T", "status": "RUN", "result": "COMPLETED"},
 {"name": "B", "classname": "T", "status": "RUN", "result": "COMPLETED"%s},
 {"name": "C", "classname": "T", "status": "RUN", "result": "SKIPPED"}]}]}
END
'''
SCRIPTS = [
    ('counts lines', 'print("PASS a\\nnoise PASS\\nPASS b\\nSKIP c: no tool")', Count(2, 0, 1)),
    ('a failed case', 'print("PASS a\\nFAIL b: why"); raise SystemExit(1)', Count(1, 1, 0)),
    ('a failed case, status 0', 'print("FAIL b: why")', Count(0, 1, 0)),
    ('dies after a pass', 'print("PASS a"); raise SystemExit(3)', Count(1, 1, 0)),
    ('no lines, good', '', Count(1, 0, 0)),
    ('no lines, bad', 'raise SystemExit(1)', Count(0, 1, 0)),
    ('skips', 'print("no tool"); raise SystemExit(77)', Count(0, 0, 1)),
    ('hangs', 'print("PASS a", flush=True)\nimport time; time.sleep(60)', Count(1, 1, 0)),
]
# A failure that many good cases follow: what is told must hold its reason, and no other case's.
LATE = ('print("PASS a\\nits reason\\nFAIL b: why"); print("PASS c\\n" * 100)',
        """printf '[ RUN      ] T.B\\nits reason\\n[  FAILED  ] T.B (1 ms)\\n'
        for i in $(seq 100); do printf '[       OK ] T.%s (0 ms)\\n' $i; done; exit 1""")
CRASHED = """printf '[ RUN      ] T.B\\n[  FAILED  ] T.B (1 ms)\\n[ RUN      ] T.C\\nits reason\\n'; exit 1"""
PROGRAMS = [
    ('counts cases', REPORT % '', Count(2, 0, 1)),
    ('a failure', REPORT % ', "failures": [{}]' + 'exit 1', Count(1, 1, 1)),
    ('dies at exit', REPORT % '' + 'exit 1', Count(2, 1, 1)),
    ('no report', 'exit 0', Count(0, 1, 0)),
    ('killed', 'kill -SEGV $$', Count(0, 1, 0)),
]


def check(what, got, wanted, said, wrong):
    if got != wanted:
        wrong.append(f'{what}: counted {got}, wanted {wanted}')
    if wanted.failed and 'FAILED' not in said:
        wrong.append(f'{what}: a failure without a word')
    if wanted.skipped and 'skipped' not in said:
        wrong.append(f'{what}: a skip without its reason')


def main():
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        run_tests.LOGS = pathlib.Path(folder) / 'logs'
        suite = Suite('try', 'script', timeout=1)
        for what, code, wanted in SCRIPTS:
            path = pathlib.Path(folder) / 'script.py'
            path.write_text(code)
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                got = run_tests.run_script(suite, [str(path)])
            check(what, got, wanted, said.getvalue(), wrong)
        for what, code, wanted in PROGRAMS:
            path = pathlib.Path(folder) / 'test_program'
            path.write_text(GTEST % code)
            path.chmod(0o755)
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                got = run_tests.run_gtest(suite, path)
            check(what, got, wanted, said.getvalue(), wrong)
        for run, body in ((lambda p: run_tests.run_script(suite, [str(p)]), LATE[0]),
                          (lambda p: run_tests.run_gtest(suite, p), GTEST % LATE[1]),
                          (lambda p: run_tests.run_gtest(suite, p), GTEST % CRASHED)):
            path = pathlib.Path(folder) / 'late'
            path.write_text(body)
            path.chmod(0o755)
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                run(path)
            if '| its reason' not in said.getvalue() or 'PASS' in said.getvalue():
                wrong.append(f'a failure in the midst of a log is not told: {said.getvalue()!r}')
    if str(Count(3, 2, 1)) != '3 passed, 2 failed, 1 skipped':
        wrong.append('the closing line has another form')
    print('\n'.join(wrong) or 'check_run_tests: ok')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
