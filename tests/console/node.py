"""A node with a simulated carrier, and its REST API."""

import json
import os
import subprocess
import threading
import time
import urllib.error
import urllib.request

# Seconds until what is bound to happen has happened.
PATIENCE = 30
# A key that is of no use elsewhere.
KEY = "vx_VoxledgerTestOwnerKey0123456789abcdefghijklcc9dd2c6"


class Node:
    """`voxledger demo` on a free port: calls come in all the time."""

    def __init__(self):
        ours = {name: value for name, value in os.environ.items() if not name.startswith("VOXLEDGER_")}
        ours |= {
            "VOXLEDGER_BOOTSTRAP_KEY": KEY,
            # a delivery that fails is given up soon
            "VOXLEDGER_WEBHOOKS_RETRY_SCHEDULE": "1s",
        }
        traffic = ["--calls", "2000", "--rate", "1.5", "--pace", "1"]
        command = [ours["CONSOLE_BINARY"], "demo", "--bind", "127.0.0.1:0", *traffic]
        self.process = subprocess.Popen(command, env=ours, stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if line.strip().startswith("console "):
                self.base = line.split()[1].rstrip("/")
                break
        else:
            raise RuntimeError(f"the demo ended with {self.process.wait()}")
        # what it goes on to say must not fill the pipe
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def ask(self, method, path, body=None, key=KEY):
        """The data of an answer."""
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}/api/v1{path}", content, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text)["data"] if text else None

    def first(self, path, fits=lambda item: True):
        """The first of a list that fits; calls come in all the time, so it is asked for until there is one."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            found = next(filter(fits, self.ask("GET", path)), None)
            if found is not None:
                return found
            time.sleep(0.1)
        raise AssertionError(f"nothing of {path} fits within {PATIENCE} s")

    def serves(self, path):
        """Whether there is such an endpoint."""
        try:
            self.ask("GET", path)
        except urllib.error.HTTPError as error:
            return json.load(error).get("code") != "route_not_found"
        return True

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)
