"""Webhooks: what failed is seen, understood and sent again."""

import re

import pytest
from conftest import MARKUP
from playwright.sync_api import expect
from receiver import Receiver


@pytest.fixture
def receiver():
    receiver = Receiver(MARKUP.encode())
    yield receiver
    receiver.stop()


def test_a_failed_delivery_is_seen_with_its_answer_and_redelivered(node, page, show, receiver):
    show(page, "webhooks")
    page.get_by_role("button", name="Add an endpoint").click()
    page.get_by_label("URL").fill(receiver.url)
    page.get_by_label("Events").fill("call.ended")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".secret")).to_have_text(re.compile("^whsec_"))
    page.get_by_role("link", name="Open the endpoint").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(receiver.url)
    endpoint = page.url.split("/")[-1]

    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("The test was not taken.")).to_be_visible()
    # calls end all the time; a delivery is given up after its second attempt
    show(page, "webhooks", f"{endpoint}?status=failed")
    expect(page.get_by_role("table").get_by_text("failed").first).to_be_visible()
    page.locator("tbody tr", has_text="call.ended").first.get_by_role("link").first.click()
    expect(page.get_by_text("Attempt 2: 500")).to_be_visible()
    expect(page.get_by_label("The answer's body").first).to_have_text(MARKUP)
    expect(page.get_by_label("The request's body")).to_contain_text("call.ended")

    receiver.status = 200
    page.get_by_role("button", name="Redeliver").click()
    expect(page.get_by_text("Attempt 3: 200")).to_be_visible()
    expect(page.locator(".facts").get_by_text("succeeded")).to_be_visible()
    node.ask("DELETE", f"/webhooks/{endpoint}")


def test_a_window_is_replayed_and_the_endpoints_health_shows_it(node, page, show, receiver):
    body = {"url": receiver.url, "events": ["call.ended"], "description": "to be replayed"}
    endpoint = node.ask("POST", "/webhooks", body)["id"]
    lost = node.first(f"/webhooks/{endpoint}/deliveries?status=failed&limit=1")["id"]
    show(page, "webhooks")
    row = page.locator("tbody tr", has_text="to be replayed")
    expect(row.get_by_role("img")).to_have_attribute("aria-label", re.compile(r"^0 of the last \d+ attempts succeeded$"))
    receiver.status = 200
    row.get_by_role("link").first.click()
    page.get_by_role("button", name="Replay…").click()
    page.get_by_label("Which").select_option("failed")
    page.get_by_role("dialog").get_by_role("button", name="Replay").click()
    expect(page.get_by_text(re.compile(r"^[1-9]\d* deliveries are sent again$"))).to_be_visible()
    show(page, "webhooks", "deliveries", lost)
    expect(page.get_by_text(re.compile(r"^Attempt \d: 200$"))).to_be_visible()
    show(page, "webhooks")
    expect(row.get_by_role("img")).to_have_attribute("aria-label", re.compile(r"^[1-9]\d* of the last \d+ attempts succeeded$"))
    # and a test is told of at once
    row.get_by_role("link").first.click()
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("The test was taken.")).to_be_visible()
    # the endpoint's page asks for its deliveries again and again: it is left before the endpoint is deleted
    show(page, "calls")
    expect(page.get_by_role("heading", name="Calls", level=1)).to_be_visible()
    node.ask("DELETE", f"/webhooks/{endpoint}")
