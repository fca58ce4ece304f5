"""Servers of their own for tests that break them, and a small disk to fill."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import server

SMALL_DISK_MIB = 96


@pytest.fixture
def start():
    """Starts servers; those that still run after the test are killed."""
    started = []

    def start_server(*flags: str, mode: str = "serve") -> server.Server:
        started.append(server.Server(*flags, mode=mode))
        return started[-1]

    yield start_server
    for process in started:
        process.kill()


@pytest.fixture
def small_disk(tmp_path):
    """The mount point of a file system that is soon full. Only root, or sudo, may mount one."""
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    # `env` finds no sudo where there is none, and says so by its exit code.
    as_root = ["env"] if os.geteuid() == 0 else ["env", "sudo", "--non-interactive"]
    options = f"size={SMALL_DISK_MIB}m,uid={os.geteuid()}"
    command = [*as_root, "mount", "-t", "tmpfs", "-o", options, "millpond-test", mount_point]
    if subprocess.run(command, check=False).returncode != 0:
        pytest.skip("SKIPPED: mounting a small disk is not permitted here")
    yield mount_point
    # Lazily: a server that failed to end must not leave the mount behind.
    subprocess.run([*as_root, "umount", "--lazy", mount_point], check=True)
