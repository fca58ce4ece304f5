"""A Lambda handler tested in CI against a real stream: put records, run the mapping, look."""

import base64
import json

from lambda_consumer import EventSourceMapping, Settings


class OrderTotals:
    """A handler as one would write it: sums up orders, and reports those that make no sense."""

    def __init__(self):
        self.totals: dict[str, int] = {}

    def __call__(self, event: dict, context: object) -> dict:
        for record in event["Records"]:
            try:
                order = json.loads(base64.b64decode(record["kinesis"]["data"]))
                customer = record["kinesis"]["partitionKey"]
                self.totals[customer] = self.totals.get(customer, 0) + order["cents"]
            except (ValueError, KeyError):
                # All before this one are done; Lambda comes back with this one and the rest.
                failed = record["kinesis"]["sequenceNumber"]
                return {"batchItemFailures": [{"itemIdentifier": failed}]}
        return {"batchItemFailures": []}


def put(kinesis, stream: str, customer: str, data: bytes) -> None:
    kinesis.put_record(StreamName=stream, PartitionKey=customer, Data=data)


def test_orders_are_summed_and_a_broken_one_is_put_aside(kinesis, stream, tmp_path):
    for cents in range(100):
        put(kinesis, stream, f"customer-{cents % 5}", json.dumps({"cents": cents}).encode())
    put(kinesis, stream, "customer-0", b"not an order")
    put(kinesis, stream, "customer-0", b'{"cents": 1}')

    handler = OrderTotals()
    given_up = []
    settings = Settings(batch_size=10, retries=1, bisect=True, report_failures=True)
    checkpoint = tmp_path / "checkpoint.json"
    EventSourceMapping(
        kinesis, stream, handler, settings, checkpoint, given_up.append, sleep=lambda seconds: None
    ).run(until_idle=True)

    assert sum(handler.totals.values()) == sum(range(100)) + 1
    assert [failure["KinesisBatchInfo"]["batchSize"] for failure in given_up] == [1]
    assert given_up[0]["requestContext"]["condition"] == "RetryAttemptsExhausted"


def test_a_second_run_goes_on_where_the_first_stopped(kinesis, stream, tmp_path):
    handler = OrderTotals()
    mapping = {"settings": Settings(), "checkpoint": tmp_path / "checkpoint.json"}
    put(kinesis, stream, "customer-1", b'{"cents": 5}')
    EventSourceMapping(kinesis, stream, handler, **mapping).run(until_idle=True)
    put(kinesis, stream, "customer-1", b'{"cents": 7}')
    EventSourceMapping(kinesis, stream, handler, **mapping).run(until_idle=True)

    assert handler.totals == {"customer-1": 12}
