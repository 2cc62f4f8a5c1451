"""API keys."""

import re

from conftest import MARKUP, sign_in
from playwright.sync_api import expect


def test_a_key_is_created_and_seen_once(node, page, show, provoked):
    show(page, "keys")
    page.get_by_role("button", name="Create a key").click()
    page.get_by_label("Name").fill(MARKUP)
    page.get_by_role("checkbox", name="audit:read").check()
    page.get_by_role("button", name="Create", exact=True).click()
    plain = page.locator("[data-plain-key]").inner_text()
    made = node.ask("GET", "/auth/me", key=plain)
    assert set(made["scopes"]) == {"audit:read", "calls:read"}
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("link", name=MARKUP)).to_be_visible()
    assert plain not in page.content()
    page.get_by_role("link", name=MARKUP).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(MARKUP)
    assert plain not in page.content()
    # who has this key sees what it may, and is told of what it may not
    page.get_by_role("button", name="Sign out").click()
    # the overview shows menus, webhooks, …, which this key may not see
    provoked.add("403")
    sign_in(page, plain)
    show(page, "live")
    expect(page.get_by_role("heading", name="Live calls")).to_be_visible()
    expect(page.get_by_role("button", name="Hang up")).to_have_count(0)
    assert plain not in page.url


def test_what_one_may_not_see_is_said(node, visitor, show, provoked):
    key = node.ask("POST", "/auth/api-keys", {"name": "numbers alone", "scopes": ["numbers:read"]})
    provoked.add("403")
    sign_in(visitor, key["plain_key"])
    show(visitor, "calls")
    expect(visitor.get_by_text("You may not see this.")).to_be_visible()


def test_what_a_key_is_used_for_is_counted(node, page, show):
    key = node.ask("GET", "/auth/me")["api_key"]["id"]
    show(page, "keys", key)
    used = page.get_by_role("region", name="Requests by endpoint").locator(".bars > div", has_text="/api/v1/")
    expect(used.first.locator(".num")).to_have_text(re.compile(r"^[\d,]+$"))
    expect(page.get_by_role("region", name="Requests by day").locator(".bars > div").first).to_be_visible()
