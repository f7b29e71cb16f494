#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is slow to end: a damaged picture whose decoder is still at work when its error has come makes a sentence, and no warning
of GStreamer's; a video whose pipeline never ends, as a network source that has locked itself up, is left behind.

    test_slow_failure.py RESNET18 SLOW-CLOSE [NEVER-ENDS]     libraries to preload"""
import os
import sys
import tempfile

import tool
from tool import check, equal, media

SLOW_CLOSE, *NEVER_ENDS = map(os.path.abspath, sys.argv[2:])


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


def never_ending():
    if not NEVER_ENDS:
        return "there is nothing that makes one"
    result = tool.run("classify", media("bigbuckbunny.mp4"), LD_PRELOAD=NEVER_ENDS[0])
    equal(result.status, 0, "exit status")
    check("king penguin" in result.out, f"the results: {result.out[-500:]}")


tool.main([("a decoder that fails slowly", slow_failure), ("a pipeline that never ends", never_ending)])
