"""Calls, as they happen and afterwards."""

import re
import shlex
import statistics

from conftest import MARKUP
from playwright.sync_api import expect

OURS = "+14155550110"
STAYS = "+14155550121"
# Notes when each row comes up, by the call it leads to.
WATCH = """() => {
  window.seen = {};
  const note = () => document.querySelectorAll('main tbody a.plain').forEach((link) => {
    window.seen[link.hash.split('/').pop()] ??= Date.now();
  });
  note();
  window.first = new Set(Object.keys(window.seen));
  window.began = Date.now();
  new MutationObserver(note).observe(document.querySelector('main'), { childList: true, subtree: true });
}"""


def test_a_call_is_on_the_screen_half_a_second_after_its_webhook(node, page, show):
    show(page, "live")
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    expect(page.locator("tbody tr").first).to_be_visible()
    page.evaluate(WATCH)
    page.wait_for_function("() => Object.keys(window.seen).length - window.first.size >= 8")
    seen = page.evaluate("() => Object.entries(window.seen).filter(([id]) => !window.first.has(id))")
    watched = page.evaluate("window.began")
    delays = []
    for call, at in seen:
        # a moment of the carrier's, before it sent the webhook
        began = page.evaluate("iso => Date.parse(iso)", node.ask("GET", f"/calls/{call}")["created_at"])
        if began > watched:
            delays.append(at - began)
    print(f"webhook to screen, ms: {sorted(delays)}")
    assert len(delays) >= 5
    assert statistics.median(delays) <= 500, delays


def test_only_addresses_over_tls_or_of_this_machine_become_links(page):
    answers = page.evaluate("""async () => {
      const app = document.querySelector('script[src$="/app.js"]').src;
      const { outside } = await import(new URL('lib/format.js', app));
      return ['https://carrier.example/a', 'http://127.0.0.1:1/a', 'http://carrier.example/a', 'javascript:alert(1)',
        ' JaVaScript:alert(1)', 'data:text/html,x', '//carrier.example', '', null].map((one) => Boolean(outside(one)));
    }""")
    assert answers == [True, True] + [False] * 7


def test_a_call_is_placed_opened_spoken_on_and_hung_up(node, page, show):
    show(page, "live")
    page.get_by_role("button", name="Place a call").click()
    page.get_by_label("To", exact=True).fill(STAYS)
    page.get_by_label("From", exact=True).fill(OURS)
    page.get_by_role("button", name="Call", exact=True).click()
    expect(page).to_have_url(re.compile(r"#/calls/call_\w+$"))
    expect(page.get_by_role("button", name="Hang up")).to_be_visible()
    page.get_by_role("button", name="Say").click()
    page.get_by_label("Words").fill(MARKUP)
    page.get_by_role("dialog").get_by_role("button", name="Say").click()
    # in the timeline and in the transcript, as text
    expect(page.locator(".timeline").get_by_text(MARKUP)).to_be_visible()
    expect(page.locator(".talk").get_by_text(MARKUP)).to_be_visible()
    page.get_by_role("button", name="Hang up").click()
    page.get_by_role("button", name="Really?").click()
    expect(page.get_by_text("It was ended over the API or from this console.")).to_be_visible()
    expect(page.get_by_text("Ended: api hangup")).to_be_visible()
    # its webhooks stand in the same line of time
    expect(page.locator(".timeline").get_by_text(re.compile("^call.ended to 127")).first).to_be_visible()


def test_a_call_is_spoken_on_transferred_and_hung_up_from_the_list(node, page, show):
    show(page, "live")
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    call = node.ask("POST", "/calls", {"to": STAYS, "from": OURS})["id"]
    row = page.locator("tbody tr", has=page.locator(f'a[href="#/calls/{call}"]'))
    # its state and its age are told as they change
    expect(row.get_by_text("in progress")).to_be_visible()
    expect(row.locator("td").nth(1)).to_have_text(re.compile(r"^0:\d\d$"))
    row.get_by_role("button", name="Say").click()
    page.get_by_label("Words").fill("One moment, please.")
    page.get_by_role("dialog").get_by_role("button", name="Say").click()
    expect(row.get_by_text("One moment, please.")).to_be_visible()
    row.get_by_role("button", name="Transfer").click()
    page.get_by_label("To", exact=True).fill("+14155550127")
    page.get_by_role("dialog").get_by_role("button", name="Transfer").click()
    expect(page.get_by_text("The call is being transferred")).to_be_visible()
    assert "call.transfer_requested" in [event["type"] for event in node.ask("GET", f"/calls/{call}/events?limit=200")]
    other = node.ask("POST", "/calls", {"to": STAYS, "from": OURS})["id"]
    row = page.locator("tbody tr", has=page.locator(f'a[href="#/calls/{other}"]'))
    expect(row.get_by_text("in progress")).to_be_visible()
    row.get_by_role("button", name="Hang up").click()
    row.get_by_role("button", name="Really?").click()
    # it stays for a moment, so that one sees what became of it
    expect(row.get_by_text("ended")).to_be_visible()
    expect(row).to_have_count(0)


def test_an_event_is_copied_as_a_command_that_asks_for_it(node, page, show):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    call = node.first("/calls?status=ended&limit=50", lambda call: call["cost"])
    show(page, "calls", f"{call['id']}?tab=events")
    page.locator(".raw summary").nth(2).click()
    page.locator(".raw details").nth(2).get_by_role("button", name="Copy as curl").click()
    expect(page.get_by_text("command copied")).to_be_visible()
    command = shlex.split(page.evaluate("navigator.clipboard.readText()"))
    # the key stays out of it
    assert command[:3] == ["curl", "-H", "Authorization: Bearer $KEY"]
    (event,) = node.ask("GET", command[3].removeprefix(f"{node.base}/api/v1"))
    assert event["version"] == 3


def test_a_past_call_shows_its_events_and_what_it_was(node, page, show):
    # what it cost is the last that is told of a call
    call = node.first("/calls?status=ended&limit=50", lambda call: call["cost"])
    show(page, "calls", call["id"])
    page.get_by_role("link", name="Raw events").click()
    events = page.locator(".raw details")
    expect(events).to_have_count(call["version"])
    events.first.click()
    expect(page.get_by_label("call.carrier_event_received").or_(page.get_by_label("call.queued"))).to_be_visible()
    page.get_by_role("link", name="Time travel").click()
    slider = page.get_by_role("slider", name="Version")
    expect(slider).to_have_value(str(call["version"]))
    slider.focus()
    page.keyboard.press("Home")
    # the webhook stands in the history before the call it tells of
    history = node.ask("GET", f"/calls/{call['id']}/events?limit=5")
    first = next(event["version"] for event in history if event["type"] != "call.carrier_event_received")
    expect(page.get_by_text(f"Version {first} of {call['version']}")).to_be_visible()
    expect(page).to_have_url(re.compile(f"version={first}$"))
    was = page.locator(".was > div", has=page.locator("dt", has_text=re.compile("^version$")))
    expect(was.locator("dd")).to_have_text(str(first))
    # a deep link leads back to the same moment
    page.reload()
    expect(page.get_by_text(f"Version {first} of {call['version']}")).to_be_visible()


def test_one_line_of_time_holds_all_that_happened_in_a_call(node, page, show):
    call = node.first("/calls?end_reason=ivr_completed&limit=50", lambda call: call["cost"])
    show(page, "calls", call["id"])
    steps = page.locator(".timeline li")
    for kind, words in [
        ("carrier", "telnyx: call.initiated"), ("state", "Answered"), ("talk", "Welcome to Riverside Clinic"), ("keys", "caller:"),
        ("menu", "Enters "), ("command", "answer"), ("webhook", "call.ended to 127"),
    ]:
        step = steps.filter(has=page.locator(f".k-{kind}")).filter(has_text=words).first
        expect(step).to_be_visible()
        if kind in ("carrier", "command", "webhook"):
            expect(step.locator(".ms")).to_have_text(re.compile(r"^[\d.]+ m?s$"))
    expect(page.get_by_role("region", name="Why did it end?")).to_contain_text("The menu came to its end.")
    expect(page.get_by_role("region", name="Transcript")).to_contain_text("Welcome to Riverside Clinic")
    # each kind can be left out
    page.get_by_role("checkbox", name="Carrier").uncheck()
    expect(steps.filter(has=page.locator(".k-carrier"))).to_have_count(0)
    page.get_by_role("checkbox", name="Carrier").check()


def test_calls_are_walked_by_the_keyboard_alone(page):
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page.get_by_role("heading", name="Calls")).to_be_visible()
    expect(page.locator("tbody tr").first).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_label("Caller or call id")).to_be_focused()
    page.keyboard.press("Escape")
    page.locator("tbody tr").first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("tbody tr").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"#/calls/call_\w+$"))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_recording_is_played_and_listed_with_its_hash(node, page, show):
    call = node.ask("POST", "/calls", {"to": STAYS, "from": OURS, "record": True})["id"]
    show(page, "calls", call)
    expect(page.get_by_role("button", name="Hang up")).to_be_visible()
    expect(page.locator(".timeline").get_by_text("Answered").first).to_be_visible()
    node.ask("POST", f"/calls/{call}/hangup", {})
    player = page.locator("audio")
    expect(player).to_be_visible(timeout=20_000)
    kept = node.ask("GET", f"/calls/{call}/recording")
    expect(page.locator(".file")).to_contain_text(kept["sha256"])
    expect(page.locator(".file").get_by_role("link", name="download")).to_be_visible()
    # the page may load it, from where this page is
    loaded = player.evaluate("""async (audio) => {
      let refused = null;
      document.addEventListener('securitypolicyviolation', (event) => { refused = event.violatedDirective; });
      const asked = new Promise((done) => ['loadstart', 'error'].forEach((kind) => audio.addEventListener(kind, done)));
      audio.preload = 'auto';
      audio.load();
      await asked;
      const answer = await fetch(audio.src);
      return { refused, status: answer.status, type: answer.headers.get('content-type') };
    }""")
    assert loaded == {"refused": None, "status": 200, "type": "audio/mpeg"}
