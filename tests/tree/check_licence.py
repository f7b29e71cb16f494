# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every source file names its licence in one of its first two lines, and every medium is in the licence table."""
import tree

MARK = "SPDX-License-Identifier: LGPL-2.1-or-later"
names = tree.files(".c", ".h", ".py")
problems = [f"{name}: no '{MARK}' in its first two lines" for name in names
            if MARK not in "\n".join(tree.read(name).splitlines()[:2])]
table = tree.read("tests/media/LICENSES.md")
media = [name for name in tree.files("") if name.startswith("tests/media/") and not name.endswith(".md")]
problems += [f"{name}: not in tests/media/LICENSES.md" for name in media if f"| {name.split('/')[-1]} |" not in table]
tree.finish(len(names) + len(media), problems)
