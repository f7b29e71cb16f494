# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine's own failings: a wall clock that jumps, a user who may have no more threads, a fifth of a processor.

    test_system.py SERVER LIBRARY    LIBRARY: clock, to preload"""
import contextlib
import itertools
import json
import mmap
import os
import resource
import subprocess
import sys
import tempfile
import time

from service import MEDIA, WAIT, Failure, Server, check, equal, main, media, message, until

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", folder) for folder in ("brokers", "pipelines")]
import launch
import mosquitto

CLOCK = os.path.abspath(sys.argv[2])
CLIP = os.path.join(MEDIA, "bigbuckbunny.mp4")
PICTURE = media("coffee.png")
DAY = 86400
JUMPS = (DAY, -400 * DAY, 20000 * DAY, -5, 0)
# Each frame of a camera has its result.
CAMERA = ("imagefreeze is-live=true num-buffers={count} ! videoscale ! video/x-raw,width=64,height=64,framerate=25/1 ! "
          "resnet18classify mode=sync ! resnet18publish ")


def best(answer):
    equal(answer.status, 200, "the answer")
    return answer.json["classes"][0]["label"]


# ---- The clock ------------------------------------------------------------------------------------------------


class Clock:
    """set() puts the wall clock of the programs with its environment off by so many seconds."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "clock")
        with open(self.path, "wb") as file:
            file.write(bytes(8))
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 8)
        self.environment = {"LD_PRELOAD": CLOCK, "RESNET18_CLOCK": self.path}

    def set(self, seconds):
        self.map[:8] = seconds.to_bytes(8, "little", signed=True)


@contextlib.contextmanager
def clock():
    with tempfile.TemporaryDirectory() as folder:
        yield Clock(folder), folder


def the_clock_is_off():
    """Or the tests after this one would test nothing."""
    with clock() as (wall, _):
        wall.set(400 * DAY)
        now = subprocess.run(["date", "+%s"], env={**os.environ, **wall.environment}, capture_output=True, check=True,
                             timeout=WAIT).stdout
        check(abs(int(now) - time.time() - 400 * DAY) < WAIT, f"date says {now}")


def the_server_goes_on():
    """Requests are answered and frames classified; a client that falls silent is cut when its time is over, not sooner."""
    with clock() as (wall, _), Server("--loop", "--idle-time", "700", CLIP, env=wall.environment) as server:
        def classified():
            return server.ask("GET", "/live").json["streams"][0]["stats"].get("classified", 0)
        until(lambda: classified() > 0, "a result")
        start = server.metric("resnet18_process_start_time_seconds")
        for jump in JUMPS:
            begun = time.monotonic()
            with server.connect() as silent:
                equal(silent.send(message("GET", "/v2/health/live")).answer().status, 200, "the answer")
                wall.set(jump)
                equal(best(server.classify(PICTURE)), "espresso", "class")
                before = classified()
                until(lambda: classified() > before, "a result after the jump")
                silent.closed()
                check(time.monotonic() - begun > 0.7, "a connection is cut before its time")
        equal(server.metric("resnet18_process_start_time_seconds"), start, "the start")


def jumping(wall, process):
    """The clock jumps until the process ends; its exit status."""
    for jump in itertools.cycle(JUMPS):
        wall.set(jump)
        try:
            return process.wait(0.1)
        except subprocess.TimeoutExpired:
            check(time.monotonic() < jumping.end, "the process does not end")


def run_jumping(wall, pipeline):
    jumping.end = time.monotonic() + WAIT
    command = f"filesrc location={MEDIA}/coffee.png ! pngdec ! videoconvert ! " + pipeline + " ! fakesink"
    with launch.Program(["gst-launch-1.0", "-q"] + command.split(), timeout=WAIT, **wall.environment) as program:
        equal(jumping(wall, program.process), 0, "exit status of gst-launch-1.0")


def assert_in_order(lines, count):
    equal(len(lines), count, "results")
    times = [line["pts"] for line in lines]
    equal(times, sorted(set(times)), "order of the results")


def the_element_goes_on():
    """Each frame has its result, in order, at the pace of the frames."""
    with clock() as (wall, folder):
        path = os.path.join(folder, "results")
        run_jumping(wall, CAMERA.format(count=30) + f"location={path}")
        with open(path, encoding="utf-8") as file:
            assert_in_order([json.loads(line) for line in file], 30)


def the_spool_goes_on():
    """What a process leaves in the spool, the next one sends, in order, while the clock jumps in both."""
    with clock() as (wall, folder):
        broker = mosquitto.Broker(folder)
        place = f"location=mqtt://127.0.0.1:{broker.port}/cameras/door spool={folder}/spool client-id=door "
        run_jumping(wall, CAMERA.format(count=25) + place + "drain-timeout=0")
        broker.start()
        try:
            with broker.listen("cameras/door") as listener:
                run_jumping(wall, CAMERA.format(count=25) + place + f"drain-timeout={WAIT * 10**9}")
                lines = [json.loads(listener.await_line("cameras/door {").split(" ", 1)[1]) for _ in range(50)]
                listener.stop()
        finally:
            broker.stop()
        assert_in_order(lines[:25], 25)
        assert_in_order(lines[25:], 25)
        equal([int(line["id"].split("-")[1]) for line in lines], list(range(1, 51)), "numbers of the results")


# ---- Threads --------------------------------------------------------------------------------------------------


class Limited(Server):
    """A server of a user who may have `count` threads; the user has no other processes."""

    def __init__(self, count, *options):
        def limit():
            resource.setrlimit(resource.RLIMIT_NPROC, (count, count))
        user = 60000 + os.getpid() % 5000
        super().__init__(*options, env={"HOME": "/nonexistent"}, popen={"preexec_fn": limit, "user": user, "group": user, "extra_groups": []})


def no_more_threads():
    """It says what it lacks and ends, or it works: with each number of threads, until there are enough."""
    if os.geteuid() != 0:
        return "only root can start programs of a user that has no others"
    refused = 0
    for count in itertools.count(1):
        check(count < 100, "a hundred threads are not enough")
        server = Limited.__new__(Limited)
        try:
            server.__init__(count, "--threads", "1")
        except PermissionError:
            return "other users may not read the folder of the build"
        except Failure:
            status = server.process.wait(WAIT)
            server.reader.join(WAIT)
            equal(status, 1, f"exit status with {count} threads; it said {server.lines}")
            check(any(line.startswith("resnet18-server: ") for line in server.lines), f"{count} threads: {server.lines}")
            refused += 1
            continue
        with server:
            equal(best(server.classify(PICTURE)), "espresso", f"class, with {count} threads")
            body = json.dumps({"inputs": [{"name": "input", "datatype": "UINT8", "shape": [1, 224, 224, 3],
                                           "data": [0] * 150528}]}).encode()
            equal(server.ask("POST", "/v2/models/resnet18-rgb/infer", body).status, 200, "an inference")
        break
    print(f"# {refused} starts refused, works with {count} threads")
    check(refused > 3, "nothing was refused")
    return None


# ---- A fifth of a processor -----------------------------------------------------------------------------------


@contextlib.contextmanager
def quota(fifths):
    """A control group with so many fifths of a processor; its folder, or None where none can be made."""
    name = f"resnet18-test-{os.getpid()}"
    for folder, files in ((f"/sys/fs/cgroup/cpu/{name}", {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": f"{fifths * 20000}"}),
                          (f"/sys/fs/cgroup/{name}", {"cpu.max": f"{fifths * 20000} 100000"})):
        try:
            os.mkdir(folder)
        except OSError:
            continue
        try:
            for file, value in files.items():
                with open(os.path.join(folder, file), "w", encoding="ascii") as setting:
                    setting.write(value)
            yield folder
            return
        except OSError:
            pass
        finally:
            with contextlib.suppress(OSError):
                os.rmdir(folder)
    yield None


def joining(folder):
    def join():
        with open(os.path.join(folder, "cgroup.procs"), "w", encoding="ascii") as group:
            group.write(str(os.getpid()))
    return join


def throttled(folder):
    with open(os.path.join(folder, "cpu.stat"), encoding="ascii") as file:
        return int(dict(line.split() for line in file)["nr_throttled"])


def a_fifth_of_a_processor():
    """One thread; answers as ever; a camera of 25 frames a second loses none of them."""
    with quota(1) as folder:
        if folder is None:
            return "no control group with a quota can be made here"
        with Server(popen={"preexec_fn": joining(folder)}) as server:
            equal(server.metric("resnet18_threads"), 1, "threads")
            for _ in range(5):
                equal(best(server.classify(PICTURE)), "espresso", "class")
            check(any("1 thread)" in line for line in server.lines), f"{server.lines}")
        with tempfile.TemporaryDirectory() as place:
            path = os.path.join(place, "results")
            command = (f"gst-launch-1.0 -v filesrc location={MEDIA}/coffee.png ! pngdec ! videoconvert ! "
                       "imagefreeze is-live=true num-buffers=50 ! video/x-raw,framerate=25/1 ! "
                       f"resnet18classify ! identity name=out silent=false ! resnet18publish location={path} ! fakesink sync=true")
            done = subprocess.run(command.split(), preexec_fn=joining(folder), capture_output=True, timeout=WAIT,
                                  text=True, check=False)
            equal(done.returncode, 0, f"exit status of gst-launch-1.0; it said {done.stdout[-1000:]}{done.stderr[-1000:]}")
            equal(done.stdout.count("last-message = chain"), 50, "frames")
            with open(path, encoding="utf-8") as file:
                results = [json.loads(line) for line in file]
            check(results and all(line["classes"][0]["label"] == "espresso" for line in results), "the results")
        print(f"# throttled {throttled(folder)} times; {len(results)} results of 50 frames")
    return None


def with_mosquitto():
    return mosquitto.missing() or the_spool_goes_on()


with_mosquitto.__name__ = the_spool_goes_on.__name__
main(the_clock_is_off, the_server_goes_on, the_element_goes_on, with_mosquitto, no_more_threads, a_fifth_of_a_processor)
