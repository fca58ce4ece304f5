"""The judge of KCL's histories knows a bad one."""

import history

SHARD, CHILD = "shardId-000000000000", "shardId-000000000001"
KEPT = {
    SHARD: [(SHARD, number, "key", b"") for number in "1234"],
    CHILD: [(CHILD, number, "key", b"") for number in "56"],
}
PARENTS = {SHARD: [], CHILD: [SHARD]}


def told(*steps: str) -> list[dict]:
    """Lines of workers, from words such as "one initialize 0" and "one record 0 3"."""
    lines = []
    for micros, step in enumerate(steps):
        worker, event, shard, *number = step.split()
        line = {"event": event, "worker": worker, "shard": f"shardId-00000000000{shard}"}
        [value] = number or [None]
        record = {"sequenceNumber": value, "partitionKey": "key", "data": ""}
        lines.append({**line, **record, "micros": micros, "at": value})
    return lines


ONE = ["one initialize 0", *(f"one record 0 {number}" for number in "123")]
CUT = ["one initialize 0", "one record 0 1", "one checkpoint 0 1", *ONE[2:]]
FOUR = ["two record 0 4", "two shardEnded 0", "two checkpoint 0 4"]
REST = ["two initialize 1", "two record 1 5", "two record 1 6"]


def faults(*steps: str, killed: str | None = None) -> list[str]:
    return history.faults(KEPT, PARENTS, history.tenures(told(*steps)), killed)


def test_each_record_once():
    assert not faults(*ONE, "one leaseLost 0", "two initialize 0", *FOUR, *REST)


def test_records_after_the_last_checkpoint_of_a_killed_worker_may_come_again():
    again = ["two initialize 0", "two record 0 2", "two record 0 3", *FOUR, *REST]
    assert not faults(*CUT, *again, killed="one")
    assert not faults(*CUT, again[0], *again[2:], killed="one")
    assert faults(*CUT, *again)
    assert faults(*CUT, "one leaseLost 0", *again, killed="one")


def test_records_before_its_last_checkpoint_may_not():
    again = ["two initialize 0", *(f"two record 0 {number}" for number in "123")]
    assert faults(*CUT, *again, *FOUR, *REST, killed="one")


def test_a_lost_record():
    assert faults(*ONE[:2], "one leaseLost 0", "two initialize 0", *FOUR, *REST)
    assert faults(*ONE[:2], *ONE[3:], "one leaseLost 0", "two initialize 0", *FOUR, *REST)
    assert faults(*ONE, "one leaseLost 0", "two initialize 0", *FOUR, *REST[:-1])


def test_a_changed_order():
    assert faults(*ONE[:2], ONE[3], ONE[2], "one leaseLost 0", "two initialize 0", *FOUR, *REST)


def test_a_child_before_its_parent():
    assert faults(*ONE, "one leaseLost 0", "two initialize 0", *REST, *FOUR)
    assert faults(*ONE, "one leaseLost 0", "two initialize 0", FOUR[0], *REST)


def test_two_workers_in_one_shard():
    assert faults(*ONE[:3], "two initialize 0", *ONE[3:], *FOUR, *REST)


def test_a_shard_that_nobody_had():
    assert faults(*ONE, "one leaseLost 0", "two initialize 0", *FOUR)
