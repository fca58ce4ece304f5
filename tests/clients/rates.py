#!/usr/bin/env python3
"""What a server with strict quotas admits in real time, over loopback: rates of writes and reads.

As a script it prints a table, `python tests/clients/rates.py --shards 1 3 50`, and fails if a rate
is off by more than 2 %. The server must take any signature (`dev`), so that the client's own work
is next to nothing. Only refusals for a rate count as such: anything else that is refused, as when
the memory for records is full, ends the run.
"""

import argparse
import base64
import http.client
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
OFF_MAX_PERCENT = 2
THROTTLED = "ProvisionedThroughputExceededException"
TOO_SLOW = "the machine is too slow or busy to ask for more than is admitted, so no rate is seen"


class Spoilt(Exception):
    """Something else than a rate was measured."""


@dataclass(frozen=True)
class Told:
    """What an answer said, when it came: how much was admitted, and how much refused.

    `source` is what is admitted by itself: one shard that is read, or all that is written.
    """

    at: float
    source: int
    admitted: int
    refused: int


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
        if status != 200:
            raise spoilt(operation, status, body)
        return json.loads(body) if body else {}


def spoilt(operation: str, status: int, answer: bytes) -> Spoilt:
    """What to make of an answer that has nothing to do with rates."""
    told = answer[:300].decode(errors="replace")
    return Spoilt(
        f"{operation} was answered {status}, which is no throttle: {told}\nIf there is no room for "
        "more records, let them go to disk: --data-dir DIR"
    )


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


def refused_of(answer: bytes) -> int:
    """Records that an answer of PutRecords calls failed, all of them for a rate."""
    name = b'"FailedRecordCount":'
    place = answer.index(name) + len(name)
    failed = int(answer[place : place + 6].split(b",")[0].split(b"}")[0])
    if answer.count(b'"ErrorCode":"%b"' % THROTTLED.encode()) == failed:
        return failed
    for record in json.loads(answer)["Records"]:
        if record.get("ErrorCode", THROTTLED) != THROTTLED:
            raise spoilt("PutRecords", 200, json.dumps(record).encode())
    raise spoilt("PutRecords", 200, answer)


@dataclass(frozen=True)
class Measured:
    """All that a server told, and the window in which the bucket was empty."""

    told: list[Told]
    seconds_ever: float
    begin: float
    seconds: float

    @property
    def admitted_ever(self) -> int:
        return sum(one.admitted for one in self.told)

    def rate(self) -> float:
        """What was admitted in a second of the window."""
        for second in range(int(self.seconds)):
            if not is_drained(within(self.told, self.begin + second, 1)):
                raise Spoilt(f"the bucket was not empty all the time: {TOO_SLOW}")
        window = within(self.told, self.begin, self.seconds)
        sources = {one.source for one in window}
        return sum(rate([one for one in window if one.source == source]) for source in sources)


def measure(
    clients: int, seconds: float, attempt: Callable[[int], Iterator[tuple[int, int, int]]]
) -> Measured:
    """What is admitted, with a window that begins when the bucket is drained.

    `attempt` goes on in so many threads, and tells of each answer of which source it is, how much
    was admitted, and how much refused.
    """
    told: list[Told] = []
    done = threading.Event()

    def run(client: int) -> None:
        try:
            for one in attempt(client):
                told.append(Told(time.monotonic(), *one))
                if done.is_set():
                    return
        finally:
            done.set()

    began = time.monotonic()
    begin = began + WARM_SECONDS
    with ThreadPoolExecutor(clients) as pool:
        runs = [pool.submit(run, client) for client in range(clients)]
        try:
            done.wait(WARM_SECONDS)
            while not is_drained(within(told, begin - 1, 1)) and not done.wait(0.1):
                begin = time.monotonic()
                if begin > began + DRAIN_SECONDS_MAX:
                    break
            done.wait(seconds)
        finally:
            done.set()
    for one in runs:
        one.result()
    return Measured(told, time.monotonic() - began, begin, seconds)


def within(told: list[Told], begin: float, length: float) -> list[Told]:
    return [one for one in told if begin <= one.at < begin + length]


def is_drained(told: list[Told]) -> bool:
    """Whether a tenth of what was asked for was refused."""
    return sum(one.refused for one in told) * 9 > sum(one.admitted for one in told)


def rate(told: list[Told]) -> float:
    """What a source admits in a second, from one admission to another.

    A shard that gives a page each quarter of a second gives 39 or 40 of them in 10 s, just as the
    window lies: counted over the window, that alone would be 2.5 %.
    """
    admissions = sorted((one.at, one.admitted) for one in told if one.admitted)
    if len(admissions) < 2:
        raise Spoilt("too little was admitted in the window to tell a rate")
    seconds = admissions[-1][0] - admissions[0][0]
    return sum(admitted for _, admitted in admissions[1:]) / seconds


def write(url: str, shards: int, size: int, seconds: float) -> Measured:
    """Records of one size, put as fast as the server answers; in records."""
    stream = f"write-{shards}-{size}"
    create(url, stream, shards)
    count = min(500, max(shards, 4 * MIB // size // shards * shards or shards))
    body = put_records(stream, entries(shards, count, size))

    def attempt(_: int) -> Iterator[tuple[int, int, int]]:
        client = Client(url)
        while True:
            status, answer = client.call("PutRecords", body)
            if status != 200:
                raise spoilt("PutRecords", status, answer)
            refused = refused_of(answer)
            yield 0, count - refused, refused

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
    readers = min(WRITERS, shards)

    def attempt(number: int) -> Iterator[tuple[int, int, int]]:
        client = Client(url)
        while True:
            for shard in range(number, shards, readers):
                status, answer = client.call("GetRecords", bodies[shard])
                if status == 200:
                    yield shard, size or 1, 0
                elif THROTTLED.encode() in answer:
                    yield shard, 0, size or 1
                else:
                    raise spoilt("GetRecords", status, answer)
            # Ten times as often as is admitted: what comes back is taken at once.
            time.sleep(0.01)

    return measure(readers, seconds, attempt)


def table(url: str, shard_counts: list[int], seconds: float) -> Iterator[tuple[str, float, float]]:
    """What was measured: its name, what was right, and what was admitted in a second."""
    for shards in shard_counts:
        yield (
            f"records written, {shards} shards",
            shards * 1_000,
            write(url, shards, 100, seconds).rate(),
        )
        size = 64 << 10
        yield (
            f"bytes written, {shards} shards",
            shards * MIB,
            size * write(url, shards, size, seconds).rate(),
        )
        yield f"GetRecords calls, {shards} shards", shards * 5, read(url, shards, 0, seconds).rate()
        size = 512 << 10
        yield (
            f"bytes read, {shards} shards",
            shards * 2 * MIB,
            read(url, shards, size, seconds).rate(),
        )


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--shards", type=int, nargs="+", default=[1, 3, 50])
    arguments.add_argument("--seconds", type=float, default=10)
    arguments.add_argument("--data-dir", help="where the server keeps what is written")
    given = arguments.parse_args()
    flags = ["--quotas", "strict", *(["--data-dir", given.data_dir] if given.data_dir else [])]
    worst = 0.0
    try:
        with server.running(*flags) as url:
            for name, right, found in table(url, given.shards, given.seconds):
                off = (found / right - 1) * 100
                worst = max(worst, abs(off))
                print(f"{name:32} {found:14,.0f}/s of {right:12,.0f}  {off:+.2f} %", flush=True)
    except Spoilt as fault:
        print(f"spoilt: {fault}", file=sys.stderr)
        return 2
    return int(worst > OFF_MAX_PERCENT)


if __name__ == "__main__":
    sys.exit(main())
