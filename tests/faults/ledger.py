"""What was acknowledged, and whether a stream holds all of it, once, in order."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

import connect
from consume import Reader

STREAM = "storm"
WAIT_SECONDS_MAX = 60
POLL_SECONDS = 0.01


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Looks again and again; what does not come in time is a fault."""
    due = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        assert time.monotonic() < due, f"waited {WAIT_SECONDS_MAX} s in vain for {what}"
        time.sleep(POLL_SECONDS)


def client(url: str, attempts: int = 1):
    """One attempt: what was stored twice would be a fault of the server."""
    return connect.client(url, attempts=attempts)


@dataclass
class Ledger:
    """Every acknowledged record: (shard, sequence number) and its data; and every attempt."""

    acknowledged: dict[tuple[str, int], bytes] = field(default_factory=dict)
    attempted: set[bytes] = field(default_factory=set)
    refusals: list[str] = field(default_factory=list)

    def put(self, kinesis, names: list[str], size: int = 0) -> bool:
        """Writes one record a name. False when the whole call failed."""
        datas = [name.encode().ljust(size, b".") for name in names]
        self.attempted.update(datas)
        entries = [{"PartitionKey": n, "Data": d} for n, d in zip(names, datas, strict=True)]
        try:
            results = kinesis.put_records(StreamName=STREAM, Records=entries)["Records"]
        except (ClientError, BotoCoreError) as error:
            self.refusals.append(str(error))
            return False
        for result, data in zip(results, datas, strict=True):
            if "SequenceNumber" in result:
                self._note(result, data)
            else:
                self.refusals.append(f"{result['ErrorCode']}: {result['ErrorMessage']}")
        return True

    def _note(self, result: dict, data: bytes) -> None:
        place = (result["ShardId"], int(result["SequenceNumber"]))
        assert place not in self.acknowledged, f"sequence number given twice: {place}"
        self.acknowledged[place] = data

    def highest(self) -> dict[str, int]:
        """The last sequence number of each shard."""
        highest: dict[str, int] = {}
        for shard, number in self.acknowledged:
            highest[shard] = max(number, highest.get(shard, -1))
        return highest

    def check(self, url: str) -> int:
        """Reads the whole stream. Returns how many records it holds."""
        found: dict[tuple[str, int], bytes] = {}
        last: dict[str, int] = {}
        for batch in Reader(client(url, attempts=3), STREAM).batches():
            for record in batch.records:
                number = int(record["SequenceNumber"])
                before = last.get(batch.shard, -1)
                assert number > before, f"{batch.shard}: {number} comes after {before}"
                last[batch.shard] = number
                found[batch.shard, number] = record["Data"]
        lost = [place for place in self.acknowledged if place not in found]
        assert not lost, f"{len(lost)} acknowledged records are lost, one is {min(lost)}"
        changed = [place for place, data in self.acknowledged.items() if found[place] != data]
        assert not changed, f"{len(changed)} records changed, one is {min(changed)}"
        assert len(set(found.values())) == len(found), "a record is there twice"
        assert set(found.values()) <= self.attempted, "a record is there that nobody wrote"
        return len(found)


class Storm:
    """Writers that go on until the server is gone or they are told to stop."""

    WRITERS = 6
    ENTRIES = 40

    def __init__(self, url: str, name: str):
        self.ledgers = [Ledger() for _ in range(self.WRITERS)]
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(url, f"{name}-{writer}", ledger))
            for writer, ledger in enumerate(self.ledgers)
        ]
        for thread in self._threads:
            thread.start()

    def _write(self, url: str, name: str, ledger: Ledger) -> None:
        kinesis = client(url)
        call, going = 0, True
        while going and not self._stop.is_set():
            going = ledger.put(kinesis, [f"{name}-{call}-{n}" for n in range(self.ENTRIES)])
            call += 1

    def acknowledged(self) -> int:
        """How many records so far."""
        return sum(len(ledger.acknowledged) for ledger in self.ledgers)

    def end(self, into: Ledger) -> None:
        """Waits for the writers and adds what they know to what was known before the storm."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        known = into.highest()
        for ledger in self.ledgers:
            again = into.acknowledged.keys() & ledger.acknowledged.keys()
            assert not again, f"{len(again)} sequence numbers were given twice"
            for shard, number in ledger.acknowledged:
                assert number > known.get(shard, -1), f"{number} of {shard} goes back"
            into.acknowledged |= ledger.acknowledged
            into.attempted |= ledger.attempted
            into.refusals += ledger.refusals
