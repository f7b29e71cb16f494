# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stand-ins for cameras: a live picture, and an RTSP server on this machine."""
import contextlib
import os
import subprocess

import launch

# What a webcam pointed at a cup of coffee would deliver.
WEBCAM = (f"filesrc location={launch.MEDIA}/coffee.png ! pngdec ! videoconvert ! imagefreeze is-live=true num-buffers=45 ! "
          "video/x-raw,framerate=15/1")


@contextlib.contextmanager
def rtsp(server):
    """The URL under which the program `server` serves the clip, once, as long as the block lasts."""
    process = subprocess.Popen([server, os.path.join(launch.MEDIA, "bigbuckbunny.mp4")], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().strip()
        launch.check(url.startswith("rtsp://127.0.0.1:"), f"the RTSP server said '{url}'")
        yield url
    finally:
        process.stdin.close()
        process.wait(timeout=60)
