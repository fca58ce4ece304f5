"""A server for all tests, a client, and streams of their own."""

import base64
import os
import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "examples"))

import connect
import server

ACCOUNTS = ["111111111111", "222222222222", "333333333333", "444444444444"]


def flags_of(mode: str, data_dir: Path) -> list[str]:
    """`dev` as it is; `serve` as it is too, with access keys of several accounts and a keyring."""
    if mode == "dev":
        return []
    credentials = ["test:test", *(f"{account}:test:{account}" for account in ACCOUNTS)]
    keyring = data_dir / "keyring.toml"
    keyring.touch(mode=0o600)
    keyring.write_text(
        f"""[[key]]
id = "{uuid.uuid4()}"
aliases = ["alias/aws/kinesis"]
material = "{base64.b64encode(os.urandom(32)).decode()}"
"""
    )
    return [
        f"--data-dir={data_dir / 'data'}",
        f"--keyring={keyring}",
        *(f"--credential={key}" for key in credentials),
    ]


@pytest.fixture(scope="session", params=["dev", "serve"])
def endpoint_url(request, tmp_path_factory):
    mode = request.param
    flags = flags_of(mode, tmp_path_factory.mktemp("data"))
    with server.running(*flags, mode=mode) as url:
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
        kinesis.delete_stream(StreamName=name, EnforceConsumerDeletion=True)
