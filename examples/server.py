"""Starts a millpond for tests and stops it again."""

import os
import queue
import re
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 40  # a little more than the server's own drain


class Server:
    """A server on a port of its choice, up when this returns. MILLPOND_BIN names the binary."""

    def __init__(self, *flags: str, mode: str = "dev", listen: str = "127.0.0.1:0"):
        # The variable is for us: the server warns of variables that it doesn't know.
        environment = dict(os.environ)
        self.binary = environment.pop("MILLPOND_BIN", "millpond")
        self.process = subprocess.Popen(
            [self.binary, mode, "--listen", listen, *flags],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.last_lines: deque[str] = deque(maxlen=50)
        endpoints: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, args=[endpoints], daemon=True)
        self._listener.start()
        self.url = self._wait(endpoints)

    def _wait(self, endpoints: queue.SimpleQueue) -> str:
        try:
            url = endpoints.get(timeout=START_SECONDS_MAX)
        except queue.Empty:
            url = None
        if not url:
            self.kill()
            raise RuntimeError(f"{self.binary} did not start:\n{''.join(self.last_lines)}")
        return url

    def _listen(self, endpoints: queue.SimpleQueue) -> None:
        for line in self.process.stdout:
            self.last_lines.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                endpoints.put(found.group())
        endpoints.put(None)

    def kill(self) -> None:
        """Ends it at once, as a crash would. Nothing happens to one that has ended."""
        self.process.kill()
        self.process.wait()
        self._listener.join()

    def stop(self) -> None:
        """Lets it finish what it has at hand; raises unless it ends well."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS_MAX)
        finally:
            self.kill()
        assert code == 0, f"{self.binary} ended with {code}:\n{''.join(self.last_lines)}"


@contextmanager
def running(*flags: str, mode: str = "dev") -> Iterator[str]:
    """The endpoint of a server that is stopped at the end."""
    server = Server(*flags, mode=mode)
    try:
        yield server.url
    finally:
        server.stop()
