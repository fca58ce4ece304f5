"""The workers of an application, and what they tell."""

import threading
import time
from collections.abc import Callable

import kcl
import programs

# Above all that a worker waits for: its tables, its leases, records.
SILENCE_SECONDS_MAX = 300


class Fleet:
    """Collects the lines of workers as they come."""

    def __init__(self, application: kcl.Application, stream: str):
        self.application = application
        self.stream = stream
        self.lines: list[dict] = []
        self.workers: dict[str, programs.Program] = {}
        self.listeners: list[threading.Thread] = []

    def start(self, name: str) -> None:
        worker = self.application.worker(self.stream, name)
        self.workers[name] = worker
        listener = threading.Thread(target=self.listen, args=[worker])
        listener.start()
        self.listeners.append(listener)

    def listen(self, worker: programs.Program) -> None:
        while (line := worker.next(SILENCE_SECONDS_MAX)) is not None:
            self.lines.append(line)

    def until(self, holds: Callable[[list[dict]], bool], seconds_max: float) -> None:
        """Waits until that holds of all lines so far."""
        end = time.monotonic() + seconds_max
        while not holds(list(self.lines)):
            ended = [name for name, worker in self.workers.items() if worker.process.poll()]
            assert time.monotonic() < end and not ended, f"{ended} ended:\n{self.log()}"
            time.sleep(0.2)

    def kill(self, name: str) -> None:
        """Ends a worker as a crash would."""
        self.workers.pop(name).kill()

    def stop(self) -> None:
        """Asks the workers to end; all that they told is there then."""
        for worker in self.workers.values():
            worker.stop()
        for listener in self.listeners:
            listener.join()

    def log(self) -> str:
        """The last of what the workers logged."""
        return "\n".join(
            f"--- {name}\n{''.join(worker.log)}" for name, worker in self.workers.items()
        )
