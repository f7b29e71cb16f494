# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pictures by formula, the same as tests/preprocess/pictures.h makes, and what torchvision does with them in Pillow."""
import numpy
from PIL import Image

SIDE = 224
MEAN = (124, 116, 104)


def picture(width, height, channels):
    """Squares of noise and of gradients with hard edges: uint8 [height, width, channels]."""
    x = numpy.arange(width, dtype=numpy.uint32)[None, :, None]
    y = numpy.arange(height, dtype=numpy.uint32)[:, None, None]
    c = numpy.arange(channels, dtype=numpy.uint32)[None, None, :]
    out = numpy.empty((height, width, channels), numpy.uint8)
    for top in range(0, height, 64):
        part = slice(top, top + 64)
        noise = x * numpy.uint32(0x9E3779B1) ^ y[part] * numpy.uint32(0x85EBCA77) ^ c * numpy.uint32(0xC2B2AE3D)
        noise ^= noise >> numpy.uint32(15)
        noise *= numpy.uint32(0x2C1B3C6D)
        noise ^= noise >> numpy.uint32(12)
        noise *= numpy.uint32(0x297A2D39)
        slope = x * numpy.uint32(3) + y[part] * numpy.uint32(5) + c * numpy.uint32(85)
        noisy = ((x >> numpy.uint32(3)) ^ (y[part] >> numpy.uint32(3))) & numpy.uint32(1)
        out[part] = numpy.where(noisy == 1, noise >> numpy.uint32(24), slope & numpy.uint32(255))
    return out


def python_round_half_even(value):
    return int(round(value))


def expected(pixels, crop="center", resize_short=256):
    """Pillow's answer for uint8 [h, w, 3] or [h, w, 1]: uint8 [224, 224, 3]."""
    height, width, channels = pixels.shape
    image = Image.fromarray(pixels if channels == 3 else pixels[:, :, 0])
    if crop == "squash":
        image = image.resize((SIDE, SIDE), Image.BILINEAR)
    elif crop == "letterbox":
        longest = max(width, height)
        size = [max(1, (2 * SIDE * side + longest) // (2 * longest)) for side in (width, height)]
        inside = image.resize(size, Image.BILINEAR).convert("RGB")
        image = Image.new("RGB", (SIDE, SIDE), MEAN)
        image.paste(inside, ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    else:
        image = center(image, resize_short)
    return numpy.asarray(image.convert("RGB"))


def center(image, resize_short):
    """torchvision.transforms.Resize(resize_short) and CenterCrop(224)."""
    width, height = image.size
    short, long = min(width, height), max(width, height)
    resized_long = int(resize_short * long / short)
    size = (resize_short, resized_long) if width <= height else (resized_long, resize_short)
    left = python_round_half_even((size[0] - SIDE) / 2.0)
    top = python_round_half_even((size[1] - SIDE) / 2.0)
    if size == image.size:
        return image.crop((left, top, left + SIDE, top + SIDE))
    return image.resize(size, Image.BILINEAR).crop((left, top, left + SIDE, top + SIDE))
