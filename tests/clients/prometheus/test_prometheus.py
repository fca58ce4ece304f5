"""Prometheus, as Debian has it: it scrapes the server and answers queries over what it found."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

import connect
import ports
import programs

FOLDER = Path(__file__).parent
PACKAGE_SECONDS_MAX = 300
SECONDS_MAX = 60


@pytest.fixture(scope="module")
def bin_folder():
    """Where the programs of the package are, without a service of the system."""
    if installed := shutil.which("prometheus"):
        return Path(installed).parent
    unpacked = programs.CACHE / "prometheus"
    if not unpacked.exists():
        programs.CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=programs.CACHE) as scratch:
            whole = unpack(Path(scratch))
            # Another run may have been quicker.
            if not unpacked.exists():
                whole.rename(unpacked)
    return unpacked / "usr/bin"


def unpack(scratch: Path) -> Path:
    """The folder with what is in the package."""
    download = ["apt-get", "download", "prometheus"]
    if not succeeds(download, scratch):
        # Its lists are empty, as in most images, or older than the package is.
        as_root = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
        succeeds([*as_root, "apt-get", "update"], scratch)
        assert succeeds(download, scratch), (
            "apt-get can't download the package prometheus; type `sudo apt-get update` or install "
            "Prometheus, then try again"
        )
    [package] = scratch.glob("prometheus_*.deb")
    assert succeeds(["dpkg", "-x", package.name, "unpacked"], scratch)
    return scratch / "unpacked"


def succeeds(command: list[str], folder: Path) -> bool:
    """Whether a command ends well; `env` says of one that isn't there that it doesn't."""
    done = subprocess.run(["env", *command], cwd=folder, timeout=PACKAGE_SECONDS_MAX, check=False)
    return done.returncode == 0


class Prometheus:
    """A Prometheus that scrapes this server."""

    def __init__(self, bin_folder: Path, url: str, folder: Path):
        port = ports.free()
        config = (FOLDER / "prometheus.yml").read_text()
        target = urllib.parse.urlsplit(url).netloc
        (folder / "prometheus.yml").write_text(config.replace("127.0.0.1:4567", target))
        flags = [f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder / 'data'}"]
        command = [str(bin_folder / "prometheus"), "--config.file=prometheus.yml", *flags]
        self.url = f"http://127.0.0.1:{port}"
        self.program = programs.Program(command, folder, programs.environment(""))
        ports.wait(self.program, port)

    def query(self, text: str) -> dict:
        """The value of each series, by the values of its labels."""
        arguments = urllib.parse.urlencode({"query": text})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{arguments}") as answer:
            result = json.load(answer)["data"]["result"]
        return {tuple(row["metric"].values()): float(row["value"][1]) for row in result}

    def wait(self, text: str, expected: dict) -> None:
        end = time.monotonic() + SECONDS_MAX
        while (found := self.query(text)) != expected:
            assert time.monotonic() < end, f"{text} is {found}"
            time.sleep(0.2)


@pytest.fixture
def prometheus(bin_folder, dev, tmp_path):
    prometheus = Prometheus(bin_folder, dev, tmp_path)
    yield prometheus
    prometheus.program.stop()


def use(url: str, stream: str) -> None:
    """Writes seven records, reads them, and is refused once."""
    kinesis = connect.client(url)
    records = [{"PartitionKey": f"user-{n}", "Data": b"click"} for n in range(7)]
    assert kinesis.put_records(StreamName=stream, Records=records)["FailedRecordCount"] == 0
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        start = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )
        kinesis.get_records(ShardIterator=start["ShardIterator"])
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.put_record(StreamName="orders", PartitionKey="k", Data=b"")


def test_what_happened_can_be_queried(prometheus, dev, stream):
    here = (dev.removeprefix("http://"), "millpond")
    prometheus.wait("sum by (instance, job) (up)", {here: 1})
    use(dev, stream)
    prometheus.wait("sum by (stream) (millpond_incoming_records_total)", {(stream,): 7})
    prometheus.wait("sum by (stream) (millpond_incoming_bytes_total)", {(stream,): 7 * (5 + 6)})
    prometheus.wait("sum by (stream) (millpond_outgoing_records_total)", {(stream,): 7})
    prometheus.wait("sum by (stream) (millpond_open_shards)", {(stream,): 2})
    refused = 'sum by (operation, error) (millpond_requests_total{error!=""})'
    prometheus.wait(refused, {("ResourceNotFoundException", "PutRecord"): 1})
    took = 'sum by (operation) (millpond_request_duration_seconds_count{operation="GetRecords"})'
    prometheus.wait(took, {("GetRecords",): 2})


def test_the_recipe_s_queries_are_answered(prometheus, dev, stream):
    use(dev, stream)
    lines = (FOLDER / "queries.promql").read_text().splitlines()
    queries = [line for line in lines if not line.startswith("#")]
    assert len(queries) == 6
    # The rate of a counter needs two scrapes.
    end = time.monotonic() + SECONDS_MAX
    while (stream,) not in prometheus.query(queries[0]):
        assert time.monotonic() < end
        time.sleep(0.2)
    for query in queries:
        prometheus.query(query)


def test_its_linter_finds_nothing(bin_folder, dev, stream):
    use(dev, stream)
    with urllib.request.urlopen(f"{dev}/metrics") as answer:
        metrics = answer.read()
    check = [bin_folder / "promtool", "check", "metrics"]
    said = subprocess.run(check, input=metrics, capture_output=True, check=False)
    assert (said.returncode, said.stdout, said.stderr) == (0, b"", b"")
