"""What the two programs that are written with each SDK must have done.

`records STREAM` makes the stream, puts a hundred clicks and tells all records that are there.
`fan_out STREAM SHARD` registers a consumer and tells what it is sent until the shard ends.
"""

import json
from itertools import chain
from pathlib import Path

import connect
import programs
import stored

RUN_SECONDS_MAX = 60
SHARD = "shardId-000000000000"

# Five events of a megabyte: more than any client takes at once over HTTP/2.
LARGE = [f"{number}" * 1_000_000 for number in range(5)]


def check_records(command: list[str], folder: Path, env: dict[str, str]) -> None:
    """Run twice, it makes the stream the first time and finds it the second."""
    clicks = [f"click {number}" for number in range(100)]
    for runs in (1, 2):
        printed = programs.run([*command, "clicks"], folder, env, RUN_SECONDS_MAX)
        told = [json.loads(line) for line in printed.splitlines()]
        shards = stored.records(plain(env), "clicks")
        assert list(shards) == [SHARD, "shardId-000000000001"] and all(shards.values())
        assert [as_stored(record) for record in told] == [*chain(*shards.values())]
        for user in range(7):
            of_user = [record["data"] for record in told if record["key"] == f"user-{user}"]
            assert of_user == clicks[user::7] * runs


def as_stored(told: dict) -> stored.Stored:
    return told["shard"], told["number"], told["key"], told["data"].encode()


def check_fan_out(command: list[str], folder: Path, env: dict[str, str]) -> str:
    """It is sent what was there, then what is put, then that the shard was split. Gives its log."""
    boto3 = connect.client(plain(env))
    for data in LARGE:
        boto3.put_record(StreamName="clicks", PartitionKey="k", ExplicitHashKey="0", Data=data)
    program = programs.Program([*command, "clicks", SHARD], folder, env)
    try:
        assert "/consumer/dashboard:" in program.expect(RUN_SECONDS_MAX)["consumer"]
        assert received(program, len(LARGE)) == LARGE
        boto3.put_record(StreamName="clicks", PartitionKey="k", ExplicitHashKey="0", Data="news")
        assert received(program, 1) == ["news"]
        boto3.split_shard(StreamName="clicks", ShardToSplit=SHARD, NewStartingHashKey=str(2**126))
        while not (event := program.expect(RUN_SECONDS_MAX)).get("children"):
            assert event["data"] == []
        assert event["children"] == ["shardId-000000000002", "shardId-000000000003"]
        assert program.next(RUN_SECONDS_MAX) is None
        assert program.process.wait() == 0
        return "".join(program.log)
    finally:
        program.stop()


def check_error_in_stream(command: list[str], folder: Path, env: dict[str, str]) -> None:
    """Its consumer is deregistered while it reads, which it knows by the name of the error."""
    boto3 = connect.client(plain(env))
    boto3.put_record(StreamName="clicks", PartitionKey="k", ExplicitHashKey="0", Data="one")
    program = programs.Program([*command, "clicks", SHARD], folder, env)
    try:
        consumer = program.expect(RUN_SECONDS_MAX)["consumer"]
        assert received(program, 1) == ["one"]
        boto3.deregister_stream_consumer(ConsumerARN=consumer)
        while "error" not in (event := program.expect(RUN_SECONDS_MAX)):
            assert event["data"] == []
        assert event["error"] == "ResourceNotFoundException"
        assert program.next(RUN_SECONDS_MAX) is None
    finally:
        program.stop()


def received(program: programs.Program, count: int) -> list[str]:
    """The data of the next records; there may be events without any among them."""
    data = []
    while len(data) < count:
        event = program.expect(RUN_SECONDS_MAX)
        assert "data" in event, f"{event}\n{''.join(program.log)}"
        data += event["data"]
    return data


def plain(env: dict[str, str]) -> str:
    """The server of the program, without TLS."""
    return env["AWS_ENDPOINT_URL"].replace("https://localhost", "http://127.0.0.1")
