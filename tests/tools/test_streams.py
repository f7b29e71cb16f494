# SPDX-License-Identifier: LGPL-2.1-or-later
"""resnet18 classify on videos and over the network (127.0.0.1)."""
import contextlib
import functools
import http.server
import os
import socket
import subprocess
import sys
import tempfile
import threading

import tool
from tool import MEDIA, check, classify, equal, media, scores, works

CLIP = media("bigbuckbunny.mp4")
FRAMES, MILLISECOND = 132, 1000000


def clip():
    results = classify(CLIP)
    equal([r["frame"] for r in results], list(range(FRAMES)), "frames")
    equal({(r["width"], r["height"]) for r in results}, {(1280, 720)}, "size")
    for before, after in zip(results, results[1:]):
        tool.near(after["stream-time"] - before["stream-time"], 40 * MILLISECOND, MILLISECOND, "from frame to frame")
    check(all(r["running-time"] is not None and r["duration"] > 0 for r in results), "times")
    check(len({r["classes"][0]["label"] for r in results}) > 3, "the answers follow the picture")


def interval():
    every = classify("--interval", "20", CLIP)
    equal([r["frame"] for r in every], list(range(0, FRAMES, 20)), "every 20th frame")
    first = classify("--max-frames", "3", CLIP)
    equal([scores(r) for r in first[:1]], [scores(r) for r in every[:1]], "the first frame")
    equal([r["frame"] for r in first], [0, 1, 2], "three frames")


def text():
    lines = works("classify", "--interval", "50", "--top-k", "1", CLIP).out.splitlines()
    equal(lines[0], CLIP, "heading")
    equal([line.split()[0] for line in lines[1:-1]], ["0:00.000", "0:02.000", "0:04.000"], "times")
    check(lines[-1].startswith(f"  3 of {FRAMES} frames classified in "), "summary")


def mixed():
    """A video between pictures, and one that is cut short."""
    with tempfile.TemporaryDirectory() as folder:
        cut = os.path.join(folder, "cut.mp4")
        with open(CLIP, "rb") as whole, open(cut, "wb") as file:
            file.write(whole.read(2000))
        result = tool.run("classify", "--json", "--max-frames", "1", media("china.jpg"), cut, CLIP, media("coffee.png"))
        equal(result.status, 1, "exit status")
        equal([r["input"] for r in result.json()], [media("china.jpg"), CLIP, media("coffee.png")], "in order")
        check(result.err.startswith(f"resnet18: {cut}: ") and result.err.count("\n") == 1, "one sentence, with the file")


def sound_only():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "sound.wav")
        tool.launch(f"audiotestsrc num-buffers=5 ! wavenc ! filesink location={path}")
        tool.refused(["classify", path], 1, f"resnet18: {path}: there is no video in it")


def formats():
    """What the engine does not read is converted: 4:4:4 and 10 bits."""
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for name in ("I420", "Y444", "I420_10LE"):
            path = os.path.join(folder, name + ".mkv")
            tool.launch(f"filesrc location={media('coffee.png')} ! pngdec ! imagefreeze num-buffers=3 ! "
                        f"video/x-raw,framerate=25/1 ! videoconvert ! video/x-raw,format={name} ! avenc_ffv1 ! "
                        f"matroskamux ! filesink location={path}")
            results = classify(path)
            equal(len(results), 3, f"frames in {name}")
            found[name] = scores(results[0])[0]
        for name, best in found.items():
            equal(best[0], "espresso", name)
            tool.near(best[1], found["Y444"][1], 0.03, name)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def web(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def over_http():
    with web(MEDIA) as url:
        env = {"http_proxy": "", "no_proxy": "*"}
        result, = classify(url + "china.jpg", **env)
        equal(scores(result), scores(classify(media("china.jpg"))[0]), "a picture")
        equal((result["pts"], "frame" in result), (None, False), "it is not a frame")
        equal([r["frame"] for r in classify("--max-frames", "2", url + "bigbuckbunny.mp4", **env)], [0, 1], "a video")
        missing = tool.run("classify", url + "missing.jpg", **env)
        equal((missing.status, missing.out), (1, ""), "status, output")
        check(missing.err.startswith(f"resnet18: {url}missing.jpg: ") and "404" in missing.err, "the sentence")


def camera():
    server = [a for a in sys.argv[2:] if a.endswith("rtsp_server")]
    if not server:
        return "gstreamer-rtsp-server-1.0 is not installed"
    process = subprocess.Popen([server[0], CLIP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().strip()
        results = classify("--max-frames", "10", url.replace("//", "//admin:secr%40t@"))
    finally:
        process.stdin.close()
        process.wait(timeout=60)
    equal(len(results), 10, "frames")
    equal({(r["input"], r["width"], r["height"]) for r in results}, {(url, 1280, 720)}, "input and size")


def no_server():
    """A port that was free a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/cat.jpg"
    tool.refused(["classify", url], 1, f"resnet18: {url}: Could not connect to 127.0.0.1: Connection refused")


def no_camera():
    result = tool.run("classify", "rtsp://127.0.0.1:1/stream")
    equal((result.status, result.out), (1, ""), "status, output")
    check(result.err.startswith("resnet18: rtsp://127.0.0.1:1/stream: "), "the sentence names the stream")
    hidden = tool.run("classify", "rtsp://admin:secr%40t@127.0.0.1:1/stream")
    equal((hidden.status, hidden.err), (1, result.err), "user and password are not in it")


def peak_memory(*arguments):
    """KiB at the most of one run."""
    code = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    done = subprocess.run([sys.executable, "-c", code, tool.TOOL, *arguments], capture_output=True, text=True, check=True)
    return int(done.stdout)


def memory():
    """What stays of a frame is nothing: 112 more frames are 151 MiB of pixels, and must not cost a tenth of them."""
    if tool.SANITIZED:
        return "the sanitizer keeps freed memory"
    short, long = (peak_memory("classify", "--json", "--max-frames", n, CLIP) for n in ("20", str(FRAMES)))
    tool.comment(f"{short} KiB after 20 frames, {long} KiB after {FRAMES}")
    check(long - short < 15 * 1024, f"{long - short} KiB more for {FRAMES - 20} frames")


tool.main([("a clip", clip), ("interval and max-frames", interval), ("text", text), ("videos among pictures", mixed),
           ("sound without video", sound_only), ("video formats", formats), ("over HTTP", over_http),
           ("no HTTP server", no_server),
           ("an RTSP camera", camera), ("no RTSP camera", no_camera), ("memory of a long video", memory)])
