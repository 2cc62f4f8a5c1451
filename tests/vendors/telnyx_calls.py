"""Telnyx's own SDK talks to the simulated carrier: what it cannot read or page through is no Telnyx.

usage: telnyx_calls.py API_BASE API_KEY CONNECTION_ID PUBLIC_KEY

Webhooks arrive here; their address is the `webhook_url` of each dial.
"""

import queue
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import telnyx

base, key, connection, public_key = sys.argv[1:]
client = telnyx.Telnyx(api_key=key, base_url=base, max_retries=0, timeout=10, public_key=public_key)
events = queue.Queue()


class Webhooks(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        try:
            events.put(client.webhooks.unwrap(body, headers=dict(self.headers)).data)
            self.send_response(200)
        except ValueError as error:
            events.put(error)
            self.send_response(400)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Webhooks)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"


waiting = {}


def until(event_type, leg):
    """The next event of that type of the leg; whatever else comes waits for its turn."""
    wanted = (event_type, leg.call_leg_id)
    while not waiting.get(wanted):
        event = events.get(timeout=20)
        if isinstance(event, Exception):
            raise event
        waiting.setdefault((event.event_type, event.payload.call_leg_id), []).append(event)
    return waiting[wanted].pop(0)


def dial(number):
    answer = client.calls.dial(connection_id=connection, from_="+12025550100", to=number, webhook_url=url)
    return answer.data


# more legs than two pages of the SDK's own size hold
legs = [dial(f"+1202555{1000 + n}") for n in range(45)]
for leg in legs:
    until("call.answered", leg)
pages = client.connections.list_active_calls(connection)
seen = [call.call_control_id for call in pages]
assert sorted(seen) == sorted(leg.call_control_id for leg in legs), f"{len(seen)} of {len(legs)} legs"
assert len(list(client.connections.list_active_calls(connection, page_size=7))) == len(legs)

first, second = legs[:2]
status = client.calls.retrieve_status(first.call_control_id).data
assert status.is_alive and status.call_leg_id == first.call_leg_id

act = client.calls.actions
act.start_recording(first.call_control_id, format="wav", channels="dual")
act.speak(first.call_control_id, payload="Hello.", voice="female")
until("call.speak.ended", first)
act.gather_using_speak(first.call_control_id, payload="A key, please.", voice="female", maximum_digits=1)
until("call.gather.ended", first)
act.stop_recording(first.call_control_id)
saved = until("call.recording.saved", first)

recordings = list(client.recordings.list(filter={"call_leg_id": first.call_leg_id}))
assert [one.id for one in recordings] == [saved.payload.recording_id], recordings
assert client.recordings.retrieve(recordings[0].id).data.download_urls.wav
client.recordings.delete(recordings[0].id)
assert not list(client.recordings.list())

try:
    act.bridge(first.call_control_id, call_control_id_to_bridge_with="v3:nobody")
    raise SystemExit("a bridge to nobody was accepted")
except telnyx.UnprocessableEntityError as error:
    assert error.body["errors"][0]["code"] == "90015", error.body
act.bridge(first.call_control_id, call_control_id_to_bridge_with=second.call_control_id)
until("call.bridged", first)
until("call.bridged", second)
# they have talked, one hangs up, and the other party goes with it
until("call.hangup", first)
until("call.hangup", second)

for leg in legs[2:]:
    act.hangup(leg.call_control_id)
    until("call.hangup", leg)
assert not list(client.connections.list_active_calls(connection))

# two records for each leg, of which the SDK has no model of its own: the fields are there all the same
for kind in ["call-control", "sip-trunking"]:
    records = list(client.detail_records.list(filter={"record_type": kind}, page_size=20, sort=["started_at"]))
    assert sorted(one.call_leg_id for one in records) == sorted(leg.call_leg_id for leg in legs), len(records)
    assert all(one.record_type == kind and one.currency == "USD" and float(one.cost) > 0 for one in records)
    began = records[0].started_at
    later = client.detail_records.list(filter={"record_type": kind, "started_at": {"gte": str(began)}})
    assert len(list(later)) == len(legs)
for bad in [{"record_type": "call-control", "created_at": {"gte": "2026-05-01"}}, {"call_leg_id": "1"}]:
    try:
        client.detail_records.list(filter=bad)
        raise SystemExit(f"{bad} was accepted")
    except telnyx.BadRequestError as error:
        assert error.body["errors"][0]["code"] == "10015", error.body
print("ok")
