# SPDX-License-Identifier: LGPL-2.1-or-later
"""The files of the source tree, for the checks beside this file."""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIP = 77  # the exit status that meson counts as "skipped"


def files(*suffixes):
    """Paths relative to ROOT of the files that git tracks, or of all files where there is no git."""
    try:
        listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, check=True).stdout
        names = [name for name in listed.decode().split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = []
        for folder, folders, found in os.walk(ROOT):
            folders[:] = [name for name in folders if name not in (".git", "out") and not name.startswith("build")]
            names += [os.path.relpath(os.path.join(folder, name), ROOT) for name in found]
    return sorted(name for name in names if name.endswith(suffixes) and os.path.isfile(os.path.join(ROOT, name)))


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def finish(checked, problems):
    """Ends the check: prints the problems, or how much was looked at; looking at nothing is a failure."""
    for problem in problems:
        print(problem)
    if not checked:
        print("nothing was checked")
    print(f"{checked} checked, {len(problems)} wrong")
    sys.exit(1 if problems or not checked else 0)


def skip(reason):
    print(reason)
    sys.exit(SKIP)
