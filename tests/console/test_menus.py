"""Menus: their tree, the simulator, the editor."""

import re

from conftest import MARKUP
from playwright.sync_api import expect


def test_a_menu_is_walked_in_the_simulator(page, show):
    show(page, "ivr")
    page.get_by_role("link", name="Riverside Clinic").click()
    expect(page.get_by_role("article", name="Menu Doctors")).to_be_visible()
    page.get_by_role("link", name="Simulator").click()
    said = page.get_by_role("log")
    keys = page.get_by_role("group", name="Keys")
    expect(said).to_contain_text("Welcome to Riverside Clinic")
    for key, words in [("1", "For a new appointment"), ("1", "For Doctor Reyes"), ("9", "For a new appointment")]:
        keys.get_by_role("button", name=key, exact=True).click()
        expect(said.locator("p").last).to_contain_text(words)
    page.get_by_role("button", name="Say nothing").click()
    expect(said).to_contain_text("Sorry, I did not hear anything")
    page.get_by_role("button", name="Hang up").click()
    expect(said).to_contain_text("abandoned")
    expect(keys.get_by_role("button", name="1", exact=True)).to_be_disabled()
    page.get_by_role("button", name="Start over").click()
    expect(said).not_to_contain_text("abandoned")


def test_a_menu_is_made_changed_and_refused_with_words_at_the_field(node, page, show, provoked):
    show(page, "ivr", "new")
    page.get_by_label("Name").fill(MARKUP)
    page.get_by_label("Prompt", exact=True).fill("Press 1.")
    page.get_by_role("button", name="Add a key").click()
    page.get_by_label("Label", exact=True).fill("Bye")
    page.get_by_label("Does").first.select_option("transfer")
    page.get_by_label("To", exact=True).fill("nonsense")
    provoked.add("422")
    page.get_by_role("button", name="Make the menu").click()
    expect(page.get_by_role("alert")).to_contain_text("items")
    expect(page.locator(".wrong")).to_be_visible()
    page.get_by_label("Does").first.select_option("hangup")
    page.get_by_role("button", name="Make the menu").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(MARKUP)
    expect(page).to_have_url(re.compile(r"#/ivr/ivrm_\w+$"))
    menu = page.url.split("/")[-1]
    page.get_by_role("link", name="Editor").click()
    page.get_by_label("Prompt", exact=True).fill("Press 1 to leave.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("version 2")).to_be_visible()
    assert node.ask("GET", f"/ivr/menus/{menu}")["prompt"] == "Press 1 to leave."


def test_what_callers_chose_is_drawn_on_the_tree(node, page, show):
    menu = next(menu for menu in node.ask("GET", "/ivr/menus") if menu["name"] == "Riverside Clinic")["id"]
    show(page, "ivr", menu)
    expect(page.get_by_text(re.compile(r"^\d+ entries, \d+ wrong keys"))).to_be_visible()
    counts = page.get_by_role("article", name="Menu Riverside Clinic").locator("li .n")
    expect(counts.first).to_have_text(re.compile(r"^\d+$"))
