"""A server for all tests, a client, and streams of their own."""

import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "examples"))

import connect
import server


@pytest.fixture(scope="session")
def endpoint_url():
    with server.running() as url:
        yield url


@pytest.fixture(scope="session")
def kinesis(endpoint_url):
    return connect.client(endpoint_url)


@pytest.fixture
def new_name():
    """Gives stream names that nothing else uses."""
    return lambda: f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def create(kinesis, new_name):
    """Creates streams that are deleted after the test."""
    created = []

    def create_stream(shards: int = 1) -> str:
        name = new_name()
        connect.ensure_stream(kinesis, name, shards)
        created.append(name)
        return name

    yield create_stream
    for name in created:
        kinesis.delete_stream(StreamName=name)
