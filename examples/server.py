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


@contextmanager
def running(*flags: str, mode: str = "dev") -> Iterator[str]:
    """Yields the endpoint of a server on a free port. MILLPOND_BIN names the binary."""
    binary = os.environ.get("MILLPOND_BIN", "millpond")
    process = subprocess.Popen(
        [binary, mode, "--listen", "127.0.0.1:0", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    endpoints: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    last_lines: deque[str] = deque(maxlen=50)

    def listen() -> None:
        for line in process.stdout:
            last_lines.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                endpoints.put(found.group())
        endpoints.put(None)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        endpoint = endpoints.get(timeout=START_SECONDS_MAX)
        assert endpoint, f"{binary} ended at once:\n{''.join(last_lines)}"
        yield endpoint
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        listener.join()
    assert code == 0, f"{binary} ended with {code}:\n{''.join(last_lines)}"
