#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes tests/pipelines/clip_golden.py: what torch says about some frames of tests/media/bigbuckbunny.mp4.

    python3 -m venv /tmp/golden && . /tmp/golden/bin/activate
    pip install torch==2.15.0 torchvision==0.29.2 numpy==2.4.6 safetensors==0.8.0 pillow==13.0.0
    python3 tests/golden/make_clip.py > tests/pipelines/clip_golden.py

The frames are decoded by GStreamer (avdec_h264), and turned into RGB here: chroma is interpolated linearly from where
MPEG-2 places it (left, between two rows) to full size, Pillow resizes the planes in floats, and BT.709's formula with
limited range follows. So nothing of the project's own preprocessing takes part."""
import os
import subprocess
import tempfile

import numpy as np
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FRAMES = (20, 30, 50, 60, 120)  # the best class is well ahead in these
WIDTH, HEIGHT = 1280, 720
KR, KB = 0.2126, 0.0722  # BT.709
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def decode():
    """I420 frames, an array of bytes each."""
    with tempfile.NamedTemporaryFile() as file:
        clip = os.path.join(ROOT, "tests", "media", "bigbuckbunny.mp4")
        subprocess.run(["gst-launch-1.0", "-q", "filesrc", f"location={clip}", "!", "qtdemux", "!", "h264parse", "!",
                        "avdec_h264", "!", "filesink", f"location={file.name}"], check=True)
        return np.fromfile(file.name, np.uint8).reshape(-1, WIDTH * HEIGHT * 3 // 2)


def between(positions, count):
    """Lower neighbour, upper neighbour and the upper's share of each position."""
    positions = np.clip(positions, 0, count - 1)
    lower = np.floor(positions).astype(int)
    return lower, np.minimum(lower + 1, count - 1), positions - lower


def full_size(chroma):
    top, bottom, share = between((np.arange(HEIGHT) + 0.5) / 2 - 0.5, HEIGHT // 2)
    rows = chroma[top] * (1 - share)[:, None] + chroma[bottom] * share[:, None]
    left, right, share = between(np.arange(WIDTH) / 2, WIDTH // 2)
    return rows[:, left] * (1 - share) + rows[:, right] * share


def resized(plane):
    short = Image.fromarray(plane.astype(np.float32)).resize((256 * WIDTH // HEIGHT, 256), Image.Resampling.BILINEAR)
    return np.asarray(short)


def picture(frame):
    """224x224 RGB, 0..1, in steps of 1/255 as a decoded picture has."""
    size = WIDTH * HEIGHT
    luma = frame[:size].reshape(HEIGHT, WIDTH)
    cb, cr = (part.reshape(HEIGHT // 2, WIDTH // 2).astype(float) for part in (frame[size:size * 5 // 4], frame[size * 5 // 4:]))
    y, u, v = (resized(luma) - 16) / 219, (resized(full_size(cb)) - 128) / 224, (resized(full_size(cr)) - 128) / 224
    red, blue = y + 2 * (1 - KR) * v, y + 2 * (1 - KB) * u
    green = (y - KR * red - KB * blue) / (1 - KR - KB)
    rgb = np.round(np.clip(np.stack([red, green, blue], 2), 0, 1) * 255) / 255
    top, left = (rgb.shape[0] - 224) // 2, int(round((rgb.shape[1] - 224) / 2))
    return rgb[top:top + 224, left:left + 224]


def main():
    model = torchvision.models.resnet18()
    weights = load_file(os.path.join(ROOT, "weights", "resnet18.safetensors"))
    model.load_state_dict(weights, strict=False)  # without num_batches_tracked, which nothing needs
    model.eval()
    with open(os.path.join(ROOT, "weights", "imagenet1k_labels.tsv"), encoding="utf-8") as file:
        names = [line.rstrip("\n").split("\t")[2] for line in list(file)[1:]]
    frames = decode()
    print('# SPDX-License-Identifier: LGPL-2.1-or-later')
    print('"""Made by tests/golden/make_clip.py. Number of the frame, best class, its score."""')
    print(f"FRAMES = {len(frames)}\nBEST = (")
    for number in FRAMES:
        x = ((picture(frames[number]) - MEAN) / STD).transpose(2, 0, 1)[None].astype(np.float32)
        with torch.no_grad():
            score, index = model(torch.from_numpy(x)).softmax(1)[0].max(0)
        print(f'    ({number}, "{names[index]}", {score:.4f}),')
    print(")")


main()
