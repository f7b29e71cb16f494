# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every C file looks as clang-format 14 with the tree's .clang-format leaves it."""
import os
import shutil
import subprocess

import tree

program = shutil.which("clang-format-14")
if not program:
    tree.skip("clang-format-14 is not installed; other versions format differently")
names = tree.files(".c", ".h")
run = subprocess.run([program, "--style=file", "--dry-run", "--Werror"] + [os.path.join(tree.ROOT, name) for name in names],
                     capture_output=True, text=True)
bad = sorted({os.path.relpath(line.split(":")[0], tree.ROOT) for line in run.stderr.splitlines() if ": error:" in line})
if run.returncode and not bad:
    bad = [run.stderr]
tree.finish(len(names), [f"{name}: not formatted; clang-format-14 -i {name}" for name in bad])
