#!/usr/bin/env python3
"""Reads the OpenAPI document as others do: Spectral and Redocly must have nothing to say, and clients generated in Python
and TypeScript must compile in the strictest mode and get through a journey against a node with a simulated carrier.

    tests/clients/run.py

The binary is `target/debug/voxledger`, or $VOXLEDGER_BINARY; the document is what it prints. Node.js must be there. What
else is needed is installed into `target/clients`, in the versions of package.json and requirements.txt.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target")).resolve()
BINARY = os.environ.get("VOXLEDGER_BINARY", str(TARGET / "debug" / "voxledger"))
FOLDER = TARGET / "clients"
DOCUMENT = FOLDER / "openapi.json"
# How the demo tells where it is, once there is something to see.
SAYS_WHERE = re.compile(r"^  console  +(http://[\d.:]+)")
# A key that is of no use elsewhere.
KEY = "vx_VoxledgerTestOwnerKey0123456789abcdefghijklcc9dd2c6"


def run(*command, **options) -> None:
    """Runs a program; what it says is shown when it fails."""
    print("   ", *(Path(str(part)).name for part in command[:3]), flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        print(done.stdout)
        raise SystemExit(f"{Path(str(command[0])).name} ended with {done.returncode}")


def installed(mark: Path, wanted: str) -> bool:
    return mark.exists() and mark.read_text() == wanted


def python() -> Path:
    """The folder of the programs in Python, installed when they are not there or are other versions."""
    folder, wanted = FOLDER / "venv", (HERE / "requirements.txt").read_text()
    mark = folder / "installed.txt"
    if not installed(mark, wanted):
        venv.create(folder, with_pip=True, clear=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run(*pip, "--requirement", HERE / "requirements.txt")
        mark.write_text(wanted)
    return folder / "bin"


def node() -> Path:
    """The folder of the programs in JavaScript, likewise."""
    if shutil.which("npm") is None:
        raise SystemExit("no npm is installed: install Node.js 20 or later")
    wanted = (HERE / "package.json").read_text()
    mark = FOLDER / "installed.txt"
    if not installed(mark, wanted):
        shutil.copy(HERE / "package.json", FOLDER)
        run("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", cwd=FOLDER)
        mark.write_text(wanted)
    return FOLDER / "node_modules" / ".bin"


def lint(programs: Path) -> None:
    """No rule is broken, not even one that only warns."""
    run(programs / "spectral", "lint", DOCUMENT, "--ruleset", HERE / "spectral.yaml", "--fail-severity", "hint")
    # it sends nothing anywhere
    quiet = os.environ | {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    run(programs / "redocly", "lint", DOCUMENT, "--config", HERE / "redocly.yaml", env=quiet)


def in_python(programs: Path, environment: dict[str, str]) -> None:
    folder = FOLDER / "python"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    package = ["--output-path", folder / "voxledger", "--meta", "none", "--config", HERE / "generator.yaml"]
    # what it cannot express it leaves out with a warning: there must be none
    run(programs / "openapi-python-client", "generate", "--path", DOCUMENT, *package, "--fail-on-warning",
        env=os.environ | {"PATH": path})
    for name in ("journey.py", "mypy.ini"):
        shutil.copy(HERE / "python" / name, folder)
    run(programs / "mypy", "journey.py", "voxledger", cwd=folder)
    run(programs / "python", "journey.py", cwd=folder, env=environment)


def in_typescript(programs: Path, environment: dict[str, str]) -> None:
    folder = FOLDER / "typescript"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE / "typescript", folder)
    run(programs / "openapi-typescript", DOCUMENT, "--output", folder / "voxledger.ts", cwd=folder)
    # modules as Node.js knows them, and where it finds those that are installed
    shutil.copy(HERE / "package.json", folder)
    run(programs / "tsc", "--project", folder)
    run("node", folder / "out" / "journey.js", env=environment)


def start() -> tuple[subprocess.Popen, str]:
    """`voxledger demo` on a free port, and its address."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("VOXLEDGER_")}
    ours |= {"VOXLEDGER_BOOTSTRAP_KEY": KEY}
    command = [BINARY, "demo", "--bind", "127.0.0.1:0", "--calls", "40", "--rate", "4", "--pace", "1"]
    process = subprocess.Popen(command, env=ours, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if found := SAYS_WHERE.search(line):
            # what it goes on to say must not fill the pipe
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return process, found[1]
    raise SystemExit(f"the node ended with {process.wait()}")


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    DOCUMENT.write_bytes(subprocess.run([BINARY, "openapi"], stdout=subprocess.PIPE, check=True).stdout)
    in_node, in_venv = node(), python()
    lint(in_node)
    process, base = start()
    try:
        environment = os.environ | {"VOXLEDGER_BASE": base, "VOXLEDGER_KEY": KEY}
        in_python(in_venv, environment)
        in_typescript(in_node, environment)
        if process.poll() is not None:
            raise SystemExit(f"the node ended with {process.returncode}")
    finally:
        process.terminate()
        process.wait(timeout=30)
    print("    nothing to say, and both clients got through")
    return 0


if __name__ == "__main__":
    sys.exit(main())
