#!/usr/bin/env python3
"""Rehearses throttling: puts too fast, and prints what the server says would have sufficed.

Needs a server that keeps Kinesis' limits and has the admin API: `millpond dev --quotas strict`.
"""

import json
import sys
import urllib.error
import urllib.request
import uuid
from urllib.parse import urlencode

import connect

BATCH = 500


def throttles(endpoint_url: str, method: str = "GET", **query: str) -> dict:
    """What was refused so far, of the stream that the query names; DELETE begins anew."""
    url = f"{endpoint_url}/_millpond/throttles?{urlencode(query)}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method)) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(json.load(error)["message"])
    except urllib.error.URLError as error:
        sys.exit(f"{endpoint_url}: {error.reason}; millpond dev --quotas strict starts a server")


def put_too_fast(kinesis, stream: str, count: int, hot_share: float) -> int:
    """Puts so many records at once, a share of them with one key; how many were refused."""
    refused = 0
    for first in range(0, count, BATCH):
        keys = [
            "hot" if n % 100 < hot_share * 100 else f"key-{n}"
            for n in range(first, min(first + BATCH, count))
        ]
        records = [{"PartitionKey": key, "Data": b"x" * 100} for key in keys]
        refused += kinesis.put_records(StreamName=stream, Records=records)["FailedRecordCount"]
    return refused


def tell(report: dict) -> None:
    """Prints what a developer wants to know of one stream."""
    if not report["streams"]:
        print("nothing was metered: does the server keep limits (--quotas strict)?")
        return
    stream = report["streams"][0]
    for throttle in stream["throttles"]:
        keys = ", ".join(f"{key['key']} ({key['refused']})" for key in throttle["partition_keys"])
        keys = f"most of them {keys}" if keys else "no key stands out"
        print(
            f"{throttle['operation']} on {throttle['shard']}: {throttle['refused']:,} refused by "
            f"{throttle['limit']} = {throttle['allowed_per_second']:,}; {keys}"
        )
    offered, cost = stream["offered"], stream["cost"]
    print(f"busiest second: {offered['records_per_second']:,} records")
    advice = stream["advice"] or {"sentences": ["nothing was refused: the shards suffice"]}
    for sentence in advice["sentences"]:
        print(sentence)
    print(
        f"on AWS this would have cost {cost['total']:.6f} {report['cost']['currency']}, "
        f"with enough shards {cost['provisioned']:.6f}, on-demand {cost['on_demand']:.6f} "
        f"(prices of {report['cost']['as_of']})"
    )


def main() -> None:
    parser = connect.parser(__doc__.splitlines()[0])
    parser.set_defaults(stream=f"throttling-{uuid.uuid4().hex[:8]}")
    parser.add_argument("--count", type=int, default=5_000, help="records to put at once")
    parser.add_argument("--shards", type=int, default=1, help="shards of the stream")
    parser.add_argument("--hot", type=float, default=0.0, help="share of records with one key")
    arguments = parser.parse_args()
    url, stream = arguments.endpoint_url, arguments.stream
    # Blind retries would hide what is refused.
    kinesis = connect.client(url, arguments.region, attempts=1)
    connect.ensure_stream(kinesis, stream, arguments.shards)
    refused = put_too_fast(kinesis, stream, arguments.count, arguments.hot)
    print(f"{refused:,} of {arguments.count:,} records were refused")
    tell(throttles(url, stream=stream))
    kinesis.delete_stream(StreamName=stream)


if __name__ == "__main__":
    connect.run(main)
