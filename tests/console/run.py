#!/usr/bin/env python3
"""Drives the console in a real browser against a node with a simulated carrier.

    tests/console/run.py [option of pytest …]
    tests/console/run.py --paint ADDRESS KEY

The binary is `target/debug/voxledger`, or $VOXLEDGER_BINARY; the browser the system's Chromium, or $CHROMIUM. What the
tests need is installed into `target/console`, in the versions of requirements.txt; screenshots of every screen go to
`target/console/screens`.
"""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target")).resolve()
BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]


def python() -> Path:
    """An interpreter with what the tests need, installed when it is not there or is another version."""
    folder = TARGET / "console" / "venv"
    wanted = (HERE / "requirements.txt").read_text()
    installed = folder / "installed.txt"
    if not installed.exists() or installed.read_text() != wanted:
        venv.create(folder, with_pip=True, clear=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", HERE / "requirements.txt"], check=True)
        installed.write_text(wanted)
    return folder / "bin" / "python"


def main() -> int:
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if chromium is None:
        raise SystemExit("no Chromium is installed: install one, or name it by CHROMIUM")
    screens = TARGET / "console" / "screens"
    if sys.argv[1:2] != ["--paint"]:
        shutil.rmtree(screens, ignore_errors=True)
        screens.mkdir(parents=True)
    environment = os.environ | {
        "CHROMIUM": chromium,
        "CONSOLE_BINARY": os.environ.get("VOXLEDGER_BINARY", str(TARGET / "debug" / "voxledger")),
        "CONSOLE_SCREENS": str(screens),
        # nothing is left behind in the source
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if sys.argv[1:2] == ["--paint"]:
        return subprocess.run([python(), HERE / "paint.py", *sys.argv[2:]], env=environment).returncode
    command = [python(), "-m", "pytest", "-q", "-p", "no:cacheprovider", *sys.argv[1:], HERE]
    return subprocess.run(command, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
