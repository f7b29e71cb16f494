# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs gst-launch-1.0 as a shell user would and reads the results from its messages."""
import os
import re
import signal
import subprocess
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MEDIA = os.path.join(ROOT, "tests", "media")
BEST = re.compile(r"index=\(uint\)(\d+),\s*wnid=\(string\)([^,]*),\s*label=\(string\)([^,]*),\s*score=\(double\)([-0-9.e+]+)")
# What a sanitizer says, and not what a help text says of one.
SANITIZER = re.compile(r"(ERROR|WARNING|SUMMARY): \w+Sanitizer|runtime error: ")


class Failure(Exception):
    pass


def plain(text):
    """gst-launch escapes a structure inside a structure with backslashes and quotes: without them."""
    return text.replace("\\", "").replace('"', "")


class Result:
    """One message of resnet18classify."""

    def __init__(self, line):
        self.text = plain(line)
        self.classes = [(label.strip(), float(score)) for _, _, label, score in BEST.findall(self.text)]

    def number(self, field):
        found = re.search(rf"\b{field}=\([a-z0-9]+\)(\d+)", self.text)
        if not found:
            raise Failure(f"no {field} in: {self.text}")
        return int(found.group(1))


class Run:
    def __init__(self, status, output):
        self.status = status
        self.output = output
        self.results = [Result(line) for line in output.splitlines()
                        if line.startswith("Got message") and "GstResnet18Result" in line]

    def labels(self):
        return [result.classes[0][0] for result in self.results]


def comment(text):
    """Prints what is not a result, in the Test Anything Protocol's way."""
    for line in text.splitlines():
        print("# " + line, flush=True)


def environment():
    """With a sanitized build, gst-launch-1.0, which is not, has to load the sanitizer first."""
    env = dict(os.environ)
    if os.environ.get("RESNET18_PRELOAD"):
        env["LD_PRELOAD"] = os.environ["RESNET18_PRELOAD"]
    return env


def run(command, must_work=True, timeout=600, **env):
    """Runs a command (a list, or a string for the shell) and returns its Run; both streams go into its output."""
    run = subprocess.run(command, shell=isinstance(command, str), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         stdin=subprocess.DEVNULL, text=True, errors="replace", timeout=timeout,
                         env={**environment(), **env}, cwd=ROOT)
    comment("$ " + (command if isinstance(command, str) else " ".join(command)))
    comment(run.stdout[-6000:])
    if must_work and run.returncode != 0:
        raise Failure(f"exit status {run.returncode}")
    check(not SANITIZER.search(run.stdout), "a sanitizer complains")
    return Run(run.returncode, run.stdout)


class Program:
    """A program that runs until it is stopped; as context manager, it is stopped at the block's end."""

    def __init__(self, command, timeout=600, **env):
        comment("$ " + " ".join(command))
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        stdin=subprocess.DEVNULL, text=True, errors="replace", cwd=ROOT,
                                        env={**environment(), **env}, start_new_session=True)
        self.alarm = threading.Timer(timeout, os.killpg, (self.process.pid, signal.SIGKILL))
        self.alarm.start()

    def __enter__(self):
        return self

    def await_line(self, wanted):
        """Reads what it prints until a line has `wanted`; returns the line."""
        for line in self.process.stdout:
            comment(line.rstrip())
            if wanted in plain(line):
                return line
        raise Failure(f"'{wanted}' was never printed")

    def stop(self):
        """As Ctrl-C does."""
        os.killpg(self.process.pid, signal.SIGINT)
        for line in self.process.stdout:
            comment(line.rstrip())
        self.process.wait()
        check(self.process.returncode != -signal.SIGKILL, "it does not stop on Ctrl-C")

    def __exit__(self, *exception):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.alarm.cancel()
        self.process.stdout.close()


def wait_for(condition, timeout=600):
    """Until condition() holds."""
    end = time.monotonic() + timeout
    while not condition():
        check(time.monotonic() < end, "what was waited for did not come")
        time.sleep(0.05)


def run_until(command, wanted, timeout=600, **env):
    """Runs a command until it prints `wanted`, then stops it as Ctrl-C does; for what never ends by itself."""
    with Program(command, timeout, **env) as program:
        program.await_line(wanted)
        program.stop()


def launch(pipeline, **options):
    """gst-launch-1.0 -m with `pipeline`, a string in gst-launch's language with {media} for the media folder."""
    return run("gst-launch-1.0 -m " + pipeline.format(media=MEDIA), **options)


def check(condition, message):
    if not condition:
        raise Failure(message)


def equal(found, wanted, what):
    check(found == wanted, f"{what}: {found!r}, expected {wanted!r}")


def near(found, wanted, tolerance, what):
    check(abs(found - wanted) <= tolerance, f"{what}: {found}, expected {wanted} within {tolerance}")


def main(cases):
    """Runs (name, function) pairs and reports them in the Test Anything Protocol. A function that returns a string
    was skipped for that reason."""
    print(f"1..{len(cases)}", flush=True)
    for number, (name, function) in enumerate(cases, 1):
        try:
            reason = function()
        except (Failure, subprocess.TimeoutExpired) as failure:
            comment(str(failure))
            print(f"not ok {number} - {name}", flush=True)
        else:
            print(f"ok {number} - {name}" + (f" # SKIP {reason}" if reason else ""), flush=True)
