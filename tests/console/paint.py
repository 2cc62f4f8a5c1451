"""How long the overview of a node at work takes to be there: `run.py --paint ADDRESS KEY [window …]`.

Loads the page again and again as somebody who is signed in, and tells the medians: until something is painted, and until
the figures and all charts stand there.
"""

import os
import statistics
import sys
import time

from playwright.sync_api import expect, sync_playwright

from conftest import sign_in

CHARTS = ["Calls", "Answer rate", "Length of calls", "Webhook success", "Conversations", "Tokens"]
LOADS = 9


def whole(page):
    """Waits until the figures and all charts are drawn."""
    for name in CHARTS:
        expect(page.get_by_role("img", name=f"{name} over time", exact=True).locator("canvas")).to_be_attached()


def main(base, key, windows):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1360, "height": 900})
        page.set_default_timeout(60_000)
        page.goto(f"{base}/")
        sign_in(page, key)
        for window in windows:
            page.evaluate("place => { location.hash = place }", f"#/overview?window={window}")
            paints, wholes = [], []
            for _ in range(LOADS):
                began = time.monotonic()
                page.reload()
                whole(page)
                wholes.append((time.monotonic() - began) * 1_000)
                painted = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
                paints.append(page.evaluate(painted))
            print(
                f"overview, {window}: first contentful paint {statistics.median(paints):.0f} ms "
                f"(most {max(paints):.0f}), all charts drawn {statistics.median(wholes):.0f} ms (most {max(wholes):.0f})"
            )
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:] or ["day", "week", "month"])
