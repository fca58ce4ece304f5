"""Waits for what boto3 has no waiter for."""

import time
from collections.abc import Callable

SECONDS_MAX = 30


def wait(done: Callable[[], bool]) -> None:
    """Waits until it is so."""
    deadline = time.monotonic() + SECONDS_MAX
    while not done():
        assert time.monotonic() < deadline, "it should have happened by now"
        time.sleep(0.1)


def described(kinesis, consumer: str) -> dict:
    return kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]


def register(kinesis, stream: str, name: str) -> str:
    """The ARN of a new consumer, once it is ACTIVE."""
    registered = kinesis.register_stream_consumer(StreamARN=stream, ConsumerName=name)
    consumer = registered["Consumer"]["ConsumerARN"]
    wait(lambda: described(kinesis, consumer)["ConsumerStatus"] == "ACTIVE")
    return consumer
