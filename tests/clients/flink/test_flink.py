"""A Flink job reads a stream that is split and merged meanwhile, and writes to another."""

import itertools
import json
import tempfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import connect
import programs
from consume import Reader
from events import Event
from maven import Java
from produce import OrderedProducer

pytestmark = pytest.mark.heavy

FOLDER = Path(__file__).parent
KEYS = [f"page-{number}" for number in range(100)]
MIDDLE_OF_LOWER_HALF = str(2**126)
TOLD_SECONDS_MAX = 150

# What Flink's own start scripts open on Java 17, for its serializers.
OPENED = " ".join(f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in ("lang", "util"))


@pytest.fixture(scope="module")
def job():
    return Java(FOLDER)


@pytest.fixture
def kinesis(dev, stream):
    client = connect.client(dev)
    connect.ensure_stream(client, "counted", 1)
    return client


@pytest.fixture
def scratch():
    """A folder for checkpoints and for what Flink leaves behind when it is killed."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def start(job, dev, kinesis, scratch):
    """Starts the job with a reader, and kills whatever was started."""
    started = []

    def start_job(reader: str, *resume: str) -> programs.Program:
        streams = [arn(kinesis, stream) for stream in ("clicks", "counted")]
        arguments = [reader, *streams, str(scratch / "checkpoints"), *resume]
        temporary = {"java.io.tmpdir": str(scratch)}
        command = job.command("clicks.CountClicks", *arguments, heap="512m", **temporary)
        program = programs.Program(
            command, FOLDER, programs.environment(dev, JDK_JAVA_OPTIONS=OPENED)
        )
        started.append(program)
        return program

    yield start_job
    for program in started:
        program.kill()


def arn(kinesis, stream: str) -> str:
    summary = kinesis.describe_stream_summary(StreamName=stream)
    return summary["StreamDescriptionSummary"]["StreamARN"]


def consumers(kinesis) -> list[str]:
    found = kinesis.list_stream_consumers(StreamARN=arn(kinesis, "clicks"))["Consumers"]
    return [consumer["ConsumerName"] for consumer in found]


class Clicks:
    """Writes the clicks of all keys, again and again, until it is told to finish."""

    def __init__(self, url: str):
        self._finished = threading.Event()
        self._producer = OrderedProducer(connect.client(url, attempts=1), "clicks")
        self._thread = ThreadPoolExecutor(1)
        self._written = self._thread.submit(self._write)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._finished.set()
        self._thread.shutdown()

    def _write(self) -> None:
        for number in itertools.count():
            self._producer.send(Event(key, str(number).encode()) for key in KEYS)
            if self._finished.wait(0.05):
                return

    def finish(self) -> set[tuple[str, str]]:
        """Ends the writing; what was acknowledged, as shard id and sequence number."""
        self._finished.set()
        self._written.result()
        return self._producer.figures.acknowledged


class Counted:
    """What the job has written so far."""

    def __init__(self, kinesis, program: programs.Program):
        self.program = program
        self.lines: list[dict] = []
        self._batches = Reader(kinesis, "counted").batches(follow=True)

    def read_until(self, found) -> None:
        """Reads on until the condition holds."""
        deadline = time.monotonic() + TOLD_SECONDS_MAX
        while not found():
            running = self.program.process.poll() is None
            assert running and time.monotonic() < deadline, "".join(self.program.log)
            self.lines += [json.loads(record["Data"]) for record in next(self._batches).records]

    def read_from(self, shard: str) -> None:
        self.read_until(lambda: any(line["ShardId"] == shard for line in self.lines))

    def places(self) -> list[tuple[str, str]]:
        return [(line["ShardId"], line["SequenceNumber"]) for line in self.lines]


def reshard(kinesis, counted: Counted) -> None:
    """A split and a merge, each when the job reads what the one before has made."""
    counted.read_from("shardId-000000000001")
    kinesis.split_shard(
        StreamName="clicks",
        ShardToSplit="shardId-000000000000",
        NewStartingHashKey=MIDDLE_OF_LOWER_HALF,
    )
    counted.read_from("shardId-000000000003")
    kinesis.merge_shards(
        StreamName="clicks",
        ShardToMerge="shardId-000000000003",
        AdjacentShardToMerge="shardId-000000000001",
    )
    counted.read_from("shardId-000000000004")


def assert_in_order(lines: list[dict]) -> None:
    """Sequence numbers order a key's records as they were written, and a shard is read in order."""
    by_key = defaultdict(list)
    for line in sorted(lines, key=lambda line: int(line["SequenceNumber"])):
        by_key[line["key"]].append(line)
    for of_key in by_key.values():
        assert [line["n"] for line in of_key] == list(range(len(of_key)))
        assert sorted(line["count"] for line in of_key) == list(range(1, len(of_key) + 1))
        for _, of_shard in itertools.groupby(of_key, lambda line: line["ShardId"]):
            counts = [line["count"] for line in of_shard]
            assert counts == sorted(counts)


@pytest.mark.parametrize("reader", ["POLLING", "EFO"])
def test_each_record_is_read_once_over_a_split_and_a_merge(dev, kinesis, start, reader):
    with Clicks(dev) as clicks:
        counted = Counted(kinesis, start(reader))
        reshard(kinesis, counted)
        acknowledged = clicks.finish()
    counted.read_until(lambda: len(counted.lines) >= len(acknowledged))

    assert sorted(counted.places()) == sorted(acknowledged)
    assert_in_order(counted.lines)
    assert consumers(kinesis) == (["count-clicks"] if reader == "EFO" else [])


def test_the_experimental_source_reads_each_record_once(dev, kinesis, start):
    # Over a split it fails by itself: this release reads on in a shard that it has finished.
    with Clicks(dev) as clicks:
        counted = Counted(kinesis, start("SOURCE"))
        for shard in ("shardId-000000000000", "shardId-000000000001"):
            counted.read_from(shard)
        acknowledged = clicks.finish()
    counted.read_until(lambda: len(counted.lines) >= len(acknowledged))

    assert sorted(counted.places()) == sorted(acknowledged)
    assert_in_order(counted.lines)


def last_checkpoint(folder: Path) -> str:
    """What a job that was killed is started from."""
    files = folder.glob("*/chk-*/_metadata")
    return max(files, key=lambda file: file.stat().st_mtime_ns).parent.as_uri()


@pytest.mark.parametrize("reader", ["POLLING", "EFO"])
def test_a_killed_job_goes_on_from_its_checkpoint(dev, kinesis, start, scratch, reader):
    with Clicks(dev) as clicks:
        counted = Counted(kinesis, start(reader))
        reshard(kinesis, counted)
        counted.program.kill()
        counted.program = start(reader, last_checkpoint(scratch / "checkpoints"))
        acknowledged = clicks.finish()
    counted.read_until(lambda: len(set(counted.places())) >= len(acknowledged))

    # Its state is exact, and its sink writes again what it had written after the checkpoint.
    assert sorted(set(counted.places())) == sorted(acknowledged)
    assert_in_order(list({line["SequenceNumber"]: line for line in counted.lines}.values()))
