"""Signing in, staying in, and what happens when the node is gone."""

import re

from playwright.sync_api import expect

EMAIL, PASSWORD = "ann@example.com", "correct horse battery"
SPOIL = """parts => {
  const session = JSON.parse(sessionStorage['voxledger.session']);
  for (const part of parts) session[part] = 'spoiled';
  sessionStorage['voxledger.session'] = JSON.stringify(session);
}"""


def as_user(page):
    page.get_by_role("button", name="E-mail").click()
    page.get_by_label("E-mail", exact=True).fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def test_a_wrong_key_is_refused_in_words(visitor, provoked):
    provoked.add("401")
    visitor.get_by_label("API key", exact=True).fill("vx_wrong")
    visitor.get_by_role("button", name="Sign in").click()
    expect(visitor.get_by_role("alert")).to_contain_text("key")


def test_an_expired_session_leads_to_sign_in_and_back_to_the_same_page(node, visitor, show, provoked):
    node.ask("POST", "/auth/users", {"email": EMAIL, "password": PASSWORD, "role": "viewer"})
    as_user(visitor)
    expect(visitor.get_by_text(EMAIL)).to_be_visible()
    show(visitor, "calls")
    # viewers see numbers masked
    expect(visitor.locator(".party").first).to_have_text(re.compile("•••"))
    visitor.locator("tbody a").first.click()
    expect(visitor).to_have_url(re.compile(r"#/calls/call_\w+$"))
    place = visitor.url

    provoked.add("401")
    # an access token that ran out is renewed, and nobody notices
    visitor.evaluate(SPOIL, ["access"])
    visitor.reload()
    expect(visitor.get_by_role("heading", name="Timeline")).to_be_visible()

    visitor.evaluate(SPOIL, ["access", "refresh"])
    visitor.reload()
    expect(visitor.get_by_text("Your session is over.")).to_be_visible()
    assert visitor.url == place
    as_user(visitor)
    expect(visitor.get_by_role("heading", name="Timeline")).to_be_visible()
    assert visitor.url == place


def test_a_dead_node_is_told_of_and_the_screen_recovers_by_itself(page, show, provoked):
    show(page, "calls")
    expect(page.locator("tbody tr").first).to_be_visible()
    provoked.add("ERR_INTERNET_DISCONNECTED")
    page.context.set_offline(True)
    show(page, "system")
    expect(page.get_by_text("The node does not answer.")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("The node does not answer.")).to_have_count(0)
    expect(page.get_by_text("event store")).to_be_visible()


def test_the_page_is_there_within_a_second(page):
    page.reload()
    expect(page.get_by_role("navigation", name="Screens")).to_be_visible()
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    print(f"first contentful paint: {paint:.0f} ms")
    assert paint <= 1000


def test_another_tab_needs_no_second_sign_in_and_signing_out_means_everywhere(node, page, show):
    show(page, "calls")
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.get_by_role("heading", name="Calls")).to_be_visible()
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_label("API key", exact=True)).to_be_visible()
    expect(page.get_by_label("API key", exact=True)).to_be_visible()
    # and nothing is left that a later tab could find
    third = page.context.new_page()
    third.goto(node.base)
    expect(third.get_by_label("API key", exact=True)).to_be_visible()
