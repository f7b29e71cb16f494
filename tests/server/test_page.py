# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page in headless Chromium: pictures in every way they come, heat maps, errors, languages, the keyboard, a screen
reader's view of it, a phone.

    test_page.py SERVER"""
import base64
import json
import os
import re
import struct
import tempfile
import zlib

import browser
import visitor
from browser import classes, done, expect
from visitor import check, equal, media

PAGE = os.path.join(visitor.ROOT, "server", "page")
LANGUAGES = ("en", "de", "zh")


def png(width, height):
    """A grey picture; a large one is a small file."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer, rows = zlib.compressobj(9), []
    for _ in range(height):
        rows.append(packer.compress(b"\0" + b"\x80" * width))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", b"".join(rows) + packer.flush()) + chunk(b"IEND", b""))


def percent(part):
    return f"{100 * part:.0f}%" if part >= 0.1 else f"{100 * part:.1f}%"


def words(language):
    with open(os.path.join(PAGE, language + ".json"), encoding="utf-8") as file:
        return json.load(file)


class Tests:
    def __init__(self, server, chromium):
        self.server, self.chromium = server, chromium

    def page(self, **options):
        return browser.page(self.chromium, self.server.base, **options)

    def classify(self, name, query="top_k=5&groups=1"):
        with open(media(name), "rb") as file:
            return self.server.json("POST", "/classify?" + query, file.read())

    def check_card(self, card, name):
        """The card shows what the server says."""
        answer = self.classify(name)
        equal(classes(card), [(c["label"], percent(c["score"])) for c in answer["classes"]], f"classes of {name}")
        facts = card.locator(".fact dd").all_inner_texts()
        equal(len(facts), 3, "facts")
        group = answer["group"]
        equal(facts[0], f"{group['label']} {percent(group['score'])}", "group")
        check(percent(answer["uncertainty"]) in facts[1], f"uncertainty: {facts[1]}")
        check(re.fullmatch(r"[\d,.]+ ms network, [\d,.]+ ms in all", facts[2]), f"time: {facts[2]}")
        fills = card.locator(".classes .bar-fill")
        for i, entry in enumerate(answer["classes"]):
            bar = fills.nth(i).evaluate("e => e.getBoundingClientRect().width / e.parentElement.getBoundingClientRect().width")
            visitor.near(bar, max(0.005, entry["score"]), 0.01, f"bar {i}")
        shown = card.locator("img.preview").evaluate("e => e.complete && e.naturalWidth > 0")
        check(shown, "there is no preview")

    def test_choose(self):
        with self.page() as tab:
            with tab.expect_file_chooser() as chooser:
                tab.click("#choose")
            check(chooser.value.is_multiple(), "only one picture can be chosen")
            chooser.value.set_files(media("coffee.png"))
            done(tab)
            self.check_card(tab.locator(".card"), "coffee.png")
            expect(tab.locator("#says")).to_have_text(re.compile(r"^coffee\.png: espresso, \d+%$"))

    def drop(self, tab, names):
        files = []
        for name in names:
            with open(media(name), "rb") as file:
                files.append([name, base64.b64encode(file.read()).decode()])
        return tab.evaluate_handle("""files => {
            const transfer = new DataTransfer();
            for (const [name, data] of files)
              transfer.items.add(new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], name,
                                          { type: name.endsWith("png") ? "image/png" : "image/jpeg" }));
            return transfer;
        }""", files)

    def test_drop(self):
        with self.page() as tab:
            transfer = self.drop(tab, ["china.jpg", "flower.jpg"])
            tab.dispatch_event("#drop", "dragenter", {"dataTransfer": transfer})
            expect(tab.locator("#drop")).to_have_class("drop over")
            expect(tab.locator("#drop-hint")).to_have_text(words("en")["drop-now"])
            tab.dispatch_event("#drop", "dragleave", {"dataTransfer": transfer})
            expect(tab.locator("#drop")).to_have_class("drop")
            tab.dispatch_event("body", "drop", {"dataTransfer": transfer})
            done(tab, 2)
            self.check_card(tab.locator(".card").nth(0), "china.jpg")
            self.check_card(tab.locator(".card").nth(1), "flower.jpg")

    def test_drop_nothing(self):
        with self.page() as tab:
            transfer = tab.evaluate_handle("() => { const t = new DataTransfer(); t.setData('text/plain', 'x'); return t; }")
            tab.dispatch_event("body", "drop", {"dataTransfer": transfer})
            expect(tab.locator("#says")).to_have_text(words("en")["error-nothing"])
            equal(tab.locator(".card").count(), 0, "cards")

    def test_paste(self):
        with self.page() as tab:
            transfer = self.drop(tab, ["rocket.jpg"])
            transfer.evaluate("t => dispatchEvent(new ClipboardEvent('paste', { clipboardData: t, bubbles: true }))")
            done(tab)
            self.check_card(tab.locator(".card"), "rocket.jpg")

    def test_photograph(self):
        with self.page() as tab:
            tab.click("#photograph")
            expect(tab.locator("#camera")).to_be_visible()
            expect(tab.locator("#shoot")).to_be_enabled()
            tab.click("#shoot")
            expect(tab.locator("#camera")).to_be_hidden()
            done(tab)
            expect(tab.locator(".card-title")).to_have_text("Photo.jpg")
            equal(len(classes(tab.locator(".card"))), 5, "classes")
            check(tab.evaluate("() => document.getElementById('viewfinder').srcObject === null"), "the camera stays on")
            tab.click("#photograph")
            tab.keyboard.press("Escape")
            expect(tab.locator("#camera")).to_be_hidden()
            expect(tab.locator("#photograph")).to_be_focused()

    def test_no_camera(self):
        with self.page() as tab:
            tab.evaluate("""() => { navigator.mediaDevices.getUserMedia =
                async () => { throw new DOMException("no", "NotAllowedError"); }; }""")
            tab.click("#photograph")
            expect(tab.locator("#camera-problem")).to_have_text(words("en")["camera-denied"])
            expect(tab.locator("#shoot")).to_be_disabled()

    def test_several(self):
        names = ["chelsea.png", "coffee.png", "china.jpg", "flower.jpg", "rocket.jpg"]
        with self.page() as tab:
            tab.set_input_files("#files", [media(name) for name in names])
            done(tab, 5)
            equal(tab.locator(".card-title").all_inner_texts(), names, "order")
            for i, name in enumerate(names):
                self.check_card(tab.locator(".card").nth(i), name)
            expect(tab.locator("#count")).to_have_text("Pictures: 5")
            tab.click("#clear")
            expect(tab.locator(".card")).to_have_count(0)
            expect(tab.locator("#toolbar")).to_be_hidden()
            expect(tab.locator("#choose")).to_be_focused()

    def test_heat(self):
        with self.page() as tab:
            tab.set_input_files("#files", media("coffee.png"))
            done(tab)
            button, canvas = tab.locator(".card-head button").first, tab.locator(".heat")
            expect(canvas).to_be_hidden()
            button.click()
            expect(canvas).to_be_visible()
            expect(button).to_have_attribute("aria-pressed", "true")
            check("espresso" in canvas.get_attribute("aria-label"), "the heat map's label")
            # The hottest place of the canvas is in the hottest cell of the map.
            cam = self.classify("coffee.png", "cam=1&top_k=1")["cam"]
            equal(len(cam), 49, "numbers of the map")
            wanted = divmod(cam.index(max(cam)), 7)
            width, height, data = canvas.evaluate("""c => [c.width, c.height,
                [...c.getContext("2d").getImageData(0, 0, c.width, c.height).data]]""")
            side = min(width, height) * 224 / 256
            left, top = (width - side) / 2, (height - side) / 2
            cells = [0.0] * 49
            for row in range(7):
                for column in range(7):
                    x, y = int(left + (column + 0.5) * side / 7), int(top + (row + 0.5) * side / 7)
                    red, green, blue, alpha = data[4 * (y * width + x):4 * (y * width + x) + 4]
                    cells[7 * row + column] = alpha + green / 256
            equal(divmod(cells.index(max(cells)), 7), wanted, "the hottest cell")
            # Smooth: no step between neighbours is as large as between the coldest and the hottest.
            y = int(top + (wanted[0] + 0.5) * side / 7)
            line = [data[4 * (y * width + x) + 3] for x in range(int(left) + 4, int(left + side) - 4)]
            check(max(abs(a - b) for a, b in zip(line, line[1:])) < 16, "the heat map has steps")
            equal(data[3], round(255 * 0.45), "what the network does not see is darkened")
            button.click()
            expect(canvas).to_be_hidden()

    def test_heat_everywhere(self):
        with self.page() as tab:
            tab.set_input_files("#files", [media("coffee.png"), media("china.jpg")])
            done(tab, 2)
            tab.click("#all-heat")
            expect(tab.locator(".heat:visible")).to_have_count(2)
            tab.set_input_files("#files", media("rocket.jpg"))
            expect(tab.locator(".heat:visible")).to_have_count(3)
            tab.click("#all-heat")
            expect(tab.locator(".heat:visible")).to_have_count(0)

    def test_bad_pictures(self):
        with tempfile.TemporaryDirectory() as folder, self.page(provoked=True) as tab:
            cases = (("notes.txt", b"This is no picture.", ("error-bad", "error-type")), ("empty.png", b"", ("error-bad",)),
                     ("cut.png", open(media("coffee.png"), "rb").read()[:9000], ("error-bad",)),
                     ("huge.png", png(6000, 5000), ("error-large",)), ("heavy.bin", bytes(20 << 20), ("error-large",)))
            for name, data, keys in cases:
                path = os.path.join(folder, name)
                with open(path, "wb") as file:
                    file.write(data)
                tab.set_input_files("#files", path)
                card = tab.locator(".card").first
                expect(card.locator(".card-title")).to_have_text(name)
                expect(card).to_have_attribute("data-state", "failed")
                said = card.locator(".notice p").all_inner_texts()
                check(said[0] in [words("en")[key] for key in keys], f"{name}: {said}")
                check(len(said) == 2 and said[1], f"{name}: the server's reason is not shown: {said}")
            # The others are none the worse.
            tab.set_input_files("#files", media("coffee.png"))
            expect(tab.locator(".card").first).to_have_attribute("data-state", "done")

    def test_no_server(self):
        with self.page(provoked=True) as tab:
            tab.route("**/classify*", lambda route: route.abort())
            tab.set_input_files("#files", media("coffee.png"))
            done(tab)
            expect(tab.locator(".card .notice")).to_have_text(words("en")["error-network"])
            expect(tab.locator("#says")).to_have_text("coffee.png: " + words("en")["error-network"])
            tab.unroute("**/classify*")
            tab.locator(".card-body button").click()
            expect(tab.locator(".card")).to_have_attribute("data-state", "done")
            self.check_card(tab.locator(".card"), "coffee.png")

    def test_busy(self):
        answers = []

        def busy_twice(route):
            answers.append(route)
            if len(answers) > 2:
                route.continue_()
            else:
                route.fulfill(status=503, headers={"Retry-After": "1"}, content_type="application/json",
                              body='{"error": "the queue is full"}')

        with self.page(provoked=True) as tab:
            tab.route("**/classify*", busy_twice)
            tab.set_input_files("#files", media("coffee.png"))
            expect(tab.locator(".waiting")).to_have_text("The server is busy; again in 1 s")
            expect(tab.locator(".card")).to_have_attribute("data-state", "done")
            equal(len(answers), 3, "requests")

    def test_removed_while_waiting(self):
        held = []

        def hold_two(route):
            if len(held) < 2:
                held.append(route)
            else:
                route.continue_()

        with self.page(provoked=True) as tab:
            tab.route("**/classify*", hold_two)
            tab.set_input_files("#files", [media("coffee.png"), media("china.jpg"), media("rocket.jpg")])
            expect(tab.locator(".card")).to_have_count(3)
            expect(tab.locator(".waiting")).to_have_text(["Classifying", "Classifying", "Waiting"])
            # The last one gets the place of those that are removed.
            tab.locator(".remove").first.click()
            tab.locator(".remove").first.click()
            done(tab)
            self.check_card(tab.locator(".card"), "rocket.jpg")

    def test_languages(self):
        for locale, language, tag in (("de-AT", "de", "de"), ("zh-CN", "zh", "zh-Hans"), ("en-US", "en", "en"), ("fr-FR", "en", "en")):
            with self.page(locale=locale) as tab:
                expect(tab.locator("#choose")).to_have_text(words(language)["choose"])
                expect(tab.locator("html")).to_have_attribute("lang", tag)
                expect(tab.locator("#language")).to_have_value(language)
        with self.page() as tab:
            tab.set_input_files("#files", [media("coffee.png"), media("china.jpg")])
            done(tab, 2)
            for language in ("de", "zh", "en", "de"):
                tab.select_option("#language", language)
                expect(tab.locator("h1").first).to_have_text(words(language)["pictures-title"])
                expect(tab.locator(".fact dt").nth(1)).to_have_text(words(language)["uncertainty"])
            group = tab.locator(".fact dd").first.inner_text()
            check(group.startswith("Getränk "), f"the group in German: {group}")
            equal(classes(tab.locator(".card").first)[0][1].replace("\xa0", " "),
                  percent(self.classify("coffee.png")["classes"][0]["score"]).replace("%", " %"), "a German per cent")
            tab.reload()
            tab.wait_for_selector("html[data-ready]", state="attached")
            expect(tab.locator("#choose")).to_have_text(words("de")["choose"])

    def test_texts(self):
        """The three files have the same texts with the same places, and every text that the page names is there."""
        texts = {language: words(language) for language in LANGUAGES}
        for language in LANGUAGES:
            equal(list(texts[language]), list(texts["en"]), f"keys of {language}.json")
            for key, value in texts[language].items():
                if key != "groups":
                    equal(sorted(re.findall(r"\{\w+\}", value)), sorted(re.findall(r"\{\w+\}", texts["en"][key])), f"{language}: {key}")
        used = set()
        for name in os.listdir(PAGE):
            with open(os.path.join(PAGE, name), encoding="utf-8") as file:
                content = file.read()
            if name.endswith(".html"):
                used |= set(re.findall(r'data-(?:text|label)="([^"]*)"', content))
            if name.endswith(".js"):
                used |= set(re.findall(r'\btext\(\s*"([^"]*)"', content)) | set(re.findall(r'"(error-[a-z]+|camera-[a-z]+)"', content))
        used -= {"camera-head", "camera-name", "camera-now", "camera-text", "camera-close", "camera-problem"}
        missing = sorted(key for key in used if key not in texts["en"])
        equal(missing, [], "texts that are missing")
        with open(os.path.join(visitor.ROOT, "gst", "groups_table.c"), encoding="utf-8") as file:
            groups = re.findall(r'^  "(.*)",$', file.read(), re.M)
        for language in ("de", "zh"):
            equal(sorted(texts[language]["groups"]), sorted(groups), f"groups of {language}.json")

    def test_keyboard(self):
        """From the address bar to a result, a heat map, the other view and back, without a pointer."""
        with self.page() as tab:
            def focused():
                return tab.evaluate("() => document.activeElement.id || document.activeElement.className || document.activeElement.tagName")

            def tab_to(name, most=12, key="Tab"):
                for _ in range(most):
                    tab.keyboard.press(key)
                    if focused() == name:
                        return
                check(False, f"{key} does not reach {name}, but {focused()}")

            tab.keyboard.press("Tab")
            equal(focused(), "skip", "the first stop")
            tab.keyboard.press("Enter")
            tab_to("choose", 1)
            outline = tab.locator("#choose").evaluate("e => getComputedStyle(e).outlineStyle")
            equal(outline, "solid", "the focus can be seen")
            with tab.expect_file_chooser() as chooser:
                tab.keyboard.press("Enter")
            chooser.value.set_files(media("coffee.png"))
            done(tab)
            expect(tab.locator("#choose")).to_be_focused()
            tab_to("clear", 3)
            tab.keyboard.press("Tab")
            tab.keyboard.press("Space")
            expect(tab.locator(".heat")).to_be_visible()
            tab_to("remove", 1)
            tab.keyboard.press("Tab")
            tab.keyboard.press("Enter")
            expect(tab.locator("details pre")).to_be_visible()
            tab_to("remove", 2, "Shift+Tab")
            tab.keyboard.press("Enter")
            expect(tab.locator(".card")).to_have_count(0)
            expect(tab.locator("#choose")).to_be_focused()
            tab_to("to-live", 6, "Shift+Tab")
            tab.keyboard.press("Enter")
            expect(tab.locator("#live")).to_be_visible()
            expect(tab.locator("#to-live")).to_have_attribute("aria-current", "page")
            expect(tab.locator("main")).to_be_focused()
            tab.go_back()
            expect(tab.locator("#pictures")).to_be_visible()

    def test_accessible(self):
        from axe_playwright_python.sync_playwright import Axe
        for scheme in ("light", "dark"):
            with self.page(color_scheme=scheme, provoked=True) as tab:
                def look(what):
                    found = Axe().run(tab, options={"resultTypes": ["violations"]}).response["violations"]
                    equal([(v["id"], [n["html"][:150] for n in v["nodes"]]) for v in found], [], f"{scheme}, {what}")

                look("empty")
                with tempfile.NamedTemporaryFile(suffix=".png") as file:
                    tab.set_input_files("#files", [media("coffee.png"), media("china.jpg"), file.name])
                    done(tab, 3)
                tab.click("#all-heat")
                expect(tab.locator(".heat:visible")).to_have_count(2)
                tab.locator("summary").first.click()
                look("pictures")
                tab.click("#photograph")
                expect(tab.locator("#shoot")).to_be_enabled()
                look("camera")
                tab.click("#camera-close")
                tab.click("#to-live")
                expect(tab.locator("#live-empty")).to_be_visible()
                look("live")

    def test_phone(self):
        for width in (320, 390):
            with self.page(viewport={"width": width, "height": 700}, has_touch=True, is_mobile=True) as tab:
                tab.set_input_files("#files", [media("coffee.png"), media("china.jpg")])
                done(tab, 2)
                for view in ("pictures", "live"):
                    tab.tap(f"#to-{view}")
                    expect(tab.locator("#" + view)).to_be_visible()
                    equal(tab.evaluate("() => document.documentElement.scrollWidth"), width, f"width of the view {view}")
                    small = tab.evaluate("""() => [...document.querySelectorAll("button, select, nav a")]
                        .map((e) => [e.id || e.className, e.getBoundingClientRect()])
                        .filter(([, box]) => box.width && (box.width < 32 || box.height < 32)).map(([name]) => name)""")
                    equal(small, [], "what is too small for a finger")
                tab.tap("#to-pictures")
                expect(tab.locator("#drop-hint")).to_be_hidden()
                with tab.expect_file_chooser() as chooser:
                    tab.tap("#photograph")
                equal(chooser.value.element.get_attribute("capture"), "environment", "the phone's camera")
                chooser.value.set_files(media("rocket.jpg"))
                done(tab, 3)

    def test_headers(self):
        for path, kind in (("/", "text/html"), ("/page/app.js", "text/javascript"), ("/page/style.css", "text/css"),
                           ("/page/de.json", "application/json"), ("/page/icon.svg", "image/svg+xml"),
                           ("/openapi.json", "application/json")):
            status, headers, body = self.server.fetch("GET", path)
            equal(status, 200, path)
            equal(headers["Content-Type"].split(";")[0], kind, f"type of {path}")
            policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
            equal(policy["default-src"], "'none'", "default-src")
            check("unsafe" not in headers["Content-Security-Policy"], "the policy allows what is unsafe")
            equal(headers["X-Content-Type-Options"], "nosniff", "X-Content-Type-Options")
            status, again, rest = self.server.fetch("GET", path, headers={"If-None-Match": headers["ETag"]})
            equal((status, rest), (304, b""), f"{path} that is known")
            equal(again["ETag"], headers["ETag"], "the tag of a 304")
            equal(self.server.fetch("GET", path, headers={"If-None-Match": '"other"'})[0], 200, f"{path} with another tag")
            name = os.path.basename(path) or "index.html"
            source = os.path.join(os.path.dirname(PAGE) if name == "openapi.json" else PAGE, name)
            with open(source, "rb") as file:
                equal(body, file.read(), path)
        for path in ("/page/", "/page/none.js", "/page/../main.c", "/page/%2e%2e%2fmain.c", "/favicon.ico"):
            status, headers, body = self.server.fetch("GET", path)
            equal((status, list(json.loads(body))), (404, ["error"]), path)

    def test_token(self):
        with visitor.Site(env={"RESNET18_SERVER_TOKEN": "open-sesame"}) as server:
            with browser.page(self.chromium, server.base, provoked=True) as tab:
                tab.set_input_files("#files", [media("coffee.png"), media("china.jpg")])
                expect(tab.locator("#token-dialog")).to_be_visible()
                tab.fill("#token", "wrong")
                tab.keyboard.press("Enter")
                expect(tab.locator("#token-dialog")).to_be_visible()
                tab.fill("#token", "open-sesame")
                tab.keyboard.press("Enter")
                expect(tab.locator('.card[data-state="done"]')).to_have_count(2)
                tab.reload()
                tab.wait_for_selector("html[data-ready]", state="attached")
                tab.set_input_files("#files", media("rocket.jpg"))
                expect(tab.locator('.card[data-state="done"]')).to_have_count(1)


def run():
    if not browser.CHROMIUM:
        return visitor.main(None, skip="there is no Chromium")
    with browser.chromium() as chromium, visitor.Site() as server:
        tests = Tests(server, chromium)
        visitor.main(tests)


run()
