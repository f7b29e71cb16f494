# SPDX-License-Identifier: LGPL-2.1-or-later
"""resnet18 classify on pictures."""
import math
import os
import struct
import subprocess
import tempfile
import zlib

import tool
from tool import check, classify, equal, media, near, refused, scores, works


def png(width, height, depth, color, rows):
    """A PNG file; rows without filter bytes."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    raw = b"".join(b"\0" + row for row in rows)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def bmp(width, height, rows, header=40):
    """A BMP file of 24 bits; rows from bottom to top, blue first. 12 bytes of header are OS/2's, 40 Windows's."""
    size = struct.pack("<IHHHH", 12, width, height, 1, 24) if header == 12 else \
        struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    data = b"".join(row + b"\0" * (-len(row) % 4) for row in rows)
    return struct.pack("<2sIHHI", b"BM", 14 + header + len(data), 0, 0, 14 + header) + size + data


def oriented(jpeg, orientation):
    """A JPEG file with an EXIF segment that says how it is turned."""
    tiff = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    exif = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def read(name):
    with open(media(name), "rb") as file:
        return file.read()


def write(folder, name, data):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def known_pictures():
    results = classify("--top-k", "3", *map(media, tool.BEST))
    equal([os.path.basename(r["input"]) for r in results], list(tool.BEST), "inputs, in order")
    for result, best in zip(results, tool.BEST.values()):
        for (label, score), (want_label, want_score) in zip(scores(result), best):
            equal(label, want_label, result["input"])
            near(score, want_score, 0.001, f"{result['input']}: {label}")


def shape_of_json():
    result, = classify(media("chelsea.png"))
    equal(list(result), ["input", "width", "height", "precision", "model", "pts", "running-time", "stream-time", "duration",
                         "age", "inference-time", "roi", "classes", "group", "uncertainty", "unknown", "event"], "keys")
    equal((result["width"], result["height"], result["model"], result["precision"]), (451, 300, "built-in", "fp32"), "")
    equal(result["pts"], None, "pts of a picture")
    check(result["inference-time"] > 0 and 0 < result["uncertainty"] < 1, "inference-time, uncertainty")
    equal(len(result["classes"]), 5, "classes")
    first = dict(result["classes"][0])
    near(first.pop("score"), 0.402, 0.001, "score")
    equal(first, {"index": 282, "wnid": "n02123159", "label": "tiger cat"}, "first class")


def text():
    result = works("classify", "--top-k", "2", media("chelsea.png"), media("coffee.png"))
    equal(result.out, f"{media('chelsea.png')}\n   40.2 %  tiger cat\n   39.0 %  Egyptian cat\n\n"
                      f"{media('coffee.png')}\n   90.6 %  espresso\n    3.4 %  chocolate sauce\n", "standard output")


def threshold():
    result, = classify("--threshold", "0.3", media("rocket.jpg"))
    equal([label for label, _ in scores(result)], ["space shuttle", "obelisk"], "classes from 0.3")
    result = works("classify", "--threshold", "0.9", media("rocket.jpg"))
    equal(result.out, f"{media('rocket.jpg')}\n  no class reaches the threshold\n", "text without a class")


def crop():
    """Each crop sees another picture, and so does another short side."""
    seen = {classify(*options, media("rocket.jpg"))[0]["classes"][0]["score"]
            for options in ([], ["--crop", "squash"], ["--crop", "letterbox"], ["--resize-short", "224"])}
    equal(len(seen), 4, "different scores")
    equal(scores(classify("--crop", "center", "--resize-short", "256", media("rocket.jpg"))[0]),
          scores(classify(media("rocket.jpg"))[0]), "the defaults")


def threads():
    one, two = (classify("--threads", n, media("china.jpg"))[0] for n in "12")
    for (label, score), (label2, score2) in zip(scores(one), scores(two)):
        equal(label, label2, "label")
        near(score, score2, 1e-5, "score")


def centred_logits(picture, precision):
    """The logits less their mean, by class: what the scores' logarithms differ by."""
    result, = classify("--precision", precision, "--top-k", "1000", picture)
    equal((result["precision"], len(result["classes"])), (precision, 1000), "precision, classes")
    logarithms = {c["index"]: math.log(c["score"]) for c in result["classes"]}
    mean = sum(logarithms.values()) / len(logarithms)
    return {index: value - mean for index, value in logarithms.items()}


def int8():
    """int8 is fp32 with noise. A tensor whose largest magnitude is c times its root mean square, in steps of 1/n of that,
    has noise of c * c / (12 * n * n) of its power. With c = 10 that is 1.3e-4 for 255 steps of activations and 5.2e-4
    for 127 of weights; 20 convolutions add up to 1.3 %. What int8 finds best may be at most four standard deviations of
    the difference of two logits behind fp32's best."""
    convolutions, crest = 20, 10
    allowed = convolutions * crest ** 2 / 12 * (1 / 255 ** 2 + 1 / 127 ** 2)
    for name in tool.BEST:
        fp32, int8 = (centred_logits(media(name), precision) for precision in ("fp32", "int8"))
        power = sum(value ** 2 for value in fp32.values())
        noise = sum((int8[index] - fp32[index]) ** 2 for index in fp32)
        check(0 < noise <= allowed * power, f"{name}: noise of {noise / power:.4f} of the power, allowed {allowed:.4f}")
        behind = max(fp32.values()) - fp32[max(int8, key=int8.get)]
        most = 4 * math.sqrt(2 * allowed * power / len(fp32))
        check(behind <= most, f"{name}: the best class is {behind:.2f} behind fp32's, allowed {most:.2f}")
    equal(max(int8, key=int8.get), max(fp32, key=fp32.get), "best class of a clear picture")


def labels():
    with tempfile.TemporaryDirectory() as folder:
        names = write(folder, "names.txt", "".join(f"thing {i}\n" for i in range(1000)).encode())
        equal(classify("--labels", names, media("coffee.png"))[0]["classes"][0]["label"], "thing 967", "label")
        short = write(folder, "short.txt", b"cat\ndog\n")
        result = tool.run("classify", "--labels", short, media("coffee.png"))
        equal((result.status, result.out), (1, ""), "status, output")
        check(result.err.startswith("resnet18: " + short), "the sentence names the file")


def png_kinds():
    """Grey, alpha and 16-bit pictures: the same pixels give the same scores."""
    with tempfile.TemporaryDirectory() as folder:
        raw = os.path.join(folder, "raw")
        tool.launch(f"filesrc location={media('chelsea.png')} ! gdkpixbufdec ! filesink location={raw}")
        with open(raw, "rb") as file:
            data = file.read()
        stride = len(data) // 300  # GStreamer rounds rows up to 4 bytes
        rows = [data[y * stride:y * stride + 451 * 3] for y in range(300)]
        wide = [bytes(b for value in row for b in (value, value)) for row in rows]
        alpha = [b"".join(row[i:i + 3] + b"\x40" for i in range(0, len(row), 3)) for row in rows]
        green = [row[1::3] for row in rows]
        grey_rgb = [bytes(v for value in row for v in (value,) * 3) for row in green]
        want = scores(classify(media("chelsea.png"))[0])
        for name, picture in (("rgb", png(451, 300, 8, 2, rows)), ("rgb16", png(451, 300, 16, 2, wide)),
                              ("rgba", png(451, 300, 8, 6, alpha))):
            equal(scores(classify(write(folder, name + ".png", picture))[0]), want, name)
        equal(scores(classify(write(folder, "grey.png", png(451, 300, 8, 0, green)))[0]),
              scores(classify(write(folder, "grey_rgb.png", png(451, 300, 8, 2, grey_rgb)))[0]), "grey")


def bmp_is_png():
    """The same pixels in BMP, with either header, have the same scores."""
    rows = [bytes(value for x in range(301) for value in (x * 7 % 256, y, (x + y) // 3)) for y in range(203)]
    upright = [b"".join(row[i:i + 3][::-1] for i in range(0, len(row), 3)) for row in rows[::-1]]
    with tempfile.TemporaryDirectory() as folder:
        want = scores(classify(write(folder, "want.png", png(301, 203, 8, 2, upright)))[0])
        for header in (12, 40):
            result, = classify(write(folder, f"{header}.bmp", bmp(301, 203, rows, header)))
            equal((result["width"], result["height"], scores(result)), (301, 203, want), f"header of {header} bytes")


def tiny_and_odd():
    with tempfile.TemporaryDirectory() as folder:
        for width, height in ((1, 1), (1, 300), (301, 1), (3, 5)):
            path = write(folder, "tiny.png", png(width, height, 8, 2, [bytes(range(width % 256)) * 3 + b"\0" * 3 *
                                                                      (width - width % 256)] * height))
            result, = classify(path)
            equal((result["width"], result["height"]), (width, height), "size")


def orientation():
    """A photo with EXIF orientation 6 is turned clockwise before it is shown."""
    with tempfile.TemporaryDirectory() as folder:
        turned = os.path.join(folder, "turned.png")
        tool.launch(f"filesrc location={media('china.jpg')} ! gdkpixbufdec ! videoflip video-direction=90r ! pngenc ! "
                    f"filesink location={turned}")
        photo = write(folder, "photo.jpg", oriented(read("china.jpg"), 6))
        upright, stored = classify(photo)[0], classify("--as-stored", photo)[0]
        equal((upright["width"], upright["height"]), (427, 640), "size when turned")
        equal(scores(upright), scores(classify(turned)[0]), "turned")
        equal(scores(stored), scores(classify(media("china.jpg"))[0]), "as stored")
        plain = write(folder, "plain.jpg", oriented(read("china.jpg"), 1))
        equal(scores(classify(plain)[0]), scores(stored), "orientation 1")


def names():
    """Spaces, accents, quotes, a leading dash, a file URI, standard input."""
    want = scores(classify(media("china.jpg"))[0])
    with tempfile.TemporaryDirectory() as folder:
        for name in ("two words.jpg", "\u00e9t\u00e9.jpg", 'a"b\\c.jpg', "100%.jpg", "http:x.jpg"):
            path = write(folder, name, read("china.jpg"))
            result, = classify(path)
            equal((result["input"], scores(result)), (path, want), name)
        odd = os.fsencode(folder) + b"/\xff\n.jpg"
        with open(odd, "wb") as file:
            file.write(read("china.jpg"))
        result, = classify(odd)
        equal(scores(result), want, "a name that is not UTF-8")
        check("\ufffd\n.jpg" in result["input"], "its name in JSON")
        dash = write(folder, "-dash.jpg", read("china.jpg"))
        done = subprocess.run([tool.TOOL, "classify", "--", os.path.basename(dash)], cwd=folder, capture_output=True)
        equal(done.returncode, 0, "-- -dash.jpg")
    equal(scores(classify("file://" + media("china.jpg"))[0]), want, "file://")
    equal(scores(classify("-", stdin=read("china.jpg"))[0]), want, "standard input")


def bad_files():
    """Each has its sentence, and the others are classified."""
    jpeg, picture = read("china.jpg"), read("chelsea.png")
    damaged = bytearray(picture)
    damaged[50000] ^= 0xff
    with tempfile.TemporaryDirectory() as folder:
        cases = [
            (os.path.join(folder, "missing.jpg"), None, "No such file or directory"),
            ("empty.jpg", b"", "the file is empty"),
            ("cut.jpg", jpeg[:60000], "the JPEG picture is cut short"),
            ("header.jpg", jpeg[:300], "the JPEG picture is cut short"),
            ("no_end.jpg", jpeg[:-2], "the JPEG picture is cut short"),
            ("cut.png", picture[:100000], "the PNG picture is cut short"),
            ("header.png", picture[:40], "the PNG picture is cut short"),
            ("cut.bmp", bmp(64, 48, [b"\x80" * 192] * 48)[:-1], "the BMP picture is cut short"),
            ("damaged.png", bytes(damaged), None),
            ("text.txt", b"It was a dark and stormy night; " * 20, "it is text, not a picture or video"),
            ("noise.bin", bytes((i * 89 + i // 7) % 251 for i in range(5000)), None),
            ("huge.png", png(60000, 60000, 8, 2, []), "a picture of 60000 x 60000 pixels is too large"),
        ]
        paths = [name if data is None else write(folder, name, data) for name, data, _ in cases]
        paths.append(folder)
        sentences = [sentence for _, _, sentence in cases] + ["it is a directory; name the files in it"]
        result = tool.run("classify", "--json", *paths, media("coffee.png"))
        equal(result.status, 1, "exit status")
        equal([r["input"] for r in result.json()], [media("coffee.png")], "what was classified")
        lines = result.err.splitlines()
        equal(len(lines), len(paths), "sentences")
        for line, path, sentence in zip(lines, paths, sentences):
            check(line.startswith(f"resnet18: {path}: "), f"the sentence does not name {path}: {line}")
            if sentence:
                equal(line, f"resnet18: {path}: {sentence}", "sentence")
        trailing = write(folder, "trailing.jpg", jpeg + b"\0" * 5000)
        equal(scores(classify(trailing)[0]), scores(classify(media("china.jpg"))[0]), "bytes behind the picture")


def standard_input():
    """Nothing to read is told from a picture at once; a closed stream's number is not given to another file."""
    refused(["classify", "-"], 1, "resnet18: -: standard input is empty")
    for stdin, sentence in (("</dev/null", "standard input is empty"), ("<&-", "standard input is closed"),
                            ("</", "standard input is a directory")):
        done = subprocess.run(["bash", "-c", f'"$0" classify - {stdin}', tool.TOOL], capture_output=True, timeout=600)
        equal((done.returncode, done.stderr.decode()), (1, f"resnet18: -: {sentence}\n"), stdin)
    done = subprocess.run(["bash", "-c", '"$0" classify "$1" >&-', tool.TOOL, media("coffee.png")],
                          capture_output=True, timeout=600)
    equal((done.returncode, done.stderr), (1, b"resnet18: standard output cannot be written\n"), "closed output")
    with open(media("coffee.png"), "rb") as file:
        done = subprocess.run([tool.TOOL, "classify", "-"], stdin=file, capture_output=True, timeout=600)
    check(b"espresso" in done.stdout, "a redirected file")
    refused(["classify", ""], 1, "resnet18: '': the name is empty")


def unreadable():
    if os.geteuid() == 0:
        return "root may read everything"
    with tempfile.TemporaryDirectory() as folder:
        path = write(folder, "secret.jpg", read("china.jpg"))
        os.chmod(path, 0)
        refused(["classify", path], 1, f"resnet18: {path}: Permission denied")


def full_disk():
    if not os.path.exists("/dev/full"):
        return "there is no /dev/full"
    with open("/dev/full", "wb") as full:
        done = subprocess.run([tool.TOOL, "classify", media("coffee.png")], stdout=full, stderr=subprocess.PIPE)
    equal(done.returncode, 1, "exit status")
    equal(done.stderr, b"resnet18: standard output cannot be written\n", "standard error")


def bad_weights():
    with tempfile.TemporaryDirectory() as folder:
        path = write(folder, "cut.safetensors", b"\x10\0\0\0")
        for wrong in (path, os.path.join(folder, "missing.safetensors"), media("coffee.png")):
            result = tool.run("classify", "--weights", wrong, media("coffee.png"))
            equal((result.status, result.out), (1, ""), "status, output")
            check(result.err.startswith("resnet18: " + wrong) and result.err.count("\n") == 1, "one sentence, with the file")


tool.main([("scores of known pictures", known_pictures), ("JSON", shape_of_json), ("text", text), ("threshold", threshold),
           ("crop", crop), ("threads", threads), ("int8", int8), ("labels", labels), ("kinds of PNG", png_kinds),
           ("BMP is PNG", bmp_is_png), ("tiny pictures", tiny_and_odd), ("EXIF orientation", orientation),
           ("names of inputs", names), ("bad files", bad_files), ("standard input", standard_input), ("an unreadable file", unreadable), ("a full disk", full_disk),
           ("bad weights", bad_weights)])
