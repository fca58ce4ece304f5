"""Telegraf: its output puts metrics, its input reads them, over a split."""

import json
from pathlib import Path

import pytest

import connect
import programs

FOLDER = Path(__file__).parent
BUILD_SECONDS_MAX = 900
READ_SECONDS_MAX = 30

# The stock command, with just the plugins that the two files name.
PLUGINS = [
    *["inputs.file", "parsers.influx", "outputs.kinesis", "serializers.influx"],
    *["inputs.kinesis_consumer", "outputs.file", "serializers.json"],
]


@pytest.fixture(scope="module")
def telegraf():
    """The command, built of its own go.mod and go.sum; ours say which version that is."""
    env = programs.environment("", GOFLAGS="-mod=readonly", GOTOOLCHAIN="local")
    download = ["go", "mod", "download", "-json", "github.com/influxdata/telegraf"]
    source = json.loads(programs.run(download, FOLDER, env, BUILD_SECONDS_MAX))["Dir"]
    binary = str(programs.CACHE / "telegraf" / "telegraf")
    build = ["go", "build", "-tags", ",".join(["custom", *PLUGINS]), "-o", binary]
    programs.run([*build, "./cmd/telegraf"], Path(source), env, BUILD_SECONDS_MAX)
    return binary


@pytest.fixture(params=["http", "https"])
def env(request, dev, secure, ca):
    url = dev if request.param == "http" else secure
    # Its input dies of "concurrent map writes" now and then when it finds two shards at once, as it
    # writes a map of its own without a lock: consumer.go of 1.37.2, startShardConsumer.
    return programs.environment(url, AWS_CA_BUNDLE=str(ca), GOMAXPROCS="1")


def clicks(numbers: range, file: Path) -> Path:
    """A file with metrics, of five users by turns."""
    lines = [f"click,user=user-{number % 5} number={number}i {number}\n" for number in numbers]
    file.write_text("".join(lines))
    return file


def test_metrics_come_through_in_order_over_a_split(telegraf, env, dev, stream, tmp_path):
    kinesis = connect.client(dev)

    def produce(numbers: range) -> None:
        file = clicks(numbers, tmp_path / "clicks")
        command = [telegraf, "--once", "--strict-env-handling", "--config", "produce.conf"]
        programs.run(command, FOLDER, {**env, "CLICKS": str(file)}, READ_SECONDS_MAX)

    def split(shard: str, at: int) -> None:
        kinesis.split_shard(StreamName=stream, ShardToSplit=shard, NewStartingHashKey=str(at))

    produce(range(100))
    split("shardId-000000000000", 2**126)
    produce(range(100, 200))
    consumer = programs.Program([telegraf, "--config", "consume.conf"], FOLDER, env)
    try:
        read = [consumer.expect(READ_SECONDS_MAX) for _ in range(200)]
        split("shardId-000000000001", 2**127 + 2**126)
        produce(range(200, 300))
        read += [consumer.expect(READ_SECONDS_MAX) for _ in range(100)]
    finally:
        consumer.stop()
    assert all(metric["name"] == "click" for metric in read)
    for user in range(5):
        numbers = [
            metric["fields"]["number"]
            for metric in read
            if metric["tags"]["user"] == f"user-{user}"
        ]
        assert numbers == list(range(user, 300, 5))
