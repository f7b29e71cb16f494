# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every header compiles alone: in C, and the installed ones in C++ too. src/'s see no GLib and no GStreamer.

    check_headers.py COMPILER [CPPFLAGS...]     the flags are those of the parts above src/"""
import os
import re
import shutil
import subprocess
import sys

import tree

STRICT = ["-fsyntax-only", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-D_GNU_SOURCE"]
INSTALLED = {"src/resnet18.h", "gst/resnet18meta.h"}
# A header named for an instruction set is included by the files of that set only.
SETS = {
    "_avx512vnni": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni", "-mavx2", "-mfma", "-mf16c"],
    "_avx512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma", "-mf16c"],
    "_avx2vnni": ["-mavxvnni", "-mavx2", "-mfma", "-mf16c"],
    "_avx2": ["-mavx2", "-mfma", "-mf16c"],
    "_neon": None,
    "_dotprod": None,
}


def compiles(command, name):
    # Included rather than compiled: a header as the main file draws warnings of its own.
    source = f'#include "{os.path.join(tree.ROOT, name)}"\n'
    run = subprocess.run(command + STRICT + ["-"], input=source, text=True, capture_output=True)
    return "" if run.returncode == 0 else run.stderr


def set_flags(name):
    for suffix, flags in SETS.items():
        if re.search(suffix + r"\.h$", name):
            return flags
    return []


compiler, flags = sys.argv[1], sys.argv[2:]
machine = subprocess.run([compiler, "-dumpmachine"], capture_output=True, text=True).stdout
problems, checked = [], 0
for name in tree.files(".h"):
    isa = set_flags(name)
    if isa is None or (isa and not machine.startswith("x86_64")):
        continue
    above = [] if name.startswith("src/") else ["-I" + os.path.join(tree.ROOT, part) for part in ("src", "gst")] + flags
    error = compiles([compiler, "-x", "c", "-std=gnu11"] + isa + above, name)
    if not error and name in INSTALLED and shutil.which("g++"):
        error = compiles(["g++", "-x", "c++", "-std=c++11"] + above, name)
    checked += 1
    if error:
        problems.append(f"{name} does not compile alone:\n{error}")
tree.finish(checked, problems)
