# SPDX-License-Identifier: LGPL-2.1-or-later
"""The counts that tests/count.py makes of every kind of test's output."""
import json
import os
import subprocess
import sys
import tempfile

import tree

# What meson logged of one test, and the last line that follows from it.
CASES = (
    ({"result": "OK", "stdout": "fine\n"}, "1 passed, 0 failed"),
    ({"result": "FAIL", "returncode": 1, "stdout": ""}, "0 passed, 1 failed"),
    ({"result": "SKIP", "stdout": "no camera\n"}, "0 passed, 0 failed, 1 skipped"),
    ({"result": "TIMEOUT", "stdout": "[ RUN      ] a\n"}, "0 passed, 1 failed"),
    ({"result": "OK", "stderr": "[  PASSED  ] 12 test(s).\n[  PASSED  ] 3 test(s).\n"}, "15 passed, 0 failed"),
    ({"result": "FAIL", "returncode": 2, "stdout": "[  FAILED  ] a\n[  FAILED  ] b\n", "stderr":
      "[  PASSED  ] 4 test(s).\n[  FAILED  ] 2 test(s), listed below:\n[  FAILED  ] a\n[  FAILED  ] b\n"},
     "4 passed, 2 failed"),
    ({"result": "OK", "stdout": "no file\n[  SKIPPED ] a\n", "stderr":
      "[  PASSED  ] 4 test(s).\n[  SKIPPED ] 1 test(s), listed below:\n[  SKIPPED ] a\n"},
     "4 passed, 0 failed, 1 skipped"),
    ({"result": "FAIL", "returncode": 1, "stderr":
      "[  PASSED  ] 4 test(s).\n[  SKIPPED ] flow: 1 test(s), listed below:\n[  SKIPPED ] b\n"
      "[  FAILED  ] flow: 2 test(s), listed below:\n[  FAILED  ] a\n[  FAILED  ] c\n"},
     "4 passed, 2 failed, 1 skipped"),
    # Every test passed and then the leak checker ended the program.
    ({"result": "FAIL", "returncode": 23, "stderr": "[  PASSED  ] 4 test(s).\n"}, "4 passed, 1 failed"),
    ({"result": "FAIL", "stdout": "1..3\nok 1 - a\nnot ok 2 - b\nok 3 - c # SKIP no camera\n"},
     "1 passed, 1 failed, 1 skipped"),
    ({"result": "ERROR", "returncode": 3, "stdout": "1..2\nok 1 - a\n"}, "1 passed, 1 failed"),
)

problems = []
with tempfile.TemporaryDirectory() as folder:
    log = os.path.join(folder, "testlog.json")
    for run, wanted in CASES:
        with open(log, "w", encoding="utf-8") as file:
            file.write(json.dumps({"name": "sample", **run}) + "\n")
        done = subprocess.run([sys.executable, os.path.join(tree.ROOT, "tests", "count.py"), log],
                              capture_output=True, text=True)
        found = done.stdout.splitlines()[-1] if done.stdout else done.stderr
        good = 0 if ", 0 failed" in wanted and not wanted.startswith("0 passed") else 1
        if found != wanted or done.returncode != good:
            problems.append(f"{run}: '{found}' (exit status {done.returncode}), expected '{wanted}' ({good})")
        if run["result"] not in ("OK", "SKIP") and run.get("stdout") and "    | " not in done.stdout:
            problems.append(f"{run}: what the program said is not shown")
tree.finish(len(CASES), problems)
