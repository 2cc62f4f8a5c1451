"""The log: who did what, what was recorded, and its proof."""

from playwright.sync_api import expect


def test_what_one_does_is_in_the_audit_log(node, page, show):
    key = node.ask("POST", "/auth/api-keys", {"name": "to be found", "scopes": ["calls:read"]})
    show(page, "audit?resource=" + key["id"])
    expect(page.get_by_text("api key created")).to_be_visible()
    page.locator("tbody button.tell").first.click()
    expect(page.get_by_label("After")).to_contain_text("to be found")


def test_the_log_is_verified_in_the_browser(node, page, show):
    show(page, "audit", "verify")
    page.get_by_role("button", name="Verify now").click()
    expect(page.locator("[data-verdict=good]")).to_contain_text("is in the tree")
    # what to keep elsewhere: the head with its signature
    expect(page.get_by_label("Signed head", exact=True)).to_contain_text("— ")


def test_a_node_that_shows_another_history_than_it_signed_is_found_out(node, page, show):

    def lie(route):
        answer = route.fetch()
        told = answer.json()
        for event in told["data"]:
            event["type"] = "call.never_happened"
        route.fulfill(response=answer, json=told)

    page.route("**/api/v1/audit/events?*", lie)
    show(page, "audit", "verify")
    page.get_by_role("button", name="Verify now").click()
    expect(page.locator("[data-verdict=bad]")).to_contain_text("✗ event")


def test_an_events_cause_and_effects_are_followed(node, page, show):
    call = node.first("/calls?status=ended&limit=1")["id"]
    answered = next(event for event in node.ask("GET", f"/calls/{call}/events?limit=200") if "causation_id" in event["metadata"])
    show(page, f"audit/explorer?position={answered['position']}")
    expect(page.get_by_role("heading", name="What led to it")).to_be_visible()
    expect(page.locator(".chain").first.locator("a")).not_to_have_count(1)
    page.locator(".chain a").first.click()
    expect(page.locator(".chain").nth(1)).to_contain_text(answered["type"])
