# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everything at once for a long time, sampled: eight cameras that fail in turns and are watched by resnet18-server, the same
server under requests, viewers that come and go, and a second process whose streams change their weights all the time.

    soak.py SERVER BUILD MINUTES FOLDER     samples go to FOLDER/soak.tsv, the verdict to standard output

Exit status 0 only if all that docs/reliability.md promises of a soak held."""
import argparse
import contextlib
import csv
import os
import random
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[1:1] = [os.path.join(ROOT, "tests", "server"), os.path.join(ROOT, "tests", "pipelines")]
import camera
import launch
import service

launch.comment = lambda text: None

CAMERAS = 8
AWAY = 4  # seconds that a camera is killed or frozen
PERIOD = 30  # seconds from one loss to the next
CLIENTS = 3
PAUSE = 0.25  # seconds between two requests of a client
SAMPLE = 10  # seconds
PICTURES = ("china.jpg", "flower.jpg", "rocket.jpg", "chelsea.png", "coffee.png")
COLUMNS = ("seconds", "server_rss", "server_fds", "server_threads", "decoders_rss", "swap_rss", "swap_fds", "swap_threads",
           "frames", "classified", "restarts", "playing", "sent", "answered", "swap_frames", "swap_results", "swap_changes",
           "losses")


def film(folder):
    """Five pictures in turns, half a minute each, four frames a second, ten minutes."""
    for name in PICTURES:
        launch.launch(f"filesrc location={{media}}/{name} ! decodebin ! videoconvert ! videoscale ! "
                      f"video/x-raw,width=320,height=240,pixel-aspect-ratio=1/1 ! jpegenc ! filesink location={folder}/{name}.jpg")
    for frame in range(2400):
        os.symlink(PICTURES[frame // 120 % len(PICTURES)] + ".jpg", os.path.join(folder, f"{frame:04}.jpg"))
    path = os.path.join(folder, "film.mp4")
    launch.launch(f"multifilesrc location={folder}/%04d.jpg caps=image/jpeg,framerate=4/1 ! jpegdec ! videoconvert ! "
                  "video/x-raw,format=I420 ! x264enc speed-preset=ultrafast key-int-max=4 ! mp4mux ! "
                  f"filesink location={path}")
    return path


def broken_weights(folder):
    path = os.path.join(folder, "broken.safetensors")
    with open(os.path.join(ROOT, "weights", "resnet18.safetensors"), "rb") as whole, open(path, "wb") as cut:
        cut.write(whole.read()[:-1000])
    return path


class Process:
    """What the kernel says about a process."""

    def __init__(self, pid):
        self.folder = f"/proc/{pid}"

    def rss(self):
        """KiB"""
        with open(self.folder + "/status", encoding="ascii") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("VmRSS:")), 0)

    def fds(self):
        return len(os.listdir(self.folder + "/fd"))

    def threads(self):
        return len(os.listdir(self.folder + "/task"))


class Requests(threading.Thread):
    """A client that keeps asking. What the server took must be answered; 503 is an answer."""

    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.server, self.number = server, number
        self.sent = self.answered = 0
        self.statuses = {}
        self.broken = []
        self.stop = threading.Event()

    def run(self):
        turn = random.Random(self.number)
        while not self.stop.wait(PAUSE):
            try:
                with self.server.connect() as connection:
                    for _ in range(turn.randrange(1, 20)):
                        if self.stop.wait(PAUSE):
                            return
                        self.ask(connection, turn)
            except (service.Failure, OSError) as error:
                self.broken.append(str(error))

    def ask(self, connection, turn):
        data = service.media(turn.choice(PICTURES))
        if turn.random() < 0.1:
            data = data[:turn.randrange(len(data))]
        query = turn.choice(("", "?top_k=3", "?groups=1", "?cam=1"))
        self.sent += 1
        connection.send(service.message("POST", "/classify" + query, data))
        status = connection.answer("POST").status
        self.answered += 1
        self.statuses[status] = self.statuses.get(status, 0) + 1


class Viewers(threading.Thread):
    """One after the other looks at a camera's pictures or reads the events for some seconds, and leaves without a word."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.bytes = self.visits = 0
        self.stop = threading.Event()

    def run(self):
        turn = random.Random(0)
        while not self.stop.wait(1):
            path = turn.choice(["/events"] + [f"/live/{n}/stream" for n in range(CAMERAS)])
            with contextlib.suppress(service.Failure, OSError), self.server.connect() as viewer:
                viewer.socket.settimeout(5)
                viewer.send(service.message("GET", path))
                end = time.monotonic() + turn.uniform(2, 10)
                while time.monotonic() < end and not self.stop.is_set() and viewer.more():
                    self.bytes += len(viewer.rest)
                    viewer.rest = b""
            self.visits += 1


class Losses(threading.Thread):
    """One camera after the other is killed or frozen, and comes back."""

    def __init__(self, cameras):
        super().__init__(daemon=True)
        self.cameras = cameras
        self.count = 0
        self.stop = threading.Event()
        self.error = None

    def run(self):
        try:
            while not self.stop.wait(PERIOD - AWAY):
                self.lose(self.cameras[self.count % len(self.cameras)], self.count // len(self.cameras) % 2 == 1)
                self.count += 1
        except Exception as error:  # a soak without losses is none: it must end
            self.error = error

    def lose(self, one, frozen):
        if frozen:
            one.freeze(True)
        else:
            one.switch_off()
        self.stop.wait(AWAY)
        if frozen:
            one.freeze(False)
        else:
            one.switch_on()


class Swap:
    """The process whose weights change."""

    def __init__(self, build, folder):
        self.process = subprocess.Popen([os.path.join(build, "tests/soak/soak_swap"), "2", "4",
                                         os.path.join(ROOT, "weights", "resnet18.safetensors"), broken_weights(folder)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.counts = (0, 0, 0)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.counts = tuple(int(word) for word in line.split())

    def end(self):
        self.process.stdin.close()
        return self.process.wait(60)


class Soak:
    def __init__(self, options, stack):
        self.folder = stack.enter_context(tempfile.TemporaryDirectory())
        picture = film(self.folder)
        program = os.path.join(options.build, "tests/pipelines/rtsp_server")
        self.cameras = []
        for _ in range(CAMERAS):
            self.cameras.append(camera.Server(program, picture))
            stack.callback(self.cameras[-1].switch_off)
        self.server = stack.enter_context(service.Server("--loop", *(c.url for c in self.cameras)))
        self.swap = Swap(options.build, self.folder)
        stack.callback(self.swap.process.kill)
        self.clients = [Requests(self.server, n) for n in range(CLIENTS)]
        self.viewers = Viewers(self.server)
        self.losses = Losses(self.cameras)
        self.helpers = [*self.clients, self.viewers, self.losses]
        self.begun = time.monotonic()

    def sample(self):
        streams = self.server.ask("GET", "/live").json["streams"]
        server, swap = Process(self.server.process.pid), Process(self.swap.process.pid)
        counts = [sum((s["stats"] or {}).get(name, 0) for s in streams) for name in ("frames", "classified")]
        return (round(time.monotonic() - self.begun, 1), server.rss(), server.fds(), server.threads(),
                sum(Process(pid).rss() for pid in self.server.children()), swap.rss(), swap.fds(), swap.threads(), *counts,
                sum(s["restarts"] for s in streams), sum(s["state"] == "playing" for s in streams),
                sum(c.sent for c in self.clients), sum(c.answered for c in self.clients), *self.swap.counts, self.losses.count)

    def run(self, minutes, writer, file):
        for helper in self.helpers:
            helper.start()
        while time.monotonic() - self.begun < 60 * minutes:
            time.sleep(SAMPLE)
            service.check(self.server.process.poll() is None, "the server has ended")
            service.check(self.swap.process.poll() is None, "the process whose weights change has ended")
            service.check(self.losses.error is None, f"a camera could not be taken away: {self.losses.error}")
            writer.writerow(self.sample())
            file.flush()

    def end(self):
        """Stops all; what was still wrong."""
        for helper in self.helpers:
            helper.stop.set()
        for helper in self.helpers:
            helper.join(60)
        wrong = [f"a request broke: {text}" for client in self.clients for text in client.broken]
        if self.server.metric("resnet18_pictures_in_progress") != 0:
            wrong.append("pictures are still in progress after the last answer")
        status = self.swap.end()
        return wrong + ([f"the process whose weights change ended with status {status}"] if status else [])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("build", type=os.path.abspath)
    parser.add_argument("minutes", type=float)
    parser.add_argument("folder")
    options = parser.parse_args()
    os.environ.setdefault("GST_PLUGIN_PATH_1_0", os.path.join(options.build, "gst"))
    os.makedirs(options.folder, exist_ok=True)
    with contextlib.ExitStack() as stack, open(os.path.join(options.folder, "soak.tsv"), "w", encoding="ascii") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(COLUMNS)
        soak = Soak(options, stack)
        soak.run(options.minutes, writer, file)
        wrong = soak.end()
        statuses = {}
        for client in soak.clients:
            for status, count in client.statuses.items():
                statuses[status] = statuses.get(status, 0) + count
        print(f"answers: {dict(sorted(statuses.items()))}; {soak.viewers.visits} viewers; {soak.losses.count} losses")
    for text in wrong:
        print(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
