# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the command `resnet18` of this build as a shell user would."""
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MEDIA = os.path.join(ROOT, "tests", "media")
EVAL = os.path.join(ROOT, "..", "shared", "eval")
TOOL = os.path.abspath(sys.argv[1])
SANITIZED = "sanitized" in sys.argv[2:]
# What torchvision says with Pillow and the weights of weights/ (tests/media/LICENSES.md).
BEST = {
    "chelsea.png": [("tiger cat", 0.402), ("Egyptian cat", 0.390), ("tabby", 0.204)],
    "coffee.png": [("espresso", 0.906)],
    "rocket.jpg": [("space shuttle", 0.370), ("obelisk", 0.357), ("missile", 0.094)],
    "china.jpg": [("palace", 0.405), ("bell cote", 0.377), ("monastery", 0.106)],
    "flower.jpg": [("honeycomb", 0.732)],
}


class Failure(Exception):
    pass


class Run:
    def __init__(self, done):
        self.status = done.returncode
        self.out = done.stdout.decode(errors="replace")
        self.err = done.stderr.decode(errors="replace")

    def json(self):
        """The object of each line."""
        return [json.loads(line) for line in self.out.splitlines()]


def media(name):
    return os.path.join(MEDIA, name)


def comment(text):
    for line in text.splitlines():
        print("# " + line, flush=True)


def run(*arguments, stdin=b"", timeout=600, **env):
    done = subprocess.run([TOOL, *arguments], input=stdin, capture_output=True, timeout=timeout,
                          env={**os.environ, **env})
    comment(f"$ resnet18 {' '.join(os.fsdecode(a) for a in arguments)}: {done.returncode}")
    comment(done.stderr.decode(errors="replace")[-3000:])
    return Run(done)


def works(*arguments, **options):
    result = run(*arguments, **options)
    equal(result.status, 0, "exit status")
    equal(result.err, "", "standard error")
    return result


def classify(*arguments, **options):
    """The objects that classify --json prints."""
    return works("classify", "--json", *arguments, **options).json()


def scores(result):
    return [(c["label"], c["score"]) for c in result["classes"]]


def launch(pipeline):
    """gst-launch-1.0, to make files out of those of tests/media."""
    env = dict(os.environ)
    done = subprocess.run("gst-launch-1.0 -q " + pipeline, shell=True, env=env, capture_output=True, timeout=120)
    check(done.returncode == 0, f"gst-launch-1.0: {done.stderr.decode(errors='replace')}")


def check(condition, message):
    if not condition:
        raise Failure(message)


def equal(found, wanted, what):
    check(found == wanted, f"{what}: {found!r}, expected {wanted!r}")


def near(found, wanted, tolerance, what):
    check(abs(found - wanted) <= tolerance, f"{what}: {found}, expected {wanted} within {tolerance}")


def refused(arguments, status, *err, **options):
    """The command fails with that status and exactly those lines on standard error."""
    result = run(*arguments, **options)
    equal(result.status, status, "exit status")
    equal(result.err.splitlines(), list(err), "standard error")
    return result


def main(cases):
    """Runs (name, function) pairs and reports them in the Test Anything Protocol. A function that returns a string
    was skipped for that reason."""
    print(f"1..{len(cases)}", flush=True)
    for number, (name, function) in enumerate(cases, 1):
        try:
            reason = function()
        except (Failure, subprocess.TimeoutExpired, json.JSONDecodeError, KeyError, IndexError) as failure:
            comment(f"{type(failure).__name__}: {failure}")
            print(f"not ok {number} - {name}", flush=True)
        else:
            print(f"ok {number} - {name}" + (f" # SKIP {reason}" if reason else ""), flush=True)
