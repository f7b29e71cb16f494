# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cameras that are lost in every way there is, and come back: examples/apps/reconnect and resnet18-server's live view must have
their frames again.

    test_losses.py SERVER RTSP-SERVER RECONNECT [--losses N]

Three cameras, each in a network of its own (cable.py), each watched by both programs. Without N, each kind of loss once; with N,
so many in random order. How long the frames took is printed, not judged; that they come is."""
import argparse
import contextlib
import os
import random
import statistics
import struct
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[1:1] = [os.path.join(HERE, "..", "server"), os.path.join(HERE, "..", "pipelines"), HERE]
import cable
import camera
import launch
import service
from service import check, until

launch.comment = lambda text: None
CAMERAS = 3
AWAY = 5  # seconds: longer than reconnect takes to notice
SETTLED = 2  # seconds between two losses
STEADY = 6  # seconds that a bad line is watched
FIREWALLS = 4  # times that a camera is lost behind one
LONG = 4  # seconds until frames are there again, to be said at once
PORT = "8554"


def clips(folder):
    """What the cameras show: espresso, in H.264, in MJPEG, and in H.264 that changes its size each three seconds."""
    def make(name, size, frames, more):
        launch.launch(f"filesrc location={{media}}/coffee.png ! pngdec ! videoconvert ! videoscale ! imagefreeze "
                      f"num-buffers={frames} ! video/x-raw,format=I420,{size},framerate=10/1,pixel-aspect-ratio=1/1 ! {more} ! "
                      f"filesink location={folder}/{name}", must_work=True)
    h264 = "x264enc speed-preset=ultrafast key-int-max=10 ! video/x-h264,profile=constrained-baseline,stream-format=byte-stream"
    small, large = "width=320,height=240", "width=480,height=320"
    make("plain.mp4", small, 6000, h264.split(" ! ")[0] + " ! h264parse ! mp4mux")
    make("small.h264", small, 30, h264)
    make("large.h264", large, 30, h264)
    make("coffee.avi", small, 6000, "jpegenc ! avimux")
    with open(f"{folder}/sizes.h264", "wb") as sizes:
        for part in ("small", "large") * 100:
            with open(f"{folder}/{part}.h264", "rb") as file:
                sizes.write(file.read())
    return {"h264": f"{folder}/plain.mp4",
            "mjpeg": f"filesrc location={folder}/coffee.avi ! avidemux ! rtpjpegpay name=pay0 pt=26",
            "sizes": f"filesrc location={folder}/sizes.h264 ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1"}


class Camera(camera.Server):
    """In the far end of a cable; asks for a user and a password."""

    def __init__(self, program, line, shows):
        self.line, self.shows, self.password = line, shows, "right"
        self.film_name = "h264"
        super().__init__(program)

    def switch_on(self):
        self.film = self.shows[self.film_name]
        command = [self.program, self.film, PORT, self.line.far, "viewer", self.password]
        self.process = self.line.start_there(lambda: camera.subprocess.Popen(
            command, stdin=camera.subprocess.PIPE, stdout=camera.subprocess.PIPE, text=True))
        check(self.process.stdout.readline().startswith("rtsp://"), "the RTSP server does not start")
        self.url = f"rtsp://viewer:right@{self.line.far}:{PORT}/clip"

    def restart(self, **changes):
        self.switch_off()
        for name, value in changes.items():
            setattr(self, name, value)
        self.switch_on()


class Watcher:
    """examples/apps/reconnect on a camera."""

    def __init__(self, program, url):
        self.program = launch.Program([program, url], timeout=7200)
        self.lines = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.program.process.stdout:
            self.lines.append((time.monotonic(), line))

    def said(self, text, after):
        return next((when for when, line in list(self.lines) if when >= after and text in line), None)

    def last(self):
        """The last lines, with the seconds since then."""
        now = time.monotonic()
        return [f"{now - when:.1f} s ago: {line.strip()}" for when, line in self.lines[-8:]]


def size_of(jpeg):
    """Width and height from the frame header."""
    at = 2
    while jpeg[at + 1] not in (0xC0, 0xC2):
        at += 2 + struct.unpack_from("!H", jpeg, at + 2)[0]
    height, width = struct.unpack_from("!HH", jpeg, at + 5)
    return width, height


class Lane:
    """A camera, the cable to it, and who watches it."""

    def __init__(self, number, options, shows, server):
        self.number, self.only = number, options.only
        self.line = options.lines[number]
        self.camera = options.cameras[number]
        self.server = server
        self.watcher = Watcher(options.reconnect, self.camera.url)
        self.times = []  # (loss, program, seconds)

    def snapshot(self):
        answer = self.server.ask("GET", f"/live/{self.number}/snapshot")
        return answer.body if answer.status == 200 else None

    def stream(self):
        return self.server.ask("GET", "/live").json["streams"][self.number]

    def frames(self):
        return self.server.metric(self.counter)

    def ready(self):
        lines = self.server.ask("GET", "/metrics").body.decode().splitlines()
        self.counter = [line.rsplit(" ", 1)[0] for line in lines if line.startswith("resnet18_camera_frames_total{")][self.number]

        until(self.snapshot, "the server has the first frame")
        until(lambda: self.watcher.said("espresso", 0), "reconnect has the first result")

    # ---- The ways to lose a camera: each returns what brings it back, or None when nothing was lost

    def killed(self):
        self.camera.switch_off()
        return self.camera.switch_on

    def frozen(self):
        self.camera.freeze(True)
        return lambda: self.camera.freeze(False)

    def unplugged(self):
        self.line.plug("down")
        return lambda: self.line.plug("up")

    def half_open(self):
        """It restarts while nobody can hear it: who was connected still believes to be."""
        self.line.plug("down")
        self.camera.restart()
        return lambda: self.line.plug("up")

    def reset(self):
        self.line.reset = True
        return lambda: setattr(self.line, "reset", False)

    def other_codec(self):
        self.camera.switch_off()
        self.camera.film_name = "mjpeg" if self.camera.film_name == "h264" else "h264"
        return self.camera.switch_on

    def wrong_password(self):
        self.camera.restart(password="other")
        until(lambda: self.stream()["state"] == "waiting", "the server notices that the password is wrong")
        text = str(self.stream()["reason"])
        check(text and "right" not in text.split(), f"the reason for a wrong password: {text}")
        return lambda: self.camera.restart(password="right")

    def firewall(self):
        """From now on it lets nothing through but TCP; later losses find that out no more."""
        self.camera.switch_off()
        self.line.tcp_only = True
        return self.camera.switch_on

    def lossy(self):
        self.line.loss = 0.05
        self.watch_steady()
        self.line.loss = 0.0

    def jittery(self):
        self.line.delay = (0.01, 0.15)
        self.watch_steady()
        self.line.delay = (0.0, 0.0)

    def sizes(self):
        """The stream changes its size in the middle, again and again."""
        back = self.camera.film_name
        self.camera.restart(film_name="sizes")
        found = set()

        def both():
            picture = self.snapshot()
            if picture:
                found.add(size_of(picture))
            return len(found) == 2
        until(both, "pictures of both sizes")
        self.camera.switch_off()
        self.camera.film_name = back
        return self.camera.switch_on

    def watch_steady(self):
        before = self.frames()
        time.sleep(STEADY)
        check(self.frames() > before, "no frame comes through")

    # ----

    def lose(self, how):
        """One loss; seconds from the camera's return to the frames of both programs."""
        time.sleep(SETTLED)
        gone = time.monotonic()
        bring_back = how()
        if bring_back is None:
            return
        time.sleep(max(0, AWAY - (time.monotonic() - gone)))
        before = self.frames()
        bring_back()
        returned = time.monotonic()
        until(lambda: self.frames() > before, f"{how.__name__}: a frame in the server")
        self.note(how, "server", time.monotonic() - returned)
        # What reconnect has not noticed it need not say again.
        until(lambda: self.watcher.said("espresso", returned) or not self.watcher.said("has gone", gone),
              f"{how.__name__}: a result in reconnect")
        when = self.watcher.said("espresso", returned)
        if when:
            self.note(how, "reconnect", when - returned)

    def note(self, how, program, seconds):
        self.times.append((how.__name__, program, seconds))
        if seconds > LONG:
            print(f"# camera {self.number}, {how.__name__}, {program}: {seconds:.1f} s, until {time.strftime('%H:%M:%S')}", flush=True)


def losses(lane):
    """Which camera loses what in the short form; with the last, the stream itself changes."""
    return ([lane.killed, lane.frozen, lane.unplugged, lane.jittery], [lane.half_open, lane.reset, lane.wrong_password],
            [lane.other_codec, lane.sizes, lane.lossy, lane.firewall])


def plan(lane, count):
    plans = losses(lane)
    if lane.only:
        plans = tuple([how for how in some if how.__name__ in lane.only] for some in plans)
    if not count:
        return plans[lane.number]
    order, ways = random.Random(lane.number), sum(plans, [])
    if lane.only:
        return [order.choice(ways) for _ in range(-(-count // CAMERAS))]
    # Behind a firewall all that follows goes by TCP.
    ways.remove(lane.firewall)
    return [order.choice(ways) for _ in range(-(-count // CAMERAS) - FIREWALLS)] + [lane.firewall] * FIREWALLS


class Worker(threading.Thread):
    def __init__(self, lane, count):
        super().__init__(daemon=True)
        self.lane, self.count = lane, count
        self.done, self.failed = 0, []

    def run(self):
        for how in plan(self.lane, self.count):
            try:
                self.lane.lose(how)
            except Exception as error:  # the next loss is another matter
                self.failed.append(f"{how.__name__}: {error}; reconnect said {self.lane.watcher.last()}; {self.lane.stream()}")
                return
            self.done += 1
            if self.count:
                print(f"# camera {self.lane.number}: {self.done} losses", flush=True)


def table(lanes):
    rows = {}
    for lane in lanes:
        for how, program, seconds in lane.times:
            rows.setdefault((how, program), []).append(seconds)
    for (how, program), seconds in sorted(rows.items()):
        print(f"# {how}, {program}: median {statistics.median(seconds):.1f} s, most {max(seconds):.1f} s, {len(seconds)} times")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("rtsp_server", type=os.path.abspath)
    parser.add_argument("reconnect", type=os.path.abspath)
    parser.add_argument("--only", help="the names of some kinds of loss", nargs="*")
    parser.add_argument("--losses", type=int, default=200 if os.environ.get("RESNET18_LONG_TESTS") else 0)
    options = parser.parse_args()
    reason = cable.reason_not_to()
    if os.environ.get("RESNET18_PRELOAD"):
        reason = "the network's threads and a preloaded sanitizer do not go together"
    if reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        shows = clips(folder)
        cable.leave_the_machine()
        options.lines = [cable.Cable(n) for n in range(CAMERAS)]
        options.cameras = [Camera(options.rtsp_server, line, shows) for line in options.lines]
        for one in options.cameras:
            stack.callback(one.switch_off)
        server = stack.enter_context(service.Server(*(one.url for one in options.cameras)))
        lanes = [Lane(n, options, shows, server) for n in range(CAMERAS)]
        for lane in lanes:
            stack.enter_context(lane.watcher.program)
        for lane in lanes:
            lane.ready()
        workers = [Worker(lane, options.losses) for lane in lanes]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        table(lanes)
    print(f"1..{len(workers)}")
    for number, worker in enumerate(workers, 1):
        text = "; ".join(worker.failed)
        print(f"{'not ok' if text else 'ok'} {number} - camera {number} is lost {worker.done} times")
        if text:
            print("# " + text)
    return any(worker.failed for worker in workers)


if __name__ == "__main__":
    sys.exit(main())
