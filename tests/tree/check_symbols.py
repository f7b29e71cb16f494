# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the built libraries show to the world: the library its resnet18_ functions, all of them declared in
src/resnet18.h, and the plugin its entry points.

    check_symbols.py LIBRARY PLUGIN"""
import re
import shutil
import subprocess
import sys

import tree


def exported(path):
    listed = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1].split("@")[0] for line in listed.splitlines()}


if not shutil.which("nm"):
    tree.skip("nm (binutils) is not installed")
library, plugin = sys.argv[1:3]
declared = set(re.findall(r"\b(resnet18_\w+)\s*\(", re.sub(r"/\*.*?\*/", "", tree.read("src/resnet18.h"), flags=re.S)))
shown = exported(library)
problems = [f"{library} shows {name}, which src/resnet18.h does not declare" for name in sorted(shown - declared)]
problems += [f"src/resnet18.h declares {name}, which {library} does not have" for name in sorted(declared - shown)]
entries = exported(plugin)
problems += [f"{plugin} shows {name}" for name in sorted(entries)
             if not re.match(r"gst_plugin_resnet18_|gst_resnet18_|GST_RESNET18_", name)]
if not entries:
    problems.append(f"{plugin} shows nothing: GStreamer cannot load it")
tree.finish(len(shown) + len(entries), problems)
