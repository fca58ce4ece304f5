#!/usr/bin/env python3
"""Seeds a stream once and gives each of many tests a fork of its own, all at the same time.

A fork costs milliseconds, whatever the stream holds: no record is copied. What one test writes no
other sees, and nobody has to clean up for the next one.
"""

import json
import time
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor

import connect
from consume import Reader

SHARDS = 4
ACCOUNT = "000000000000"


class State:
    """The admin API for state: clients on the server's own host may ask it in dev."""

    def __init__(self, endpoint_url: str):
        self.endpoint_url = endpoint_url

    def post(self, path: str, body: dict | None = None) -> dict:
        data = json.dumps(body or {}).encode()
        request = urllib.request.Request(f"{self.endpoint_url}/_millpond/{path}", data)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def fork(self, stream: str, to: str) -> None:
        self.post(f"streams/{stream}/fork", {"to": to})

    def fork_account(self, account: str, to: str) -> None:
        self.post("fork", {"account": account, "to": to})

    def truncate(self, stream: str) -> None:
        self.post(f"streams/{stream}/truncate")


def orders(kinesis, stream: str) -> list[dict]:
    batches = Reader(kinesis, stream).batches()
    return [json.loads(record["Data"]) for batch in batches for record in batch.records]


def put(kinesis, stream: str, items: list[dict]) -> None:
    for start in range(0, len(items), 500):
        records = [
            {"PartitionKey": item["order"], "Data": json.dumps(item).encode()}
            for item in items[start : start + 500]
        ]
        answer = kinesis.put_records(StreamName=stream, Records=records)
        assert answer["FailedRecordCount"] == 0, answer


def check_cancellation(kinesis, stream: str, seeded: int, test: int) -> None:
    """A test as any other: it finds what was seeded, and what it writes itself."""
    put(kinesis, stream, [{"order": f"order-{test}", "state": "cancelled"}])
    found = orders(kinesis, stream)
    cancelled = [item["order"] for item in found if item["state"] == "cancelled"]
    assert len(found) == seeded + 1, f"test {test} found {len(found)} orders"
    assert cancelled == [f"order-{test}"], f"test {test} sees what others did: {cancelled}"


def main() -> None:
    parser = connect.parser(__doc__.splitlines()[0])
    parser.set_defaults(stream=f"orders-{uuid.uuid4().hex[:8]}")
    parser.add_argument("--orders", type=int, default=1_000, help="orders to seed")
    parser.add_argument("--tests", type=int, default=20, help="tests at the same time")
    arguments = parser.parse_args()
    url, region, stream = arguments.endpoint_url, arguments.region, arguments.stream
    kinesis, state = connect.client(url, region), State(url)

    connect.ensure_stream(kinesis, stream, SHARDS)
    seeds = [{"order": f"order-{i}", "state": "open"} for i in range(arguments.orders)]
    put(kinesis, stream, seeds)

    fork_seconds = []

    def a_test(test: int) -> None:
        name = f"{stream}-test-{test}"
        started = time.perf_counter()
        state.fork(stream, name)
        fork_seconds.append(time.perf_counter() - started)
        check_cancellation(connect.client(url, region), name, len(seeds), test)
        kinesis.delete_stream(StreamName=name)

    with ThreadPoolExecutor(max_workers=8) as runners:
        list(runners.map(a_test, range(arguments.tests)))
    fork_seconds.sort()
    middle = 1000 * fork_seconds[len(fork_seconds) // 2]
    print(f"{arguments.tests} tests, each with a fork of {stream}: {middle:.1f} ms to make one")

    # Runners with an account each need no names of their own: a key id of twelve digits is an
    # account, and every account can have a stream of the same name.
    account = f"{uuid.uuid4().int % 10**12:012}"
    state.fork_account(ACCOUNT, account)
    runner = connect.client(url, region, key=account)
    check_cancellation(runner, stream, len(seeds), 0)
    assert len(orders(kinesis, stream)) == len(seeds), "the base is as it was"
    print(f"account {account} has {stream} for itself")

    state.truncate(stream)
    assert orders(kinesis, stream) == []
    assert len(orders(runner, stream)) == len(seeds) + 1, "a fork keeps what its base gives up"
    print(f"{stream} is empty again; its fork isn't")
    for client in (kinesis, runner):
        client.delete_stream(StreamName=stream)


if __name__ == "__main__":
    connect.run(main)
