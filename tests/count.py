# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts the tests of one or more runs of `meson test`.

    count.py [--failed N] TESTLOG.json...

A program that speaks as cmocka does, or in the Test Anything Protocol, counts as as many tests as it says it ran;
any other program as one. Each skip is printed with its reason, each failure by name and with what the program said
around it, because of a long log often only the end is kept. --failed adds failures that happened outside (a build that broke). The last line is
"N passed, M failed" or "N passed, M failed, K skipped"; the exit status is 0 only if nothing failed and something
passed."""
import argparse
import json
import re
import sys

PASSED = re.compile(r"^\[  PASSED  \] (\d+) test\(s\)", re.M)
# cmocka names the group from version 1.1.6 on.
FAILED = re.compile(r"^\[  FAILED  \] (?:.*: )?(\d+) test\(s\), listed below", re.M)
SKIPPED = re.compile(r"^\[  SKIPPED \] (?:.*: )?(\d+) test\(s\), listed below", re.M)
TAP = re.compile(r"^(not )?ok \d+(?: - )?(.*?)(?: # SKIP *(.*))?$", re.M)
ONE_SKIPPED = re.compile(r"(?:^(.*)\n)?^\[  SKIPPED \] (?!(?:.*: )?\d+ test\(s\))(.+)$", re.M)
WRONG = re.compile(r"^not ok|^\[  (?:ERROR|FAILED)  |^Traceback|Sanitizer|runtime error|error:", re.I)
ONE_FAILED = re.compile(r"^\[  FAILED  \] (?!(?:.*: )?\d+ test\(s\))(.+)$", re.M)


def number(pattern, text):
    return sum(int(found) for found in pattern.findall(text))


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no reason given"


def around_failure(output, before=4, after=16, most=40):
    """The lines of an output that say what went wrong, or its last ones, each marked."""
    lines = [line for line in output.splitlines() if line.strip()]
    wanted = set()
    for index, line in enumerate(lines):
        if WRONG.search(line):
            wanted.update(range(max(0, index - before), min(len(lines), index + after)))
    chosen = sorted(wanted)[:most] or range(max(0, len(lines) - after), len(lines))
    return [f"    | {lines[index][:300]}" for index in chosen]


def count_tap(name, output):
    """(passed, failed, skipped, lines to print) of a program's lines in the Test Anything Protocol."""
    passed, failed, skipped, lines = 0, 0, 0, []
    for wrong, test, reason in TAP.findall(output):
        if reason:
            skipped += 1
            lines.append(f"skipped {name}, {test}: {reason}")
        elif wrong:
            failed += 1
            lines.append(f"FAILED {name}, {test}")
        else:
            passed += 1
    return passed, failed, skipped, lines


def count_cmocka(name, output):
    """The same of a cmocka program's output."""
    lines, seen = [], set()
    for reason, test in ONE_SKIPPED.findall(output):
        if test not in seen:
            seen.add(test)
            reason = reason if reason and not reason.startswith("[") else "no reason given"
            lines.append(f"skipped {name}, {test}: {reason}")
    lines += [f"FAILED {name}, {test}" for test in dict.fromkeys(ONE_FAILED.findall(output))]
    return number(PASSED, output), number(FAILED, output), number(SKIPPED, output), lines


def count(run):
    """(passed, failed, skipped, lines to print) of one entry of a testlog."""
    name, result = run["name"], run["result"]
    output = run.get("stdout", "") + "\n" + run.get("stderr", "")
    if result == "SKIP":
        return 0, 0, 1, [f"skipped {name}: {last_line(output)}"]
    passed, failed, skipped, lines = (count_tap if "\n1.." in "\n" + output else count_cmocka)(name, output)
    wrong = result not in ("OK", "EXPECTEDFAIL")
    if wrong and not failed:  # a crash, a leak, a time-out: something that the program itself did not count
        failed = 1
        lines.append(f"FAILED {name}: {result.lower()}, exit status {run.get('returncode')}")
    if failed:
        lines += around_failure(output)
    if not passed + failed + skipped:
        passed = 1
    return passed, failed, skipped, lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--failed", type=int, default=0)
    parser.add_argument("logs", nargs="*")
    arguments = parser.parse_args()
    passed, failed, skipped = 0, arguments.failed, 0
    for log in arguments.logs:
        with open(log, encoding="utf-8") as file:
            for line in file:
                one = count(json.loads(line))
                passed, failed, skipped = passed + one[0], failed + one[1], skipped + one[2]
                for text in one[3]:
                    print(text)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    sys.exit(0 if passed and not failed else 1)


main()
