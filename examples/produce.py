#!/usr/bin/env python3
"""Sends events with PutRecords and keeps the order of each partition key, whatever is throttled.

PutRecords accepts some entries of a call and refuses others. If one call held two events of a key,
the first could be refused and the second stored; sent again, the first would come after the second.
So a key has at most one event under way: its next event waits until the one before is acknowledged,
and a call is filled from up to 500 different keys. A key that is throttled holds up no other.
"""

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import connect
from events import Event, access_log

ENTRIES_MAX = 500
CALL_BYTES_MAX = 5 * 1024 * 1024
WINDOW = 20_000  # events taken from the source ahead of their turn
BACKOFF_SECONDS = (0.05, 5.0)  # first and longest
FRUITLESS_CALLS_MAX = 20
THROTTLES = {
    "ProvisionedThroughputExceededException",
    "LimitExceededException",
    "ThrottlingException",
}


@dataclass
class Figures:
    """What was sent so far."""

    events: int = 0
    payload_bytes: int = 0
    calls: int = 0
    refused: int = 0
    per_shard: Counter = field(default_factory=Counter)
    acknowledged: set = field(default_factory=set)
    """Each stored record as (shard id, sequence number)."""


class OrderedProducer:
    """Sends events so that those of one partition key are stored in the order given."""

    def __init__(self, kinesis, stream: str, sleep: Callable[[float], None] = time.sleep):
        self.kinesis = kinesis
        self.stream = stream
        self.sleep = sleep
        self.figures = Figures()
        self._waiting: dict[str, deque[bytes]] = {}
        self._ready: deque[str] = deque()  # keys that have an event waiting, fairest first
        self._count = 0
        self._fruitless = 0

    def send(self, events: Iterable[Event]) -> None:
        """Returns when all events are acknowledged. Raises if the server goes on refusing."""
        for event in events:
            self._accept(event)
            if self._count >= WINDOW:
                self._call()
        while self._count:
            self._call()

    def _accept(self, event: Event) -> None:
        if event.key not in self._waiting:
            self._waiting[event.key] = deque()
            self._ready.append(event.key)
        self._waiting[event.key].append(event.data)
        self._count += 1

    def _call(self) -> None:
        keys = self._next_keys()
        records = [{"PartitionKey": key, "Data": self._waiting[key][0]} for key in keys]
        refused = []
        for key, result in zip(keys, self._put(records), strict=True):
            if "SequenceNumber" in result:
                self._acknowledge(key, result)
            else:
                refused.append(key)
        # Refused keys have waited longest: they come first in the next call.
        self._ready.extendleft(reversed(refused))
        self.figures.calls += 1
        self.figures.refused += len(refused)
        self._back_off(refused, progress=len(refused) < len(keys))

    def _next_keys(self) -> list[str]:
        keys: list[str] = []
        size = 0
        while self._ready and len(keys) < ENTRIES_MAX:
            key = self._ready[0]
            size += len(key.encode()) + len(self._waiting[key][0])
            if keys and size > CALL_BYTES_MAX:
                break
            keys.append(self._ready.popleft())
        return keys

    def _put(self, records: list[dict]) -> list[dict]:
        try:
            return self.kinesis.put_records(StreamName=self.stream, Records=records)["Records"]
        except self.kinesis.exceptions.ClientError as error:
            # A throttled call stored nothing. Any other error is for the caller to decide.
            if error.response["Error"]["Code"] not in THROTTLES:
                raise
            return [{"ErrorCode": error.response["Error"]["Code"]} for _ in records]

    def _acknowledge(self, key: str, result: dict) -> None:
        data = self._waiting[key].popleft()
        self._count -= 1
        if self._waiting[key]:
            self._ready.append(key)
        else:
            del self._waiting[key]
        self.figures.events += 1
        self.figures.payload_bytes += len(data) + len(key.encode())
        self.figures.per_shard[result["ShardId"]] += 1
        self.figures.acknowledged.add((result["ShardId"], result["SequenceNumber"]))

    def _back_off(self, refused: list[str], progress: bool) -> None:
        self._fruitless = 0 if progress else self._fruitless + 1
        if self._fruitless >= FRUITLESS_CALLS_MAX:
            raise RuntimeError(f"{FRUITLESS_CALLS_MAX} calls in a row stored nothing")
        if refused:
            first, longest = BACKOFF_SECONDS
            # Full jitter, so that many producers do not come back together.
            self.sleep(random.uniform(0, min(longest, first * 2**self._fruitless)))


def main() -> None:
    parser = connect.parser(__doc__.splitlines()[0])
    parser.add_argument(
        "--shards", type=int, default=4, help="shards of the stream, if it must be created"
    )
    parser.add_argument("--count", type=int, default=10_000, help="events to send")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same events")
    arguments = parser.parse_args()
    kinesis = connect.client(arguments.endpoint_url, arguments.region, attempts=1)
    connect.ensure_stream(kinesis, arguments.stream, arguments.shards)
    producer = OrderedProducer(kinesis, arguments.stream)
    producer.send(access_log(arguments.seed, arguments.count))
    figures = producer.figures
    print(f"{figures.events} events in {figures.calls} calls, {figures.refused} entries sent again")


if __name__ == "__main__":
    connect.run(main)
