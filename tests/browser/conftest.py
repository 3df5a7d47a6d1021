"""A browser, a server on loopback, a place for what is counted and seen; for ``make test-browser`` alone."""

import json
import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.browser.looking import SITE, WINDOWS
from tools.browser import ARTEFACTS, COUNTS

CHROMIUM = os.environ.get("D2LCOMPUTE_BROWSER")
collect_ignore_glob = [] if CHROMIUM else ["test_*.py"]


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and does not tell of each."""

    def log_message(self, *_args):
        """Say nothing."""


@pytest.fixture(scope="session")
def address():
    """Serve the built site on a free port of this machine, and return its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=SITE))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def browser():
    """Start Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield started
        started.close()


@pytest.fixture
def new_page(browser):
    """Return a function that opens a page in a window of its own; each collects its requests and errors."""
    contexts = []

    def opened(window="desktop", **options):
        context = browser.new_context(viewport=WINDOWS[window], **options)
        contexts.append(context)
        page = context.new_page()
        page.requested, page.wrong = [], []
        page.on("request", lambda request: page.requested.append(request.url))
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on("response", lambda r: page.wrong.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def count():
    """Return a function that adds to what is counted."""

    def add(**numbers):
        with (ARTEFACTS / COUNTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(numbers) + "\n")

    return add


@pytest.fixture
def shot():
    """Return a function that keeps a screenshot."""

    def keep(page, name):
        page.screenshot(path=str(ARTEFACTS / f"{name}.png"))

    return keep
