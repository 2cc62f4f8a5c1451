"""A journey through the generated client, as a customer would write it. Run by ../run.py."""

import os
import time
from typing import TypeVar

from voxledger import AuthenticatedClient
from voxledger.api.api_keys import create_api_key
from voxledger.api.auth import get_me
from voxledger.api.calls import create_call, get_call, hang_up_call, list_calls
from voxledger.api.ivr import create_ivr_menu, get_ivr_menu, list_ivr_menus, patch_ivr_menu
from voxledger.api.numbers import create_number
from voxledger.api.webhooks import create_webhook, list_public_events, list_webhook_deliveries, list_webhook_event_types
from voxledger.models import (
    CallStatus,
    IvrActionType,
    IvrCollect,
    IvrItem,
    IvrMenuPatch,
    NewApiKey,
    NewCall,
    NewCallMetadata,
    NewIvrMenu,
    NewNumber,
    NewRouteIvrMenu,
    NewWebhook,
    Problem,
    Scope,
    WebhookEventFilter,
)
from voxledger.types import Response

# Seconds until what is bound to happen has happened.
PATIENCE = 60

T = TypeVar("T")


def good(answer: Response[T | Problem]) -> T:
    """What was asked for."""
    assert answer.parsed is not None and not isinstance(answer.parsed, Problem), answer
    return answer.parsed


def bad(answer: Response[T | Problem], status: int, code: str) -> Problem:
    """What was refused, and why."""
    assert isinstance(answer.parsed, Problem), answer
    assert (answer.status_code, answer.parsed.status, answer.parsed.code) == (status, status, code), answer.parsed
    assert answer.parsed.request_id == answer.headers["x-request-id"]
    # a later version may have codes that this client does not know
    assert Problem.from_dict(answer.parsed.to_dict() | {"code": "of_a_later_version"}).code == "of_a_later_version"
    return answer.parsed


def signed_in(base: str, key: str) -> AuthenticatedClient:
    return AuthenticatedClient(base_url=base, token=key, raise_on_unexpected_status=True)


def key(owner: AuthenticatedClient) -> str:
    scopes = [Scope.CALLSREAD, Scope.CALLSWRITE, Scope.IVRREAD, Scope.IVRWRITE, Scope.NUMBERSWRITE]
    scopes += [Scope.WEBHOOKSREAD, Scope.WEBHOOKSWRITE]
    made = create_api_key.sync_detailed(client=owner, body=NewApiKey(name="python", scopes=scopes))
    assert made.headers["location"].endswith(good(made).data.id)
    return good(made).data.plain_key


def menu(client: AuthenticatedClient) -> str:
    collect = IvrCollect(name="booking", min_digits=4, max_digits=6, secret=False)
    items = [
        IvrItem(digit="1", label="Address", action=IvrActionType.SAY, target="12 Mill Lane."),
        IvrItem(digit="2", label="Booking", action=IvrActionType.COLLECT, target=collect),
        IvrItem(digit="9", label="Bye", action=IvrActionType.HANGUP),
    ]
    body = NewIvrMenu(name="Python", prompt="Press 1 for the address.", items=items)
    made = good(create_ivr_menu.sync_detailed(client=client, body=body)).data
    # what every action is done with is read back as it was written
    listed = good(list_ivr_menus.sync_detailed(client=client)).data
    found = next(menu for menu in listed if menu.id == made.id)
    assert [item.target for item in found.items][0] == "12 Mill Lane."
    target = found.items[1].target
    assert isinstance(target, IvrCollect) and target.name == "booking", target
    return made.id


def change(client: AuthenticatedClient, menu_id: str) -> None:
    read = get_ivr_menu.sync_detailed(menu_id, client=client)
    tag, patch = read.headers["etag"], IvrMenuPatch(name="Python, changed")
    changed = patch_ivr_menu.sync_detailed(menu_id, client=client, body=patch, if_match=tag)
    assert good(changed).data.name == "Python, changed"
    assert changed.headers["etag"] != tag
    bad(patch_ivr_menu.sync_detailed(menu_id, client=client, body=patch, if_match=tag), 412, "precondition_failed")


def number(client: AuthenticatedClient, menu_id: str) -> None:
    route = NewRouteIvrMenu(id=menu_id, type_="ivr_menu")
    made = good(create_number.sync_detailed(client=client, body=NewNumber(number="+12025550177", route=route))).data
    assert made.number == "+12025550177"
    body = NewNumber(number="nobody", route=route)
    problem = bad(create_number.sync_detailed(client=client, body=body), 422, "invalid_request")
    assert problem.errors and problem.errors[0].field == "number"


def call(client: AuthenticatedClient, menu_id: str) -> None:
    metadata = NewCallMetadata.from_dict({"booking": 4711})
    body = NewCall(to="+12025550123", ivr_menu_id=menu_id, metadata=metadata)
    placed = good(create_call.sync_detailed(client=client, body=body, idempotency_key="python-1")).data
    again = create_call.sync_detailed(client=client, body=body, idempotency_key="python-1")
    assert good(again).data.id == placed.id and again.headers["idempotent-replayed"] == "true"
    assert placed.status in (CallStatus.QUEUED, CallStatus.DIALING) and placed.ended_at is None
    until, asked = time.monotonic() + PATIENCE, False
    while (now := good(get_call.sync_detailed(placed.id, client=client)).data).status not in (
        CallStatus.ENDED,
        CallStatus.FAILED,
    ):
        assert time.monotonic() < until, now
        if now.status is CallStatus.IN_PROGRESS and not asked:
            asked = good(hang_up_call.sync_detailed(placed.id, client=client)).data.id == placed.id
        time.sleep(0.1)
    assert now.end_reason is not None and now.ended_at is not None
    assert now.metadata.to_dict() == {"booking": 4711}


def pages(client: AuthenticatedClient) -> None:
    seen: list[str] = []
    first = good(list_calls.sync_detailed(client=client, limit=2, include_total=True))
    page = first
    for _ in range(3):
        seen += [call.id for call in page.data]
        if page.meta.next_cursor is None:
            break
        page = good(list_calls.sync_detailed(client=client, limit=2, cursor=page.meta.next_cursor))
    assert len(seen) == len(set(seen)) and len(seen) > 2 and first.meta.has_more, seen
    over = good(list_calls.sync_detailed(client=client, status=CallStatus.ENDED)).data
    assert all(call.status is CallStatus.ENDED for call in over)


def webhooks(client: AuthenticatedClient) -> None:
    types = good(list_webhook_event_types.sync_detailed(client=client)).data
    assert "call.ended" in [kind.name for kind in types]
    body = NewWebhook(url="https://example.com/hooks", events=[WebhookEventFilter.CALL], enabled=False)
    made = good(create_webhook.sync_detailed(client=client, body=body)).data
    assert made.secret.startswith("whsec_")
    assert good(list_webhook_deliveries.sync_detailed(made.id, client=client)).data == []
    events = good(list_public_events.sync_detailed(client=client, types="call.ended", limit=5)).data
    assert events and all(event.type_ == "call.ended" and event.data is not None for event in events)


def main() -> None:
    base = os.environ["VOXLEDGER_BASE"]
    client = signed_in(base, key(signed_in(base, os.environ["VOXLEDGER_KEY"])))
    assert good(get_me.sync_detailed(client=client)).data.platform is False
    menu_id = menu(client)
    change(client, menu_id)
    number(client, menu_id)
    call(client, menu_id)
    pages(client)
    webhooks(client)
    bad(get_call.sync_detailed("call_01jd0xq8v4e5vsknk084sn02q7", client=client), 404, "not_found")
    bad(list_calls.sync_detailed(client=signed_in(base, "vx_nobody")), 401, "api_key_malformed")


if __name__ == "__main__":
    main()
