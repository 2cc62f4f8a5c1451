"""The figures of a window of time."""

import re

from playwright.sync_api import expect


def test_the_overview_counts_and_draws_and_gives_files(node, page, show):
    show(page, "overview")
    calls = page.locator(".figure", has=page.get_by_text("Calls", exact=True)).locator("dd").first
    expect(calls).to_have_text(re.compile(r"^[\d,]+$"))
    for name in ["Calls", "Answer rate", "Length of calls", "Webhook success", "Conversations", "Tokens"]:
        expect(page.get_by_role("img", name=f"{name} over time", exact=True).locator("canvas")).to_be_attached()
    page.get_by_label("Window").select_option("week")
    expect(page).to_have_url(re.compile("window=week"))
    expect(calls).to_have_text(re.compile(r"^[\d,]+$"))
    with page.expect_download() as download:
        page.get_by_role("region", name="Calls", exact=True).get_by_role("button", name="CSV").click()
    assert download.value.suggested_filename == "calls.csv"
    assert "bucket" in download.value.path().read_text().splitlines()[0]
