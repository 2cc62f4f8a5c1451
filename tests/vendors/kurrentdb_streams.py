"""The Python client of KurrentDB talks to the fake one: what it cannot append to, read and follow is no KurrentDB.

usage: kurrentdb_streams.py HOST:PORT
"""

import sys
from uuid import uuid4

from kurrentdbclient import KurrentDBClient, NewEvent, StreamState
from kurrentdbclient.events import CaughtUp, Checkpoint
from kurrentdbclient.exceptions import (
    NotFoundError,
    StreamIsDeletedError,
    WrongCurrentVersionError,
)

client = KurrentDBClient(f"kdb://{sys.argv[1]}?Tls=false")


def event(n, kind="noted", content_type="application/octet-stream"):
    return NewEvent(type=kind, data=b"%d" % n, metadata=b'{"n":%d}' % n, content_type=content_type, id=uuid4())


def fails(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was expected")


def same(found, wanted):
    assert found == wanted, f"{found!r} is not {wanted!r}"


# appends: one event goes by Append, several by BatchAppend; both tell the position in $all
stream = "call-1"
first, more = event(1), [event(2), event(3)]
at_first = client.append_to_stream(stream, current_version=StreamState.NO_STREAM, events=first)
at_third = client.append_to_stream(stream, current_version=0, events=more)
assert at_first < at_third
# repeats at the same version are answered as the first time
same(client.append_to_stream(stream, current_version=StreamState.NO_STREAM, events=first), at_first)
same(client.append_to_stream(stream, current_version=0, events=more), at_third)

# conflicts, of both calls
for version, events in [(0, event(4)), (0, [event(4), event(5)]), (7, event(4)), (7, [event(4), event(5)])]:
    error = fails(WrongCurrentVersionError, lambda: client.append_to_stream(stream, current_version=version, events=events))
    assert "2" in str(error), error
fails(WrongCurrentVersionError, lambda: client.append_to_stream(stream, current_version=StreamState.NO_STREAM, events=event(4)))
fails(WrongCurrentVersionError, lambda: client.append_to_stream("call-9", current_version=StreamState.EXISTS, events=event(4)))
fails(WrongCurrentVersionError, lambda: client.append_to_stream("call-9", current_version=3, events=[event(4)]))

# reads
stored = client.get_stream(stream)
same([e.data for e in stored], [b"1", b"2", b"3"])
same([e.id for e in stored], [first.id] + [e.id for e in more])
same([e.stream_position for e in stored], [0, 1, 2])
same(stored[0].commit_position, at_first)
same(stored[2].commit_position, at_third)
same(stored[0].content_type, "application/octet-stream")
same(stored[0].metadata, b'{"n":1}')
assert stored[0].recorded_at is not None
same([e.data for e in client.get_stream(stream, stream_position=1, limit=1)], [b"2"])
same([e.data for e in client.get_stream(stream, backwards=True)], [b"3", b"2", b"1"])
same([e.data for e in client.get_stream(stream, stream_position=1, backwards=True)], [b"2", b"1"])
fails(NotFoundError, lambda: client.get_stream("call-9"))

# $all: forwards with the event at the position, backwards without it; filters
client.append_to_stream("number-1", current_version=StreamState.ANY, events=event(6, "moved", "application/json"))
same([e.data for e in client.read_all()], [b"1", b"2", b"3", b"6"])
same([e.data for e in client.read_all(commit_position=at_third)], [b"3", b"6"])
same([e.data for e in client.read_all(commit_position=at_third, backwards=True)], [b"2", b"1"])
same([e.type for e in client.read_all(filter_include=["mov.+"])], ["moved"])
same([e.data for e in client.read_all(filter_include=["number-"], filter_by_stream_name=True, filter_by_prefix=True)], [b"6"])

# subscriptions: what is stored, caught up, what comes
with client.subscribe_to_all(commit_position=at_first, include_caught_up=True, timeout=20) as subscription:
    following = iter(subscription)
    same([next(following).data for _ in range(3)], [b"2", b"3", b"6"])
    assert isinstance(next(following), CaughtUp)
    client.append_to_stream(stream, current_version=2, events=event(7))
    same(next(following).data, b"7")
with client.subscribe_to_all(
    include_checkpoints=True, filter_include=["nothing"], window_size=2, checkpoint_interval_multiplier=1, timeout=20
) as subscription:
    assert isinstance(next(iter(subscription)), Checkpoint)
with client.subscribe_to_stream(stream, stream_position=2, include_caught_up=True, timeout=20) as subscription:
    following = iter(subscription)
    same(next(following).data, b"7")
    assert isinstance(next(following), CaughtUp)

# metadata and truncation
client.set_stream_metadata(stream, metadata={"$tb": 2})
same(client.get_stream_metadata(stream), ({"$tb": 2}, 0))
same([e.data for e in client.get_stream(stream)], [b"3", b"7"])

# deletion: soft, then for ever
client.delete_stream(stream, current_version=3)
fails(NotFoundError, lambda: client.get_stream(stream))
client.append_to_stream(stream, current_version=StreamState.NO_STREAM, events=event(8))
same([(e.stream_position, e.data) for e in client.get_stream(stream)], [(4, b"8")])
fails(WrongCurrentVersionError, lambda: client.delete_stream(stream, current_version=1))
client.tombstone_stream(stream, current_version=4)
fails(StreamIsDeletedError, lambda: client.get_stream(stream))
fails(StreamIsDeletedError, lambda: client.append_to_stream(stream, current_version=StreamState.ANY, events=[event(9), event(10)]))
fails(StreamIsDeletedError, lambda: client.tombstone_stream(stream, current_version=StreamState.ANY))

client.close()
print("ok")
