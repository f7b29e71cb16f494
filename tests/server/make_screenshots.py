# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the pictures of the page in docs/: light, dark, phone and live. With the packages of requirements.txt:

    tests/server/venv.py build-venv tests/server/make_screenshots.py build/server/resnet18-server"""
import io
import os

from PIL import Image

import browser
import visitor
from browser import done, expect
from visitor import media

DOCS = os.path.join(visitor.ROOT, "docs")


def keep(data, name):
    """256 colours: a third of the size."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG).save(
        os.path.join(DOCS, name), optimize=True)
    print(name, picture.size, os.path.getsize(os.path.join(DOCS, name)))


def pictures(tab):
    tab.set_input_files("#files", [media(name) for name in ("chelsea.png", "coffee.png", "china.jpg")])
    done(tab, 3)
    tab.locator(".card-head button").nth(2).click()
    expect(tab.locator(".heat:visible")).to_have_count(1)
    tab.mouse.move(0, 0)
    tab.evaluate("() => document.activeElement.blur()")


with browser.chromium() as chromium, visitor.Site(media("bigbuckbunny.mp4")) as server:
    for scheme in ("light", "dark"):
        with browser.page(chromium, server.base, color_scheme=scheme, viewport={"width": 1180, "height": 860}) as tab:
            pictures(tab)
            keep(tab.screenshot(), f"page-{scheme}.png")
    with browser.page(chromium, server.base, viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True,
                      device_scale_factor=1.5, locale="de-DE") as tab:
        tab.set_input_files("#files", media("coffee.png"))
        done(tab)
        keep(tab.screenshot(full_page=True), "page-phone.png")
    with browser.page(chromium, server.base, color_scheme="dark", view="#live", viewport={"width": 1180, "height": 860}) as tab:
        expect(tab.locator(".event").nth(4)).to_be_attached()
        tab.evaluate("() => document.activeElement.blur()")
        keep(tab.screenshot(full_page=True), "page-live.png")
