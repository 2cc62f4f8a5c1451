"""Credit: prices are set, a call shows what it cost, and the statement adds up."""

from playwright.sync_api import expect


def test_prices_are_set_and_a_call_and_the_statement_show_what_it_cost(node, page, show):
    show(page, "billing?tab=prices")
    page.get_by_role("button", name="Change the prices").click()
    dialog = page.get_by_role("dialog")
    # the last of the demo's prices is its fee
    fee = dialog.get_by_role("group", name="Price 7")
    expect(fee.get_by_label("Part", exact=True)).to_have_value("platform")
    fee.get_by_label("Price", exact=True).fill("0.25")
    dialog.get_by_role("button", name="Set the prices").click()
    expect(dialog).to_have_count(0)
    expect(page.locator("tbody tr").last).to_contain_text("0.2500 USD")

    fee_of = lambda one: [item["amount"]["amount_micros"] for item in one["items"] if item["component"] == "platform"]
    charged = node.first("/billing/transactions?kind=usage", lambda one: fee_of(one) == [250_000])
    show(page, "calls", charged["source"]["id"])
    cost = page.get_by_role("region", name="Cost by part")
    expect(cost.locator("tr", has_text="platform")).to_contain_text("0.2500 USD")
    expect(cost.locator("tr", has_text="platform")).to_contain_text("1 request")

    show(page, "billing")
    page.get_by_label("Kind").select_option("usage")
    expect(page.locator("tbody tr").first).to_contain_text("usage")
    show(page, "billing?tab=statement")
    expect(page.get_by_role("region", name="Cost of calls by part")).to_contain_text("platform")


def test_credit_is_bought_on_the_payment_providers_page(node, page, show, provoked):
    show(page, "billing")
    page.get_by_role("button", name="Buy credit").click()
    dialog = page.get_by_role("dialog")
    provoked.add("422")
    dialog.get_by_label("Amount").fill("-1")
    dialog.get_by_role("button", name="Go on to pay").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    dialog.get_by_label("Amount").fill("40")
    dialog.get_by_role("button", name="Go on to pay").click()
    expect(page.get_by_role("heading", name="Simulated Stripe")).to_be_visible()
    page.get_by_role("button", name="Pay", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Billing")
    bought = node.first("/billing/transactions?kind=purchase")
    assert bought["amount"] == {"amount_micros": 40_000_000, "currency": "USD"}
    expect(page.locator("tbody tr", has_text="purchase").first).to_contain_text("40.00 USD")


def test_spend_limits_are_set_and_refuse_a_call(node, page, show, provoked):
    show(page, "billing?tab=limits")
    page.get_by_role("button", name="Change the limits").click()
    dialog = page.get_by_role("dialog")
    provoked.add("422")
    dialog.get_by_label("No calls to").fill("everywhere")
    dialog.get_by_role("button", name="Set the limits").click()
    expect(dialog.get_by_role("alert")).to_contain_text("give the beginning of numbers")
    dialog.get_by_label("No calls to").fill("+1900, +1976")
    dialog.get_by_label("A day costs at most").fill("20 USD")
    dialog.get_by_role("button", name="Set the limits").click()
    expect(dialog.get_by_role("alert")).to_contain_text("give a number")
    dialog.get_by_label("A day costs at most").fill("1000")
    dialog.get_by_role("button", name="Set the limits").click()
    expect(dialog).to_have_count(0)
    region = page.get_by_role("region", name="Spend limits")
    expect(region).to_contain_text("+1900, +1976")
    expect(region).to_contain_text("1000.00")
    limits = node.ask("GET", "/limits/spend")
    assert limits["destinations"] == {"allow": [], "deny": ["+1900", "+1976"]}
    assert limits["daily_spend"] == 1_000_000_000


def test_a_client_gets_prices_of_its_own(node, page, show):
    client = node.ask("POST", "/auth/clients", {"name": "Northwind"})["id"]
    show(page, "billing?tab=prices")
    page.get_by_label("Prices of").select_option(label="Northwind")
    page.get_by_role("button", name="Change the prices").click()
    dialog = page.get_by_role("dialog")
    price = dialog.get_by_role("group", name="Price 1")
    price.get_by_label("Price", exact=True).fill("0.02")
    dialog.get_by_role("button", name="Set the prices").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("heading", name="The client’s own")).to_be_visible()
    own = [one for one in node.ask("GET", f"/billing/prices?client_id={client}") if one["client_id"] == client]
    assert [price["price"] for price in own[0]["prices"]] == [20_000]
