"""A verifier of bundles apart from Voxledger's own, with nothing but Python's standard library.

usage: verify.py BUNDLE KEY        (the bundle unpacked: zstd -d; the key as text, or a file with it)

Prints the verdict and ends with 0 where it is proven, with 2 where it proves nothing. How a bundle is made up:
../bundles.md.
"""

import base64
import hashlib
import json
import sys
import uuid
from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class ProvesNothing(Exception):
    pass


def need(holds, why):
    if not holds:
        raise ProvesNothing(why)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# Ed25519 (RFC 8032), verification only


P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    e, f = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    g, h = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(scalar, point):
    sum = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            sum = add(sum, point)
        point, scalar = add(point, point), scalar >> 1
    return sum


def point(text):
    y = int.from_bytes(text, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    need(y < P, "a point is out of range")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    need(x * x % P == square and not (x == 0 and sign), "this is no point of the curve")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def is_signed(key, message, signature):
    base_y = 4 * pow(5, P - 2, P) % P
    base = point(base_y.to_bytes(32, "little"))
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L
    (x1, y1, z1, _), (x2, y2, z2, _) = times(s, base), add(point(r), times(k, point(key)))
    return (x1 * z2 - x2 * z1) % P == 0 and (y1 * z2 - y2 * z1) % P == 0


# The signed checkpoint


def checkpoint(note, key):
    """The origin, size and root of a note, once the signature of `key` is checked."""
    name, id, rest = key.strip().split("+", 2)
    public = base64.b64decode(rest)
    need(public[0] == 1 and len(public) == 33, "the key is no Ed25519 key")
    need(sha256(name.encode(), b"\n", public)[:4].hex() == id, "the key does not fit its own id")
    end = note.index("\n\n") + 1
    text, lines = note[:end], note[end + 1 :].splitlines()
    for line in lines:
        mark, signer, signature = line.split(" ")
        signature = base64.b64decode(signature)
        if mark == "\u2014" and signer == name and signature[:4].hex() == id:
            need(is_signed(public[1:], text.encode(), signature[4:]), "the signature does not fit the checkpoint")
            origin, size, root = text.splitlines()
            need(origin == name, "the checkpoint is about another log")
            return origin, int(size), base64.b64decode(root)
    raise ProvesNothing("the checkpoint is not signed by this key")


# The tree (RFC 6962)


class Edge:
    """The complete subtrees on the left of what comes next: (level, hash), the largest first."""

    def __init__(self):
        self.size, self.subtrees = 0, []

    def push(self, level, hash):
        need(self.size % (1 << level) == 0, "a subtree is out of place")
        self.size += 1 << level
        while self.subtrees and self.subtrees[-1][0] == level:
            hash = sha256(b"\x01", self.subtrees.pop()[1], hash)
            level += 1
        self.subtrees.append((level, hash))

    def root(self):
        if not self.subtrees:
            return sha256()
        hash = self.subtrees[-1][1]
        for _, left in reversed(self.subtrees[:-1]):
            hash = sha256(b"\x01", left, hash)
        return hash


def levels(begin, end):
    """The levels of the largest complete subtrees that make up the leaves from `begin` to before `end`."""
    while begin < end:
        level = (begin & -begin).bit_length() - 1 if begin else 63
        while begin + (1 << level) > end:
            level -= 1
        yield level
        begin += 1 << level


def micros(time):
    return (datetime.fromisoformat(time.replace("Z", "+00:00")) - EPOCH) // timedelta(microseconds=1)


def leaf(log, event):
    def text(value):
        return len(value.encode()).to_bytes(4, "big") + value.encode()

    return sha256(
        b"\x00",
        text("voxledger/entry/v1"),
        log.bytes,
        event["position"].to_bytes(8, "big"),
        text(event["stream"]),
        event["version"].to_bytes(8, "big"),
        uuid.UUID(event["id"]).bytes,
        text(event["type"]),
        event["schema"].to_bytes(2, "big"),
        micros(event["recorded_at"]).to_bytes(8, "big", signed=True),
        uuid.UUID(event["client_id"]).bytes,
        sha256(event["metadata"].encode()),
        sha256(base64.b64decode(event["payload"], validate=True)),
    )


def is_asked_for(event, manifest):
    wanted = manifest["filter"]
    at = micros(event["recorded_at"])
    return (
        manifest["first"] <= event["position"] <= manifest["last"]
        and wanted.get("client", event["client_id"]) == event["client_id"]
        and wanted.get("stream", event["stream"]) == event["stream"]
        and event["type"] in wanted.get("types", [event["type"]])
        and wanted.get("correlation_id") in (None, json.loads(event["metadata"])["correlation_id"])
        and wanted.get("from", at) <= at
        and at < wanted.get("to", at + 1)
    )


def verify(bundle, key):
    lines = [json.loads(line) for line in bundle.splitlines()]
    need(lines and lines[-1].get("kind") == "end", "it is cut off: its last line is missing")
    manifest, *middle, end = lines
    need(manifest.get("kind") == "manifest" and manifest["format"] == "voxledger-export/1", "it is no such bundle")
    origin, size, root = checkpoint(manifest["checkpoint"], key)
    log = uuid.UUID(manifest["log"])
    need(origin == f"voxledger/log/{log}", "the checkpoint is about another log")
    edge, events = Edge(), 0
    for line in middle:
        position = edge.size + 1
        if line["kind"] == "event":
            need(line["position"] == position, f"position {position}: something was left out, added or moved here")
            need(is_asked_for(line, manifest), f"position {position}: the event was not asked for")
            hash = leaf(log, line)
            need(hash == base64.b64decode(line["leaf"]), f"position {position}: altered")
            edge.push(0, hash)
            events += 1
        else:
            need(line["kind"] == "gap" and line["from"] == position <= line["to"], "a gap is out of place")
            outside = line["to"] < manifest["first"] or line["from"] > manifest["last"]
            need(manifest["filter"] or outside, "who asked for everything gets everything")
            below = list(levels(line["from"] - 1, line["to"]))
            need(len(below) == len(line["hashes"]), "a gap has too few or too many hashes")
            for level, hash in zip(below, line["hashes"]):
                edge.push(level, base64.b64decode(hash))
    need(events == end["events"], "the number of events is not what the last line says")
    need((edge.size, edge.root()) == (size, root), "its events and hashes do not make up the signed checkpoint")
    return {"verdict": "proven", "log": str(log), "tree_size": size, "events": events}


if __name__ == "__main__":
    path, key = sys.argv[1:]
    if "+" not in key:
        with open(key, encoding="utf-8") as file:
            key = file.read()
    with open(path, encoding="utf-8") as file:
        bundle = file.read()
    try:
        print(json.dumps(verify(bundle, key)))
    except (ProvesNothing, KeyError, TypeError, ValueError) as error:
        print(json.dumps({"verdict": "proves_nothing", "reason": str(error)}))
        sys.exit(2)
