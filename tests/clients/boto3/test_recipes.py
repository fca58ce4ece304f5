"""The programs that docs/clients shows, as a user runs them."""

import os
import sys
from pathlib import Path

import programs

FOLDER = Path(__file__).parent
SECONDS_MAX = 60


def test_boto3_by_its_environment(dev):
    env = programs.environment(dev, AWS_DEFAULT_REGION="us-east-1")
    said = programs.run([sys.executable, "clicks.py"], FOLDER, env, SECONDS_MAX)
    lines = said.splitlines()
    read, pushed = lines[:20], lines[21:]
    assert lines[20] == "pushed"
    assert sorted(line.split(" ", 1)[1] for line in read) == sorted(f"click {n}" for n in range(20))
    # Both shards have some, and each shard's come in the order in which they were put.
    by_shard = {}
    for shard, _, number in map(str.split, read):
        by_shard.setdefault(shard, []).append(int(number))
    assert len(by_shard) == 2
    assert all(numbers == sorted(numbers) for numbers in by_shard.values())
    assert pushed == [f"click {n}" for n in by_shard["shardId-000000000000"]]


def test_the_aws_cli_by_its_environment(dev, tmp_path):
    path = f"{programs.TOOLS}{os.pathsep}{os.environ['PATH']}"
    env = programs.environment(dev, PATH=path, AWS_DEFAULT_REGION="us-east-1", HOME=str(tmp_path))
    said = programs.run(["sh", "clicks.sh"], FOLDER, env, SECONDS_MAX)
    assert said.endswith("café\nthé\n"), said
