# SPDX-License-Identifier: LGPL-2.1-or-later
"""gst/groups_table.c is what weights/make_groups.py prints. Skipped where WordNet is not installed."""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
made = subprocess.run([sys.executable, os.path.join(ROOT, "weights", "make_groups.py")], capture_output=True, text=True)
if made.returncode == 77:
    print(made.stderr)
    sys.exit(77)
with open(os.path.join(ROOT, "gst", "groups_table.c"), encoding="utf-8") as file:
    kept = file.read()
if made.returncode or made.stdout != kept:
    sys.exit(f"weights/make_groups.py makes another table: {made.stderr}")
