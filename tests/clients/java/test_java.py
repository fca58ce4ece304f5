"""The AWS SDK for Java: its synchronous client, and its asynchronous one, over HTTP/2."""

import base64
import re
import subprocess
from pathlib import Path

import pytest

import maven
import programs
import stored

FOLDER = Path(__file__).parent
HTTP = "software.amazon.awssdk.http"
SECONDS_MAX = 90

SYNCHRONOUS = {
    "apache": f"{HTTP}.apache.ApacheSdkHttpService",
    "url-connection": f"{HTTP}.urlconnection.UrlConnectionSdkHttpService",
}

# What the asynchronous client's HTTP/2 sends and gets, frame by frame, among what is printed.
FRAMES = {
    "org.slf4j.simpleLogger.log.io.netty.handler.codec.http2.Http2FrameLogger": "debug",
    "org.slf4j.simpleLogger.logFile": "System.out",
}


@pytest.fixture(scope="module")
def java():
    return maven.Java(FOLDER)


@pytest.fixture
def trust(ca, tmp_path):
    """The settings of a JVM that trusts `secure`."""
    store = tmp_path / "trust.p12"
    command = ["keytool", "-importcert", "-noprompt", "-file", ca, "-keystore", store]
    subprocess.run([*command, "-storepass", "changeit"], check=True, capture_output=True)
    return {"javax.net.ssl.trustStore": store, "javax.net.ssl.trustStorePassword": "changeit"}


@pytest.fixture(params=["http", "https"])
def run(request, java, dev):
    """Runs a program against the server without and with TLS; the lines that it printed."""
    url, settings = dev, {}
    if request.param == "https":
        url, settings = (request.getfixturevalue(name) for name in ("secure", "trust"))

    def run_program(main: str, **more: str) -> list[str]:
        command = java.command(main, **settings, **more)
        return programs.run(command, FOLDER, programs.environment(url), SECONDS_MAX).splitlines()

    return run_program


def records(lines: list[str]) -> list[tuple]:
    """The records that a program printed, in its order."""
    printed = (line.split(" ") for line in lines if line.startswith("shardId-"))
    return [(shard, number, key, base64.b64decode(data)) for shard, number, key, data in printed]


def formats(lines: list[str]) -> dict[str, set[str]]:
    """In which formats the requests of each operation left over HTTP/2."""
    formats: dict[str, set[str]] = {}
    for line in lines:
        if "OUTBOUND HEADERS" in line:
            operation = re.search(r"x-amz-target: Kinesis_20131202\.(\w+)", line)[1]
            sent = re.search(r"content-type: application/x-amz-(\w+)-1\.1", line)[1]
            formats.setdefault(operation, set()).add(sent)
    return formats


@pytest.mark.parametrize("service", SYNCHRONOUS.values(), ids=SYNCHRONOUS)
def test_the_synchronous_client(run, dev, service):
    lines = run("clicks.Sync", **{f"{HTTP}.service.impl": service})
    assert [line for line in lines if not line.startswith("shardId-")] == [
        "absent: Stream clicks under account 000000000000 not found.",
        "streams: [clicks]",
    ]
    shards = stored.records(dev, "clicks")
    assert records(lines) == [record for shard in shards.values() for record in shard]
    by_key: dict[str, list[bytes]] = {}
    for *_, key, data in records(lines):
        by_key.setdefault(key, []).append(data)
    clicks = {
        f"user-{user}": [f"click {number} ✓".encode() for number in range(user, 20, 5)]
        for user in range(5)
    }
    assert by_key == {**clicks, "large": [bytes(1_000_000)]}
    assert all(shards.values())


def test_the_asynchronous_client(run, dev):
    lines = run("clicks.Async", **FRAMES)
    parents, child = ["shardId-000000000000", "shardId-000000000001"], "shardId-000000000002"
    shards = stored.records(dev, "clicks")
    assert list(shards) == [*parents, child]
    pushed = records(lines)
    for shard in shards:
        assert [record for record in pushed if record[0] == shard] == shards[shard]
    assert pushed[-20:] == shards[child]
    assert {data.decode() for *_, data in pushed} == {
        f"{when} {number}" for when in ("before", "after") for number in range(20)
    }
    assert sorted(line for line in lines if line.startswith("end of")) == [
        f"end of {parent}, then [{child} of [{', '.join(parents)}]]" for parent in parents
    ]
    [absent] = [line for line in lines if line.startswith("absent")]
    stream = "stream clicks under account 000000000000"
    assert absent == f"absent: Shard shardId-000000000099 in {stream} does not exist"
    sent = formats(lines)
    assert sent.pop("SubscribeToShard") == {"json"}
    assert {"CreateStream", "ListShards", "MergeShards", "PutRecord"} < set(sent)
    assert all(formats == {"cbor"} for formats in sent.values())
