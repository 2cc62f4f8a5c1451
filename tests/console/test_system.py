"""How the node does."""

import re

from playwright.sync_api import expect


def test_the_system_screen_tells_of_stores_lag_outbox_and_breakers(node, page, show):
    show(page, "system")
    for store in ["event store", "projections", "outbox"]:
        expect(page.get_by_text(f"✓ {store}")).to_be_visible()
    facts = page.get_by_role("region", name="Flow").locator(".facts")
    for name in ["Effects waiting", "Oldest effect", "Webhooks waiting", "Oldest due webhook", "Timers"]:
        fact = facts.locator("div", has=page.get_by_text(name, exact=True))
        expect(fact.locator("dd")).to_have_text(re.compile(r"^[\d,.]+( ms| s)?$|^\d+:\d\d"))
    for guarded in ["carrier", "webhook"]:
        fact = facts.locator("div", has=page.get_by_text(f"Breakers: {guarded}", exact=True))
        expect(fact.locator("dd")).to_have_text(re.compile(r"^(closed|\d+ open)$"))
    views = page.get_by_role("region", name="Views").locator("tbody tr")
    expect(views.filter(has_text="calls").first).to_contain_text("keeps up")
    expect(page.get_by_role("region", name="Language models").get_by_text("scripted").first).to_be_visible()
