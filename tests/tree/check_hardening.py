# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each program and library of this build has what makes mistakes hard to use: position-independent code, full RELRO, no
executable stack, no relative search paths, stack protection, fortified libc functions, landing pads for indirect jumps.

    check_hardening.py BUILD FORTIFIED     FORTIFIED: yes or no, whether this build is an optimised one

Looks with readelf, and with Debian's hardening-check (devscripts) where that is installed. That one's "control flow integrity"
asks for a mark that the linker sets only where the C library's start files have it, which Debian's do not: here the landing
pads themselves are looked for."""
import os
import re
import shutil
import subprocess
import sys

import tree

BUILD, FORTIFIED = sys.argv[1], sys.argv[2] == "yes"
# Programs that the build runs on its own machine.
INTERNAL = {"quantize_weights"}
LANDING_PAD = b"\xf3\x0f\x1e\xfa"  # endbr64


def is_elf(path):
    with open(path, "rb") as file:
        head = file.read(18)
    return head[:4] == b"\x7fELF" and head[16] in (2, 3)  # a program or a shared object, not a part of one


def elves():
    for folder, folders, names in os.walk(BUILD):
        folders[:] = [name for name in folders if not name.endswith(".p") and not name.startswith("meson-")]
        for name in names:
            path = os.path.join(folder, name)
            if name not in INTERNAL and not os.path.islink(path) and os.path.isfile(path) and is_elf(path):
                yield path


def readelf(*options):
    return subprocess.run(["readelf", "-W", *options], capture_output=True, text=True, check=True,
                          env={**os.environ, "LC_ALL": "C"}).stdout


def code(path):
    """The bytes of .text."""
    for line in readelf("-S", path).splitlines():
        found = re.search(r"\] \.text\s+PROGBITS\s+\w+ (\w+) (\w+)", line)
        if found:
            with open(path, "rb") as file:
                file.seek(int(found.group(1), 16))
                return file.read(int(found.group(2), 16))
    return b""


def wrong(path):
    """What it lacks."""
    dynamic, segments, header = readelf("-d", path), readelf("-l", path), readelf("-h", path)
    symbols = readelf("--dyn-syms", path)
    run_paths = re.findall(r"\((?:RUNPATH|RPATH)\)\s+.*\[(.*)\]", dynamic)
    if not re.search(r"Type:\s+DYN", header):
        yield "is not position independent"
    if "BIND_NOW" not in dynamic and not re.search(r"\(FLAGS_1\).*\bNOW\b", dynamic):
        yield "binds lazily"
    if "GNU_RELRO" not in segments:
        yield "has no RELRO"
    if not re.search(r"GNU_STACK\s.*\sRW\s", segments):
        yield "has an executable stack"
    if "TEXTREL" in dynamic:
        yield "writes to its code when it is loaded"
    if any(not part.startswith("/") and not part.startswith("$ORIGIN") for paths in run_paths for part in paths.split(":")):
        yield f"looks for libraries in {run_paths}"
    if "Advanced Micro Devices X86-64" in header and LANDING_PAD not in code(path):
        yield "has no landing pads"
    # What has no array on any stack needs none; what is delivered has.
    if delivered(path) and "__stack_chk_fail" not in symbols:
        yield "has no stack protection"
    if FORTIFIED and delivered(path) and not re.search(r"__\w+_chk\b(?<!__stack_chk_fail)", symbols):
        yield "uses no fortified functions"


def delivered(path):
    return os.path.relpath(path, BUILD) in DELIVERED


def second_opinion(paths):
    """Complaints of hardening-check."""
    options = ["--quiet", "--nocfprotection"] + ([] if FORTIFIED else ["--nofortify"])
    for path in paths:
        done = subprocess.run(["hardening-check", *options, path], capture_output=True, text=True)
        if done.returncode:
            yield "hardening-check: " + " ".join((done.stdout + done.stderr).split())


if not shutil.which("readelf"):
    tree.skip("readelf (binutils) is not installed")
DELIVERED = {name for name in ("gst/libgstresnet18.so", "tools/resnet18", "server/resnet18-server")
             if os.path.exists(os.path.join(BUILD, name))}
DELIVERED |= {os.path.join("src", name) for name in os.listdir(os.path.join(BUILD, "src")) if re.fullmatch(r"libresnet18\.so\.[0-9.]+", name)
              and os.path.isfile(os.path.join(BUILD, "src", name)) and not os.path.islink(os.path.join(BUILD, "src", name))}
all_paths = sorted(elves())
problems = [f"{path} {what}" for path in all_paths for what in wrong(path)]
if shutil.which("hardening-check"):
    problems += second_opinion(path for path in all_paths if delivered(path))
else:
    print("hardening-check (devscripts) is not installed: readelf alone has looked")
tree.finish(len(all_paths), problems)
