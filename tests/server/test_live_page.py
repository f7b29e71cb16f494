# SPDX-License-Identifier: LGPL-2.1-or-later
"""The live view in headless Chromium, with a clip and with a file that is not there.

    test_live_page.py SERVER"""
import os
import re
import signal
import tempfile

import browser
import visitor
from browser import done, expect
from visitor import check, equal, media, until

CLIP = media("bigbuckbunny.mp4")


class Tests:
    def __init__(self, server, chromium):
        self.server, self.chromium = server, chromium

    def page(self, **options):
        # A file that begins again has no picture for a moment, which is an answer 503.
        return browser.page(self.chromium, self.server.base, **{"view": "#live", "provoked": True, **options})

    def metric(self, name):
        _, _, text = self.server.fetch("GET", "/metrics")
        return float(re.search(rf"^{name} (\S+)$", text.decode(), re.M).group(1))

    def test_clip(self):
        """Picture, state, classes, counts and what came and went."""
        with self.page() as tab:
            card = tab.locator(".camera").first
            expect(card.locator(".camera-name")).to_have_text("bigbuckbunny.mp4")
            expect(card.locator(".badge")).to_have_text("running")
            until(lambda: card.locator("img").evaluate("e => e.naturalWidth > 0") or tab.wait_for_timeout(50), "there is a picture")
            expect(card.locator(".classes .class")).to_have_count(3)

            def frames():
                return card.evaluate("""e => [...e.querySelectorAll(".fact")]
                    .filter((f) => f.firstChild.textContent === "Frames").map((f) => f.lastChild.textContent)[0]""")

            until(lambda: frames() not in (None, "0") or tab.wait_for_timeout(50), "frames are counted")
            first = frames()
            until(lambda: frames() != first or tab.wait_for_timeout(50), "the count of frames changes")
            expect(tab.locator("#connection")).to_have_text("connected")
            expect(tab.locator(".event").first).to_be_visible()
            check(re.search(r"\w+ (came|went)$|\w+ became \w+", tab.locator(".event").first.locator("span").nth(1).inner_text()), "the event's words")
            expect(tab.locator(".lane .span").first).to_be_attached()

    def test_missing(self):
        with self.page() as tab:
            card = tab.locator(".camera").nth(1)
            expect(card.locator(".camera-name")).to_have_text("nothing.mp4")
            expect(card.locator(".badge")).to_have_text(re.compile("^(failed|waiting to try again)$"))
            expect(card.locator(".reason")).to_be_visible()
            check(card.locator(".reason").inner_text(), "there is no reason")
            expect(tab.locator("#live-summary")).to_contain_text(re.compile("(failed|waiting to try again): 1"))

    def test_hidden(self):
        """Nothing streams while the view is not shown, and pictures can be classified while it is."""
        with self.page() as tab:
            until(lambda: self.metric("resnet18_http_streams") >= 2 or tab.wait_for_timeout(50), "video and events stream")
            tab.set_input_files("#files", media("coffee.png"))
            tab.click("#to-pictures")
            done(tab)
            expect(tab.locator(".card")).to_have_attribute("data-state", "done")
            until(lambda: self.metric("resnet18_http_streams") == 0 or tab.wait_for_timeout(50), "the streams end")
            tab.click("#to-live")
            until(lambda: self.metric("resnet18_http_streams") >= 2 or tab.wait_for_timeout(50), "they come again")

    def test_language(self):
        with self.page(locale="de-DE") as tab:
            expect(tab.locator(".camera .badge").first).to_have_text("läuft")
            tab.select_option("#language", "zh")
            expect(tab.locator(".camera .badge").first).to_have_text("运行中")
            expect(tab.locator("#live-title")).to_have_text("实时")

    def test_accessible(self):
        from axe_playwright_python.sync_playwright import Axe
        for scheme in ("light", "dark"):
            with self.page(color_scheme=scheme) as tab:
                expect(tab.locator(".event").first).to_be_visible()
                found = Axe().run(tab, options={"resultTypes": ["violations"]}).response["violations"]
                equal([(v["id"], [n["html"][:150] for n in v["nodes"]]) for v in found], [], scheme)

    def test_phone(self):
        with self.page(viewport={"width": 320, "height": 700}, has_touch=True, is_mobile=True) as tab:
            expect(tab.locator(".event").first).to_be_visible()
            equal(tab.evaluate("() => document.documentElement.scrollWidth"), 320, "width")

    def test_targets(self):
        """A camera of a configuration file, where its results go, and one more after SIGHUP."""
        with tempfile.TemporaryDirectory() as folder:
            config = os.path.join(folder, "fleet.toml")
            text = (f"[target.log]\nlocation = '{{camera}}.jsonl'\n[camera.door]\nuri = '{CLIP}'\nloop = true\n"
                    "targets = ['log']\n")
            with open(config, "w", encoding="utf-8") as file:
                file.write(text)
            with visitor.Site("--config", config) as server, browser.page(self.chromium, server.base, provoked=True,
                                                                            view="#live") as tab:
                card = tab.locator(".camera").first
                expect(card.locator(".camera-name")).to_have_text("door")
                expect(card.locator(".facts")).to_contain_text(re.compile("Results to log.*[1-9][0-9]* sent, [0-9]+ waiting, 0 lost"))
                expect(tab.locator("#live-summary")).to_be_hidden()
                with open(config, "a", encoding="utf-8") as file:
                    file.write("[camera.yard]\nuri = 'nothing.mp4'\n")
                server.process.send_signal(signal.SIGHUP)
                expect(tab.locator(".camera-name")).to_have_text(["door", "yard"])
                expect(tab.locator("#live-summary")).to_contain_text("waiting to try again: 1")

    def test_lost_server(self):
        """The server goes and comes again under the same address: the page says so, and goes on."""
        with visitor.Site("--loop", CLIP) as server:
            port = server.port
            with browser.page(self.chromium, server.base, provoked=True, view="#live") as tab:
                expect(tab.locator("#connection")).to_have_text("connected")
                server.process.terminate()
                server.process.wait(timeout=120)
                expect(tab.locator("#connection")).to_have_text("connecting again")
                expect(tab.locator("#live-problem")).to_be_visible()
                with visitor.Site("--loop", CLIP, "--port", str(port)):
                    expect(tab.locator("#connection")).to_have_text("connected")
                    expect(tab.locator("#live-problem")).to_be_hidden()
                    expect(tab.locator(".camera .badge")).to_have_text("running")

    def test_token(self):
        """With a token, pictures come one by one: an image cannot send it."""
        with visitor.Site("--loop", CLIP, env={"RESNET18_SERVER_TOKEN": "open-sesame"}) as server:
            with browser.page(self.chromium, server.base, provoked=True, view="#live") as tab:
                expect(tab.locator("#token-dialog")).to_be_visible()
                tab.fill("#token", "open-sesame")
                tab.keyboard.press("Enter")
                image = tab.locator(".camera img")
                expect(image).to_have_attribute("src", re.compile("^blob:"))
                until(lambda: image.evaluate("e => e.naturalWidth > 0") or tab.wait_for_timeout(50), "there is a picture")
                expect(tab.locator(".event").first).to_be_visible()


def run():
    if not browser.CHROMIUM:
        return visitor.main(None, skip="there is no Chromium")
    with browser.chromium() as chromium, visitor.Site("--loop", CLIP, "nothing.mp4") as server:
        tests = Tests(server, chromium)
        visitor.main(tests)


run()
