#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A damaged picture whose decoder is still at work when its error has come: a sentence, and no warning of GStreamer's."""
import os
import sys
import tempfile

import tool
from tool import check, equal, media

SLOW_CLOSE = os.path.abspath(sys.argv[-1])


def slow_failure():
    with open(media("chelsea.png"), "rb") as file:
        picture = bytearray(file.read())
    picture[50000] ^= 0xff
    with tempfile.TemporaryDirectory() as folder:
        damaged = os.path.join(folder, "damaged.png")
        with open(damaged, "wb") as file:
            file.write(picture)
        result = tool.run("classify", damaged, damaged, LD_PRELOAD=SLOW_CLOSE, G_DEBUG="fatal-criticals")
        equal(result.status, 1, "exit status")
        lines = result.err.splitlines()
        equal(len(lines), 2, "sentences")
        for line in lines:
            check(line.startswith(f"resnet18: {damaged}: "), f"the sentence does not name {damaged}: {line}")


tool.main([("a decoder that fails slowly", slow_failure)])
