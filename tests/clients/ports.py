"""Ports of programs that can't be told to choose one themselves."""

import socket
import time

import programs

START_SECONDS_MAX = 60


def free() -> int:
    """A port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait(program: programs.Program, port: int) -> None:
    """Waits until the program answers there. Kills one that doesn't: nobody else can yet."""
    end = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < end and program.process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    program.kill()
    raise AssertionError(f"{program.name} did not start:\n{''.join(program.log)}")
