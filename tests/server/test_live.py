# SPDX-License-Identifier: LGPL-2.1-or-later
"""The live view: states, events, pictures, and readers that come, go and do not read.

    test_live.py SERVER [LIBRARY]    LIBRARY: never_ends, to preload"""
import json
import os
import signal
import sys
import tempfile
import time

from service import MEDIA, Server, check, equal, main, message, until

CLIP = os.path.join(MEDIA, "bigbuckbunny.mp4")
NEVER_ENDS = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else None


def streams(server):
    return server.ask("GET", "/live").json["streams"]


def playing(server, n=0):
    until(lambda: streams(server)[n]["state"] == "playing", "playing")


def events(connection, count):
    """The next events: (id, name, data)"""
    found = []
    text = b""
    while len(found) < count:
        size = int(connection.until(b"\r\n"), 16)
        check(size > 0, "the events ended")
        text += connection.take(size)
        connection.take(2)
        *whole, text = text.split(b"\n\n")
        for block in whole:
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n") if not line.startswith(":"))
            if fields:
                found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


def without_cameras():
    with Server() as server:
        equal(server.ask("GET", "/live").json, {"streams": []}, "no cameras")
        for path in ("/live/0/snapshot", "/live/x/stream", "/live/-1/snapshot", "/live/99999999999999999999/stream"):
            equal(server.ask("GET", path).status, 404, path)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: any("SIGHUP: there is no configuration file to read again" in line for line in server.lines), "a word")
        equal(server.ask("GET", "/live").status, 200, "after SIGHUP")


def a_file_is_shown():
    with Server("--loop", CLIP) as server:
        playing(server)
        answers = []

        def pictured():  # the clip may be at its end just now
            answers.append(server.ask("GET", "/live/0/snapshot"))
            return answers[-1].status == 200
        until(pictured, "a snapshot")
        answer = answers[-1]
        equal(answer.headers["content-type"], "image/jpeg", "snapshot")
        check(answer.body[:3] == b"\xff\xd8\xff" and answer.body[-2:] == b"\xff\xd9", "the snapshot is not a JPEG")
        equal(server.classify(answer.body).status, 200, "the snapshot, classified")
        with server.connect() as viewer:
            status, headers = viewer.send(message("GET", "/live/0/stream")).head()
            equal(status, 200, "stream")
            boundary = headers["content-type"].split("boundary=")[1]
            data = b""
            while data.count(b"--" + boundary.encode()) < 3:
                size = int(viewer.until(b"\r\n"), 16)
                data += viewer.take(size)
                viewer.take(2)
            first = data.split(b"\r\n\r\n", 1)[1]
            check(first[:3] == b"\xff\xd8\xff", "the frame is not a JPEG")
        until(lambda: streams(server)[0]["result"], "a result")
        until(lambda: streams(server)[0]["stats"]["classified"] > 0, "a frame is classified since the clip last began")
        camera = streams(server)[0]
        equal((camera["id"], camera["name"], camera["reason"]), (0, "bigbuckbunny.mp4", None), "the camera")
        check(len(camera["result"]["classes"]) == 5 and camera["result"]["group"]["label"], "the result")
        until(lambda: server.metric("resnet18_http_streams") == 0, "the viewer is forgotten")


def events_are_told_and_told_again():
    with Server("--loop", CLIP) as server:
        with server.connect() as reader:
            status, headers = reader.send(message("GET", "/events")).head()
            equal((status, headers["content-type"]), (200, "text/event-stream"), "events")
            found = events(reader, 6)
        numbers = [n for n, _, _ in found]
        equal(numbers, list(range(numbers[0], numbers[0] + 6)), "numbers of the events")
        check({name for _, name, _ in found} <= {"result", "state"}, f"names: {found}")
        result = next(data for _, name, data in found if name == "result")
        equal(result["stream"], 0, "stream of a result")
        check(result["classes"] and result["time"].endswith("Z"), f"a result: {result}")
        with server.connect() as reader:
            reader.send(message("GET", "/events", Last_Event_ID=numbers[2])).head()
            equal(events(reader, 3), found[3:], "what came after the third")


def a_camera_that_is_not_there():
    with Server("rtsp://user:secret@127.0.0.1:9/x", os.path.join(MEDIA, "nothing.mp4")) as server:
        until(lambda: len(streams(server)) == 2 and all(s["state"] == "waiting" for s in streams(server)), "waiting")
        text = json.dumps(streams(server))
        check("secret" not in text and "rtsp://127.0.0.1:9/x" in text, text)
        check(all(s["reason"] for s in streams(server)), text)
        answer = server.ask("GET", "/live/0/snapshot")
        equal((answer.status, answer.headers.get("retry-after")), (503, "1"), "snapshot of nothing")
        until(lambda: streams(server)[0]["restarts"] >= 2, "it is tried again")
        said = [line for line in server.lines if "nothing.mp4" in line]
        check(len(said) == 1 and "No such file" in said[0], f"the log names it once: {server.lines}")
        check(not any("secret" in line for line in server.lines), f"{server.lines}")


def a_plugin_that_is_not_found():
    if os.environ.get("RESNET18_PRELOAD"):
        return "a registry of all plugins takes a sanitizer too long"
    with tempfile.TemporaryDirectory() as folder:
        registry = os.path.join(folder, "registry")
        env = {"GST_PLUGIN_PATH": folder, "GST_PLUGIN_PATH_1_0": folder, "GST_REGISTRY": registry, "GST_REGISTRY_1_0": registry}
        with Server(CLIP, env=env) as server:
            until(lambda: streams(server)[0]["state"] != "starting", "it has begun")
            if streams(server)[0]["state"] != "failed":
                return "the plugin is installed"
            until(lambda: any('no element "resnet18classify"; ' in line and "GST_PLUGIN_PATH" in line for line in server.lines),
                  "a hint where it is looked for")
            equal(server.ask("GET", "/v2/health/ready").status, 200, "pictures need no plugin")
    return None


def a_reader_that_does_not_read_is_cut():
    with Server("--loop", "--send-time", "1000", CLIP) as server:
        playing(server)
        with server.connect() as viewer:
            viewer.send(message("GET", "/live/0/stream"))
            until(lambda: server.metric("resnet18_http_slow_connections_total") == 1, "it is cut")
            until(lambda: server.ask("GET", "/live/0/snapshot").status == 200, "others are served")
            viewer.closed()


def streams_are_limited_and_end_with_the_server():
    with Server("--loop", "--streams", "1", CLIP) as server:
        with server.connect() as reader:
            reader.send(message("GET", "/events")).head()
            equal(server.ask("GET", "/events").status, 503, "one too many")
            begun = time.monotonic()
            server.process.terminate()
            check(reader.closed().endswith(b"0\r\n\r\n"), "the stream did not end")
            equal(server.process.wait(60), 0, "exit status")
            check(time.monotonic() - begun < 60, "slow end")


def a_camera_that_does_not_end_holds_nobody():
    if not NEVER_ENDS:
        return
    with Server("--loop", "--drain-time", "500", CLIP, env={"LD_PRELOAD": NEVER_ENDS}) as server:
        playing(server)
        server.process.terminate()
        equal(server.process.wait(60), 0, "exit status")
        check(any("left behind" in line for line in server.lines), f"the camera has ended: {server.lines}")


def a_camera_that_does_not_end_makes_room_for_its_successor():
    if not NEVER_ENDS:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "f.toml")

        def write(top_k):
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"[camera.a]\nuri = '{CLIP}'\nloop = true\ntop-k = {top_k}\n")
        write(1)
        with Server("--config", path, "--drain-time", "500", env={"LD_PRELOAD": NEVER_ENDS}) as server:
            playing(server)
            write(2)
            server.process.send_signal(signal.SIGHUP)
            until(lambda: any("left behind" in line for line in server.lines), "it is left behind")
            playing(server)
            until(lambda: len((streams(server)[0]["result"] or {"classes": []})["classes"]) == 2, "the change takes effect")


def a_pipeline_that_does_not_end_is_left_behind():
    if not NEVER_ENDS:
        return
    with Server("--loop", "--drain-time", "500", CLIP, env={"LD_PRELOAD": NEVER_ENDS}) as server:
        until(lambda: server.metric('resnet18_camera_left_behind_total{camera="bigbuckbunny.mp4"}') >= 2, "two are left behind")
        playing(server)
        frames = server.metric('resnet18_camera_frames_total{camera="bigbuckbunny.mp4"}')
        until(lambda: server.metric('resnet18_camera_frames_total{camera="bigbuckbunny.mp4"}') > frames, "frames")
        check(any("its pipeline has not ended in 2 s and is left behind" in line for line in server.lines), f"{server.lines}")


main(a_pipeline_that_does_not_end_is_left_behind, a_camera_that_does_not_end_holds_nobody, a_camera_that_does_not_end_makes_room_for_its_successor, without_cameras, a_file_is_shown, events_are_told_and_told_again, a_camera_that_is_not_there, a_plugin_that_is_not_found,
     a_reader_that_does_not_read_is_cut, streams_are_limited_and_end_with_the_server)
