#!/usr/bin/env python3
"""What a server with strict quotas admits in real time, over loopback: rates of writes and reads.

As a script it prints a table, `python tests/clients/rates.py --shards 1 3 50`. The server must take
any signature (`dev`), so that the client's own work is next to nothing.
"""

import argparse
import base64
import http.client
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import server

MIB = 1 << 20
AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=test/20230101/us-east-1/kinesis/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=0123456789abcdef"
)
WARM_SECONDS = 2  # so long, and until a tenth of what is offered is refused: the bucket is drained
DRAIN_SECONDS_MAX = 30
WRITERS = 6


@dataclass(frozen=True)
class Measured:
    """What was admitted in a window, and between the first request and the last answer."""

    admitted: int
    seconds: float
    admitted_ever: int
    seconds_ever: float

    @property
    def rate(self) -> float:
        return self.admitted / self.seconds


class Client:
    """One connection that sends what it is given, with a signature that nobody looks at."""

    def __init__(self, url: str):
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)

    def call(self, operation: str, body: bytes) -> tuple[int, bytes]:
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"Kinesis_20131202.{operation}",
            "X-Amz-Date": "20230101T000000Z",
            "Authorization": AUTHORIZATION,
        }
        self.connection.request("POST", "/", body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def ask(self, operation: str, **members) -> dict:
        status, body = self.call(operation, json.dumps(members).encode())
        assert status == 200, (operation, status, body)
        return json.loads(body) if body else {}


def create(url: str, stream: str, shards: int) -> None:
    client = Client(url)
    client.ask("CreateStream", StreamName=stream, ShardCount=shards)
    while (
        client.ask("DescribeStreamSummary", StreamName=stream)["StreamDescriptionSummary"][
            "StreamStatus"
        ]
        != "ACTIVE"
    ):
        time.sleep(0.1)


def hash_keys(shards: int) -> list[str]:
    """A hash key in the middle of each shard."""
    width = 2**128 // shards
    return [str(shard * width + width // 2) for shard in range(shards)]


def entries(shards: int, count: int, size: int) -> list[dict]:
    """Entries for the shards in turn, each with its one byte of key so large."""
    data = base64.b64encode(b"x" * (size - 1)).decode()
    keys = hash_keys(shards)
    return [
        {"PartitionKey": "k", "ExplicitHashKey": keys[n % shards], "Data": data}
        for n in range(count)
    ]


def put_records(stream: str, records: list[dict]) -> bytes:
    return json.dumps({"StreamName": stream, "Records": records}).encode()


def admitted_of(answer: bytes, sent: int) -> int:
    """Of so many records, those that an answer of PutRecords doesn't call failed."""
    name = b'"FailedRecordCount":'
    place = answer.index(name) + len(name)
    digits = answer[place : place + 6].split(b",")[0].split(b"}")[0]
    return sent - int(digits)


def measure(
    clients: int, seconds: float, attempt: Callable[[int], Iterator[tuple[int, int]]]
) -> Measured:
    """Lets `attempt` go on in so many threads; each time it tells what was admitted, and refused.

    The window begins when the bucket is drained.
    """
    began = time.monotonic()
    told: list[list[tuple[float, int, int]]] = [[] for _ in range(clients)]
    window: list[float] = []
    done = threading.Event()

    def run(client: int) -> None:
        for admitted, refused in attempt(client):
            told[client].append((time.monotonic(), admitted, refused))
            if done.is_set():
                return

    threads = [threading.Thread(target=run, args=[client]) for client in range(clients)]
    for thread in threads:
        thread.start()
    while not window:
        time.sleep(0.1)
        now = time.monotonic()
        last = [one for of_client in told for one in of_client if one[0] > now - 1]
        admitted, refused = (sum(one[place] for one in last) for place in (1, 2))
        is_drained = refused * 9 > admitted and now > began + WARM_SECONDS
        if is_drained or now > began + DRAIN_SECONDS_MAX:
            window.append(now)
    time.sleep(seconds)
    done.set()
    for thread in threads:
        thread.join()
    everything = [one for of_client in told for one in of_client]
    within = [one[1] for one in everything if window[0] <= one[0] < window[0] + seconds]
    return Measured(
        admitted=sum(within),
        seconds=seconds,
        admitted_ever=sum(one[1] for one in everything),
        seconds_ever=time.monotonic() - began,
    )


def write(url: str, shards: int, size: int, seconds: float) -> Measured:
    """Records of one size, put as fast as the server answers; in records."""
    stream = f"write-{shards}-{size}"
    create(url, stream, shards)
    count = min(500, max(shards, 4 * MIB // size // shards * shards or shards))
    body = put_records(stream, entries(shards, count, size))

    def attempt(_: int) -> Iterator[tuple[int, int]]:
        client = Client(url)
        while True:
            status, answer = client.call("PutRecords", body)
            assert status == 200, answer
            admitted = admitted_of(answer, count)
            yield admitted, count - admitted

    return measure(WRITERS, seconds, attempt)


def iterators(url: str, stream: str, shards: int) -> list[str]:
    client = Client(url)
    return [
        client.ask(
            "GetShardIterator",
            StreamName=stream,
            ShardId=f"shardId-{shard:012d}",
            ShardIteratorType="TRIM_HORIZON",
        )["ShardIterator"]
        for shard in range(shards)
    ]


def read(url: str, shards: int, size: int, seconds: float) -> Measured:
    """The same pages, read as often as they are answered; in calls, or in bytes if there are any.

    A page has one record of this size, and none if it is 0.
    """
    stream = f"read-{shards}-{size}"
    create(url, stream, shards)
    if size:
        for each in entries(shards, shards, size):
            Client(url).ask("PutRecords", StreamName=stream, Records=[each])
    bodies = [
        json.dumps({"ShardIterator": iterator, "Limit": 1}).encode()
        for iterator in iterators(url, stream, shards)
    ]
    each = -(-shards // WRITERS)

    def attempt(number: int) -> Iterator[tuple[int, int]]:
        client = Client(url)
        mine = bodies[number * each : (number + 1) * each]
        while mine:
            for body in mine:
                status, _ = client.call("GetRecords", body)
                yield (size or 1, 0) if status == 200 else (0, size or 1)
            # Ten times as often as is admitted: what comes back is taken at once.
            time.sleep(0.01)

    return measure(min(WRITERS, shards), seconds, attempt)


def table(url: str, shard_counts: list[int], seconds: float) -> Iterator[tuple[str, float, float]]:
    """What was measured: its name, what was right, and what was admitted in a second."""
    for shards in shard_counts:
        yield (
            f"records written, {shards} shards",
            shards * 1_000,
            write(url, shards, 100, seconds).rate,
        )
        size = 64 << 10
        yield (
            f"bytes written, {shards} shards",
            shards * MIB,
            size * write(url, shards, size, seconds).rate,
        )
        yield f"GetRecords calls, {shards} shards", shards * 5, read(url, shards, 0, seconds).rate
        size = 512 << 10
        yield (
            f"bytes read, {shards} shards",
            shards * 2 * MIB,
            read(url, shards, size, seconds).rate,
        )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--shards", type=int, nargs="+", default=[1, 3, 50])
    arguments.add_argument("--seconds", type=float, default=10)
    arguments.add_argument("--data-dir", help="where the server keeps what is written")
    given = arguments.parse_args()
    flags = ["--quotas", "strict", *(["--data-dir", given.data_dir] if given.data_dir else [])]
    with server.running(*flags) as url:
        for name, right, rate in table(url, given.shards, given.seconds):
            off = (rate / right - 1) * 100
            print(f"{name:32} {rate:14,.0f}/s of {right:12,.0f}  {off:+.2f} %", flush=True)


if __name__ == "__main__":
    main()
