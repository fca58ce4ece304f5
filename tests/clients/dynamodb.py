"""DynamoDB Local, in memory, for clients that keep tables of their own beside Kinesis."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import maven
import programs

FOLDER = Path(__file__).parent / "dynamodb"
MAIN = "software.amazon.dynamodb.services.local.main.ServerRunner"
START_SECONDS_MAX = 60


@contextmanager
def running() -> Iterator[str]:
    """The URL of a DynamoDB that has no table, and is killed at the end."""
    port = free_port()
    command = maven.built(FOLDER).command(
        MAIN, "-inMemory", "-disableTelemetry", "-port", str(port)
    )
    server = programs.Program(command, FOLDER, programs.environment(""))
    try:
        wait(server, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()


def free_port() -> int:
    """A port that is free now; it can't be told to choose one itself."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait(server: programs.Program, port: int) -> None:
    """Waits until it answers."""
    end = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < end and server.process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"DynamoDB did not start:\n{''.join(server.log)}")
