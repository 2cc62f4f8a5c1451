"""What the tests share: a node, a browser, a page that is signed in and has to stay without errors."""

import contextlib
import os
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from node import KEY, Node

# Text that would run if anybody took it for markup.
MARKUP = "<img src=x onerror=\"window.ran=1\"><script>window.ran=1</script>"

expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def node():
    node = Node()
    yield node
    node.stop()


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        # a container has no user namespaces for the sandbox; only our own page is opened in it
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def provoked():
    """Statuses of refused requests that a test provokes: the browser complains of them, and rightly so."""
    return set()


@pytest.fixture
def visitor(node, browser, provoked):
    """A page nobody is signed in on."""
    with visit(browser, node.base, provoked) as page:
        yield page


@contextlib.contextmanager
def visit(browser, base, provoked):
    """A page of the console that must neither report an error nor run what it shows."""
    context = browser.new_context(viewport={"width": 1360, "height": 900}, color_scheme="light")
    context.set_default_timeout(15_000)
    page = context.new_page()

    errors = []

    def heard(message):
        where = message.location.get("url", "")
        failed = message.text.startswith("Failed to load resource")
        if message.type == "error" and not (failed and any(status in message.text for status in provoked)):
            errors.append(f"{message.text} {where}")

    page.on("console", heard)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{base}/")
    yield page
    ran = page.evaluate("window.ran")
    context.close()
    assert ran is None, "text was taken for markup"
    assert errors == []


@pytest.fixture
def page(visitor):
    """A page signed in on by the owner's key."""
    sign_in(visitor)
    return visitor


def sign_in(page, key=KEY):
    page.get_by_label("API key", exact=True).fill(key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation", name="Screens")).to_be_visible()


@pytest.fixture(scope="session")
def show(node):
    def show(page, *path):
        """Goes to a screen, by its address."""
        page.evaluate("place => { location.hash = place }", "#/" + "/".join(path))

    return show


@pytest.fixture(scope="session")
def screens():
    return Path(os.environ["CONSOLE_SCREENS"])
