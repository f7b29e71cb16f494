#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes samples.h: a tiny picture of each kind. Needs Pillow.

    python3 server/make_samples.py > server/samples.h"""
import io

from PIL import Image

picture = Image.new("RGB", (2, 2), (200, 30, 90))
turned = Image.Exif()
turned[0x112] = 6
KINDS = [
    ("JPEG", "JPEG", {"exif": turned.tobytes(), "quality": 50}),
    ("JPEG", "JPEG", {"progressive": True, "quality": 50}),
    ("PNG", "PNG", {}),
    ("GIF", "GIF", {}),
    ("BMP", "BMP", {}),
    ("WEBP", "WEBP", {"lossless": True}),
    ("WEBP", "WEBP", {"quality": 10}),
]

print("""/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tiny picture of each kind. Made by make_samples.py; do not edit. */
#ifndef RESNET18_SERVER_SAMPLES_H
#define RESNET18_SERVER_SAMPLES_H

#include "encoded.h"
""")
print("/* clang-format off */\n")
for i, (_, kind, options) in enumerate(KINDS):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    data = out.getvalue()
    print(f"static const uint8_t sample_{i}[] = {{")
    for at in range(0, len(data), 20):
        print("  " + " ".join(f"{b}," for b in data[at:at + 20]))
    print("};\n")
print("static const struct {\n  encoded_kind kind;\n  const uint8_t *data;\n  size_t size;\n} samples[] = {")
for i, (kind, _, _) in enumerate(KINDS):
    print(f"  {{ENCODED_{kind}, sample_{i}, sizeof sample_{i}}},")
print("};\n\n#endif")
