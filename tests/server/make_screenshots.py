# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the pictures of the page in docs/: light, dark, phone and live. With the packages of requirements.txt:

    tests/server/venv.py build-venv tests/server/make_screenshots.py build/server/resnet18-server"""
import io
import os
import subprocess
import tempfile

from PIL import Image

import browser
import visitor
from browser import done, expect
from visitor import media

DOCS = os.path.join(visitor.ROOT, "docs")


def keep(data, name):
    """256 colours: a third of the size."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    palette = picture.quantize(256, method=Image.Quantize.MEDIANCUT)
    picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(os.path.join(DOCS, name), optimize=True)
    print(name, picture.size, os.path.getsize(os.path.join(DOCS, name)))


def film(path):
    """Three photos, some seconds each."""
    photos = [f"filesrc location={media(name)} ! {decoder} ! imagefreeze num-buffers=100 ! video/x-raw,framerate=25/1 ! "
              "videoconvert ! videoscale ! video/x-raw,width=640,height=360,pixel-aspect-ratio=1/1 ! film."
              for name, decoder in (("chelsea.png", "pngdec"), ("coffee.png", "pngdec"), ("china.jpg", "jpegdec"))]
    subprocess.run(f"gst-launch-1.0 -q concat name=film ! jpegenc ! avimux ! filesink location={path} " + " ".join(photos),
                   shell=True, check=True)


def pictures(tab):
    tab.set_input_files("#files", [media(name) for name in ("chelsea.png", "coffee.png", "china.jpg")])
    done(tab, 3)
    tab.locator(".card-head button").nth(2).click()
    expect(tab.locator(".heat:visible")).to_have_count(1)
    tab.mouse.move(0, 0)
    tab.evaluate("() => document.activeElement.blur()")


def photographed(chromium, server):
    for scheme in ("light", "dark"):
        with browser.page(chromium, server.base, color_scheme=scheme, viewport={"width": 1180, "height": 700}) as tab:
            pictures(tab)
            keep(tab.screenshot(full_page=True), f"page-{scheme}.png")
    with browser.page(chromium, server.base, viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True,
                      device_scale_factor=1.5, locale="de-DE") as tab:
        tab.set_input_files("#files", media("coffee.png"))
        done(tab)
        keep(tab.screenshot(full_page=True), "page-phone.png")
    with browser.page(chromium, server.base, provoked=True, color_scheme="dark", view="#live",
                      viewport={"width": 1180, "height": 1180}) as tab:
        tab.wait_for_timeout(50e3)
        expect(tab.locator(".event").nth(4)).to_be_attached()
        keep(tab.screenshot(), "page-live.png")


with tempfile.TemporaryDirectory() as folder:
    film(os.path.join(folder, "entrance.avi"))
    with browser.chromium() as chromium, visitor.Site("--loop", os.path.join(folder, "entrance.avi"),
                                                      media("bigbuckbunny.mp4")) as site:
        photographed(chromium, site)
