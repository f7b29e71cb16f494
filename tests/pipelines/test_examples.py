# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the scripts of examples/pipelines and the programs of examples/apps against local sources.

    test_examples.py WATCH PICTURE RECONNECT REGIONS RECORD HALVES GI-PYTHON [RTSP-SERVER RESTREAM [NEVER-ENDS]]

HALVES is the plugin that stands in for a detector; GI-PYTHON is the interpreter that PyGObject belongs to; NEVER-ENDS is preloaded."""
import json
import os
import re
import sys
import tempfile

import camera
import launch

WATCH, PICTURE, RECONNECT, REGIONS, RECORD, HALVES, GI_PYTHON, *SERVER = map(os.path.abspath, sys.argv[1:])
CLIP = os.path.join(launch.MEDIA, "bigbuckbunny.mp4")
SCRIPTS = "examples/pipelines/"


def said(run):
    """The labels of the lines "  3.04 s  0.698   11.3 ms  king penguin" that the scripts print."""
    return [found.group(1) for found in re.finditer(r"^ *\d+\.\d\d s  \d\.\d{3} +\d+\.\d ms  (.+)$", run.output, re.M)]


def file():
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "labelled.mp4")
        launch.run([SCRIPTS + "file.sh", CLIP, out])
        run = launch.launch(f"filesrc location={out} ! decodebin ! videoconvert ! resnet18classify mode=sync "
                            "post-messages=all ! fakesink")
        launch.equal(len(run.results), 132, "frames in the labelled video")


def file_missing():
    with tempfile.TemporaryDirectory() as folder:
        run = launch.run([SCRIPTS + "file.sh", folder + "/none.mp4", folder + "/out.mp4"], must_work=False)
        launch.equal((run.status, os.listdir(folder)), (1, []), "exit status, files")
        launch.check("none.mp4: there is no such file" in run.output, "the sentence")


def webcam():
    run = launch.run([SCRIPTS + "webcam.sh"], CAMERA=camera.WEBCAM, SINK="fakesink sync=true")
    launch.equal(said(run), ["espresso"], "labels of a picture that does not change")


def rtsp():
    if not SERVER:
        return "there is no gst-rtsp-server to stand in for the camera"
    with camera.rtsp(SERVER[0]) as url:
        launch.run_until([SCRIPTS + "rtsp.sh", url], "king penguin")


def camera_goes_and_comes(command, line, gone, **env):
    """`command` prints `line` again after the camera was killed, and after it was frozen. The clip ends by itself too:
    what is waited for is said only after the camera has gone."""
    server = camera.Server(SERVER[0])
    try:
        with launch.Program([*command, server.url], **env) as program:
            program.await_line(line)
            server.switch_off()
            program.await_line(gone)
            server.switch_on()
            program.await_line(line)
            server.freeze(True)
            program.await_line(gone)
            server.freeze(False)
            program.await_line(line)
            program.stop()
    finally:
        server.switch_off()


def rtsp_reconnect():
    if not SERVER:
        return "there is no gst-rtsp-server to stand in for the camera"
    camera_goes_and_comes([SCRIPTS + "rtsp-reconnect.sh"], "king penguin", "has gone; trying again")


def lines_of(run):
    return [json.loads(line) for line in run.output.splitlines() if line.startswith("{")]


def several():
    run = launch.run([SCRIPTS + "several.sh", "film=file://" + CLIP, "again=file://" + CLIP])
    for name in ("film", "again"):
        lines = [line for line in lines_of(run) if line["stream"] == name]
        # 5.3 s, two a second; the first frame and one each half second.
        launch.equal(len(lines), 11, f"results of {name}")
        launch.equal(lines[0]["classes"][0]["label"], "brain coral", f"first class of {name}")


def mqtt():
    run = launch.run([SCRIPTS + "mqtt.sh", "file://" + CLIP, "broker", "cameras/door"], PUBLISH="cat")
    launch.equal([line["stream"] for line in lines_of(run)], ["cameras/door"] * 6, "messages, one a second")


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def hls():
    """hlssink2 of GStreamer 1.22 now and then forgets to say that the stream has ended, which a live one never does."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "live.m3u8")
        with launch.Program([SCRIPTS + "hls.sh", "file://" + CLIP, folder]):
            launch.wait_for(lambda: os.path.exists(path) and "#EXT-X-ENDLIST" in text_of(path))
        parts = re.findall(r"^part.*\.ts$", text_of(path), re.M)
        launch.equal(len(parts), 3, "parts of two seconds")
        first = os.path.join(folder, parts[0])
        run = launch.launch(f"filesrc location={first} ! decodebin ! videoconvert ! resnet18classify mode=sync "
                            "post-messages=all ! fakesink")
        launch.equal(len(run.results), 50, "frames in the first part")


def regions_script():
    """A stand-in for the detector marks both halves of each frame."""
    with tempfile.TemporaryDirectory() as folder:
        run = launch.run([SCRIPTS + "regions.sh", "file://" + CLIP, "halves"], GST_REGISTRY_1_0=folder + "/registry",
                         GST_PLUGIN_PATH_1_0=os.environ["GST_PLUGIN_PATH_1_0"] + ":" + os.path.dirname(HALVES))
    for number, left in ((1, 0), (2, 640)):
        rois = [line["roi"] for line in lines_of(run) if line["roi"]["id"] == number]
        launch.equal(rois, [{"id": number, "x": left, "y": 0, "w": 640, "h": 720}] * 11, f"regions of object {number}")


def wrong_usage():
    for script in ("file.sh", "hls.sh", "mqtt.sh", "regions.sh", "rtsp.sh", "rtsp-reconnect.sh", "several.sh"):
        run = launch.run([SCRIPTS + script], must_work=False)
        launch.equal(run.status, 2, f"exit status of {script} without arguments")
        launch.check("usage" in run.output, f"{script} says how it is used")


def watch_file():
    run = launch.run([WATCH, "file://" + CLIP])
    launch.check("king penguin" in run.output, "the label is printed")


def watch_pipeline():
    run = launch.run([WATCH, camera.WEBCAM])
    launch.check("espresso" in run.output, "the label is printed")


def watch_nothing():
    run = launch.run([WATCH, "file:///nonexistent.mp4"], must_work=False)
    launch.equal(run.status, 1, "exit status")
    launch.check("nonexistent" in run.output, "the file is named")


def picture():
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "coffee.ppm")
        launch.launch(f"filesrc location={{media}}/coffee.png ! pngdec ! videoconvert ! pnmenc ! filesink location={out}")
        run = launch.run(f"{PICTURE} < {out}")
    score, label = run.output.splitlines()[0].split(None, 1)
    launch.equal(label, "espresso", "label")
    launch.near(float(score), 0.906, 0.03, "score in the precision that suits this CPU")


def film(folder, *pictures):
    """A video of 25 frames a second with a key frame every half second: each (file, seconds) in turn."""
    path = os.path.join(folder, "film.mp4")
    parts = [f"filesrc location={launch.MEDIA}/{file} ! decodebin ! videoconvert ! videoscale add-borders=false ! "
             f"imagefreeze num-buffers={25 * seconds} ! video/x-raw,format=I420,width=480,height=320,framerate=25/1,"
             "pixel-aspect-ratio=1/1 ! queue ! c. " for file, seconds in pictures]
    launch.run("gst-launch-1.0 -q concat name=c ! identity single-segment=true ! x264enc key-int-max=12 bframes=2 ! "
               f"h264parse ! mp4mux ! filesink location={path} " + "".join(parts))
    return path


def clips(*arguments):
    """What record writes of 5 s of flower, 2 s of coffee, 6 s of flower, 2 s of coffee and 1 s of flower: the lengths
    in frames of the clips that it says are complete, and the labels of each."""
    with tempfile.TemporaryDirectory() as folder:
        flower, coffee = "flower.jpg", "coffee.png"
        source = film(folder, (flower, 5), (coffee, 2), (flower, 6), (coffee, 2), (flower, 1))
        run = launch.run([RECORD, "file://" + source, folder + "/clips", *arguments])
        made = run.output.split()
        launch.equal(sorted(made), sorted(f"{folder}/clips/{name}" for name in os.listdir(folder + "/clips")), "clips")
        found = []
        for path in made:
            played = launch.launch(f"filesrc location={path} ! decodebin ! videoconvert ! resnet18classify mode=sync "
                                   "post-messages=all ! fakesink")
            launch.equal(played.results[0].number("pts"), 0, "time of the first frame")
            found.append((len(played.results), played.labels()))
        return found


def record():
    """Three seconds before, from a key frame on, and two after; a result comes five times a second, smoothed over 0.3 s,
    so that a sighting begins and ends up to about 0.6 s late, and a key frame every 12 frames."""
    found = clips("espresso")
    launch.equal(len(found), 2, "sightings")
    for (length, labels), seconds in zip(found, (3 + 2 + 2, 3 + 2 + 1)):
        launch.check(25 * (seconds - 1) <= length <= 25 * (seconds + 1) + 12, f"a clip of {length} frames for {seconds} s")
        seen = [number for number, label in enumerate(labels) if label == "espresso"]
        launch.near(len(seen), 50, 2, "frames with what was looked for")
        launch.check(2 * 25 <= seen[0] <= 3 * 25 + 12, f"what was looked for comes on frame {seen[0]}")


def record_nothing():
    launch.equal(clips("penguin"), [], "clips of what is not there")


def record_without_video():
    with tempfile.TemporaryDirectory() as folder:
        run = launch.run([RECORD, f"file://{launch.MEDIA}/coffee.png", folder], must_work=False)
        launch.equal((run.status, os.listdir(folder)), (1, []), "exit status, clips")


def record_interrupted():
    """Ctrl-C completes the clip."""
    with tempfile.TemporaryDirectory() as folder:
        source = film(folder, ("flower.jpg", 2), ("coffee.png", 60))
        with launch.Program([RECORD, "file://" + source, folder + "/clips", "espresso"]) as program:
            launch.wait_for(lambda: os.path.exists(folder + "/clips") and os.listdir(folder + "/clips"))
            program.stop()
        path = os.path.join(folder, "clips", os.listdir(folder + "/clips")[0])
        played = launch.launch(f"filesrc location={path} ! decodebin ! videoconvert ! resnet18classify mode=sync "
                               "post-messages=all ! fakesink")
        launch.check("espresso" in played.labels(), "the clip shows what was seen")


def restream():
    if not SERVER:
        return "there is no gst-rtsp-server"
    with launch.Program([SERVER[1], "file://" + CLIP, "127.0.0.1", "0"]) as program:
        url = program.await_line("rtsp://127.0.0.1:")
        launch.run_until([SCRIPTS + "rtsp.sh", url.strip()], "king penguin")
        program.stop()


def reconnect():
    if not SERVER:
        return "there is no gst-rtsp-server to stand in for the camera"
    camera_goes_and_comes([RECONNECT], "changed  king penguin", "has gone; trying again")


def reconnect_locked_up():
    """A source that cannot be taken down does not keep the next one waiting."""
    if len(SERVER) < 3:
        return "there is no gst-rtsp-server, or nothing can be preloaded"
    camera_goes_and_comes([RECONNECT], "changed  king penguin", "has gone; trying again", LD_PRELOAD=SERVER[2],
                          RESNET18_NEVER_ENDS="uridecodebin")


def reconnect_python():
    if not SERVER:
        return "there is no gst-rtsp-server to stand in for the camera"
    if os.environ.get("RESNET18_PRELOAD"):
        return "an interpreter that is not sanitized cannot load what is"
    probe = [GI_PYTHON, "-c", "import gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst"]
    if launch.run(probe, must_work=False).status != 0:
        return "there is no PyGObject with GStreamer"
    camera_goes_and_comes([GI_PYTHON, "examples/apps/reconnect.py"], "changed  king penguin", "has gone; trying again")


def reconnect_nowhere():
    run = launch.run([RECONNECT, "nowhere"], must_work=False)
    launch.equal(run.status, 2, "exit status")
    launch.check("usage" in run.output, "it says how it is used")


def regions():
    run = launch.run([REGIONS, "file://" + CLIP])
    # The clip is 1280 pixels wide and 5.3 s long; one classification a second.
    for number, left in ((1, 0), (2, 640)):
        launch.equal(len(re.findall(rf"^object {number} at {left},0 640x720: \w", run.output, re.M)), 6,
                     f"results of object {number}")


launch.main([("file.sh", file), ("file.sh without its file", file_missing), ("webcam.sh", webcam), ("rtsp.sh", rtsp),
             ("rtsp-reconnect.sh", rtsp_reconnect), ("several.sh", several), ("mqtt.sh", mqtt), ("hls.sh", hls),
             ("regions.sh", regions_script), ("usage", wrong_usage),
             ("watch, a file", watch_file), ("watch, a pipeline", watch_pipeline), ("watch, no file", watch_nothing),
             ("picture", picture), ("regions.c", regions), ("record.c", record),
             ("record.c, nothing is seen", record_nothing), ("record.c, no video", record_without_video),
             ("record.c, Ctrl-C", record_interrupted), ("restream.c", restream),
             ("reconnect.c", reconnect), ("reconnect.c, a source that does not end", reconnect_locked_up), ("reconnect.py", reconnect_python),
             ("reconnect.c, no URI", reconnect_nowhere)])
