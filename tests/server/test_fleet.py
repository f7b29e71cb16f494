# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cameras of a configuration file: good ones beside a dead, a slow, a flapping, a silent and a hung one, and the file
read again meanwhile. With RESNET18_LONG_TESTS there are 61 good ones, and their figures are printed.

    test_fleet.py SERVER RTSP_FLEET"""
import concurrent.futures
import contextlib
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from service import BINARY, MEDIA, ROOT, WAIT, Server, check, equal, main, until

LONG = bool(os.environ.get("RESNET18_LONG_TESTS"))
STEADY = 61 if LONG else 3
SECONDS = 120 if LONG else 20  # of observation, or until the watchdog has bitten
RATE = 5                       # frames a second of a good camera
CLIP, CLIP_FRAMES = os.path.join(MEDIA, "bigbuckbunny.mp4"), 132
SAMPLE = re.compile(r'^(\w+)\{camera="([^"]*)"(?:,\w+="((?:[^"\\]|\\.)*)")?\} (\S+)$', re.M)


class Cameras:
    """The program that serves them, and addresses at which none answers."""

    def __enter__(self):
        self.process = subprocess.Popen([sys.argv[2], str(STEADY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        line = self.process.stdout.readline()
        check(line.startswith("rtsp://127.0.0.1:"), f"the cameras said '{line}'")
        self.url, self.flapping = line.split()
        self.closed, self.hung = socket.socket(), socket.socket()
        for there in (self.closed, self.hung):
            there.bind(("127.0.0.1", 0))
        self.hung.listen(64)  # connects, and never answers
        return self

    def __exit__(self, *what):
        self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.closed.close()
        self.hung.close()

    def ask(self):
        """{name: (connections, frames sent)}"""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return {name: tuple(counts) for name, counts in json.loads(self.process.stdout.readline()).items()}

    def uri(self, name):
        name = name.removesuffix("-quick")
        place = {"dead": self.closed, "hung": self.hung}.get(name)
        if place:
            return f"rtsp://admin:geheim@127.0.0.1:{place.getsockname()[1]}/x"
        return f"{self.flapping if name == 'flapping' else self.url}/{name}"


STEADY_NAMES = [f"steady-{n}" for n in range(STEADY)]
BAD_NAMES = ["dead", "slow", "flapping", "silent", "hung", "dead-quick", "silent-quick"]
# Seconds between the starts of a camera that cannot be had; the last one again and again.
SILENT = {"silent": "no frame came for 20 seconds", "silent-quick": "no frame came for 3 seconds"}
PAUSES = {"dead": [1] * 5 + [5] * 5 + [10], "dead-quick": [1] * 5 + [2]}


def write(folder, cameras, names, more=""):
    text = ["[target.log]", "location = 'log/{camera}.jsonl'", "[defaults]", "targets = ['log']", "max-rate = 1",
            "max-age = 60", "transport = 'tcp'", more]
    for name in names:
        text += [f"[camera.{name}]", f"uri = '{cameras.uri(name)}'"]
        if name.endswith("-quick"):
            text.append("retry = 'quick'")
    text += ["[camera.clip]", f"uri = '{CLIP}'", "max-rate = 0"]
    path = os.path.join(folder, "fleet.toml")
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write("\n".join(text) + "\n")
    os.replace(path + ".new", path)
    return path


def sample(server):
    """{metric: {camera: value}}, with labels {metric: {(camera, label): value}}; and as the server's JSON has it"""
    found = {}
    for metric, camera, label, value in SAMPLE.findall(server.ask("GET", "/metrics").body.decode()):
        found.setdefault(metric, {})[(camera, label) if label else camera] = float(value)
    return found


def streams(server):
    return {stream["name"]: stream for stream in server.ask("GET", "/live").json["streams"]}


def state(found, name):
    return next(state for (camera, state), on in found["resnet18_camera_state"].items() if camera == name and on)


def reload(server, *lines):
    """SIGHUP, and what the server says of it: each of the lines."""
    before = len(server.lines)
    server.process.send_signal(signal.SIGHUP)
    for line in lines:
        until(lambda: any(line in said for said in server.lines[before:]), f"'{line}' among {server.lines[before:]}")


def spoken(arguments):
    run = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60)
    return run.returncode, run.stderr


def mistakes_end_the_start():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "f.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("[server]\nprot = 1\n[camera.a]\nmodel = 'x'\n")
        wrong = (f"{path}:2: server.prot: there is no such key; did you mean 'port'?\n{path}:3: camera.a: the key uri is missing\n"
                 f"{path}:4: camera.a.model: there is no [model.x]\n")
        for option in ([], ["--check-config"]):
            equal(spoken(["--config", path, *option]), (2, wrong), f"a bad file {option}")
        with open(path, "w", encoding="utf-8") as file:
            file.write("[server]\nport = 0\n[camera.a]\nuri = 'x.mp4'\n")
        equal(spoken(["--config", path, "--check-config"]), (0, ""), "a good file")
    status, text = spoken(["--check-config"])
    check(status == 2 and text.startswith("resnet18-server: --check-config needs --config FILE\n"), f"no file: {status} {text}")


def files_that_are_not_there():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "f.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("[server]\ntoken-file = 'token'\nweights = '.'\n[model.m]\nweights = 'm.pth'\nlabels = 'm.txt'\n"
                       "[target.t]\nlocation = 'mqtt://127.0.0.1/x'\ncredentials = 'word'\ntls-ca = 'ca'\nspool = 'spool'\n")
        gone = "cannot be read: No such file or directory"
        wrong = [(2, "server.token-file", "token", gone), (3, "server.weights", "", "is a folder"),
                 (5, "model.m.weights", "m.pth", gone), (6, "model.m.labels", "m.txt", gone),
                 (9, "target.t.credentials", "word", gone), (10, "target.t.tls-ca", "ca", gone)]
        lines = [f"{path}:{line}: {key}: '{os.path.join(folder, name).rstrip('/')}' {what}\n" for line, key, name, what in wrong]
        equal(spoken(["--config", path, "--check-config"]), (2, "".join(lines)), "what is wrong")


def the_example_of_the_page_is_good():
    with open(os.path.join(ROOT, "docs", "fleet.md"), encoding="utf-8") as file:
        blocks = re.findall(r"^```toml\n(.*?)^```$", file.read(), re.M | re.S)
    check(blocks, "docs/fleet.md has no example")
    with tempfile.TemporaryDirectory() as folder:
        path, token = os.path.join(folder, "f.toml"), os.path.join(folder, "token")
        for name in (token, "flowers.safetensors", "flowers.txt", "broker-credentials"):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write("word\n")
        for block in blocks:
            with open(path, "w", encoding="utf-8") as file:
                file.write(block.replace("/run/secrets/resnet18-token", token))
            equal(spoken(["--config", path, "--check-config"]), (0, ""), "the example")


def the_command_line_goes_over_the_file():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "f.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("[server]\nport = 1\nbatch = 2\nqueue = 7\n")
        with Server("--queue", "9", "--config", path) as server:  # with a port, too
            equal(server.metric("resnet18_pictures_room"), 9, "queue")
            equal(server.ask("GET", "/live").json, {"streams": []}, "no cameras")
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"[server]\nbatch = 3\n[camera.a]\nuri = '{CLIP}'\n")
            with open(path, "a", encoding="utf-8") as file:
                file.write("[model.m]\nweights = 'm.pth'\n")
            reload(server, "f.toml:6: model.m.weights: ", "is wrong, nothing has changed")
            equal(server.metric("resnet18_config_last_reload_successful"), 0, "weights that are not there")
            equal(streams(server), {}, "nothing has changed")
            with open(os.path.join(folder, "m.pth"), "w", encoding="utf-8"):
                pass
            reload(server, f"{path}: batch stays as it is until the server is started anew", "is read again: 1 camera")
            until(lambda: "a" in streams(server) and streams(server)["a"]["state"] == "playing", "it plays")


class Watch:
    """The good cameras over a while: nothing may happen to them."""

    def __init__(self, server, cameras, names):
        self.server, self.cameras, self.names = server, cameras, names
        self.ages, self.begun = [], time.monotonic()
        self.first, self.sent = sample(server), cameras.ask()

    def look(self):
        found = sample(self.server)
        for name in self.names:
            equal(state(found, name), "playing", f"state of {name}")
            key = "resnet18_camera_restarts_total"
            equal(found[key][name], self.first[key][name], f"restarts of {name}")
            self.ages.append(found["resnet18_camera_last_frame_age_seconds"][name])
        return found

    def finish(self):
        """Frames that did not come, of all the cameras sent."""
        last, sent = self.look(), self.cameras.ask()
        seconds = time.monotonic() - self.begun
        key = "resnet18_camera_frames_total"
        for name in self.names:
            equal(sent[name][0], self.sent[name][0], f"connections of {name}")
            came = last[key][name] - self.first[key][name]
            went = sent[name][1] - self.sent[name][1]
            # A frame or two are under way when either is counted; what had come late before, comes too.
            check(went - came <= 2, f"{name}: {went} frames were sent, {came} came")
            check(went > 0, f"{name} sent nothing")
        rates = [(last[key][name] - self.first[key][name]) / seconds for name in self.names]
        return (f"{len(self.names)} good cameras over {seconds:.0f} s: {min(rates):.3f} to {max(rates):.3f} frames a second, "
                f"age of the newest frame {statistics.median(self.ages):.3f} s, at most {max(self.ages):.3f} s")


def play(server, names):
    until(lambda: all(state(found, name) == "playing" for found in [sample(server)] for name in names), "they play")


def processor(server):
    """Seconds of processor time so far, and resident bytes."""
    with open(f"/proc/{server.process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(") ", 1)[1].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * os.sysconf("SC_PAGESIZE")


def most_restarts(pauses, seconds):
    """How many there are in so many seconds, if nothing but the pauses takes time."""
    count = 0
    while (seconds := seconds - pauses[min(count, len(pauses) - 1)]) >= 0:
        count += 1
    return count


def good_cameras_by_themselves():
    """For comparison."""
    with tempfile.TemporaryDirectory() as folder, Cameras() as cameras:
        os.mkdir(os.path.join(folder, "log"))
        with Server("--config", write(folder, cameras, STEADY_NAMES)) as server:
            play(server, STEADY_NAMES)
            watch, used = Watch(server, cameras, STEADY_NAMES), processor(server)[0]
            while time.monotonic() - watch.begun < SECONDS:
                watch.look()
                time.sleep(0.5)
            cpu = (processor(server)[0] - used) / (time.monotonic() - watch.begun)
            print(f"# {watch.finish()}\n# {cpu:.2f} processors, {processor(server)[1] / 2**20:.0f} MiB", flush=True)


def bad_cameras_do_not_disturb_good_ones():
    with tempfile.TemporaryDirectory() as folder, Cameras() as cameras:
        os.mkdir(os.path.join(folder, "log"))
        path, begun = write(folder, cameras, STEADY_NAMES + BAD_NAMES), time.monotonic()
        with Server("--config", path) as server:
            play(server, STEADY_NAMES)
            watch, seen = Watch(server, cameras, STEADY_NAMES), {name: set() for name in BAD_NAMES}
            used, reasons = processor(server)[0], {}
            end = watch.begun + SECONDS + WAIT
            # How often a camera's frames come must be known before it is missed quickly, which takes a busy machine a second try.
            while time.monotonic() - watch.begun < SECONDS or any(SILENT[name] not in reasons.get(name, ()) for name in SILENT):
                check(time.monotonic() < end, f"the reasons of the silent cameras were only {reasons}")
                found = watch.look()
                for name in BAD_NAMES:
                    seen[name].add(state(found, name))
                for camera, reason in found.get("resnet18_camera_problem", {}):
                    reasons.setdefault(camera, set()).add(reason)
                time.sleep(0.5)
            figures = watch.finish()
            cpu = (processor(server)[0] - used) / (time.monotonic() - watch.begun)
            found, listed = sample(server), streams(server)
            restarts = found["resnet18_camera_restarts_total"]
            print(f"# {figures}\n# {cpu:.2f} processors, {processor(server)[1] / 2**20:.0f} MiB\n# states {seen}, restarts "
                  f"{ {name: int(restarts[name]) for name in BAD_NAMES} }\n# reasons {reasons}", flush=True)
            equal(seen["slow"] - {"starting"}, {"playing"}, "states of the slow one")
            check(found["resnet18_camera_frame_rate"]["slow"] < 1, "the rate of the slow one")
            check(seen["flapping"] >= {"playing", "waiting"}, f"states of the flapping one: {seen['flapping']}")
            check("playing" not in seen["hung"], f"states of the hung one: {seen['hung']}")
            for name in SILENT:
                check(seen[name] >= {"playing", "waiting"}, f"states of {name}: {seen[name]}")
            check(SILENT["silent-quick"] not in reasons["silent"], f"reasons of the patient one: {reasons['silent']}")
            check(reasons["flapping"], f"reason of the flapping one: {reasons}")
            check("onnect" in str(reasons["dead"]) and "geheim" not in json.dumps(listed) + str(reasons), f"reasons {reasons}")
            for name, pauses in PAUSES.items():
                check("waiting" in seen[name] and "playing" not in seen[name], f"states of {name}: {seen[name]}")
                most = most_restarts(pauses, time.monotonic() - begun)
                check(5 <= restarts[name] <= most, f"restarts of {name}: {restarts[name]}, at most {most}")
            for name in BAD_NAMES:
                check(listed[name]["state"] and (listed[name]["state"] == "playing" or listed[name]["state"] == "starting"
                                                 or listed[name]["reason"]), f"{name}: {listed[name]}")
            until(lambda: state(sample(server), "clip") == "ended", "the clip ends")
            equal(sample(server)["resnet18_camera_frames_total"]["clip"], CLIP_FRAMES, "frames of the clip")
            for name in STEADY_NAMES:  # one result a second, in a file of its own
                with open(os.path.join(folder, "log", name + ".jsonl"), encoding="utf-8") as file:
                    lines = [json.loads(line) for line in file]
                check(lines and all(line["stream"] == name for line in lines), f"results of {name}")


def the_file_is_read_again():
    with tempfile.TemporaryDirectory() as folder, Cameras() as cameras:
        os.mkdir(os.path.join(folder, "log"))
        kept, gone, new = STEADY_NAMES[:-1], STEADY_NAMES[-1], "slow"
        path = write(folder, cameras, kept + [gone, "dead"])
        with Server("--config", path) as server:
            play(server, STEADY_NAMES + ["clip"])
            watch, ids = Watch(server, cameras, kept), {name: stream["id"] for name, stream in streams(server).items()}
            reload(server, "is read again")  # the same
            watch.look()
            with open(path, "a", encoding="utf-8") as file:
                file.write("[camera.x]\nroi = '1'\n")
            reload(server, "x: the key uri is missing", "x.roi: must be", "is wrong, nothing has changed")
            equal(server.metric("resnet18_config_last_reload_successful"), 0, "the last one")
            equal(set(streams(server)), set(STEADY_NAMES) | {"dead", "clip"}, "cameras after a bad file")
            # One is gone, one is new, one has changed, and a setting of the server too.
            changed, connections = kept[0], cameras.ask()
            write(folder, cameras, kept + ["dead", new], more="[server]\nqueue = 5")
            with open(path, encoding="utf-8") as file:
                text = file.read()
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace(f"[camera.{changed}]\n", f"[camera.{changed}]\ntop-k = 2\n"))
            watch.names = kept[1:]
            reload(server, "queue stays as it is", f"is read again: {len(kept) + 3} cameras")
            until(lambda: set(streams(server)) == set(kept) | {"dead", "clip", new}, "the list")
            play(server, kept + [new])
            until(lambda: len((streams(server)[changed]["result"] or {"classes": []})["classes"]) == 2, "the change takes effect")
            equal(cameras.ask()[changed][0], connections[changed][0] + 1, "connections of the one that has changed")
            now = streams(server)
            for name in now:
                if name != new:
                    equal(now[name]["id"], ids[name], f"number of {name}")
            check(now[new]["id"] not in ids.values(), "the number of the new one")
            equal(server.ask("GET", f"/live/{ids[gone]}/snapshot").status, 404, "the one that is gone")
            equal(server.metric("resnet18_config_last_reload_successful"), 1, "the last one")
            equal(server.metric('resnet18_config_reloads_total{result="refused"}'), 1, "refused")
            until(lambda: state(sample(server), "clip") == "ended", "the clip ends")
            equal(sample(server)["resnet18_camera_frames_total"]["clip"], CLIP_FRAMES, "frames of the clip")
            sent = cameras.ask()[gone][1]
            print("# " + watch.finish(), flush=True)
            check(cameras.ask()[gone][1] <= sent + 1, "the camera that is gone is still connected")
            begun = time.monotonic()
        print(f"# the end took {time.monotonic() - begun:.1f} s", flush=True)


def figures_of_a_looped_file_and_of_a_camera_that_never_plays():
    with tempfile.TemporaryDirectory() as folder, Cameras() as cameras:
        path = os.path.join(folder, "f.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"[target.log]\nlocation = '{{camera}}.jsonl'\n[defaults]\ntargets = ['log']\nmax-rate = 5\n[camera.film]\n"
                       f"uri = '{CLIP}'\nloop = true\n[camera.dead]\nuri = '{cameras.uri('dead')}'\n")
        with Server("--config", path) as server:
            until(lambda: sample(server)["resnet18_camera_frame_rate"]["film"], "it plays")
            found, end = sample(server), time.monotonic() + WAIT
            while found["resnet18_camera_frames_total"]["film"] < 1.5 * CLIP_FRAMES:
                check(time.monotonic() < end, "the file does not begin anew")
                found = sample(server)
                check(found["resnet18_camera_frame_rate"]["film"] > 0, "a looped file's rate is zero")
                time.sleep(0.1)
            until(lambda: sample(server)["resnet18_camera_restarts_total"]["dead"] > 1, "the dead one is begun again")
            found = sample(server)
            equal(found["resnet18_camera_target_open"], {("film", "log"): 1}, "targets that are open")
            fates = [found[f"resnet18_camera_{name}_total"] for name in ("classified", "dropped", "late", "skipped", "reused")]
            frames = found["resnet18_camera_frames_total"]["film"]
            # The counts are read twice a second; more than at its end the clip's first pass must be in them.
            check(CLIP_FRAMES <= sum(fate["film"] for fate in fates) <= frames + 1, f"{fates} of {frames} frames")
            check(fates[0]["film"] > 0 and fates[3]["film"] > 0, f"classified and skipped: {fates}")
            equal([fate["dead"] for fate in fates], [0] * len(fates), "of the dead one")
            latency = found["resnet18_camera_latency_seconds"]
            equal(set(latency), {("film", "0.5"), ("film", "0.99")}, "latencies")
            check(0 < latency["film", "0.5"] <= latency["film", "0.99"] < WAIT, f"latencies {latency}")


def together(*tests):
    """The same tests, which all begin when the first is asked for."""
    executor = concurrent.futures.ThreadPoolExecutor(len(tests))
    begun = {}

    def of(test):
        def wait():
            if not begun:
                begun.update({each: executor.submit(each) for each in tests})
            begun[test].result()
        wait.__name__ = test.__name__
        return wait
    return [of(test) for test in tests]


slow = [the_file_is_read_again, figures_of_a_looped_file_and_of_a_camera_that_never_plays, bad_cameras_do_not_disturb_good_ones]
main(mistakes_end_the_start, files_that_are_not_there, the_example_of_the_page_is_good, the_command_line_goes_over_the_file,
     *([good_cameras_by_themselves, *slow] if LONG else together(*slow)))
