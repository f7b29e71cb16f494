# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long the reconnect examples take from a camera's return to the first result of its new frames, after it was killed and
after it was frozen.

    reconnect_time.py BUILD [TIMES]     BUILD is the build directory

The camera is an RTSP server on this machine; it shows one picture, so that the label comes with the first frame."""
import os
import statistics
import sys
import tempfile
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
PROGRAMS = (([os.path.join(BUILD, "examples/reconnect")], "espresso"),
            ([os.path.join(launch.ROOT, "examples/pipelines/rtsp-reconnect.sh")], "espresso"))


def measure(command, line, film):
    """Seconds after a kill, and after a freeze."""
    server = camera.Server(os.path.join(BUILD, "tests/pipelines/rtsp_server"), film)
    killed, frozen = [], []
    try:
        with launch.Program([*command, server.url], timeout=3600) as program:
            program.await_line(line)
            for _ in range(TIMES):
                server.switch_off()
                program.await_line("has gone")
                time.sleep(AWAY)
                server.switch_on()
                killed.append(until(program, line))
                server.freeze(True)
                program.await_line("has gone")
                time.sleep(AWAY)
                server.freeze(False)
                frozen.append(until(program, line))
            program.stop()
    finally:
        server.switch_off()
    return killed, frozen


def until(program, line):
    start = time.monotonic()
    program.await_line(line)
    return time.monotonic() - start


def main():
    with tempfile.TemporaryDirectory() as folder:
        film = os.path.join(folder, "coffee.mp4")
        launch.launch("filesrc location={media}/coffee.png ! pngdec ! videoconvert ! imagefreeze num-buffers=15000 ! "
                      "video/x-raw,format=I420,framerate=25/1 ! x264enc speed-preset=ultrafast key-int-max=25 ! mp4mux ! "
                      f"filesink location={film}")
        for command, line in PROGRAMS:
            for what, times in zip(("killed", "frozen"), measure(command, line, film)):
                print(f"{os.path.basename(command[0])}, {what}: median {statistics.median(times):.1f}, most {max(times):.1f} s "
                      f"({len(times)} times)", flush=True)


main()
