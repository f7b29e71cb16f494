# SPDX-License-Identifier: LGPL-2.1-or-later
"""The program that makes the built-in int8 weights while building: what it refuses, and that it always makes the same.

    check_quantize.py PROGRAM WEIGHTS CALIBRATION BUILT"""
import os
import subprocess
import sys
import tempfile

program, weights, calibration, built = (os.path.abspath(path) for path in sys.argv[1:])


def run(*arguments):
    done = subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def check(condition, text):
    if not condition:
        sys.exit(f"check_quantize: {text}")


with tempfile.TemporaryDirectory() as folder:
    output = os.path.join(folder, "out")
    status, said = run(weights, calibration)
    check(status == 2 and said.startswith("usage: "), f"two arguments: {status}, {said!r}")
    for wrong in ((calibration, calibration), (weights, weights), (os.path.join(folder, "none"), calibration)):
        status, said = run(*wrong, output)
        check(status == 1 and said.startswith("quantize_weights: ") and said.count("\n") == 1, f"{wrong}: {status}, {said!r}")
        check(os.listdir(folder) == [], f"{wrong} left {os.listdir(folder)}")
    status, said = run(weights, calibration, output)
    check((status, said) == (0, ""), f"{status}, {said!r}")
    with open(output, "rb") as made, open(built, "rb") as before:
        check(made.read() == before.read(), "the weights differ from those that are built in")
