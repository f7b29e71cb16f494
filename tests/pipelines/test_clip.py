# SPDX-License-Identifier: LGPL-2.1-or-later
"""The H.264 clip through gst-launch-1.0: every frame, in every way of the element to pass frames on."""
import os
import tempfile

import launch
from clip_golden import BEST, FRAMES

DECODE = "filesrc location={media}/bigbuckbunny.mp4 ! qtdemux ! h264parse ! avdec_h264 ! videoconvert ! "


def every_frame():
    run = launch.launch(DECODE + "resnet18classify mode=sync precision=fp32 post-messages=all ! fakesink")
    launch.equal(len(run.results), FRAMES, "results, the last before the end of the stream included")
    for number, label, score in BEST:
        result = run.results[number]
        launch.equal(result.classes[0][0], label, f"label of frame {number}")
        launch.near(result.classes[0][1], score, 0.01, f"score of frame {number}")
        launch.equal(result.number("age"), 0, f"age of frame {number}'s own result")
    times = [result.number("pts") for result in run.results]
    launch.equal(times, sorted(times), "times of the results")


def every_tenth():
    run = launch.launch(DECODE + "resnet18classify mode=sync interval=10 post-messages=all ! fakesink")
    launch.equal(len(run.results), (FRAMES + 9) // 10, "results")


def changes():
    """Only what differs from the message before is said."""
    run = launch.launch(DECODE + "resnet18classify mode=sync post-messages=changes ! fakesink")
    labels = run.labels()
    launch.check(2 <= len(labels) < FRAMES // 2, f"{len(labels)} changes")
    launch.check(all(a != b for a, b in zip(labels, labels[1:])), f"two messages in a row with the same label: {labels}")


def silent():
    run = launch.launch(DECODE + "resnet18classify mode=sync ! fakesink")
    launch.equal(len(run.results), 0, "messages without post-messages")


def async_mode():
    """As fast as the decoder is: frames are not waited for, results come from some of them."""
    run = launch.launch(DECODE + "resnet18classify mode=async post-messages=all ! fakesink sync=true")
    launch.check(1 <= len(run.results) <= FRAMES, f"{len(run.results)} results")
    launch.check(set(run.labels()) & {"king penguin", "dugong"}, f"labels {set(run.labels())}")


def overlay():
    """Written on the picture: the encoded video differs from the plain one, and stays a video of as many frames."""
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for value in ("true", "false"):
            files[value] = os.path.join(folder, value + ".avi")
            launch.launch(DECODE + f"resnet18classify mode=sync overlay={value} ! jpegenc ! avimux ! filesink "
                          f"location={files[value]}")
        run = launch.launch(f"filesrc location={files['true']} ! avidemux ! jpegdec ! videoconvert ! "
                            "resnet18classify mode=sync post-messages=all ! fakesink")
        launch.equal(len(run.results), FRAMES, "frames in the labelled video")
        with open(files["true"], "rb") as one, open(files["false"], "rb") as other:
            launch.check(one.read() != other.read(), "overlay=true changed nothing")


launch.main([("every frame, sync", every_frame), ("every tenth frame", every_tenth), ("changes only", changes),
             ("no messages", silent), ("async", async_mode), ("overlay", overlay)])
