#!/usr/bin/env python3
"""Starts a server with declared streams, puts orders by its command line, and looks at them.

MILLPOND_BIN names the binary. It takes no other server than its own.
"""

import json
import os
import subprocess
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import connect
import server

DECLARED = Path(__file__).parent / "streams.toml"
MILLPOND = os.environ.get("MILLPOND_BIN", "millpond")
SECONDS_MAX = 30


def ask(url: str) -> dict:
    with urlopen(url, timeout=SECONDS_MAX) as answer:
        return json.load(answer)


# docs: read
def records(admin: str, stream: str, **wanted) -> list[dict]:
    """All records of a stream, in the order of their arrival."""
    found, query = [], {"deaggregate": "true", **wanted}
    while True:
        page = ask(f"{admin}/streams/{stream}/records?{urlencode(query)}")
        found += page["records"]
        if page["millis_behind_latest"] == 0:
            return found
        query = {"deaggregate": "true", "next": page["next"]}
        # docs: end


def command(endpoint: str, *arguments: str, given: str = "") -> str:
    """What `millpond` prints about the server at the endpoint."""
    ended = subprocess.run(
        [MILLPOND, *arguments, "--endpoint", endpoint],
        input=given,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def tour(endpoint: str) -> None:
    admin = f"{endpoint}/_millpond"
    orders = ask(f"{admin}/streams/orders")
    assert (orders["open_shards"], orders["retention_hours"]) == (2, 168)
    assert orders["consumers"][0]["name"] == "billing"
    assert ask(f"{admin}/streams/clicks?region=eu-west-1")["mode"] == "ON_DEMAND"

    lines = "".join(json.dumps({"id": number}) + "\n" for number in range(20))
    command(endpoint, "put", "orders", "--key", "user-1", given=lines)
    kinesis = connect.client(endpoint)
    kinesis.put_record(StreamName="orders", PartitionKey="user-2", Data=b"\x00\x01")

    found = records(admin, "orders", limit=5)
    assert [json.loads(order["data"])["id"] for order in found[:20]] == list(range(20))
    assert (found[20]["encoding"], found[20]["data"]) == ("base64", "AAE=")
    assert all(order["encryption_type"] == "KMS" for order in found)
    shown = command(endpoint, "peek", "orders", "--last", "-n", "1", "--key", "user-1", "--json")
    assert json.loads(json.loads(shown)["data"]) == {"id": 19}
    print(command(endpoint, "shards", "orders"), end="")
    print(command(endpoint, "peek", "orders", "-n", "3"), end="")


def main() -> None:
    with server.running("--config", str(DECLARED)) as endpoint:
        tour(endpoint)


if __name__ == "__main__":
    connect.run(main)
