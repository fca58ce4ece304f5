"""Directories that can't be used: one sentence, an exit code, and nothing changed."""

import os
import re
import subprocess
from pathlib import Path

import pytest

BINARY = os.environ.get("MILLPOND_BIN", "millpond")
SECONDS_MAX = 30


def refused(directory: Path, *prefix: str) -> str:
    """Starts a server that must not start; gives the sentence that it ends with."""
    flags = ["serve", "--listen", "127.0.0.1:0", "--data-dir", str(directory)]
    ended = subprocess.run(
        [*prefix, BINARY, *flags], capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    assert ended.returncode == 1, ended
    [sentence] = ended.stderr.splitlines()
    assert sentence.startswith("millpond: ")
    assert "127.0.0.1" not in ended.stdout, "it said that it was up"
    return sentence


@pytest.fixture
def read_only(tmp_path):
    """A directory that can't be written: root needs a read-only mount for that."""
    directory = tmp_path / "read-only"
    directory.mkdir()
    if os.geteuid() != 0:
        directory.chmod(0o500)
        yield directory
        directory.chmod(0o700)
        return
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "millpond-test", str(directory)]
    if subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("SKIPPED: root may not mount a read-only directory here")
    yield directory
    subprocess.run(["umount", directory], check=True)


def test_a_directory_that_cannot_be_written(read_only):
    sentence = refused(read_only)
    assert str(read_only) in sentence
    assert re.search("Read-only file system|Permission denied", sentence)


def test_a_directory_that_cannot_be_made(read_only):
    assert str(read_only / "data") in refused(read_only / "data")


def test_a_file_in_its_place(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    assert str(file) in refused(file)
    assert file.read_text() == "mine"


def test_a_directory_with_files_of_others(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    assert "not a millpond data directory" in refused(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_directory_of_a_later_release(start, tmp_path):
    start("--data-dir", str(tmp_path)).stop()
    (tmp_path / "VERSION").write_text("999\n")
    assert "has format 999" in refused(tmp_path)


def test_a_directory_that_another_server_uses(start, tmp_path):
    first = start("--data-dir", str(tmp_path))
    sentence = refused(tmp_path)
    assert f"pid {first.process.pid}" in sentence
    assert str(tmp_path) in sentence
    first.stop()
    start("--data-dir", str(tmp_path)).stop()


def test_a_port_that_another_server_uses(start, tmp_path):
    address = start(mode="dev").url.removeprefix("http://")
    flags = ["--listen", address, "--data-dir", str(tmp_path / "data")]
    ended = subprocess.run(
        [BINARY, "serve", *flags], capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    assert ended.returncode == 1
    assert f"{address} is in use" in ended.stderr
    assert not (tmp_path / "data").exists()


def test_a_server_killed_in_its_first_start_starts_again(start, tmp_path):
    (tmp_path / "LOCK").write_text("1\n")
    (tmp_path / "VERSION.new").write_text("")
    start("--data-dir", str(tmp_path)).stop()


def test_a_healthy_start_and_stop_warn_of_nothing(start, tmp_path):
    flags = ["--data-dir", str(tmp_path), "--credential", "test:test"]
    for _ in range(2):
        server = start(*flags)
        server.stop()
        assert [line for line in server.last_lines if "WARN" in line or "ERROR" in line] == []
