#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes tests/golden/eval_val.tsv and eval_full.tsv: torchvision's answer for each picture of ../shared/eval, with the
weights of weights/ in float32 and pictures decoded and resized by Pillow. Nothing but the answer is stored.

    python3 -m venv /tmp/golden && . /tmp/golden/bin/activate
    pip install torch==2.15.0 torchvision==0.29.2 pillow==13.0.0 numpy==2.4.6 safetensors==0.8.0
    python3 tests/golden/make_eval.py
"""
import os

import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file
from torchvision.transforms import functional as F

GOLDEN = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(GOLDEN))
EVAL = os.path.join(TOP, "..", "shared", "eval")
BATCH = 50
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def network():
    net = torchvision.models.resnet18()
    weights = {k: v.float() for k, v in load_file(os.path.join(TOP, "weights", "resnet18.safetensors")).items()}
    missing = net.load_state_dict(weights, strict=False)
    assert not missing.unexpected_keys and all(k.endswith("num_batches_tracked") for k in missing.missing_keys)
    return net.eval()


def prepare(path, short):
    picture = F.center_crop(F.resize(Image.open(path).convert("RGB"), short), 224)
    return F.normalize(F.to_tensor(picture), MEAN, STD)


def answers(net, paths, short):
    """(index, score) of the best class of each picture."""
    for start in range(0, len(paths), BATCH):
        with torch.no_grad():
            scores = net(torch.stack([prepare(path, short) for path in paths[start:start + BATCH]])).softmax(1)
        yield from zip(scores.argmax(1).tolist(), scores.max(1).values.tolist())


def main():
    net = network()
    for name, short in (("val", 227), ("full", 256)):
        with open(os.path.join(EVAL, name + ".tsv")) as table:
            rows = [line.rstrip("\n").split("\t") for line in table][1:]
        paths = [os.path.join(EVAL, file) for file, _ in rows]
        right = 0
        with open(os.path.join(GOLDEN, f"eval_{name}.tsv"), "w") as out:
            out.write("file\tindex\tscore\n")
            for (file, expected), (index, score) in zip(rows, answers(net, paths, short)):
                right += index == int(expected)
                out.write(f"{file}\t{index}\t{score:.6f}\n")
        print(f"{name}: top-1 {100 * right / len(rows):.2f} %", flush=True)


if __name__ == "__main__":
    main()
