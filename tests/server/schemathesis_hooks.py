# SPDX-License-Identifier: LGPL-2.1-or-later
"""What schemathesis cannot make up by itself: bodies that are pictures."""
import os

import schemathesis
from hypothesis import strategies

MEDIA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "media")


def files(end):
    """The contents of the pictures with this end."""
    found = []
    for name in sorted(os.listdir(MEDIA)):
        if name.endswith(end):
            with open(os.path.join(MEDIA, name), "rb") as file:
                found.append(file.read())
    return found


# A picture says itself what it is, so these may be of any kind.
PICTURES = strategies.sampled_from(files((".jpg", ".png")))
for kind in ("image/jpeg", "image/png", "image/webp", "image/bmp", "image/gif", "application/octet-stream"):
    schemathesis.openapi.media_type(kind, PICTURES)
schemathesis.openapi.format("binary", strategies.sampled_from([picture.decode("latin-1") for picture in files(".jpg")]))
