"""The AWS CLI, told where to go by its environment as the banner says."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS_MAX = 60


@pytest.fixture
def aws(endpoint_url, tmp_path):
    """Runs a command of `aws kinesis` and gives what it prints."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),  # nobody's own configuration
        "AWS_ENDPOINT_URL_KINESIS": endpoint_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    program = Path(sys.executable).with_name("aws")

    def run(*arguments: str) -> dict:
        command = [program, "kinesis", *arguments, "--output", "json"]
        ended = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout) if ended.stdout else {}

    return run


# Its waiters look every ten seconds only, so a stream that is there at once saves time.
@pytest.mark.parametrize("endpoint_url", ["dev"], indirect=True)
def test_a_stream_from_its_creation_to_its_end(aws, new_name):
    name = new_name()
    stream = ["--stream-name", name]
    assert aws("create-stream", *stream, "--shard-count", "2") == {}
    aws("wait", "stream-exists", *stream)
    summary = aws("describe-stream-summary", *stream)["StreamDescriptionSummary"]
    assert (summary["StreamStatus"], summary["OpenShardCount"]) == ("ACTIVE", 2)

    put = aws("put-record", *stream, "--partition-key", "k", "--data", "café")
    shard = ["--shard-id", put["ShardId"], "--shard-iterator-type", "TRIM_HORIZON"]
    iterator = aws("get-shard-iterator", *stream, *shard)["ShardIterator"]
    [record] = aws("get-records", "--shard-iterator", iterator)["Records"]
    assert record["SequenceNumber"] == put["SequenceNumber"]
    assert base64.b64decode(record["Data"]).decode() == "café"

    assert name in aws("list-streams")["StreamNames"]
    aws("delete-stream", *stream)
    aws("wait", "stream-not-exists", *stream)
