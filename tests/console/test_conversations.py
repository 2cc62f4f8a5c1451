"""Agents, and what is said to them."""

import re

from conftest import MARKUP
from playwright.sync_api import expect


def test_an_agent_is_made_deployed_and_talked_to(node, page, show):
    show(page, "agents", "new")
    page.get_by_label("Name").fill(MARKUP)
    # the provider of the demo, which answers without an account anywhere
    page.get_by_label("Provider").select_option("scripted")
    page.get_by_label("Model").fill("scripted-1")
    page.get_by_label("System prompt").fill("Be kind.")
    page.get_by_role("button", name="Make the agent").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(MARKUP)
    agent = page.url.split("/")[-1]
    assert re.fullmatch(r"agt_\w+", agent)
    page.get_by_role("button", name="Deploy").click()
    expect(page.locator(".facts").get_by_text("deployed", exact=True)).to_be_visible()

    conversation = node.ask("POST", "/conversation", {"message": "hello", "agent_id": agent})["conversation_id"]
    show(page, "conversations", conversation)
    expect(page.locator(".chat article.user")).to_have_text(re.compile("hello"))
    expect(page.locator(".facts").get_by_role("link", name=MARKUP)).to_be_visible()
    page.get_by_label("Say as the user").fill(MARKUP)
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".chat article.assistant").last).to_contain_text(MARKUP)
    page.get_by_role("button", name="End", exact=True).click()
    page.get_by_role("button", name="Really?").click()
    expect(page.locator(".facts").get_by_text("ended", exact=True)).to_be_visible()
    # it stands in the list, and in the figures
    show(page, "conversations")
    row = page.locator("tbody tr", has=page.locator(f'a[href="#/conversations/{conversation}"]'))
    expect(row).to_contain_text(MARKUP)
    show(page, "overview")
    for name in ["Conversations", "Tokens"]:
        figure = page.locator(".figure", has=page.get_by_text(name, exact=True)).locator("dd").first
        expect(figure).to_have_text(re.compile(r"^[1-9][\d,]*$"))
    figure = page.locator(".figure", has=page.get_by_text("Sentiment", exact=True)).locator("dd").first
    expect(figure).to_have_text(re.compile(r"^[+−]?\d\.\d\d$"))


def test_a_tool_is_made_given_to_an_agent_and_deleted(node, page, show, provoked):
    show(page, "agents")
    page.get_by_role("button", name="New tool").click()
    page.get_by_label("Name").fill("find_booking")
    page.get_by_label("Method").select_option("GET")
    page.get_by_label("URL").fill("http://127.0.0.1:9/bookings")
    page.get_by_label("Description").fill(MARKUP)
    page.get_by_label("What it takes (JSON Schema)").fill('{"type": "nonsense"}')
    provoked.add("422")
    page.get_by_role("button", name="Make the tool").click()
    expect(page.locator(".wrong")).to_contain_text("What it takes")
    page.get_by_label("What it takes (JSON Schema)").fill('{"type": "object", "properties": {"phone": {"type": "string"}}}')
    page.get_by_role("button", name="Make the tool").click()
    secret = page.locator(".secret")
    expect(secret).to_have_text(re.compile("^whsec_"))
    first = secret.text_content()
    page.get_by_role("button", name="Close").click()
    made = page.get_by_role("region", name="Tools").locator("tbody tr", has_text="find_booking").first
    expect(made).to_contain_text(MARKUP)

    agent = node.ask("POST", "/agents", {"name": "With a tool", "system_prompt": "Be kind.", "provider": "scripted"})
    show(page, "agents", agent["id"])
    page.get_by_role("checkbox", name="find_booking").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".facts div", has_text="Tools").locator("dd")).to_have_text("find_booking")
    assert len(node.ask("GET", f"/agents/{agent['id']}")["tools"]) == 1
    page.get_by_role("checkbox", name="find_booking").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".facts div", has_text="Tools").locator("dd")).to_have_text("none")
    # every version can be read
    page.get_by_label("Version").select_option("2")
    expect(page.locator(".facts div", has_text="Tools").locator("dd")).to_have_text("find_booking")

    show(page, "agents")
    made.get_by_role("button", name="find_booking").click()
    page.get_by_role("button", name="Rotate the secret").click()
    page.get_by_role("button", name="Really?").click()
    expect(secret).to_have_text(re.compile("^whsec_"))
    assert secret.text_content() != first
    page.get_by_role("button", name="Close").click()
    made.get_by_role("button", name="find_booking").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Really delete?").click()
    expect(made).to_have_count(0)
