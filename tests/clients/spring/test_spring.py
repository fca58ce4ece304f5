"""Spring Cloud Stream's binder for Kinesis sends, receives, and goes on after its checkpoint."""

from pathlib import Path

import pytest

import dynamodb
import maven
import programs
import stored

pytestmark = pytest.mark.heavy

FOLDER = Path(__file__).parent
SECONDS_MAX = 120
CLICKS = 20


@pytest.fixture
def tables():
    """The URL of a DynamoDB, for locks and checkpoints."""
    with dynamodb.running() as url:
        yield url


@pytest.fixture
def application(dev, tables):
    """Starts the application."""
    java = maven.built(FOLDER)
    running = []

    def start(first: int) -> programs.Program:
        env = programs.environment(dev, AWS_ENDPOINT_URL_DYNAMODB=tables)
        command = java.command("clicks.Application", f"--first={first}")
        program = programs.Program(command, FOLDER, env)
        running.append(program)
        return program

    yield start
    for program in running:
        program.kill()


def clicks(program: programs.Program, count: int) -> list[dict]:
    """The next so many."""
    return [program.expect(SECONDS_MAX) for _ in range(count)]


def checkpoints(tables: str) -> dict[str, str]:
    """The number of the last record of each shard that was dealt with."""
    items = dynamodb.items(tables, "SpringIntegrationMetadataStore")
    return {item["metadataKey"].split(":")[-1]: item["metadataValue"] for item in items}


def test_it_sends_receives_and_goes_on(application, dev, tables, stream):
    for first in (0, CLICKS):
        program = application(first)
        # The second one doesn't see what the first one had.
        check(clicks(program, CLICKS), first)
        # A checkpoint comes after the last click of a batch has been told.
        kept = stored.records(dev, stream)
        ends = {shard: records[-1][1] for shard, records in kept.items()}
        dynamodb.wait(lambda: checkpoints(tables), ends)
        program.stop()
        assert program.next(1) is None, "more than it sent"


def check(told: list[dict], first: int) -> None:
    """Each click once, those of a user in order and in one shard, and both shards used."""
    assert sorted(click["number"] for click in told) == list(range(first, first + CLICKS))
    by_user = {}
    for click in told:
        by_user.setdefault(click["user"], []).append(click)
    assert len(by_user) == 4
    for of_user in by_user.values():
        assert [click["number"] for click in of_user] == sorted(c["number"] for c in of_user)
        assert len({click["shard"] for click in of_user}) == 1
    assert len({click["shard"] for click in told}) == 2
