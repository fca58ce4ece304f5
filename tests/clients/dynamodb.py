"""DynamoDB Local, in memory, for clients that keep tables of their own beside Kinesis."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import connect
import maven
import ports
import programs

FOLDER = Path(__file__).parent / "dynamodb"
MAIN = "software.amazon.dynamodb.services.local.main.ServerRunner"
WAIT_SECONDS_MAX = 60


@contextmanager
def running() -> Iterator[str]:
    """The URL of a DynamoDB that has no table, and is killed at the end."""
    port = ports.free()
    arguments = ["-inMemory", "-disableTelemetry", "-port", str(port)]
    with tempfile.TemporaryDirectory() as scratch:
        # It unpacks a library there, which it would leave behind when it is killed.
        command = maven.built(FOLDER).command(MAIN, *arguments, **{"java.io.tmpdir": scratch})
        server = programs.Program(command, FOLDER, programs.environment(""))
        try:
            ports.wait(server, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


def items(tables: str, table: str) -> list[dict[str, str]]:
    """What is in a table, of the members that have one value."""
    found = connect.client(tables, service="dynamodb").scan(TableName=table)["Items"]
    return [{name: str(*value.values()) for name, value in item.items()} for item in found]


def wait(look: Callable[[], dict], expected: dict) -> None:
    """Looks until it sees what is expected: clients write their places when they see fit."""
    end = time.monotonic() + WAIT_SECONDS_MAX
    while (found := look()) != expected:
        assert time.monotonic() < end, f"{found} and not {expected}"
        time.sleep(0.1)
