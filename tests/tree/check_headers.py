# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every header compiles alone: in C, and the installed ones in C++ too. src/'s see no GLib and no GStreamer.

    check_headers.py COMPILER [CPPFLAGS...]     the flags are those of the parts above src/"""
import concurrent.futures
import os
import shutil
import subprocess
import sys

import tree

STRICT = ["-fsyntax-only", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-D_GNU_SOURCE"]
INSTALLED = {"src/resnet18.h", "gst/resnet18meta.h"}
# Some headers need an instruction set: those that only the files of that set include.
AVX2 = ["-mavx2", "-mfma", "-mf16c"]
AVX512 = AVX2 + ["-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl"]
SETS = {"x86_64": [[], AVX2, AVX2 + ["-mavxvnni"], AVX512, AVX512 + ["-mavx512vnni"]]}
# Those of another machine, by the ends of their names; the cross build compiles them.
ELSEWHERE = {"x86_64": ("_neon.h",)}


def compiles(command, name):
    # Included rather than compiled: a header as the main file draws warnings of its own.
    source = f'#include "{os.path.join(tree.ROOT, name)}"\n'
    run = subprocess.run(command + STRICT + ["-"], input=source, text=True, capture_output=True)
    return "" if run.returncode == 0 else run.stderr


compiler, flags = sys.argv[1], sys.argv[2:]
machine = subprocess.run([compiler, "-dumpmachine"], capture_output=True, text=True).stdout.split("-")[0]


def check(name):
    """What is wrong with a header, or nothing."""
    above = [] if name.startswith("src/") else ["-I" + os.path.join(tree.ROOT, part) for part in ("src", "gst", "media")] + flags
    errors = []
    for isa in SETS.get(machine, [[]]):
        errors.append(compiles([compiler, "-x", "c", "-std=gnu11"] + isa + above, name))
        if not errors[-1]:
            break
    error = "" if "" in errors else errors[0]
    if not error and name in INSTALLED and shutil.which("g++"):
        error = compiles(["g++", "-x", "c++", "-std=c++11"] + above, name)
    return f"{name} does not compile alone:\n{error}" if error else ""


names = [name for name in tree.files(".h") if not name.endswith(ELSEWHERE.get(machine, ()))]
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    problems = [problem for problem in pool.map(check, names) if problem]
tree.finish(len(names), problems)
