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


def test_a_window_is_replayed(page, show):
    show(page, "webhooks")
    page.locator("tbody a").first.click()
    page.get_by_role("button", name="Replay…").click()
    page.get_by_role("dialog").get_by_role("button", name="Replay").click()
    expect(page.get_by_text(re.compile(r"^\d+ deliveries are sent again$"))).to_be_visible()
