#!/usr/bin/env python3
"""Calls your Lambda handler with records of a stream, the way an event source mapping does.

    python lambda_consumer.py --handler my_module:handler --batch-size 100 --report-failures

The handler gets Lambda's own event JSON. Batches fill up to a size or a time; the checkpoint moves
when a batch is done; a failed one is tried again, halved if asked, and at last described to the
on-failure destination. Reading starts at the oldest record. What Lambda does and this does not:
starting elsewhere, parallelisation factor, tumbling windows, filters.
"""

import argparse
import importlib
import json
import os
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import connect
import lambda_json
from consume import POLL_SECONDS, Lineage, Reader, Shard

SHARD_END = "SHARD_END"
PAYLOAD_BYTES_MAX = 6 * 1024 * 1024  # of one invocation, counted as base64
BACKOFF_SECONDS = (0.1, 10.0)  # between attempts; first and longest

Handler = Callable[[dict, object], dict | None]


@dataclass(frozen=True)
class Settings:
    """An event source mapping's settings; Lambda's name for each stands beside it."""

    batch_size: int = 100  # BatchSize
    batch_window_seconds: float = 0  # MaximumBatchingWindowInSeconds
    retries: int | None = None  # MaximumRetryAttempts; None: until the record expires
    record_age_seconds_max: float | None = None  # MaximumRecordAgeInSeconds
    bisect: bool = False  # BisectBatchOnFunctionError
    report_failures: bool = False  # FunctionResponseTypes: ReportBatchItemFailures
    function: str = "handler"  # name in ARNs


class Checkpoint:
    """How far each shard is done, in a file that is replaced as a whole."""

    def __init__(self, path: Path | None):
        self.path = path
        self.done: dict[str, str] = {}
        if path and path.exists():
            self.done = json.loads(path.read_text())

    def save(self, shard: str, position: str) -> None:
        """The position is a sequence number, or SHARD_END."""
        self.done[shard] = position
        if self.path:
            fresh = self.path.with_suffix(".new")
            fresh.write_text(json.dumps(self.done, indent=1))
            os.replace(fresh, self.path)


@dataclass
class Gathering:
    """Records of one shard that wait until they are a batch."""

    shard: Shard
    records: deque[dict] = field(default_factory=deque)
    since: float = 0
    """When the first of the records came."""
    children: list[dict] = field(default_factory=list)
    """Named by the shard when it ended."""

    def due(self, settings: Settings, now: float) -> bool:
        """True if full, old enough, or if nothing more can come."""
        if not self.records:
            return False
        waited = now - self.since
        full = len(self.records) >= settings.batch_size
        return full or self.shard.iterator is None or waited >= settings.batch_window_seconds

    def take(self, settings: Settings) -> list[dict]:
        """The next batch."""
        batch: list[dict] = []
        size = 0
        while self.records and len(batch) < settings.batch_size:
            size += -(-len(self.records[0]["Data"]) // 3) * 4
            if batch and size > PAYLOAD_BYTES_MAX:
                break
            batch.append(self.records.popleft())
        return batch


@dataclass(frozen=True)
class Failed:
    """A batch that was not handled to its end."""

    first: int
    """Place of the first record to try again."""
    error: str | None = None
    """Lambda's functionError; None when the handler itself reported the records."""


class EventSourceMapping:
    """Feeds one handler from one stream."""

    def __init__(
        self,
        kinesis,
        stream: str,
        handler: Handler,
        settings: Settings = Settings(),
        checkpoint: Path | None = None,
        on_failure: Callable[[dict], None] = lambda description: None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ):
        summary = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
        self.source = lambda_json.Source(summary["StreamARN"], settings.function)
        self.kinesis, self.stream, self.handler, self.settings = kinesis, stream, handler, settings
        self.checkpoint = Checkpoint(checkpoint)
        self.on_failure, self.clock, self.sleep = on_failure, clock, sleep

    def run(self, until_idle: bool = False) -> None:
        """Goes on for ever, or until all that is in the stream has been handled."""
        reader = Reader(self.kinesis, self.stream, self.sleep)
        lineage = self._resume()
        shards: list[Gathering] = []
        while True:
            for shard in lineage.ready():
                shards.append(Gathering(reader.open(shard, self.checkpoint.done.get(shard))))
            busy = False
            for gathering in shards:
                busy |= self._turn(reader, lineage, gathering)
            waiting = any(gathering.records for gathering in shards)
            shards = [g for g in shards if g.shard.iterator]
            at_tip = all(g.shard.millis_behind == 0 for g in shards)
            if until_idle and at_tip and not busy and not waiting:
                return
            if not busy:
                self.sleep(POLL_SECONDS)

    def _resume(self) -> Lineage:
        lineage = Lineage(self.kinesis, self.stream)
        for shard, position in self.checkpoint.done.items():
            if position == SHARD_END:
                lineage.finish(shard)
        return lineage

    def _turn(self, reader: Reader, lineage: Lineage, gathering: Gathering) -> bool:
        """Reads once, then handles what is due. True if anything moved."""
        shard = gathering.shard
        moved = False
        if shard.iterator and len(gathering.records) < self.settings.batch_size:
            records, gathering.children = reader.read(shard)
            if records and not gathering.records:
                gathering.since = self.clock()
            gathering.records.extend(records)
            moved = bool(records) or shard.iterator is None
        while gathering.due(self.settings, self.clock()):
            self._handle(shard.id, gathering.take(self.settings))
            gathering.since = self.clock()
            moved = True
        if shard.iterator is None:
            self.checkpoint.save(shard.id, SHARD_END)
            lineage.finish(shard.id, gathering.children)
        return moved

    def _handle(self, shard: str, batch: list[dict]) -> None:
        """Until each record is handled or given up, in order; the checkpoint follows."""
        parts = deque([(batch, 0)])
        while parts:
            records, attempts = parts.popleft()
            records = self._drop_old(shard, records, attempts)
            if not records:
                continue
            attempts += 1
            failed = self._invoke(shard, records)
            if failed is None:
                self.checkpoint.save(shard, records[-1]["SequenceNumber"])
                continue
            if failed.first:
                self.checkpoint.save(shard, records[failed.first - 1]["SequenceNumber"])
            rest = records[failed.first :]
            if self.settings.bisect and (failed.first or len(rest) > 1):
                # Halving is not a retry: it does not use up attempts.
                parts.extendleft(reversed(self._halves(rest, failed, attempts - 1)))
            elif self.settings.retries is not None and attempts > self.settings.retries:
                condition = "RetryAttemptsExhausted"
                self._give_up(lambda_json.GivenUp(shard, rest, condition, attempts, failed.error))
            else:
                first, longest = BACKOFF_SECONDS
                self.sleep(min(longest, first * 2 ** (attempts - 1)))
                parts.appendleft((rest, attempts))

    @staticmethod
    def _halves(rest: list[dict], failed: Failed, attempts: int) -> list[tuple[list[dict], int]]:
        # A reported item is itself the place to cut; otherwise any part may be the bad one.
        if failed.first:
            return [(rest, attempts)]
        middle = len(rest) // 2
        return [(rest[:middle], attempts), (rest[middle:], attempts)]

    def _drop_old(self, shard: str, records: list[dict], attempts: int) -> list[dict]:
        age_max = self.settings.record_age_seconds_max
        if age_max is None:
            return records
        horizon = self.clock() - age_max
        fresh = [r for r in records if r["ApproximateArrivalTimestamp"].timestamp() >= horizon]
        old = records[: len(records) - len(fresh)]  # arrival never goes back within a shard
        if old:
            self._give_up(lambda_json.GivenUp(shard, old, "RecordAgeExceeded", attempts, None))
        return fresh

    def _invoke(self, shard: str, records: list[dict]) -> Failed | None:
        context = SimpleNamespace(
            aws_request_id=str(uuid.uuid4()),
            function_name=self.settings.function,
            invoked_function_arn=self.source.function_arn,
        )
        event = lambda_json.event(self.source, shard, records)
        try:
            answer = self.handler(event, context)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is its failure
            print(f"{shard}: handler failed: {error!r}")
            return Failed(0, "Unhandled")
        return self._reported(records, answer) if self.settings.report_failures else None

    @staticmethod
    def _reported(records: list[dict], answer: dict | None) -> Failed | None:
        """The first record to try again. An answer that makes no sense fails them all."""
        if not answer or not answer.get("batchItemFailures"):
            return None
        places = {record["SequenceNumber"]: place for place, record in enumerate(records)}
        try:
            return Failed(
                min(places[item["itemIdentifier"]] for item in answer["batchItemFailures"])
            )
        except (KeyError, TypeError):
            return Failed(0)

    def _give_up(self, given_up: lambda_json.GivenUp) -> None:
        now = datetime.fromtimestamp(self.clock(), UTC)
        self.on_failure(lambda_json.failure(self.source, given_up, now))
        self.checkpoint.save(given_up.shard, given_up.records[-1]["SequenceNumber"])


def append_to(path: Path) -> Callable[[dict], None]:
    """An on-failure destination: one JSON line a failed batch."""

    def append(description: dict) -> None:
        with path.open("a") as file:
            file.write(json.dumps(description) + "\n")

    return append


def load(name: str) -> Handler:
    """The function that MODULE:FUNCTION names. Raises LookupError if there is none."""
    module, _, function = name.partition(":")
    if not module or not function:
        raise LookupError("it is MODULE:FUNCTION, such as my_module:handler")
    # Python looks beside this script; the handler is where the user is.
    sys.path.insert(0, os.getcwd())
    try:
        handler = getattr(importlib.import_module(module), function, None)
    except ModuleNotFoundError as error:
        raise LookupError(str(error)) from error
    if handler is None:
        raise LookupError(f"module {module} has no function {function}")
    return handler


def main() -> None:
    parser = connect.parser(__doc__.splitlines()[0])
    parser.add_argument(
        "--handler",
        required=True,
        metavar="MODULE:FUNCTION",
        default=argparse.SUPPRESS,
        help="what to call; MODULE is looked for in the current directory first",
    )
    parser.add_argument("--batch-size", type=int, default=100, help="records in a batch at most")
    parser.add_argument(
        "--batch-window", type=float, default=0, help="seconds to wait for a batch to fill"
    )
    parser.add_argument(
        "--retries",
        type=int,
        default=argparse.SUPPRESS,
        help="attempts after the first (default: until the record expires)",
    )
    parser.add_argument(
        "--record-age",
        type=float,
        default=argparse.SUPPRESS,
        help="seconds after which a record is given up (default: never)",
    )
    parser.add_argument("--bisect", action="store_true", help="halve a batch that failed")
    parser.add_argument(
        "--report-failures",
        action="store_true",
        help="heed batchItemFailures in what the handler returns",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=Path("checkpoint.json"),
        help="file of what is done; a rerun goes on after it, and from the start without it",
    )
    parser.add_argument(
        "--on-failure",
        type=Path,
        default=Path("failures.jsonl"),
        help="file that given up batches are described in; a rerun appends to it",
    )
    parser.add_argument("--until-idle", action="store_true", help="stop when all is handled")
    arguments = parser.parse_args()

    try:
        handler = load(arguments.handler)
    except LookupError as error:
        parser.error(f"--handler {arguments.handler}: {error}")
    settings = Settings(
        batch_size=arguments.batch_size,
        batch_window_seconds=arguments.batch_window,
        retries=vars(arguments).get("retries"),
        record_age_seconds_max=vars(arguments).get("record_age"),
        bisect=arguments.bisect,
        report_failures=arguments.report_failures,
        function=arguments.handler.partition(":")[2],
    )
    mapping = EventSourceMapping(
        connect.client(arguments.endpoint_url, arguments.region),
        arguments.stream,
        handler,
        settings,
        arguments.checkpoint,
        append_to(arguments.on_failure),
    )
    mapping.run(arguments.until_idle)


if __name__ == "__main__":
    connect.run(main)
