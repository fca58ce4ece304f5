"""DynamoDB Local, in memory, for clients that keep tables of their own beside Kinesis."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import maven
import ports
import programs

FOLDER = Path(__file__).parent / "dynamodb"
MAIN = "software.amazon.dynamodb.services.local.main.ServerRunner"


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
