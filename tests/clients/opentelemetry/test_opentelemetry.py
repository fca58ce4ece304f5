"""OpenTelemetry: what the Collector makes of the server's traces."""

import re
import time
import urllib.request
from pathlib import Path

import pytest

import connect
import ports
import programs
import server

FOLDER = Path(__file__).parent
BUILD_SECONDS_MAX = 900
SECONDS_MAX = 30

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector:
    """The Collector, which prints each span."""

    def __init__(self, binary: Path, port: int):
        endpoint = f"receivers.otlp.protocols.http.endpoint=127.0.0.1:{port}"
        command = [str(binary), "--config", "collector.yaml", "--set", endpoint]
        self.program = programs.Program(command, FOLDER, programs.environment(""))
        ports.wait(self.program, port)

    def spans(self) -> list[dict]:
        """All that came until it was told to stop, each with its resource."""
        self.program.stop()
        while self.program.next(SECONDS_MAX):
            pass
        messages = [news["msg"] for news in self.program.told]
        texts = [message for message in messages if message.startswith("ResourceSpans")]
        return [span for text in texts for span in spans_in(text)]


def spans_in(text: str) -> list[dict]:
    resource, *spans = re.split(r"^Span #\d+$", text, flags=re.MULTILINE)
    return [values(resource) | values(span) for span in spans]


def values(text: str) -> dict:
    """`Name : value` and `-> name: Type(value)`."""
    attributes = re.findall(r"-> (\S+): \w+\((.*)\)$", text, re.MULTILINE)
    return dict(re.findall(r"^ {4}(\w[\w ]*\w) *: (.*)$", text, re.MULTILINE) + attributes)


@pytest.fixture(scope="module")
def binary():
    """The Collector, compiled: what its makers call a distribution."""
    binary = programs.CACHE / "opentelemetry" / "otelcol"
    build = ["go", "build", "-o", str(binary), "."]
    programs.run(build, FOLDER, programs.environment(""), BUILD_SECONDS_MAX)
    return binary


@pytest.fixture
def port(monkeypatch):
    """Where the server is told to send traces."""
    port = ports.free()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "clicks-kinesis")
    return port


def tracing_client(url: str):
    """A client whose calls belong to a trace, as instrumented SDKs make them."""
    kinesis = connect.client(url)

    def add(request, **_):
        request.headers["traceparent"] = f"00-{TRACE}-{PARENT}-01"

    kinesis.meta.events.register("before-sign.kinesis", add)
    return kinesis


def test_each_request_is_a_span(binary, port):
    collector = Collector(binary, port)
    try:
        with server.running() as url:
            connect.client(url).create_stream(StreamName="clicks", ShardCount=1)
            kinesis = tracing_client(url)
            put = kinesis.put_record(StreamName="clicks", PartitionKey="k", Data=b"x")
            with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
                kinesis.describe_stream_summary(StreamName="orders")
        # The server sent what it had before it ended.
        created, stored, missing = collector.spans()
    finally:
        collector.program.kill()

    assert created["Name"] == "Kinesis/CreateStream"
    assert created["Trace ID"] != TRACE
    assert (stored["Trace ID"], stored["Parent ID"]) == (TRACE, PARENT)
    assert stored["aws.request_id"] == put["ResponseMetadata"]["RequestId"]
    told = {
        "service.name": "clicks-kinesis",
        "Name": "Kinesis/PutRecord",
        "Kind": "Server",
        "Status code": "Unset",
        "rpc.system": "aws-api",
        "rpc.service": "Kinesis",
        "rpc.method": "PutRecord",
        "aws.kinesis.stream_name": "clicks",
        "http.response.status_code": "200",
    }
    assert stored | told == stored
    told = {
        "Name": "Kinesis/DescribeStreamSummary",
        "Trace ID": TRACE,
        "aws.kinesis.stream_name": "orders",
        "http.response.status_code": "400",
        "error.type": "ResourceNotFoundException",
    }
    assert missing | told == missing


def counted(url: str, outcome: str) -> int:
    """Spans of which the server says so."""
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        text = answer.read().decode()
    found = re.search(rf'^millpond_spans_total{{outcome="{outcome}"}} (\d+)$', text, re.MULTILINE)
    return int(found[1]) if found else 0


def wait(url: str, outcome: str) -> None:
    end = time.monotonic() + SECONDS_MAX
    while not counted(url, outcome):
        assert time.monotonic() < end, f"no span was {outcome}"
        time.sleep(0.1)


def test_a_collector_may_come_late(binary, port):
    with server.running() as url:
        kinesis = connect.client(url)
        kinesis.create_stream(StreamName="clicks", ShardCount=1)
        wait(url, "lost")
        assert counted(url, "sent") == 0
        collector = Collector(binary, port)
        try:
            kinesis.put_record(StreamName="clicks", PartitionKey="k", Data=b"x")
            wait(url, "sent")
            assert [span["Name"] for span in collector.spans()] == ["Kinesis/PutRecord"]
        finally:
            collector.program.kill()
