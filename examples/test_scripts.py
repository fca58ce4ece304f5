"""The examples as a user runs them: as scripts, from a directory of the user's own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import connect
import consume
import server

EXAMPLES = Path(__file__).parent
SECONDS_MAX = 60
HANDLER = """
def handler(event, context):
    print(len(event["Records"]), "handled by", context.function_name)
"""
KEYLESS_HANDLER = """
def handler(event, context):
    for record in event["Records"]:
        print(record["kinesis"].get("partitionKey", "no key"))
"""


def run(cwd: Path, script: str, *flags: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(EXAMPLES / script), *flags]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )


def test_a_handler_of_the_current_directory_is_called(kinesis, endpoint_url, stream, tmp_path):
    (tmp_path / "myh.py").write_text(HANDLER)
    kinesis.put_record(StreamName=stream, PartitionKey="k", Data=b"x")
    flags = ["--endpoint-url", endpoint_url, "--stream", stream, "--until-idle"]
    first = run(tmp_path, "lambda_consumer.py", "--handler", "myh:handler", *flags)
    assert (first.returncode, first.stdout) == (0, "1 handled by handler\n"), first
    again = run(tmp_path, "lambda_consumer.py", "--handler", "myh:handler", *flags)
    assert (again.returncode, again.stdout) == (0, ""), "what is done is not done again"


def test_records_without_keys_are_read_and_handled_but_prove_no_order(
    kinesis, endpoint_url, tmp_path
):
    (tmp_path / "myh.py").write_text(KEYLESS_HANDLER)
    stream = "keyless"
    kinesis.create_stream(StreamName=stream, RecordDistributionStrategy="AUTO")
    connect.wait_active(kinesis, stream)
    kinesis.put_record(StreamName=stream, Data=b"x")
    flags = ["--endpoint-url", endpoint_url, "--stream", stream]
    read = run(tmp_path, "consume.py", *flags)
    assert (read.returncode, read.stdout.split()[-1:]) == (0, ["x"]), read
    handled = run(
        tmp_path, "lambda_consumer.py", "--handler", "myh:handler", "--until-idle", *flags
    )
    assert (handled.returncode, handled.stdout) == (0, "no key\n"), handled
    records = [r for batch in consume.Reader(kinesis, stream).batches() for r in batch.records]
    with pytest.raises(AssertionError, match="without a key"):
        consume.Proof().add("shardId-000000000000", records[0])
    kinesis.delete_stream(StreamName=stream)


def test_each_test_has_a_fork_of_its_own(endpoint_url, tmp_path):
    ended = run(tmp_path, "fork_per_test.py", "--endpoint-url", endpoint_url)
    assert ended.returncode == 0, ended
    for words in ("20 tests, each with a fork", "for itself", "is empty again; its fork isn't"):
        assert words in ended.stdout, ended


def test_a_test_owns_the_clock(tmp_path):
    ended = run(tmp_path, "owned_clock.py")
    assert ended.returncode == 0, ended
    assert "hours passed in" in ended.stdout and "byte for byte" in ended.stdout, ended


def test_faults_are_survived(endpoint_url, tmp_path):
    ended = run(tmp_path, "faults.py", "--endpoint-url", endpoint_url)
    assert ended.returncode == 0, ended
    for words in ("600 events stored", "600 events read in order", "counted once", "without a gap"):
        assert words in ended.stdout, ended


@pytest.mark.parametrize("handler", ["myh", "myh:", ":handler", "myh:absent", "absent:handler"])
def test_a_wrong_handler_is_an_error_of_usage(tmp_path, handler):
    (tmp_path / "myh.py").write_text(HANDLER)
    ended = run(tmp_path, "lambda_consumer.py", "--handler", handler)
    assert ended.returncode == 2, ended
    assert f"error: --handler {handler}: " in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("script", ["consume.py", "lambda_consumer.py"])
def test_a_missing_stream_is_one_line(endpoint_url, tmp_path, script):
    (tmp_path / "myh.py").write_text(HANDLER)
    flags = ["--handler", "myh:handler"] if script == "lambda_consumer.py" else []
    ended = run(tmp_path, script, "--endpoint-url", endpoint_url, "--stream", "absent", *flags)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended.stderr
    assert "Stream absent" in ended.stderr and "produce.py" in ended.stderr


@pytest.mark.parametrize("script", ["produce.py", "consume.py", "shard_tour.py", "throttling.py"])
def test_a_server_that_is_not_there_is_one_line(tmp_path, script):
    ended = run(tmp_path, script, "--endpoint-url", "http://127.0.0.1:1")
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended.stderr
    assert "http://127.0.0.1:1" in ended.stderr and "./x just dev" in ended.stderr


def test_a_server_with_declared_streams_is_looked_into(tmp_path):
    ended = run(tmp_path, "look_inside.py")
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0].split()[:4] == ["SHARD", "STATE", "RECORDS", "PARENTS"]
    assert [line.split("  ")[2:] for line in lines[-3:]] == [
        ["user-1", json.dumps({"id": number})] for number in range(3)
    ]


@pytest.mark.parametrize(
    ("hot", "advice"), [("0", " even shards instead of 1"), ("0.9", "no number of shards helps")]
)
def test_throttling_is_rehearsed(tmp_path, hot, advice):
    # While time stands, nothing is refilled, however slow the machine is.
    with server.running("--quotas", "strict", "--clock", "paused") as url:
        flags = ["--endpoint-url", url, "--count", "10000", "--hot", hot]
        said = run(tmp_path, "throttling.py", *flags)
    assert said.returncode == 0, said
    assert "refused by shard-write-records-per-second = 1,000" in said.stdout, said.stdout
    assert advice in said.stdout and " USD, with enough shards " in said.stdout, said.stdout


def test_where_nothing_is_kept_nothing_is_told(endpoint_url, tmp_path):
    said = run(tmp_path, "throttling.py", "--endpoint-url", endpoint_url, "--count", "500")
    assert (said.returncode, said.stdout.count("\n")) == (0, 2), said
    assert "--quotas strict" in said.stdout


def test_the_help_tells_every_default(tmp_path):
    said = run(tmp_path, "lambda_consumer.py", "--help").stdout
    assert "default: checkpoint.json" in said and "default: failures.jsonl" in said
    assert "default: None" not in said
    assert "--count" in run(tmp_path, "shard_tour.py", "--help").stdout
