# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes golden/*.bin beside this script: what Pillow makes of the pictures of pictures.py.

python3 tests/preprocess/make_goldens.py    (made with Pillow 9.4.0, numpy 1.24.2; later versions write the same)

A file is 224 x 224 x channels bytes, its name CHANNELS_WIDTHxHEIGHT_CROP_SHORT.bin."""
import pathlib

import pictures

CASES = [
    (3, 3, 2, "center", 256),
    (3, 257, 333, "center", 256),
    (3, 1920, 1080, "center", 256),
    (3, 640, 480, "squash", 256),
    (1, 1, 1, "center", 256),
    (1, 1, 7, "center", 256),
    (1, 223, 224, "center", 256),
    (1, 224, 224, "center", 224),
    (1, 256, 256, "center", 256),
    (1, 500, 333, "center", 256),
    (1, 500, 333, "center", 227),
    (1, 333, 500, "letterbox", 256),
    (1, 4096, 31, "center", 256),
    (1, 7680, 4320, "center", 256),
    (1, 20000, 600, "squash", 256),
    (1, 7, 9001, "letterbox", 256),
]


def main():
    folder = pathlib.Path(__file__).parent / "golden"
    folder.mkdir(exist_ok=True)
    for channels, width, height, crop, resize_short in CASES:
        answer = pictures.expected(pictures.picture(width, height, channels), crop, resize_short)
        path = folder / f"{channels}_{width}x{height}_{crop}_{resize_short}.bin"
        path.write_bytes(answer[:, :, :channels].tobytes())


if __name__ == "__main__":
    main()
