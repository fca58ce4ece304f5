"""Workers of the Kinesis Client Library, which tell of each record in a line of JSON."""

from pathlib import Path

import maven
import programs

FOLDER = Path(__file__).parent / "kcl"


class Application:
    """An application of KCL, whose leases are in the DynamoDB of that URL."""

    def __init__(self, name: str, url: str, dynamodb: str, how: str = "polling"):
        self.name = name
        self.how = how
        self.java = maven.built(FOLDER)
        self.environment = programs.environment(url, AWS_ENDPOINT_URL_DYNAMODB=dynamodb)

    def worker(self, stream: str, name: str) -> programs.Program:
        """Starts a worker. It tells as tests/clients/kcl/…/Processor.java says.

        Each line has `event` ("initialize", "record", "checkpoint", "shardEnded", "leaseLost",
        "shutdownRequested"), `worker`, `shard` and `micros`, the time; a record has
        `sequenceNumber`, `subSequenceNumber`, `partitionKey` and `data`, as base64.
        """
        arguments = [self.name, stream, name, self.how]
        command = self.java.command("clicks.Worker", *arguments, heap="384m")
        return programs.Program(command, FOLDER, self.environment)
