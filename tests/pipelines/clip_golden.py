# SPDX-License-Identifier: LGPL-2.1-or-later
"""Made by tests/golden/make_clip.py. Number of the frame, best class, its score."""
FRAMES = 132
BEST = (
    (20, "dugong", 0.3428),
    (30, "dugong", 0.5261),
    (50, "king penguin", 0.7206),
    (60, "king penguin", 0.4740),
    (120, "king penguin", 0.4813),
)
