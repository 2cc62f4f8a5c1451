"""A node with a simulated carrier, and its REST API."""

import json
import os
import re
import subprocess
import threading
import time
import urllib.request

# Seconds until what is bound to happen has happened.
PATIENCE = 30
# How a node tells where it is; the demo says so once there is something to see.
SAYS_WHERE = re.compile(r"(?:^  console  +|listening on )(http://[\d.:]+)")
# A key that is of no use elsewhere.
KEY = "vx_VoxledgerTestOwnerKey0123456789abcdefghijklcc9dd2c6"


class Node:
    """`voxledger demo` on a free port: calls come in all the time."""

    def __init__(self):
        traffic = ["--calls", "2000", "--rate", "1.5", "--pace", "1"]
        # a delivery that fails is given up soon
        self.start(["demo", "--bind", "127.0.0.1:0", *traffic], {"WEBHOOKS_RETRY_SCHEDULE": "1s"})

    def start(self, arguments, settings):
        ours = {name: value for name, value in os.environ.items() if not name.startswith("VOXLEDGER_")}
        settings = {"BOOTSTRAP_KEY": KEY, **settings}
        ours |= {f"VOXLEDGER_{name}": value for name, value in settings.items()}
        command = [ours["CONSOLE_BINARY"], *arguments]
        self.process = subprocess.Popen(command, env=ours, stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if found := SAYS_WHERE.search(line):
                self.base = found[1]
                break
        else:
            raise RuntimeError(f"the node ended with {self.process.wait()}")
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

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)


class Quiet(Node):
    """`voxledger serve` on a folder of its own: nothing happens there, and it can be killed and started again."""

    def __init__(self, folder):
        self.folder = folder
        self.serve("127.0.0.1:0")

    def serve(self, address):
        self.start(["serve"], {"BIND": address, "DATA_DIR": str(self.folder), "LOG": "error"})

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=30)

    def rise(self):
        """Where it was."""
        self.serve(self.base.removeprefix("http://"))
