"""A Kinesis in memory, as small as the examples' logic needs, that refuses entries by a seed."""

import hashlib
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime

from botocore.exceptions import ClientError

SPACE = 2**128
ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/fake"


class Throttled(ClientError):
    """As boto3 raises it."""

    def __init__(self):
        code = {"Error": {"Code": "ProvisionedThroughputExceededException"}}
        super().__init__(code, "PutRecords")


class Exceptions:
    ClientError = ClientError
    ProvisionedThroughputExceededException = Throttled
    ExpiredIteratorException = type("ExpiredIteratorException", (ClientError,), {})


@dataclass
class FakeShard:
    id: str
    start: int
    end: int
    parents: list[str] = field(default_factory=list)
    records: list[dict] = field(default_factory=list)
    children: list["FakeShard"] = field(default_factory=list)


class FakeKinesis:
    """`refuse` is the share of entries, and of whole calls, that are throttled."""

    exceptions = Exceptions

    def __init__(self, shards: int = 1, refuse: float = 0.0, seed: int = 1):
        self.chance = random.Random(seed)
        self.refuse = refuse
        self.calls: list[list[str]] = []
        step = SPACE // shards
        self.shards = [FakeShard(self._id(n), n * step, (n + 1) * step - 1) for n in range(shards)]

    @staticmethod
    def _id(number: int) -> str:
        return f"shardId-{number:012}"

    def put_records(self, StreamName, Records):
        self.calls.append([record["PartitionKey"] for record in Records])
        if self.chance.random() < self.refuse / 4:
            raise Throttled()
        return {"Records": [self._put(record) for record in Records]}

    def _put(self, record):
        if self.chance.random() < self.refuse:
            return {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow"}
        shard = self._route(int(hashlib.md5(record["PartitionKey"].encode()).hexdigest(), 16))
        number = str(len(shard.records) + 1)
        arrival = datetime.fromtimestamp(1_700_000_000 + len(shard.records), UTC)
        shard.records.append(
            {**record, "SequenceNumber": number, "ApproximateArrivalTimestamp": arrival}
        )
        return {"ShardId": shard.id, "SequenceNumber": number}

    def _route(self, key):
        return next(s for s in self.shards if s.start <= key <= s.end and not s.children)

    def split_shard(self, StreamName, ShardToSplit, NewStartingHashKey):
        parent = self._shard(ShardToSplit)
        middle, count = int(NewStartingHashKey), len(self.shards)
        parent.children = [
            FakeShard(self._id(count), parent.start, middle - 1, [parent.id]),
            FakeShard(self._id(count + 1), middle, parent.end, [parent.id]),
        ]
        self.shards += parent.children

    def merge_shards(self, StreamName, ShardToMerge, AdjacentShardToMerge):
        lower, upper = self._shard(ShardToMerge), self._shard(AdjacentShardToMerge)
        id = self._id(len(self.shards))
        child = FakeShard(id, lower.start, upper.end, [lower.id, upper.id])
        lower.children = upper.children = [child]
        self.shards.append(child)

    def _shard(self, id):
        return next(shard for shard in self.shards if shard.id == id)

    def list_shards(self, StreamName):
        return {"Shards": [self._listed(shard) for shard in self.shards]}

    @staticmethod
    def _listed(shard):
        members = zip(("ParentShardId", "AdjacentParentShardId"), shard.parents)
        hash_keys = {"StartingHashKey": str(shard.start), "EndingHashKey": str(shard.end)}
        return {"ShardId": shard.id, "HashKeyRange": hash_keys, **dict(members)}

    def describe_stream_summary(self, StreamName):
        return {"StreamDescriptionSummary": {"StreamARN": ARN}}

    def get_shard_iterator(
        self, StreamName, ShardId, ShardIteratorType, StartingSequenceNumber="0"
    ):
        return {"ShardIterator": f"{ShardId}/{StartingSequenceNumber}"}

    def get_records(self, ShardIterator, Limit):
        id, after = ShardIterator.split("/")
        shard, start = self._shard(id), int(after)
        records = shard.records[start : start + min(Limit, 7)]  # small pages, so that many are read
        end = start + len(records)
        answer = {"Records": records, "MillisBehindLatest": 0 if end == len(shard.records) else 1}
        if shard.children and end == len(shard.records):
            return {**answer, "ChildShards": [self._child(child) for child in shard.children]}
        return {**answer, "NextShardIterator": f"{id}/{end}"}

    @staticmethod
    def _child(child):
        return {"ShardId": child.id, "ParentShards": child.parents}
