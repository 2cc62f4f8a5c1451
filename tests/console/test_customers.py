"""Customers: found, made, changed, merged, and what is linked to them."""

import re

from conftest import MARKUP
from playwright.sync_api import expect


def test_a_customer_is_made_found_and_shows_their_calls(node, page, show, provoked):
    call = node.first("/calls?direction=inbound&limit=1")
    show(page, "customers")
    page.get_by_role("button", name="New customer").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill(MARKUP)
    dialog.get_by_label("Phone numbers").fill("12")
    provoked.add("422")
    dialog.get_by_role("button", name="Make the customer").click()
    expect(dialog.locator(".wrong")).to_contain_text("Phone numbers")
    dialog.get_by_label("Phone numbers").fill(call["from"])
    dialog.get_by_role("button", name="Make the customer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(MARKUP)
    customer = page.url.split("/")[-1]
    assert re.fullmatch(r"cus_\w+", customer)
    timeline = page.get_by_role("region", name="Timeline", exact=True)
    expect(timeline.locator(f'a[href="#/calls/{call["id"]}"]')).to_be_visible()

    # a number that several have links nothing, and the page says so
    twin = node.ask("POST", "/customers", {"name": "A twin", "phones": [call["from"]], "external_id": "twin-1"})
    page.reload()
    expect(page.get_by_role("note")).to_contain_text(call["from"])
    # merged, it links again
    page.get_by_label("Merge another one into this").fill(twin["id"])
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(timeline.locator(f'a[href="#/calls/{call["id"]}"]')).to_be_visible()
    show(page, "customers")
    page.get_by_label("Find").fill("twin-1")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text(MARKUP)
    page.locator("tbody tr a").first.click()
    page.get_by_role("button", name="Undo", exact=True).click()
    page.get_by_role("button", name="Really undo?").click()
    expect(page.get_by_role("note")).to_contain_text(call["from"])

    # what is remembered of them, and forgotten again
    memories = page.get_by_role("region", name="Memories", exact=True)
    memories.get_by_label("Remember", exact=True).fill(f"Likes {MARKUP}")
    memories.get_by_label("Kind").select_option("preference")
    memories.get_by_role("button", name="Remember", exact=True).click()
    row = memories.locator("tbody tr")
    expect(row).to_contain_text(f"Likes {MARKUP}")
    expect(row).to_contain_text("preference")
    row.get_by_role("button", name="Forget", exact=True).click()
    row.get_by_role("button", name="Really forget?").click()
    expect(row).to_have_count(0)

    page.get_by_label("Language").fill("en-GB")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".facts").get_by_text("en-GB")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Really delete?").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Customers")
    node.ask("DELETE", f"/customers/{twin['id']}")
