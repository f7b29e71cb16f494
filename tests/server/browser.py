# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page in headless Chromium, and what holds for every use of it: no error on the console, no request to anywhere but
the server."""
import contextlib
import shutil
import urllib.parse

from playwright.sync_api import Error, expect, sync_playwright  # noqa: F401  (for the tests)

import visitor

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# A webcam that shows a moving pattern, and a user who allows it; the sandbox does not work as root.
ARGUMENTS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
             "--disable-background-networking", "--disable-component-update"]
# What Chromium itself writes about answers that are no success; the tests provoke them.
PROVOKED = "Failed to load resource"


@contextlib.contextmanager
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def page(browser, base, provoked=False, view="", **options):
    """The page, loaded and ready. `provoked`: answers that are no success are expected."""
    options = {"locale": "en-GB", "viewport": {"width": 1200, "height": 900}, "reduced_motion": "reduce", **options}
    context = browser.new_context(**options)
    context.set_default_timeout(60e3)
    expect.set_options(timeout=60e3)
    problems = []
    home = urllib.parse.urlsplit(base)

    def on_console(message):
        if message.type in ("error", "warning") and not (provoked and PROVOKED in message.text):
            problems.append(f"console: {message.text}")

    def on_request(request):
        url = urllib.parse.urlsplit(request.url)
        if url.scheme not in ("blob", "data") and (url.scheme, url.netloc) != (home.scheme, home.netloc):
            problems.append(f"a request to {request.url}")

    try:
        tab = context.new_page()
        tab.on("console", on_console)
        tab.on("pageerror", lambda error: problems.append(f"uncaught: {error}"))
        tab.on("request", on_request)
        tab.on("filechooser", lambda chooser: None)  # from now on, so that no key is faster
        tab.goto(base + "/" + view)
        tab.wait_for_selector("html[data-ready]", state="attached")
        yield tab
    finally:
        context.close()
    visitor.equal(problems, [], "problems that the browser saw")


def done(tab, count=1):
    """Waits until `count` cards have their result or error."""
    expect(tab.locator('.card[data-state="done"], .card[data-state="failed"]')).to_have_count(count)


def classes(card):
    """Names and scores as the card shows them."""
    rows = card.locator(".classes .class")
    return [(rows.nth(i).locator(".class-name").inner_text(), rows.nth(i).locator(".class-score").inner_text())
            for i in range(rows.count())]
