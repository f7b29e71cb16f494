# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long the reconnect examples take from a camera's return to the first result of its new frames, after it was killed and
after it was frozen.

    reconnect_time.py BUILD [TIMES [PROGRAM...]]     BUILD is the build directory; PROGRAM one of reconnect, reconnect.py,
                                                     rtsp-reconnect.sh; without, all of them

The camera is an RTSP server on this machine; it shows one picture, so that the label comes with the first frame."""
import os
import queue
import statistics
import sys
import tempfile
import threading
import time

BUILD = os.path.abspath(sys.argv[1])
TIMES = int(sys.argv[2]) if len(sys.argv) > 2 else 10
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pipelines"))
os.environ.setdefault("GST_PLUGIN_PATH_1_0", os.path.join(BUILD, "gst"))
os.environ.setdefault("RESNET18_BUILD", BUILD)
import camera
import launch

launch.comment = lambda text: None
AWAY = 7  # seconds: longer than it takes to be noticed
SETTLED = 3  # seconds that it runs before it goes again
PATIENCE = 60  # seconds after which it counts as never back
PROGRAMS = {"reconnect": [os.path.join(BUILD, "examples/reconnect")],
            "reconnect.py": ["/usr/bin/python3", os.path.join(launch.ROOT, "examples/apps/reconnect.py")],
            "rtsp-reconnect.sh": [os.path.join(launch.ROOT, "examples/pipelines/rtsp-reconnect.sh")]}


class Lines:
    """The lines of a program, with the time of each."""

    def __init__(self, file):
        self.lines = queue.Queue()
        threading.Thread(target=self.read, args=(file,), daemon=True).start()

    def read(self, file):
        for line in file:
            self.lines.put((time.monotonic(), line))

    def first(self, wanted, after):
        """Seconds from `after` to the first line with `wanted` from then on."""
        while True:
            when, line = self.lines.get(timeout=PATIENCE)
            if when >= after and wanted in line:
                return when - after


def measure(command, film):
    """Seconds after a kill, and after a freeze."""
    server = camera.Server(os.path.join(BUILD, "tests/pipelines/rtsp_server"), film)
    times = {"killed": [], "frozen": []}
    changes = {"killed": (server.switch_off, server.switch_on),
               "frozen": (lambda: server.freeze(True), lambda: server.freeze(False))}
    try:
        with launch.Program([*command, server.url], timeout=3600) as program:
            lines = Lines(program.process.stdout)
            lines.first("espresso", 0)
            for what in list(times) * TIMES:
                go, come = changes[what]
                time.sleep(SETTLED)
                start = time.monotonic()
                go()
                lines.first("has gone", start)
                time.sleep(AWAY)
                start = time.monotonic()
                come()
                times[what].append(lines.first("espresso", start))
    finally:
        server.switch_off()
    return times


def main():
    with tempfile.TemporaryDirectory() as folder:
        film = os.path.join(folder, "coffee.mp4")
        launch.launch("filesrc location={media}/coffee.png ! pngdec ! videoconvert ! imagefreeze num-buffers=3000 ! "
                      "video/x-raw,format=I420,framerate=25/1 ! x264enc speed-preset=ultrafast key-int-max=25 ! mp4mux ! "
                      f"filesink location={film}")
        for name in sys.argv[3:] or PROGRAMS:
            for what, times in measure(PROGRAMS[name], film).items():
                print(f"{name}, {what}: median {statistics.median(times):.1f}, most {max(times):.1f} s "
                      f"({len(times)} times)", flush=True)


main()
