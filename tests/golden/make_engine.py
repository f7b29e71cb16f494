#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes src/selftest_golden.h: what torch says about a few made-up pictures, with the weights of weights/.

    python3 -m venv /tmp/golden && . /tmp/golden/bin/activate
    pip install torch==2.15.0 torchvision==0.29.2 numpy==2.4.6 safetensors==0.8.0
    python3 tests/golden/make_engine.py

The pictures are formulas (picture() here and make_picture() in src/selftest.c are the same), so nothing but numbers is
stored: all logits, and of each layer's output SAMPLES values at evenly spread places, all from a float64 forward pass of
torchvision's own resnet18 (float32 weights), rounded to float32.
"""
import os
import sys

import numpy as np
import torch
import torchvision
from safetensors.torch import load_file

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SIZE, SAMPLES, PICTURES = 224, 64, 3
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def picture(kind):
    """uint8 [224][224][3]: 0 noise, 1 stripes and squares, 2 black with a bright disc."""
    y, x, c = np.meshgrid(np.arange(SIZE), np.arange(SIZE), np.arange(3), indexing="ij")
    if kind == 0:
        out, state = np.zeros(SIZE * SIZE * 3, np.uint8), 12345
        for i in range(out.size):
            state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
            out[i] = state >> 24
        return out.reshape(SIZE, SIZE, 3)
    if kind == 1:
        return ((x * (3 + c) // 4 + y * (5 - c) // 4 + (((x >> 4) ^ (y >> 4)) & 1) * 64) & 255).astype(np.uint8)
    inside = (x - 100) ** 2 + (y - 120) ** 2 < 70 * 70
    return np.where(inside, 255 - 60 * c, 0).astype(np.uint8)


def forward(kind):
    net = torchvision.models.resnet18()
    weights = {k: v.float() for k, v in load_file(os.path.join(TOP, "weights", "resnet18.safetensors")).items()}
    missing = net.load_state_dict(weights, strict=False)
    assert not missing.unexpected_keys and all(k.endswith("num_batches_tracked") for k in missing.missing_keys)
    net.eval().double()
    layers = {}
    for name in ("maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool"):
        getattr(net, name).register_forward_hook(lambda m, i, o, name=name: layers.__setitem__(name, o))
    x = (picture(kind) / 255.0 - MEAN) / STD
    with torch.no_grad():
        layers["fc"] = net(torch.from_numpy(x.transpose(2, 0, 1))[None])
    return layers


def sample(tensor):
    """SAMPLES values of the tensor in HWC order: index i * count // SAMPLES + i, wrapped."""
    flat = tensor[0].numpy().transpose(1, 2, 0).reshape(-1)
    index = (np.arange(SAMPLES) * flat.size // SAMPLES + np.arange(SAMPLES)) % flat.size
    return flat[index]


def rows(values):
    words = [np.format_float_scientific(np.float32(v), unique=True, trim="0") + "f" for v in values]
    return "\n".join("    " + ", ".join(words[i:i + 8]) + "," for i in range(0, len(words), 8))


def main():
    results = [forward(kind) for kind in range(PICTURES)]
    layers = ["maxpool", "layer1", "layer2", "layer3", "layer4"]
    with open(os.path.join(TOP, "src", "selftest_golden.h"), "w") as f:
        say = lambda text: print(text, file=f)
        say("/* SPDX-License-Identifier: LGPL-2.1-or-later */")
        say(f"/* Made by tests/golden/make_engine.py with torch {torch.__version__.split("+")[0]}, torchvision "
            f"{torchvision.__version__.split("+")[0]}; do not edit. */")
        say("/* clang-format off */")
        say("#ifndef RESNET18_SELFTEST_GOLDEN_H\n#define RESNET18_SELFTEST_GOLDEN_H\n")
        say(f"enum {{ GOLDEN_PICTURES = {PICTURES}, GOLDEN_LAYERS = {len(layers)}, GOLDEN_SAMPLES = {SAMPLES} }};\n")
        say("static const float golden_logits[GOLDEN_PICTURES][1000] = {")
        for r in results:
            say("  {\n" + rows(r["fc"][0].numpy()) + "\n  },")
        say("};\n\nstatic const float golden_layer[GOLDEN_PICTURES][GOLDEN_LAYERS][GOLDEN_SAMPLES] = {")
        for r in results:
            say("  {")
            for name in layers:
                say(f"  {{ /* {name} */\n" + rows(sample(r[name])) + "\n  },")
            say("  },")
        say("};\n\n/* Largest magnitude of each whole layer. */")
        say("static const float golden_layer_max[GOLDEN_PICTURES][GOLDEN_LAYERS] = {")
        for r in results:
            say("  {" + ", ".join(f"{float(r[n].abs().max()):.6e}f" for n in layers) + "},")
        say("};\n\n#endif")


if __name__ == "__main__":
    sys.exit(main())
