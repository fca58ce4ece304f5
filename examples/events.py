#!/usr/bin/env python3
"""Web access logs as a site would send them: one JSON document a request, in Elastic Common Schema.

The same seed gives the same events. A few clients ask for much, most for little (Zipf), so some
shards run hotter than others. Every event carries `event.sequence`, which counts up from 0 per
client without a gap: a reader can prove order, completeness and uniqueness from the events alone.
"""

import argparse
import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

CLIENTS = 20_000
SKEW = 0.7  # Zipf's exponent; published figures for web clients lie between 0.6 and 0.9
NETWORK = int(IPv4Address("198.18.0.0"))  # RFC 2544: addresses that belong to nobody
START = datetime(2026, 3, 1, tzinfo=UTC)
REQUESTS_PER_SECOND = 400

PATHS = ["/", "/search", "/cart", "/login", "/api/v1/prices", "/static/app.js", "/robots.txt"]
STATUSES = {200: 88, 304: 6, 404: 4, 302: 1, 500: 1}
METHODS = {"GET": 90, "POST": 8, "HEAD": 2}
REFERRERS = ["-", "https://www.example.com/", "https://search.example.net/?q=millpond"]
AGENTS = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1",
    "ExampleBot/2.1 (+https://bot.example.org/about)",
]


@dataclass(frozen=True)
class Event:
    """What goes into the stream: the client's address as partition key, the document as data."""

    key: str
    data: bytes


def access_log(seed: int, count: int) -> Iterator[Event]:
    """`count` events, in the order of their timestamps."""
    chance = random.Random(seed)
    addresses = [str(IPv4Address(NETWORK + n)) for n in chance.sample(range(2**17), CLIENTS)]
    shares = list(itertools.accumulate(1 / rank**SKEW for rank in range(1, CLIENTS + 1)))
    sequences: Counter[str] = Counter()
    at = START
    for _ in range(count):
        at += timedelta(seconds=chance.expovariate(REQUESTS_PER_SECOND))
        address = chance.choices(addresses, cum_weights=shares)[0]
        document = request(chance, at, address, sequences[address])
        sequences[address] += 1
        yield Event(address, json.dumps(document, separators=(",", ":")).encode())


def request(chance: random.Random, at: datetime, address: str, sequence: int) -> dict:
    """One request as an ECS document that holds its line of Apache's combined log format."""
    method = chance.choices(list(METHODS), METHODS.values())[0]
    status = chance.choices(list(STATUSES), STATUSES.values())[0]
    path = chance.choice([*PATHS, f"/products/{chance.randrange(5000)}"])
    sent = 0 if status == 304 or method == "HEAD" else int(chance.lognormvariate(8, 1.2))
    referrer = chance.choice(REFERRERS)
    agent = chance.choice(AGENTS)
    line = (
        f'{address} - - [{at:%d/%b/%Y:%H:%M:%S %z}] "{method} {path} HTTP/1.1" {status} '
        f'{sent or "-"} "{referrer}" "{agent}"'
    )
    return {
        "@timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "ecs": {"version": "8.11.0"},
        "event": {"dataset": "apache.access", "sequence": sequence, "original": line},
        "source": {"ip": address},
        "http": {
            "version": "1.1",
            "request": {"method": method, "referrer": referrer},
            "response": {"status_code": status, "body": {"bytes": sent}},
        },
        "url": {"path": path},
        "user_agent": {"original": agent},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10, help="events to print")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same events")
    arguments = parser.parse_args()
    for event in access_log(arguments.seed, arguments.count):
        print(event.data.decode())


if __name__ == "__main__":
    main()
