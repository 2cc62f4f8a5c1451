"""Signing in, staying in, and what happens when the node is gone."""

import re

from conftest import sign_in, visit
from node import Quiet
from playwright.sync_api import expect

EMAIL, PASSWORD = "ann@example.com", "correct horse battery"
SPOIL = """parts => {
  const session = JSON.parse(sessionStorage['voxledger.session']);
  for (const part of parts) session[part] = 'spoiled';
  sessionStorage['voxledger.session'] = JSON.stringify(session);
}"""


def as_user(page, email=EMAIL):
    page.get_by_role("button", name="E-mail").click()
    page.get_by_label("E-mail", exact=True).fill(email)
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
    expect(visitor.get_by_role("heading", name="Timeline")).to_be_visible()

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


def test_viewers_see_no_number_whole_whatever_they_open(node, visitor, show):
    node.ask("POST", "/auth/users", {"email": "vic@example.com", "password": PASSWORD, "role": "viewer"})
    call = node.first("/calls?status=ended&limit=50", lambda call: call["ivr_session_id"] and call["cost"])
    as_user(visitor, "vic@example.com")
    expect(visitor.get_by_text("vic@example.com")).to_be_visible()
    show(visitor, "calls", call["id"])
    # in words, as stored, and as it was
    expect(visitor.locator(".timeline").get_by_text("Call from")).to_contain_text("•••")
    expect(visitor.get_by_role("heading", level=1)).to_contain_text("•••")
    whole = re.compile(re.escape(call["from"]))
    expect(visitor.locator("body")).not_to_have_text(whole)
    show(visitor, "calls", f"{call['id']}?tab=events")
    for event in visitor.locator(".raw summary").all()[:3]:
        event.click()
    expect(visitor.locator(".raw pre").first).to_contain_text("•••")
    expect(visitor.locator("body")).not_to_have_text(whole)
    show(visitor, "calls", f"{call['id']}?tab=travel")
    expect(visitor.locator(".was")).to_contain_text("•••")
    expect(visitor.locator("body")).not_to_have_text(whole)


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


def test_a_node_that_is_killed_and_started_again_is_waited_for(browser, provoked, tmp_path):
    node = Quiet(tmp_path)
    # whoever asks a dead node is told so by the browser, and tells its console
    provoked |= {"ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET"}
    try:
        with visit(browser, node.base, provoked) as page:
            sign_in(page)
            page.get_by_role("link", name="Live calls").click()
            expect(page.get_by_text("live", exact=True)).to_be_visible()
            node.kill()
            expect(page.get_by_text("connecting…")).to_be_visible()
            page.get_by_role("link", name="System").click()
            expect(page.get_by_text("The node does not answer.")).to_be_visible()
            node.rise()
            # nothing is pressed: the warning goes, the screen fills, the stream stands again
            expect(page.get_by_text("The node does not answer.")).to_have_count(0)
            expect(page.get_by_text("event store")).to_be_visible()
            page.get_by_role("link", name="Live calls").click()
            expect(page.get_by_text("live", exact=True)).to_be_visible()
    finally:
        node.stop()


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
