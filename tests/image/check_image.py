# SPDX-License-Identifier: LGPL-2.1-or-later
"""An unpacked image, looked at and run (see container.py) in every way that its users do.

    check_image.py TREE CONFIG.json TARGET CAMERA_TREE CAMERA_CONFIG.json [RTSP_SERVER]

TARGET is image or stills, the stage of the Dockerfile; CAMERA_TREE is the unpacked stage of that name; RTSP_SERVER is the
camera that the tests of pipelines have. The last line is
"N passed, M failed" or "N passed, M failed, K skipped"."""
import ctypes
import fcntl
import hashlib
import json
import os
import re
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "server"))
import service  # noqa: E402
from service import Failure, Server, check, equal, media, until  # noqa: E402

if sys.argv[1:] == ["--ready"]:
    print("ready")  # so are the packages that it wants, where venv.py runs it
    sys.exit()
TREE, CONFIG, CODECS = sys.argv[1], sys.argv[2], sys.argv[3] == "image"
PHOTO_CAMERA = sys.argv[4:6]
CLIP_CAMERA = sys.argv[6] if len(sys.argv) > 6 else ""
MEGABYTES = 80 if CODECS else 45
CONTAINER = [sys.executable, os.path.join(HERE, "container.py")]
SBOM = "usr/share/doc/resnet18classify/sbom.spdx.json"
CLIP = os.path.join(service.MEDIA, "bigbuckbunny.mp4")


class Skip(Exception):
    pass


class Run:
    """A command in a container of its own, to its end."""

    def __init__(self, *arguments, data=None, status=0):
        options = ["--data", data] if data else []
        done = subprocess.run([*CONTAINER, *options, TREE, CONFIG, *arguments], stdin=subprocess.DEVNULL, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        self.output, self.errors = done.stdout, done.stderr
        equal(done.returncode, status, f"status of {arguments}: {done.stdout[-500:]} {done.stderr[-500:]}")


def files():
    for folder, folders, names in os.walk(TREE):
        for name in folders + names:
            yield os.path.join(folder, name)


def shared(folder):
    """A directory that the image's user can write to."""
    os.chmod(folder, 0o777)
    return folder


# ---- What is in it ------------------------------------------------------------------------------------------

def it_is_small():
    size = sum(os.lstat(path).st_size for path in files() if stat.S_ISREG(os.lstat(path).st_mode)) / 1e6
    print(f"# {size:.1f} MB unpacked, at most {MEGABYTES} allowed")
    check(size <= MEGABYTES, f"{size:.1f} MB")


def nothing_in_it_can_be_misused():
    for path in files():
        about = os.lstat(path)
        name = "/" + os.path.relpath(path, TREE)
        equal((about.st_uid, about.st_gid), (0, 0), f"owner of {name}")
        check(not about.st_mode & (stat.S_ISUID | stat.S_ISGID), f"{name} changes its user")
        if not stat.S_ISLNK(about.st_mode) and name != "/tmp":
            check(not about.st_mode & 0o022, f"{name} can be written to by anybody")
    programs = sorted(os.listdir(TREE + "/usr/bin"))
    equal(programs, ["gst-launch-1.0", "resnet18", "resnet18-image", "resnet18-server"], "programs")
    names = {os.path.basename(path) for path in files()}
    for unwanted in ("libopenblas", "libX11", "libstdc++", "libavdevice", "libpython", "libperl", "busybox"):
        check(not any(name.startswith(unwanted) for name in names), f"{unwanted} is in it")
    check(any(name.startswith("libavcodec") for name in names) == CODECS, "FFmpeg")


def its_labels_and_settings_are_those_of_the_page():
    with open(CONFIG, encoding="utf-8") as file:
        config = json.load(file)["Docker"]["config"]
    equal(config["User"], "65532:65532", "user")
    equal(config["Entrypoint"], ["/usr/bin/resnet18-image"], "entry point")
    equal(config["Cmd"], ["server"], "command")
    equal(config["Healthcheck"]["Test"], ["CMD", "/usr/bin/resnet18-image", "health"], "health check")
    equal(list(config["ExposedPorts"]), ["8080/tcp"], "ports")
    for label in ("title", "description", "licenses", "version", "documentation"):
        check(config["Labels"].get("org.opencontainers.image." + label), f"there is no label {label}")


def its_list_of_contents_is_true():
    with open(os.path.join(TREE, SBOM), encoding="utf-8") as file:
        document = json.load(file)
    named = {file["fileName"][1:]: {one["algorithm"]: one["checksumValue"] for one in file["checksums"]}
             for file in document["files"]}
    for path in files():
        if not os.path.isfile(path) or os.path.islink(path):
            continue
        with open(path, "rb") as file:
            data = file.read()
        name = "/" + os.path.relpath(path, TREE)
        if data[:4] == b"\x7fELF" or name in named:
            check(name in named, f"{name} is not in the list")
            equal(hashlib.sha256(data).hexdigest(), named[name]["SHA256"], f"digest of {name}")
    ours = {one["relatedSpdxElement"] for one in document["relationships"]
            if one["spdxElementId"] == "SPDXRef-package-resnet18classify"}
    equal(sorted(os.path.basename(file["fileName"]) for file in document["files"] if file["SPDXID"] in ours),
          ["libgstresnet18.so", "libresnet18.so.0", "resnet18", "resnet18-image", "resnet18-server"], "our own files")
    check(all(os.path.isfile(TREE + name) for name in named), "a listed file is missing")
    for package in document["packages"]:
        check(package["versionInfo"], f"version of {package['name']}")
        if package["name"] != "resnet18classify":
            check(os.path.isfile(f"{TREE}/usr/share/doc/{package['name']}/copyright.gz"), f"terms of {package['name']}")
    check(os.path.isfile(TREE + "/usr/share/doc/resnet18classify/weights.md"), "the weights' licences")


def its_list_of_contents_is_spdx():
    try:
        from spdx_tools.spdx.parser.parse_anything import parse_file
        from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
    except ImportError:
        raise Skip("the Python package spdx-tools is not installed") from None
    wrong = validate_full_spdx_document(parse_file(os.path.join(TREE, SBOM)), "SPDX-2.3")
    check(not wrong, f"{[message.validation_message for message in wrong[:5]]}")


# ---- Its parts ----------------------------------------------------------------------------------------------

def it_says_what_it_is():
    for part in ("server", "classify", "launch", "selftest", "health"):
        check(part in Run("--help").output, part)
    check("no part named 'bash'" in Run("bash", status=2).errors, "an unknown part")
    check("--port" in Run("server", "--help").output, "the server's options")


def it_tests_itself():
    print("# " + Run("selftest").output.strip().replace("\n", "\n# "))


def pictures():
    """(name, bytes) of one picture in every format."""
    try:
        from PIL import Image
    except ImportError:
        raise Skip("the Python package Pillow is not installed") from None
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("png", "jpg", "webp", "bmp", "gif"):
            path = os.path.join(folder, "coffee." + kind)
            with Image.open(os.path.join(service.MEDIA, "coffee.png")) as picture:
                picture.convert("RGB").save(path)
            with open(path, "rb") as file:
                yield "coffee." + kind, file.read()


def it_classifies_pictures():
    with tempfile.TemporaryDirectory() as folder:
        shared(folder)
        names = []
        for name, data in pictures():
            names.append("/data/" + name)
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)
        answers = [json.loads(line) for line in Run("classify", "--json", *names, data=folder).output.splitlines()]
    equal(len(answers), len(names), "answers")
    for answer in answers:
        equal(answer["classes"][0]["label"], "espresso", str(answer)[:200])


def launch(*words, data=None):
    return Run("launch", "-q", *" ".join(words).split(), data=data)


def it_writes_letters_on_pictures():
    with tempfile.TemporaryDirectory() as folder:
        shared(folder)
        for name, options in (("with.rgb", "overlay=true"), ("without.rgb", "overlay=false")):
            launch("videotestsrc num-buffers=3 pattern=black ! video/x-raw,format=RGB,width=640,height=480",
                   f"! resnet18classify mode=sync {options} ! filesink location=/data/{name}", data=folder)
        with open(folder + "/with.rgb", "rb") as file:
            written = file.read()
        with open(folder + "/without.rgb", "rb") as file:
            plain = file.read()
    equal(len(written), 3 * 640 * 480 * 3, "bytes")
    equal(set(plain), {0}, "the picture")
    # Letters, not the boxes of a missing font: many of them have light and shade in rows.
    check(sum(value > 128 for value in written) > 3000, "nothing is written on the picture")


# ---- Streams ------------------------------------------------------------------------------------------------

def reference(*words):
    try:
        subprocess.run(["gst-launch-1.0", "-q", *" ".join(words).split()], check=True, timeout=120,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise Skip("gst-launch-1.0 is not installed") from None
    except subprocess.CalledProcessError as error:
        raise Skip(f"this machine's GStreamer cannot make the video: {error.stderr.decode()[-300:]}") from None


def digest(path):
    with open(path, "rb") as file:
        data = file.read()
    check(data, f"{path} is empty")
    return hashlib.sha256(data).hexdigest()


def decoded_alike(folder, file, *words):
    """The frames of the image's decoder and of this machine's are the same, bit by bit."""
    line = " ".join(words)
    try:
        reference(f"filesrc location={file} !", line, f"! filesink location={folder}/expected")
        launch(f"filesrc location=/data/{os.path.basename(file)} !", line, "! filesink location=/data/found", data=folder)
        equal(digest(folder + "/found"), digest(folder + "/expected"), f"frames of {line}")
    finally:
        for name in ("/found", "/expected"):
            if os.path.exists(folder + name):
                os.remove(folder + name)


SOURCE = "videotestsrc pattern=ball num-buffers=40 ! video/x-raw,format=I420,width=352,height=288,framerate=25/1 !"
CODED = {
    "H.264, B-frames, CABAC": ("x264enc bframes=3 b-adapt=false ! h264parse", "h264parse ! avdec_h264"),
    "H.264, interlaced": ("x264enc interlaced=true bframes=2 b-adapt=false ! h264parse", "h264parse ! avdec_h264"),
    "H.265": ("x265enc ! h265parse", "h265parse ! avdec_h265"),
    "MPEG-4": ("avenc_mpeg4 max-bframes=2 ! mpeg4videoparse", "mpeg4videoparse ! avdec_mpeg4"),
    "MPEG-2": ("mpeg2enc ! mpegvideoparse", "mpegvideoparse ! avdec_mpeg2video"),
    "VP8": ("vp8enc", "avdec_vp8"),
    "VP9": ("vp9enc", "avdec_vp9"),
    "MJPEG": ("jpegenc", "jpegdec"),
}


def it_decodes(name):
    def test():
        with tempfile.TemporaryDirectory() as folder:
            shared(folder)
            encoder, decoder = CODED[name]
            file = folder + "/clip.mkv"
            reference(SOURCE, encoder, f"! matroskamux ! filesink location={file}")
            decoded_alike(folder, file, "matroskademux !", decoder)
    test.__name__ = f"it decodes as this machine does: {name}"
    return test


def it_decodes_the_clip():
    with tempfile.TemporaryDirectory() as folder:
        shared(folder)
        subprocess.run(["cp", CLIP, folder], check=True)
        decoded_alike(folder, folder + "/bigbuckbunny.mp4", "qtdemux ! h264parse ! avdec_h264")
        answers = Run("classify", "--json", "--interval", "12", "/data/bigbuckbunny.mp4", data=folder).output.splitlines()
        equal(len(answers), 11, "classified frames")
        check(any(json.loads(line)["classes"][0]["label"] == "king penguin" for line in answers), "the king penguin")


class PhotoCamera:
    """The stage camera, with no more rights than the image: photos as MJPEG."""

    def __enter__(self):
        self.process = subprocess.Popen([*CONTAINER, *PHOTO_CAMERA], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if line.startswith("rtsp://"):
                return line.strip().replace("0.0.0.0", "127.0.0.1")
        raise Failure("the camera did not start")

    def __exit__(self, *what):
        self.process.terminate()
        self.process.communicate(timeout=60)


class ClipCamera:
    """The RTSP camera of the pipelines' tests: the clip as H.264."""

    def __enter__(self):
        if not os.path.isfile(CLIP_CAMERA):
            raise Skip("the camera is not built (script/test builds it)")
        self.process = subprocess.Popen([CLIP_CAMERA, CLIP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self.process.stdout.readline().strip()

    def __exit__(self, *what):
        self.process.stdin.close()
        self.process.wait(60)


def it_watches_a_camera():
    with PhotoCamera() as uri, served(uri) as server:
        live_view(server)
        until(lambda: {"palace", "honeycomb", "space shuttle"} & seen(server), "a class of one of the photos")


def seen(server):
    result = server.ask("GET", "/live").json["streams"][0]["result"]
    return {one["label"] for one in result["classes"]} if result else set()


def it_watches_a_camera_with_h264():
    with ClipCamera() as uri:
        output = Run("launch", "-m", "rtspsrc", "location=" + uri, "!", "decodebin", "!", "videoconvert", "!",
                     "resnet18classify", "max-rate=5/1", "post-messages=all", "!", "fakesink", "num-buffers=60",
                     "sync=false").output
        check(len(re.findall("GstResnet18Result", output)) >= 2, f"no results: {output[-500:]}")
        with served(uri) as server:
            live_view(server)


def live_view(server):
    """The first camera: its pictures, its results, its state."""
    until(lambda: server.ask("GET", "/live").json["streams"][0]["result"], "a result")
    answers = []

    def pictured():
        answers.append(server.ask("GET", "/live/0/snapshot"))
        return answers[-1].status == 200
    until(pictured, "a snapshot")
    equal(answers[-1].body[:3], b"\xff\xd8\xff", "a JPEG")


def it_would_watch_a_webcam():
    """As far as that goes without one: the element is there, and asks for the device."""
    done = Run("launch", "-q", "v4l2src", "device=/dev/video63", "!", "fakesink", status=255)
    check("Cannot identify device '/dev/video63'" in done.errors, done.errors)


def it_shows_a_file():
    with tempfile.TemporaryDirectory() as folder:
        shared(folder)
        if CODECS:
            subprocess.run(["cp", CLIP, folder + "/clip.mp4"], check=True)
        else:
            reference(SOURCE, f"jpegenc ! qtmux ! filesink location={folder}/clip.mp4")
        with served("--loop", "/data/clip.mp4", data=folder) as server:
            live_view(server)


# ---- The server ---------------------------------------------------------------------------------------------

class served(Server):
    """service.Server, in the container."""

    def __init__(self, *options, data=None):
        self.folder = tempfile.TemporaryDirectory()
        self.clock = self.folder.name + "/clock"
        start = self.folder.name + "/start"
        words = [*CONTAINER, "--clock", self.clock, *(["--data", data] if data else []), TREE, CONFIG, "server"]
        with open(start, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\nexec " + " ".join(words) + ' "$@"\n')
        os.chmod(start, 0o755)
        service.BINARY = start
        super().__init__(*options)
        self.ready_at = time.monotonic()
        self.started_at = float(open(self.clock, encoding="ascii").read())

    def health(self, *options):
        words = [*CONTAINER, "--join", str(self.process.pid), TREE, CONFIG, "health", *options]
        return subprocess.run(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False).returncode


def it_serves():
    with served() as server:
        equal(server.ask("GET", "/v2/health/ready").status, 200, "ready")
        for name, data in pictures():
            answer = server.classify(data)
            equal(answer.status, 200, f"{name}: {answer.body[:200]}")
            equal(answer.json["classes"][0]["label"], "espresso", name)
        equal(server.classify(media("bigbuckbunny.mp4")[:5000]).status in (400, 415), True, "what is no picture")
        equal(server.ask("GET", "/").status, 200, "the page")


def it_has_no_rights():
    """What the other tests rely on: container.py takes them away, and the image does not need them."""
    with served() as server:
        first = f"/proc/{server.children()[0]}"
        with open(first + "/status", encoding="ascii") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        equal((status["Uid"], status["Gid"], status["NoNewPrivs"]), ("\t".join(["65532"] * 4), "\t".join(["65532"] * 4), "1"),
              "user, group, no new privileges")
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            equal(int(status[kind], 16), 0, kind)
        with open(first + "/mountinfo", encoding="utf-8") as file:
            mounts = [line.split() for line in file]
        writable = {mount[4] for mount in mounts if "ro" not in mount[5].split(",")}
        check(not writable - {"/proc", *(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom"))},
              f"mounts that can be written to: {writable}")


def it_is_healthy_and_says_when_it_is_not():
    # A port that is not the default, as the health check has to find it out.
    with served("--port", "18081") as server:
        equal(server.health(), 0, "health")
        check(server.health("--port", "18082") != 0, "health of a port that nobody serves")


def it_serves_tls():
    with tempfile.TemporaryDirectory() as folder:
        try:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test",
                            "-keyout", folder + "/key", "-out", folder + "/cert"], check=True, stderr=subprocess.DEVNULL)
        except FileNotFoundError:
            raise Skip("openssl is not installed") from None
        shared(folder)
        os.chmod(folder + "/key", 0o644)
        with served("--tls-cert", "/data/cert", "--tls-key", "/data/key", "--port", "18083", data=folder) as server:
            equal(server.health(), 0, "health over TLS")


def it_starts_quickly():
    """Told, not judged: machines differ."""
    ready, answered = [], []
    for _ in range(5):
        with served() as server:
            ready.append(server.ready_at - server.started_at)
            equal(server.classify(media("rocket.jpg")).status, 200, "an answer")
            answered.append(time.monotonic() - server.started_at)
    print(f"# ready after {min(ready):.3f} s (median {sorted(ready)[2]:.3f}), first answer after {min(answered):.3f} s "
          f"(median {sorted(answered)[2]:.3f})")
    check(min(ready) > 0, "the clock")


TESTS = [it_is_small, nothing_in_it_can_be_misused, its_labels_and_settings_are_those_of_the_page,
         its_list_of_contents_is_true, its_list_of_contents_is_spdx, it_says_what_it_is, it_tests_itself,
         it_classifies_pictures, it_writes_letters_on_pictures,
         *(it_decodes(name) for name in CODED if CODECS or name == "MJPEG"),
         *([it_decodes_the_clip, it_watches_a_camera_with_h264] if CODECS else []),
         it_watches_a_camera, it_would_watch_a_webcam, it_shows_a_file, it_serves, it_has_no_rights,
         it_is_healthy_and_says_when_it_is_not, it_serves_tls, it_starts_quickly]


def leave_the_network():
    """Nothing but an own loopback interface from here on."""
    clone_newnet, siocsifflags, iff_up = 0x40000000, 0x8914, 1
    check(ctypes.CDLL(None, use_errno=True).unshare(clone_newnet) == 0, "there are no network namespaces here")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, siocsifflags, struct.pack("16sh14x", b"lo", iff_up))


def main():
    leave_the_network()
    passed = failed = skipped = 0
    for test in TESTS:
        name = test.__name__.replace("_", " ")
        try:
            test()
            print(f"ok - {name}", flush=True)
            passed += 1
        except Skip as reason:
            print(f"skipped - {name}: {reason}", flush=True)
            skipped += 1
        except Exception as error:  # pylint: disable=broad-except
            if not isinstance(error, Failure):
                traceback.print_exc()
            print(f"FAILED - {name}: {error}", flush=True)
            failed += 1
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    sys.exit(failed != 0)


main()
