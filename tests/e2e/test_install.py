#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What `meson install` gives to those who write applications: a C program builds with what
pkg-config says, statically too, and starts."""
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import cases
from lib.processes import run

PROGRAM = r"""
#include <stdio.h>
#include <trunkline/trunkline.h>
int main(void) {
  const tl_options options = {.name = "installed", .lanes = 1};
  tl_client* client = NULL;
  const int error = tl_attach("/nowhere/trunkline.sock", &options, &client);
  printf("%s\n", tl_last_error());
  return error < 0 ? 0 : 1;
}
"""


def install(t):
    """Installs headers, libraries and the .pc file into a folder; pkg-config's environment."""
    root = t.folder / 'root'
    cases.program('client/libtrunkline.a')
    run(['meson', 'install', '-C', cases.BUILD, '--destdir', root, '--no-rebuild', '--quiet',
         '--tags', 'devel'], timeout=60)
    found = list(root.rglob('trunkline.pc'))
    cases.check_equal(len(found), 1, 'trunkline.pc installed')
    return {**os.environ, 'PKG_CONFIG_PATH': str(found[0].parent),
            'PKG_CONFIG_SYSROOT_DIR': str(root)}


def case_c_program_links_statically(t):
    for tool in ('meson', 'pkg-config', 'cc'):
        if not shutil.which(tool):
            raise cases.Skip(f'no {tool}')
    environment = install(t)
    source = t.folder / 'installed.c'
    source.write_text(PROGRAM)
    for how in (['-static'], ['-Wl,-Bstatic'], ['-static', '-O2', '-flto']):
        # As `pkg-config --static` is meant: its answer behind the program's own sources.
        flags = subprocess.run(['pkg-config', '--static', '--cflags', '--libs', 'trunkline'],
                               env=environment, capture_output=True, text=True, check=True,
                               timeout=30).stdout.split()
        if '-static' not in how:
            flags.append('-Wl,-Bdynamic')
        program = t.folder / 'installed'
        built = subprocess.run(['cc', '-Wall', '-Wextra', '-Werror', source, '-o', program, *how,
                                *flags], capture_output=True, text=True, timeout=120)
        cases.check_equal((built.returncode, built.stderr), (0, ''), f'cc {" ".join(how)}')
        said = run([program], timeout=10)
        assert 'no daemon there' in said, said


if __name__ == '__main__':
    cases.main(__doc__, [case_c_program_links_statically], timeout=120)
