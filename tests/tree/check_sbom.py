# SPDX-License-Identifier: LGPL-2.1-or-later
"""The list of what the sources and a build consist of: whole, true, and the same each time.

    check_sbom.py BUILD"""
import hashlib
import json
import os
import shutil
import subprocess
import sys

import tree


def run():
    return subprocess.run([os.path.join(tree.ROOT, "script/sbom"), sys.argv[1]], capture_output=True, check=True).stdout


if not shutil.which("dpkg-query"):
    tree.skip("there is no dpkg, which knows the packages")
if subprocess.run(["git", "-C", tree.ROOT, "rev-parse"], capture_output=True).returncode:
    tree.skip("this tree is not under git, which knows its files")
text = run()
bom = json.loads(text)
problems = []
if text != run():
    problems.append("script/sbom does not print the same twice")
files = {c["name"]: c for c in bom["components"] if "hashes" in c}
problems += [f"{name} is missing" for name in tree.files("") if name not in files]
for name, component in files.items():
    with open(os.path.join(tree.ROOT, name), "rb") as file:
        if hashlib.sha256(file.read()).hexdigest() != component["hashes"][0]["content"]:
            problems.append(f"{name} has another SHA-256")
    if not component["licenses"]:
        problems.append(f"{name} has no licence")
packages = {c["name"] for c in bom["components"] if c.get("purl")}
problems += [f"the package {name} is missing" for name in ("libc6", "libglib2.0-0", "libgstreamer1.0-0")
             if not any(p == name or p.startswith(name + "t64") for p in packages)]
refs = [c["bom-ref"] for c in bom["components"]]
if len(set(refs)) != len(refs):
    problems.append("a reference occurs twice")
if b"NC" not in json.dumps(files["weights/resnet18.safetensors"]["licenses"]).encode():
    problems.append("the weights' licence does not say CC BY-NC")
tree.finish(len(files) + len(packages), problems)
