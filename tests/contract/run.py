#!/usr/bin/env python3
"""Holds the running node against its own OpenAPI document: schemathesis sends what the document allows and what it
does not, and no answer may be a server error, have an undocumented status or header, or break its schema.

    tests/contract/run.py [option of `schemathesis run` …]

The binary is `target/debug/voxledger`, or $VOXLEDGER_BINARY. schemathesis is installed into `target/contract`, in the
versions of requirements.txt.
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target"))
# A key and a carrier's public key that are of no use elsewhere.
KEY = "vx_VoxledgerTestOwnerKey0123456789abcdefghijklcc9dd2c6"
CARRIER = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def schemathesis() -> Path:
    """The program, installed when it is not there or is another version."""
    folder = TARGET / "contract"
    wanted = (HERE / "requirements.txt").read_text()
    installed = folder / "installed.txt"
    if not installed.exists() or installed.read_text() != wanted:
        venv.create(folder, with_pip=True, clear=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", HERE / "requirements.txt"], check=True)
        installed.write_text(wanted)
    return folder / "bin" / "schemathesis"


def start(data: str) -> tuple[subprocess.Popen, str]:
    """A node on a free port, and its address."""
    binary = os.environ.get("VOXLEDGER_BINARY", TARGET / "debug" / "voxledger")
    ours = {name: value for name, value in os.environ.items() if not name.startswith("VOXLEDGER_")}
    settings = {
        "DATA_DIR": data,
        "BIND": "127.0.0.1:0",
        "BOOTSTRAP_KEY": KEY,
        "TELNYX_PUBLIC_KEY": CARRIER,
        # calls can be placed, though nobody answers there
        "TELNYX_API_BASE": "http://127.0.0.1:1",
        "TELNYX_API_KEY": "KEY0123456789",
        "TELNYX_CONNECTION_ID": "1900000000000000001",
        "TELNYX_CALLER_ID": "+12025550188",
        # credit is sold, though no page can be opened there
        "STRIPE_API_BASE": "http://127.0.0.1:1",
        "STRIPE_API_KEY": "rk_test_0123456789",
        "STRIPE_WEBHOOK_SECRET": "whsec_0123456789",
        # agents may run at Ultravox, though nobody answers there
        "ULTRAVOX_API_BASE": "http://127.0.0.1:1",
        "ULTRAVOX_API_KEY": "key.0123456789",
        "ULTRAVOX_WEBHOOK_SECRET": "secret_0123456789",
        "LOG": "off",
    }
    ours |= {f"VOXLEDGER_{name}": value for name, value in settings.items()}
    node = subprocess.Popen([binary, "serve"], env=ours, stdout=subprocess.PIPE, text=True)
    for line in node.stdout:
        if "listening on " in line:
            return node, line.split("listening on ")[1].split()[0]
    raise SystemExit(f"the node ended with {node.wait()}")


def made(base: str, path: str, body: dict, field: str = "id") -> str:
    """Makes a resource; its id."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{base}/api/v1/{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["data"][field]


def things(base: str) -> dict[str, str]:
    """Something of each kind, and the variable its id goes under."""
    user = {"email": "ann@example.com", "password": "correct horse battery", "role": "viewer"}
    menu = made(base, "ivr/menus", {"name": "Main", "prompt": "Hello.", "timeout_ms": 60_000})
    # nothing is sent there: it is not enabled
    webhook = {"url": "https://example.com/hooks", "events": ["call.*"], "enabled": False}
    webhook = made(base, "webhooks", webhook)
    return {
        "NUMBER": made(base, "numbers", {"number": "+12025550199", "route": {"type": "reject"}}),
        "CALL": made(base, "calls", {"to": "+12025550123"}),
        "API_KEY": made(base, "auth/api-keys", {"name": "k", "scopes": ["calls:read"]}),
        "PRIVACY_JOB": made(base, "privacy/subjects/export", {"phone": "+12025550123"}),
        "EXPORT": made(base, "audit/exports", {}),
        "USER": made(base, "auth/users", user),
        "AGENT": made(base, "agents", {"name": "A"}),
        "TOOL": made(base, "tools", {"name": "t", "description": "d", "url": "https://example.com/"}),
        "CONVERSATION": made(base, "conversations", {}),
        "MENU": menu,
        "SESSION": made(base, "ivr/sessions", {"menu_id": menu}),
        "WEBHOOK": webhook,
        "DELIVERY": made(base, f"webhooks/{webhook}/test", {}, "delivery_id"),
    }


def main() -> int:
    program = schemathesis()
    with tempfile.TemporaryDirectory() as data:
        node, base = start(data)
        try:
            environment = os.environ | {"CONTRACT_KEY": KEY, "NO_COLOR": "1"}
            environment |= {f"CONTRACT_{name}": id for name, id in things(base).items()}
            config = ["--config-file", HERE / "schemathesis.toml"]
            document = f"{base}/api/v1/openapi.json"
            command = [program, *config, "run", document, *sys.argv[1:]]
            outcome = subprocess.run(command, env=environment, cwd=data).returncode
            if node.poll() is not None:
                print(f"the node ended with {node.returncode}", file=sys.stderr)
                return 1
            return outcome
        finally:
            node.terminate()
            node.wait(timeout=30)


if __name__ == "__main__":
    sys.exit(main())
