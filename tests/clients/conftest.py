"""A server as a developer starts it, for the program of each client."""

import sys
import urllib.request
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
sys.path.insert(0, str(Path(__file__).parent))

import connect
import server


@pytest.fixture
def dev():
    """The URL of a `millpond dev` without a flag, for one test."""
    with server.running() as url:
        yield url


@pytest.fixture
def secure(dev):
    """The same server's URL with TLS."""
    return dev.replace("http://127.0.0.1", "https://localhost")


@pytest.fixture
def ca(dev, tmp_path):
    """A file with the certificate that a client of `secure` must trust."""
    file = tmp_path / "ca.pem"
    with urllib.request.urlopen(f"{dev}/_millpond/ca.pem") as answer:
        file.write_bytes(answer.read())
    return file


@pytest.fixture
def stream(dev):
    """The name of a stream of two shards, which is there."""
    connect.ensure_stream(connect.client(dev), "clicks", 2)
    return "clicks"
