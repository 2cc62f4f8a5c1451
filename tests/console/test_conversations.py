"""Agents, and what is said to them."""

import re

import pytest
from conftest import MARKUP
from playwright.sync_api import expect


def test_an_agent_is_made_deployed_and_talked_to(node, page, show):
    if not (node.serves("/agents") and node.serves("/conversations")):
        pytest.skip("this node has no agents")
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
    page.get_by_label("Say as the user").fill(MARKUP)
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".chat article.assistant").last).to_contain_text(MARKUP)
    page.get_by_role("button", name="End").click()
    page.get_by_role("button", name="Really?").click()
    expect(page.locator(".facts").get_by_text("ended", exact=True)).to_be_visible()
