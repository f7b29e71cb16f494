# SPDX-License-Identifier: LGPL-2.1-or-later
"""Photos through gst-launch-1.0: the labels and scores are those that torchvision gives with the same weights (short side
256 with antialias, centre 224)."""
import launch

# What an exact picture's score may differ by, and what a JPEG's may: its decoders differ in their inverse transform and
# in how they spread the colours (GStreamer's jpegdec halves the colour resolution of these), and the network notices.
EXACT, JPEG = 0.01, 0.1
PHOTOS = (
    ("chelsea.png", "pngdec", (("tiger cat", 0.402), ("Egyptian cat", 0.390), ("tabby", 0.204))),
    ("coffee.png", "pngdec", (("espresso", 0.906),)),
    ("rocket.jpg", "jpegdec", (("space shuttle", 0.370), ("obelisk", 0.357), ("missile", 0.094))),
    ("china.jpg", "jpegdec", (("palace", 0.405), ("bell cote", 0.377), ("monastery", 0.106))),
    ("flower.jpg", "jpegdec", (("honeycomb", 0.732),)),
)
# What the element reads itself, and two formats that it does not.
FORMATS = ("RGB", "BGR", "RGBx", "BGRx", "xRGB", "xBGR", "RGBA", "BGRA", "ARGB", "ABGR", "I420", "YV12", "NV12", "NV21",
           "YUY2", "UYVY", "Y42B", "RGB16")


def classify(file, decoder, more="", element=""):
    return launch.launch(f"filesrc location={{media}}/{file} ! {decoder} ! videoconvert {more} ! "
                         f"resnet18classify mode=sync precision=fp32 post-messages=all {element} ! fakesink")


def photo(file, decoder, best):
    run = classify(file, decoder)
    launch.equal(len(run.results), 1, "results of one picture")
    classes = dict(run.results[0].classes)
    for label, score in best:
        launch.check(label in classes, f"{label} is not among {list(classes)}")
        launch.near(classes[label], score, EXACT if file.endswith(".png") else JPEG, label)
    launch.check(run.results[0].number("inference-time") > 0, "a forward pass takes time")


def video_format(name):
    # Half the colour samples are lost in most of these, so the scores move a little: the cat stays a cat.
    run = classify("coffee.png", "pngdec", f"! video/x-raw,format={name}")
    launch.equal(run.labels(), ["espresso"], "label")
    launch.near(run.results[0].classes[0][1], 0.906, 0.02, "score")


def grey():
    """Without colours the cup is still a cup of coffee, to the network too, with a score of its own."""
    colour = classify("coffee.png", "pngdec").results[0].classes[0]
    run = classify("coffee.png", "pngdec", "! video/x-raw,format=GRAY8").results[0].classes[0]
    launch.check(run != colour, "a grey picture gives other scores")


def size(width, height):
    run = classify("coffee.png", "pngdec", f"! videoscale ! video/x-raw,width={width},height={height},"
                                           "pixel-aspect-ratio=1/1")
    launch.equal(run.labels(), ["espresso"], "label")


def same_twice():
    """Two elements in one pipeline say the same of the same frame."""
    run = launch.launch("filesrc location={media}/chelsea.png ! pngdec ! videoconvert ! tee name=t "
                        "t. ! queue ! resnet18classify mode=sync post-messages=all ! fakesink "
                        "t. ! queue ! resnet18classify mode=sync post-messages=all ! fakesink")
    launch.equal(len(run.results), 2, "results")
    launch.equal(run.results[0].classes, run.results[1].classes, "classes of the second element")


launch.main([(file, lambda row=(file, decoder, best): photo(*row)) for file, decoder, best in PHOTOS] +
            [(f"format {name}", lambda name=name: video_format(name)) for name in FORMATS] +
            [("format GRAY8", grey)] +
            [(f"size {w}x{h}", lambda w=w, h=h: size(w, h)) for w, h in ((601, 401), (225, 151), (1921, 1281))] +
            [("two elements", same_twice)])
