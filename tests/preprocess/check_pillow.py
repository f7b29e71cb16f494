# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares the preprocessing with Pillow on pictures of many sizes.

usage: check_pillow.py PIPE [COUNT [SEED]]     PIPE: the program preprocess_pipe"""
import random
import subprocess
import sys

try:
    import numpy
    from PIL import Image
    import pictures
except ImportError as missing:
    print(f"skipped: {missing}; python3-pil and python3-numpy are needed")
    sys.exit(77)

RGB, BGR, RGBX, BGRX, XRGB, XBGR, GRAY8 = range(7)
ORDERS = {RGB: "RGB", BGR: "BGR", RGBX: "RGBX", BGRX: "BGRX", XRGB: "XRGB", XBGR: "XBGR"}
CROPS = ["center", "squash", "letterbox"]
# Pillow rounds twice (within 1 of the exact value), the library once (within 0.5 and its arithmetic's error, together
# less than 1): whole numbers that differ by less than 2.
TOLERANCE = 1


def exact_tolerance(crop, width, height):
    """0 where all versions of Pillow add up the columns first: 13 begins with the rows where it takes away more than
    twice as many rows as columns."""
    return 0 if crop == "center" and height < 1.9 * width else TOLERANCE


def packed(pixels, order):
    if order == GRAY8:
        return pixels
    out = numpy.full(pixels.shape[:2] + (len(ORDERS[order]),), 0xA5, numpy.uint8)
    for channel, letter in enumerate("RGB"):
        out[:, :, ORDERS[order].index(letter)] = pixels[:, :, channel]
    return out


def ask(pipe, pixels, order, resize_short, crop, part, exact):
    height, width, _ = pixels.shape
    line = f"{order} {width} {height} {resize_short} {CROPS.index(crop)} " + " ".join(map(str, part)) + f" {exact:d}"
    pipe.stdin.write(line.encode() + b"\n" + packed(pixels, order).tobytes())
    pipe.stdin.flush()
    answer = pipe.stdout.read(224 * 224 * 3)
    if len(answer) != 224 * 224 * 3:
        raise SystemExit(f"no answer for {line}")
    return numpy.frombuffer(answer, numpy.uint8).reshape(224, 224, 3)


def random_side(chance):
    return int(2 ** chance.uniform(0, 11.5))


def cases(count, seed):
    """Width, height, format, resize_short, crop, part."""
    whole = (0, 0, 0, 0)
    for size in [(1, 1), (1, 7), (3, 2), (223, 224), (224, 224), (256, 256), (255, 256), (257, 333), (500, 333),
                 (227, 300), (1920, 1080), (1080, 1920), (4096, 31), (31, 4096)]:
        for crop in CROPS:
            yield *size, RGB, 256, crop, whole
    yield 7680, 4320, RGB, 256, "center", whole
    yield 4320, 7680, GRAY8, 224, "center", whole
    yield 20000, 600, GRAY8, 256, "squash", whole  # wide weights
    yield 700, 9000, RGB, 256, "letterbox", whole
    yield 65535, 1, GRAY8, 256, "squash", whole
    yield 1, 65535, RGB, 256, "letterbox", whole
    chance = random.Random(seed)
    for _ in range(count):
        width, height = random_side(chance), random_side(chance)
        while max(width, height) > 100 * min(width, height):  # Pillow makes the whole resized picture
            width, height = random_side(chance), random_side(chance)
        part = whole
        if chance.random() < 0.5:
            x, y = chance.randrange(width), chance.randrange(height)
            part = (x, y, chance.randint(1, width - x), chance.randint(1, height - y))
            if max(part[2:]) > 100 * min(part[2:]):
                part = whole
        yield (width, height, chance.randrange(7), chance.choice([256, 256, 224, 227, 232, 1000, chance.randint(224, 1024)]),
               chance.choice(["center", "center", "squash", "letterbox"]), part)


def main():
    pipe = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    print(f"Pillow {Image.__version__}, seed {seed}")
    compared = failed = 0
    off = numpy.zeros(256, numpy.int64)
    for width, height, order, resize_short, crop, part in cases(count, seed):
        pixels = pictures.picture(width, height, 1 if order == GRAY8 else 3)
        x, y, w, h = part if part[2] else (0, 0, width, height)
        want = pictures.expected(numpy.ascontiguousarray(pixels[y:y + h, x:x + w]), crop, resize_short)
        for exact, tolerance in ((False, TOLERANCE), (True, exact_tolerance(crop, w, h))):
            got = ask(pipe, pixels, order, resize_short, crop, part, exact)
            difference = numpy.abs(got.astype(int) - want.astype(int))
            if not exact:
                off += numpy.bincount(difference.ravel(), minlength=256)
            compared += 1
            if difference.max() > tolerance:
                failed += 1
                print(f"{width}x{height} format {order} short {resize_short} {crop} part {part} exact {exact:d}: "
                      f"differs by {difference.max()}")
    pipe.stdin.close()
    if pipe.wait() != 0:
        raise SystemExit("preprocess_pipe failed")
    shares = ", ".join(f"{n} by {level}" for level, n in enumerate(off) if n)
    print(f"{compared} comparisons, {failed} differ by more than {TOLERANCE} level, or at all where exact; values that differ: {shares}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
