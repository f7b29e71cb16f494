# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a test with the Python packages of the requirements.txt beside it, in an environment of its own that is made when
it is first needed and used again.

    venv.py FOLDER SCRIPT [ARGUMENT...]     FOLDER: where the environment is, or is made"""
import fcntl
import hashlib
import os
import subprocess
import sys


def skip(reason, output=""):
    print(output)
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)


def make(folder, stamp):
    """Leaves the environment in `folder`, or skips the test where the packages cannot be had."""
    system = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
    steps = ([system, "-m", "venv", "--clear", folder],
             [os.path.join(folder, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", "--retries", "2",
              "--timeout", "30", "-r", requirements])
    for step in steps:
        done = subprocess.run(step, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            skip(f"pip cannot install what {requirements} names", done.stdout[-3000:])
    with open(stamp, "w", encoding="ascii") as file:
        file.write("ok\n")


folder, script = sys.argv[1:3]
requirements = os.path.join(os.path.dirname(os.path.abspath(script)), "requirements.txt")
with open(requirements, "rb") as file:
    stamp = os.path.join(folder, "made-" + hashlib.sha256(file.read()).hexdigest()[:16])
os.makedirs(os.path.dirname(os.path.abspath(folder)), exist_ok=True)
with open(folder + ".lock", "w", encoding="ascii") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not os.path.exists(stamp):
        make(folder, stamp)
# A sanitizer that is loaded for the server is not for Python.
python = os.path.join(folder, "bin", "python")
os.execv(python, [python, script] + sys.argv[3:])
