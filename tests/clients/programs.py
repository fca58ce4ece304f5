"""Runs the programs of other ecosystems, each from its own folder, against one server."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

# Go, Node.js and npm are packages of the environment that runs the tests.
TOOLS = Path(sys.prefix) / "bin"

# Where programs are built, so that a second run is quick and the checkout stays as it was.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "millpond" / "clients"

STOP_SECONDS_MAX = 30


def environment(url: str, **more: str) -> dict[str, str]:
    """What every AWS SDK reads: the server, a region, and keys that open nothing anywhere."""
    inherited = {name: value for name, value in os.environ.items() if name != "MILLPOND_BIN"}
    return {
        **inherited,
        "PATH": f"{TOOLS}{os.pathsep}{inherited['PATH']}",
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        **more,
    }


def run(command: Sequence[str], folder: Path, env: dict[str, str], seconds_max: float) -> str:
    """Runs a program to its end; what it printed. Fails with all of that unless it ended well."""
    with start(command, folder, env, stderr=subprocess.PIPE) as process:
        try:
            stdout, stderr = process.communicate(timeout=seconds_max)
            end = f"ended with {process.returncode}"
        except subprocess.TimeoutExpired:
            kill_group(process)
            stdout, stderr = process.communicate()
            end = f"did not end in {seconds_max} s"
        finally:
            kill_group(process)
    assert end == "ended with 0", f"{' '.join(command)} {end}:\n{stdout}\n{stderr}"
    return stdout


def start(command: Sequence[str], folder: Path, env: dict[str, str], stderr: int):
    """Starts it in a group of its own, as npm, Maven and the KPL have children."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )


def kill_group(process: subprocess.Popen) -> None:
    """Ends a program and its children at once. The group is there as long as one of them is."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Program:
    """A program that goes on in the background and tells what it does in lines of JSON.

    Lines that aren't JSON are its log, of which the last are kept for a failure.
    """

    def __init__(self, command: Sequence[str], folder: Path, env: dict[str, str]):
        self.name = command[0]
        self.process = start(command, folder, env, stderr=subprocess.STDOUT)
        self.told: list[dict] = []
        self.log: deque[str] = deque(maxlen=200)
        self._news: queue.SimpleQueue[dict | None] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        for line in self.process.stdout:
            try:
                news = json.loads(line)
            except ValueError:
                news = None
            if isinstance(news, dict):
                self._news.put(news)
            else:
                self.log.append(line)
        self._news.put(None)

    def next(self, seconds_max: float) -> dict | None:
        """What it tells next, None when it has ended. Fails when it tells nothing in that time.

        Not to be asked again after None.
        """
        try:
            news = self._news.get(timeout=seconds_max)
        except queue.Empty:
            raise AssertionError(
                f"{self.name} told nothing for {seconds_max} s:\n{''.join(self.log)}"
            ) from None
        if news is not None:
            self.told.append(news)
        return news

    def expect(self, seconds_max: float) -> dict:
        """What it tells next. Fails when it has ended, too."""
        news = self.next(seconds_max)
        assert news is not None, f"{self.name} has ended:\n{''.join(self.log)}"
        return news

    def kill(self) -> None:
        """Ends it and its children at once, as a crash would."""
        kill_group(self.process)
        self.process.wait()
        self._listener.join()

    def stop(self) -> None:
        """Asks it to end, and kills it if it doesn't."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                pass
        self.kill()
