"""aws-kinesis-agg: records in the aggregates of the KPL, from Python."""

import hashlib
import json
import os
import sys
from pathlib import Path

import programs
import stored

FOLDER = Path(__file__).parent
RUN_SECONDS_MAX = 60


def test_aggregates_are_stored_where_their_key_belongs_and_taken_apart_in_order(dev, stream):
    env = programs.environment(dev, AWS_DEFAULT_REGION="us-east-1")
    command = [sys.executable, "aggregate.py", stream]
    printed = programs.run(command, FOLDER, env, RUN_SECONDS_MAX)
    told = [json.loads(line) for line in printed.splitlines()]
    for user in range(5):
        clicks = [click["data"] for click in told if click["key"] == f"user-{user}"]
        assert clicks == [f"click {number}" for number in range(user, 6000, 5)]
    # A little more than a megabyte of each user, as two records under the user's own key.
    shards = stored.records(dev, stream).values()
    kept = [(key, shard) for records in shards for shard, _, key, _ in records]
    users = [f"user-{user}" for user in range(5)]
    assert sorted(kept) == sorted(2 * [(user, home(user)) for user in users])


def test_what_is_shown_of_aggregates_is_what_was_put_into_them(dev, stream):
    env = programs.environment(dev, AWS_DEFAULT_REGION="us-east-1")
    told = programs.run([sys.executable, "aggregate.py", stream], FOLDER, env, RUN_SECONDS_MAX)
    told = [json.loads(line) for line in told.splitlines()]
    peek = [os.environ["MILLPOND_BIN"], "peek", stream, "-n", "10000", "--endpoint", dev, "--json"]
    shown = programs.run(peek, FOLDER, env, RUN_SECONDS_MAX)
    shown = [json.loads(line) for line in shown.splitlines()]
    for user in range(5):
        key = f"user-{user}"
        clicks = [record["data"].rstrip(" .") for record in shown if record["partition_key"] == key]
        assert clicks == [click["data"] for click in told if click["key"] == key]
    raw = programs.run([*peek, "--raw"], FOLDER, env, RUN_SECONDS_MAX)
    assert len(raw.splitlines()) == 10


def home(key: str) -> str:
    """The shard of two that has the key."""
    half = int(hashlib.md5(key.encode()).hexdigest(), 16) >> 127
    return f"shardId-{half:012}"
