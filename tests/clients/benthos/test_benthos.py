"""Benthos: its output puts records, its input reads them, with its places in DynamoDB."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import connect
import dynamodb
import programs
import stored

FOLDER = Path(__file__).parent
BUILD_SECONDS_MAX = 900
READ_SECONDS_MAX = 60


@pytest.fixture(scope="module")
def benthos() -> str:
    """The command with the components that it needs here, of what go.mod says and nothing else."""
    binary = str(programs.CACHE / "benthos" / "benthos")
    env = programs.environment("", GOFLAGS="-mod=readonly", GOTOOLCHAIN="local")
    programs.run(["go", "build", "-o", binary, "."], FOLDER, env, BUILD_SECONDS_MAX)
    return binary


@pytest.fixture(scope="module")
def tables() -> Iterator[str]:
    """The URL of a DynamoDB."""
    with dynamodb.running() as url:
        yield url


@pytest.fixture
def env(dev, tables):
    return programs.environment(dev, AWS_ENDPOINT_URL_DYNAMODB=tables)


def clicks(numbers: range, file: Path) -> Path:
    """A file with lines, of five users by turns."""
    lines = [{"user": f"user-{number % 5}", "number": number} for number in numbers]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return file


def numbers_by_user(told: list[dict]) -> list[list[int]]:
    return [
        [click["number"] for click in told if click["user"] == f"user-{user}"] for user in range(5)
    ]


def test_records_come_through_in_order_over_a_split_and_a_restart(
    benthos, env, dev, tables, stream, tmp_path
):
    def produce(numbers: range) -> None:
        file = clicks(numbers, tmp_path / "clicks")
        command = [benthos, "-c", "produce.yaml"]
        programs.run(command, FOLDER, {**env, "CLICKS": str(file)}, READ_SECONDS_MAX)

    @contextmanager
    def consuming() -> Iterator[programs.Program]:
        reader = programs.Program([benthos, "-c", "consume.yaml"], FOLDER, env)
        try:
            yield reader
        finally:
            reader.stop()

    def places() -> dict[str, str]:
        items = dynamodb.items(tables, "clicks-readers")
        return {item["ShardID"]: item.get("SequenceNumber") for item in items}

    produce(range(100))
    with consuming() as reader:
        read = [reader.expect(READ_SECONDS_MAX) for _ in range(100)]
        # It notes its places some time after it has printed what is there.
        kept = stored.records(dev, stream)
        dynamodb.wait(places, {shard: records[-1][1] for shard, records in kept.items()})
    assert numbers_by_user(read) == [list(range(user, 100, 5)) for user in range(5)]
    connect.client(dev).split_shard(
        StreamName=stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**126)
    )
    produce(range(100, 200))
    # Nothing again: the first reader left its places in the table.
    with consuming() as reader:
        read = [reader.expect(READ_SECONDS_MAX) for _ in range(100)]
    assert numbers_by_user(read) == [list(range(100 + user, 200, 5)) for user in range(5)]
