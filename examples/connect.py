"""The flags, the boto3 client and the way to end that all examples share."""

import argparse
import sys
from collections.abc import Callable

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


def parser(description: str) -> argparse.ArgumentParser:
    """A parser with the flags that say which server and which stream."""
    arguments = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    arguments.add_argument(
        "--endpoint-url", default="http://127.0.0.1:4567", help="where the server is"
    )
    arguments.add_argument("--region", default="us-east-1", help="the stream's region")
    arguments.add_argument("--stream", default="access-log", help="the stream's name")
    return arguments


def run(main: Callable[[], None]) -> None:
    """Runs an example. What the server or the way to it is to blame for is said in one line."""
    try:
        main()
    except (BotoCoreError, ClientError) as error:
        hint = ""
        if isinstance(error, ClientError):
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                hint = "; produce.py makes the stream, and --stream names another"
        elif "endpoint" in str(error):
            hint = "; ./x just dev starts a server, and --endpoint-url names another"
        sys.exit(f"{error}{hint}")
    except KeyboardInterrupt:
        sys.exit(130)


def client(
    endpoint_url: str,
    region: str = "us-east-1",
    key: str = "test",
    attempts: int = 3,
    service: str = "kinesis",
):
    """A client with keys that open nothing anywhere.

    `attempts` counts the first one. A producer that must not store a record twice passes 1: after
    a broken connection nobody knows whether the call arrived, and the SDK would blindly repeat it.
    """
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}),
    )


def ensure_stream(kinesis, stream: str, shards: int) -> None:
    """Creates the stream unless it is there, and waits until it can be used."""
    try:
        kinesis.create_stream(StreamName=stream, ShardCount=shards)
    except kinesis.exceptions.ResourceInUseException:
        pass
    wait_active(kinesis, stream)


def wait_active(kinesis, stream: str) -> None:
    """Waits until no creation, split or merge is under way."""
    kinesis.get_waiter("stream_exists").wait(
        StreamName=stream, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
