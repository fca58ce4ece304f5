"""What the workers of an application saw, and whether that is what KCL promises."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field

from stored import Stored


@dataclass
class Tenure:
    """The time in which one worker has the lease of one shard."""

    shard: str
    worker: str
    begun: int
    last: int
    records: list[Stored] = field(default_factory=list)
    checkpoint: str | None = None
    ended: bool = False
    lost: bool = False

    @property
    def open(self) -> bool:
        """Neither read to the shard's end nor handed over, as far as the worker could tell."""
        return not (self.ended and self.checkpoint == "SHARD_END") and not self.lost

    def see(self, line: dict) -> None:
        data = base64.b64decode(line["data"])
        self.records.append((self.shard, line["sequenceNumber"], line["partitionKey"], data))
        self.last = line["micros"]


def tenures(lines: Iterable[dict]) -> list[Tenure]:
    """The tenures that workers told of, in the order in which they began."""
    current: dict[tuple[str, str], Tenure] = {}
    found = []
    for line in lines:
        place = line["shard"], line["worker"]
        if line["event"] == "initialize":
            current[place] = Tenure(*place, begun=line["micros"], last=line["micros"])
            found.append(current[place])
            continue
        tenure = current[place]
        match line["event"]:
            case "record":
                tenure.see(line)
            case "checkpoint":
                tenure.checkpoint = "SHARD_END" if tenure.ended else line["at"]
            case "shardEnded":
                tenure.ended = True
            case "leaseLost":
                tenure.lost = True
    return sorted(found, key=lambda tenure: tenure.begun)


def of_shards(found: list[Tenure]) -> dict[str, list[Tenure]]:
    by_shard: dict[str, list[Tenure]] = {}
    for tenure in found:
        by_shard.setdefault(tenure.shard, []).append(tenure)
    return by_shard


def faults(
    kept: dict[str, list[Stored]],
    parents: dict[str, list[str]],
    found: list[Tenure],
    killed: str | None,
) -> list[str]:
    """In which ways the records that `kept` has weren't seen once, in order, parents first.

    Records may be seen again in a shard that the killed worker had, after its last checkpoint.
    """
    by_shard = of_shards(found)
    told = []
    for shard, records in kept.items():
        seen = by_shard.get(shard, [])
        told += [f"{shard}: {fault}" for fault in faults_of_shard(records, seen, killed)]
        told += [f"{shard}: {fault}" for fault in faults_of_family(by_shard, shard, parents[shard])]
    return told


def faults_of_shard(kept: list[Stored], seen: list[Tenure], killed: str | None) -> Iterable[str]:
    index = {number: place for place, (_, number, *_) in enumerate(kept)}
    # The next record is one of these: the first that nobody has seen, or an earlier one.
    earliest = latest = 0
    for before, tenure in zip([None, *seen], seen, strict=False):
        if before and before.last > tenure.begun:
            yield f"{before.worker} went on when {tenure.worker} had begun"
        first = index.get(tenure.records[0][1]) if tenure.records else latest
        if first is None or not earliest <= first <= latest:
            yield f"{tenure.worker} began with record {first}, not with {earliest} to {latest}"
            return
        end = first + len(tenure.records)
        if tenure.records != kept[first:end]:
            yield f"{tenure.worker} left out or changed records after {first}, or their order"
            return
        earliest = latest = max(latest, end)
        if tenure.worker == killed and tenure.open:
            at = index.get(tenure.checkpoint)
            earliest = first if at is None else at + 1
    if latest != len(kept):
        yield f"{len(kept) - latest} records at the end were not seen"


def faults_of_family(
    by_shard: dict[str, list[Tenure]], shard: str, parents: list[str]
) -> Iterable[str]:
    if shard not in by_shard:
        yield "nobody had it"
        return
    begun = by_shard[shard][0].begun
    for parent in parents:
        seen = by_shard.get(parent, [])
        if not any(tenure.ended for tenure in seen):
            yield f"the end of its parent {parent} was not seen"
        if any(tenure.last > begun for tenure in seen):
            yield f"it was begun before its parent {parent} had been read"
