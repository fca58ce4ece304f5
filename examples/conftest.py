"""What the examples' own tests need: a server, and a stream of their own."""

import uuid

import pytest

import connect
import server


@pytest.fixture(scope="session")
def endpoint_url():
    """A server that keeps its data in memory."""
    with server.running() as url:
        yield url


@pytest.fixture
def kinesis(endpoint_url):
    return connect.client(endpoint_url)


@pytest.fixture
def stream(kinesis):
    name = f"test-{uuid.uuid4().hex[:8]}"
    connect.ensure_stream(kinesis, name, shards=2)
    yield name
    kinesis.delete_stream(StreamName=name)
