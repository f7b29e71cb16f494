# SPDX-License-Identifier: LGPL-2.1-or-later
"""What cannot work is refused with a sentence that names the property and the file at fault."""
import os
import tempfile

import launch

ELEMENT = "filesrc location={media}/coffee.png ! pngdec ! videoconvert ! resnet18classify mode=sync %s ! fakesink"


def refused(properties, *words):
    run = launch.launch(ELEMENT % properties, must_work=False)
    launch.check(run.status != 0, "gst-launch-1.0 reports success")
    launch.equal(len(run.results), 0, "results")
    for word in words:
        launch.check(word in run.output, f"'{word}' is not in the message")


def no_weights():
    refused("weights=/nonexistent/weights.safetensors", "/nonexistent/weights.safetensors", "weights")


def cut_weights():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "cut.safetensors")
        with open(os.path.join(launch.ROOT, "weights", "resnet18.safetensors"), "rb") as whole, open(path, "wb") as cut:
            cut.write(whole.read()[:-1])
        refused(f"weights={path}", path)


def picture_as_weights():
    path = os.path.join(launch.MEDIA, "coffee.png")
    refused(f"weights={path}", path)


def no_labels():
    refused("labels=/nonexistent/labels.txt", "/nonexistent/labels.txt", "labels")


def short_labels():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "labels.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write("cat\ndog\n")
        refused(f"labels={path}", path, "1000")


def own_labels():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "labels.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join(f"thing {number}\n" for number in range(1000)))
        run = launch.launch(ELEMENT % f"labels={path} post-messages=all")
        launch.equal(run.labels(), ["thing 967"], "label of class 967, espresso")


launch.main([("weights that do not exist", no_weights), ("weights cut short", cut_weights),
             ("a picture as weights", picture_as_weights), ("labels that do not exist", no_labels),
             ("too few labels", short_labels), ("labels of one's own", own_labels)])
