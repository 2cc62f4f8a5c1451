"""Every screen: what it looks like, and that axe-core finds nothing serious."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def places(node):
    """Screens by the name of their picture."""
    call = node.first("/calls?status=ended&limit=50", lambda call: call["ivr_session_id"])
    endpoint = node.ask("GET", "/webhooks")[0]["id"]
    delivery = node.first(f"/webhooks/{endpoint}/deliveries?limit=1")["id"]
    menu = next(menu for menu in node.ask("GET", "/ivr/menus") if menu["name"] == "Riverside Clinic")["id"]
    key = node.ask("GET", "/auth/me")["api_key"]["id"]
    return {
        "overview": ["overview"],
        "live": ["live"],
        "calls": ["calls"],
        "call": ["calls", call["id"]],
        "call-events": ["calls", f"{call['id']}?tab=events"],
        "call-travel": ["calls", f"{call['id']}?tab=travel&version=6"],
        "menus": ["ivr"],
        "menu": ["ivr", menu],
        "menu-simulator": ["ivr", f"{menu}?tab=simulator"],
        "menu-editor": ["ivr", f"{menu}?tab=edit"],
        "menu-sessions": ["ivr", f"{menu}?tab=sessions"],
        "session": ["ivr", "sessions", call["ivr_session_id"]],
        "webhooks": ["webhooks"],
        "webhook": ["webhooks", endpoint],
        "delivery": ["webhooks", "deliveries", delivery],
        "conversations": ["conversations"],
        "customers": ["customers"],
        "knowledge": ["knowledge"],
        "knowledge-base": ["knowledge", node.ask("POST", "/kb", {"name": "Clinic"})["id"]],
        "knowledge-unanswered": ["knowledge?tab=unanswered"],
        "billing": ["billing"],
        "billing-statement": ["billing?tab=statement"],
        "billing-prices": ["billing?tab=prices"],
        "billing-limits": ["billing?tab=limits"],
        "customer": ["customers", node.ask("POST", "/customers", {"name": "Ada Byron", "phones": [call["from"]]})["id"]],
        "agents": ["agents"],
        "keys": ["keys"],
        "key": ["keys", key],
        "audit": ["audit"],
        "audit-explorer": ["audit", "explorer"],
        "audit-verify": ["audit", "verify"],
        "system": ["system"],
    }


# What comes after the rest of a screen, and belongs into its picture.
LAST = {"overview": ".chart canvas >> nth=5", "menu": ".menu-card .n >> nth=0", "live": "tbody tr >> nth=0"}


def settled(page, name):
    expect(page.locator("main h1")).to_be_visible()
    expect(page.get_by_text("Loading…")).to_have_count(0)
    if name in LAST:
        expect(page.locator(LAST[name])).to_be_attached()
    # charts are drawn with the next frame
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def faults(page):
    found = Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {node['html'][:200]} {node['any'][0]['message'] if node['any'] else ''}"
        for fault in found
        if fault["impact"] in SERIOUS
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize("look", ["light", "dark"])
def test_every_screen_is_accessible(page, show, places, screens, look):
    page.emulate_media(color_scheme=look)
    found = {}
    for name, path in places.items():
        show(page, *path)
        settled(page, name)
        page.screenshot(path=screens / f"{name}-{look}.png")
        if serious := faults(page):
            found[name] = serious
    assert found == {}


def test_nothing_is_wider_than_a_phone(page, show, places, screens):
    page.set_viewport_size({"width": 390, "height": 800})
    wide = {}
    for name, path in places.items():
        show(page, *path)
        settled(page, name)
        page.screenshot(path=screens / f"{name}-phone.png")
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > 390:
            wide[name] = width
    assert wide == {}


def test_signing_in_is_accessible(visitor, screens):
    visitor.screenshot(path=screens / "sign-in.png")
    assert faults(visitor) == []
