# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stand-ins for cameras: a live picture, and an RTSP server on this machine."""
import contextlib
import os
import signal
import subprocess

import launch

# What a webcam pointed at a cup of coffee would deliver.
WEBCAM = (f"filesrc location={launch.MEDIA}/coffee.png ! pngdec ! videoconvert ! imagefreeze is-live=true num-buffers=45 ! "
          "video/x-raw,framerate=15/1")


class Server:
    """An RTSP camera that can be switched off and on again under the same URL; `program` serves `film`."""

    def __init__(self, program, film=os.path.join(launch.MEDIA, "bigbuckbunny.mp4")):
        self.program = program
        self.film = film
        self.port = []
        self.switch_on()

    def switch_on(self):
        self.process = subprocess.Popen([self.program, self.film] + self.port,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        launch.check(self.url.startswith("rtsp://127.0.0.1:"), f"the RTSP server said '{self.url}'")
        self.port = [self.url.split(":")[2].split("/")[0]]

    def switch_off(self):
        """Without a word to whoever is connected."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def freeze(self, frozen):
        """Connections stay, and nothing comes."""
        self.process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)


@contextlib.contextmanager
def rtsp(server):
    """The URL under which the program `server` serves the clip, once, as long as the block lasts."""
    process = subprocess.Popen([server, os.path.join(launch.MEDIA, "bigbuckbunny.mp4")], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().strip()
        launch.check(url.startswith("rtsp://127.0.0.1:"), f"the RTSP server said '{url}'")
        yield url
        launch.check(process.poll() is None, f"the RTSP server ended by itself with status {process.poll()}")
    finally:
        process.stdin.close()
        process.wait(timeout=60)
