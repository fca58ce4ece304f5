"""Clients that mean no good, or are merely slow: bounded memory, and no effect on others."""

import random
import resource
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from ledger import STREAM, Ledger, client, wait_until

MIB = 1 << 20
IDLE_CONNECTIONS = 3_000
IDLE_RSS_MIB_MAX = 64
SOFT_FILES = 512
SLOW_CLIENTS = 200
GARBAGE_CLIENTS = 16
GARBAGE_REQUESTS = 150
LARGE_BODIES = 16
READERS = 20
QUIET_RSS_MIB_MAX = 100
RSS_GROWTH_MIB_MAX = 96
BODY_BYTES_MAX = 16 * MIB
ANSWER_SECONDS_MAX = 2.0
SLOW_BODY_SECONDS_MAX = 15

HEAD = (
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n"
    "X-Amz-Target: Kinesis_20131202.PutRecords\r\nX-Amz-Date: 20260301T000000Z\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=test/20260301/us-east-1/kinesis/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64 + "\r\n"
)


@pytest.fixture
def dev(start):
    """A server that looks at no signature, so that bodies are read and decoded."""
    return start("--stream", f"{STREAM}:2", mode="dev")


def rss_mib(server) -> float:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def connect_to(server) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=SLOW_BODY_SECONDS_MAX)


def answer(connection: socket.socket) -> bytes:
    """All that comes until the server closes or the answer's declared body is there."""
    got = b""
    try:
        while piece := connection.recv(65536):
            got += piece
            head, separator, body = got.partition(b"\r\n\r\n")
            lengths = [
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            ]
            if separator and lengths and len(body) >= lengths[0]:
                break
    except ConnectionError:
        pass
    return got


def seconds_of_a_put(ledger: Ledger, kinesis) -> float:
    started = time.monotonic()
    assert ledger.put(kinesis, [f"well-behaved-{len(ledger.attempted)}"]), ledger.refusals
    return time.monotonic() - started


def test_thousands_of_idle_connections(dev):
    """They cost little each, and others are served meanwhile."""
    ledger, kinesis = Ledger(), client(dev.url)
    before = rss_mib(dev)
    with ExitStack() as connections:
        for number in range(IDLE_CONNECTIONS):
            connection = connections.enter_context(connect_to(dev))
            if number % 3 == 1:
                connection.sendall(HEAD[:40].encode())
            elif number % 3 == 2:
                connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        assert max(seconds_of_a_put(ledger, kinesis) for _ in range(20)) < ANSWER_SECONDS_MAX
        grown = rss_mib(dev) - before
        assert grown < IDLE_RSS_MIB_MAX, f"{grown:.0f} MiB for {IDLE_CONNECTIONS} connections"
    ledger.check(dev.url)
    dev.stop()


def test_a_soft_limit_on_open_files_is_raised(start):
    """Many systems give a shell 1,024; the server takes what it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT_FILES, hard))
    try:
        server = start(mode="dev")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)


def test_slow_bodies_are_given_up_and_hold_up_nobody(dev):
    ledger, kinesis = Ledger(), client(dev.url)
    with ExitStack() as connections:
        slow = []
        for _ in range(SLOW_CLIENTS):
            connection = connections.enter_context(connect_to(dev))
            connection.sendall(f"{HEAD}Content-Length: {BODY_BYTES_MAX}\r\n\r\n{{".encode())
            slow.append(connection)
        assert max(seconds_of_a_put(ledger, kinesis) for _ in range(20)) < ANSWER_SECONDS_MAX
        for connection in slow:
            got = answer(connection)
            assert got.startswith(b"HTTP/1.1 408 "), got
    dev.stop()


def large_read(kinesis, ledger) -> tuple[str, str]:
    """Head and body of a GetRecords whose answer has 10 MB."""
    for call in range(3):
        assert ledger.put(kinesis, [f"{call}-{n}" for n in range(10)], 400_000)
    iterator = kinesis.get_shard_iterator(
        StreamName=STREAM, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    return HEAD.replace("PutRecords", "GetRecords"), f'{{"ShardIterator":"{iterator}"}}'


def test_a_reader_that_takes_nothing_holds_up_nobody(dev):
    """Many answers of 10 MB that nobody fetches: the server must not pile them up."""
    kinesis, ledger = client(dev.url), Ledger()
    head, body = large_read(kinesis, ledger)
    request = f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
    with ExitStack() as connections:
        for _ in range(READERS):
            connection = connections.enter_context(connect_to(dev))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            # Pipelined: the server may begin the next only when the first was taken.
            connection.sendall(request * 20)
        assert max(seconds_of_a_put(ledger, kinesis) for _ in range(20)) < ANSWER_SECONDS_MAX
        assert rss_mib(dev) < READERS * 2 * 10 + 100
    ledger.check(dev.url)
    dev.stop()


def http2_frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def http2_request(stream: int, head: str, body: str) -> bytes:
    """The request as HEADERS, each a literal that nobody needs to remember, and DATA."""

    def text(value: str) -> bytes:
        length = len(value)
        prefix = (
            [length] if length < 127 else [127, (length - 127) % 128 | 128, (length - 127) // 128]
        )
        return bytes(prefix) + value.encode()

    headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "localhost"),
    ]
    lines = [line.split(": ", 1) for line in head.splitlines()[2:]]
    headers += [(name.lower(), value) for name, value in lines]
    block = b"".join(b"\0" + text(name) + text(value) for name, value in headers)
    return http2_frame(1, 4, stream, block) + http2_frame(0, 1, stream, body.encode())


def test_an_http2_reader_without_a_window_holds_up_nobody(start):
    """It asks for many answers of 10 MB at once and lets the server send none of them."""
    dev = start("--stream", f"{STREAM}:2", "--inflight-bytes", "64MiB", mode="dev")
    kinesis, ledger = client(dev.url), Ledger()
    head, body = large_read(kinesis, ledger)
    no_window = http2_frame(4, 0, 0, (4).to_bytes(2) + (0).to_bytes(4))
    requests = b"".join(http2_request(2 * n + 1, head, body) for n in range(READERS))
    before = rss_mib(dev)
    with ExitStack() as connections:
        for _ in range(READERS):
            connection = connections.enter_context(connect_to(dev))
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + no_window + requests)
        assert max(seconds_of_a_put(ledger, kinesis) for _ in range(20)) < ANSWER_SECONDS_MAX
        grown = rss_mib(dev) - before
        assert grown < 64 + RSS_GROWTH_MIB_MAX, f"grew by {grown:.0f} MiB"
    ledger.check(dev.url)
    dev.stop()


def garbage(chance: random.Random) -> bytes:
    """A request, or something like one, that no honest client would send."""
    kind = chance.randrange(6)
    if kind == 0:
        return chance.randbytes(chance.randrange(1, 65536))
    body = {
        1: b"[" * chance.randrange(1, MIB),
        2: b'{"Records":[' + b'{"Data":"AA==","PartitionKey":"k"},' * chance.randrange(20_000),
        3: chance.randbytes(chance.randrange(MIB)),
        4: b'{"StreamName":"' + b"\\u0041" * chance.randrange(MIB // 8) + b'"}',
        5: b"\xbf" * chance.randrange(1, MIB),
    }[kind]
    head = HEAD.replace("x-amz-json-1.1", "x-amz-cbor-1.1") if kind in (3, 5) else HEAD
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


# What a TLS connection begins with, and how it is refused.
TLS_HANDSHAKE, TLS_ALERT = b"\x16", b"\x15\x03"


def send_garbage(server, seed: int) -> list[bytes]:
    """Answers that are not what garbage deserves."""
    chance = random.Random(seed)
    odd = []
    for _ in range(GARBAGE_REQUESTS):
        with connect_to(server) as connection:
            try:
                sent = garbage(chance)
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                continue  # the server would not even hear it to its end
            got = answer(connection)
            refusal = TLS_ALERT if sent[:1] == TLS_HANDSHAKE else b"HTTP/1.1 4"
            if got and not got.startswith(refusal):
                odd.append(got[:200])
    return odd


def test_garbage_is_refused_in_bounded_memory(dev):
    ledger, kinesis = Ledger(), client(dev.url)
    slowest, before = 0.0, rss_mib(dev)
    highest = before
    with ThreadPoolExecutor(GARBAGE_CLIENTS) as clients:
        senders = [clients.submit(send_garbage, dev, seed) for seed in range(GARBAGE_CLIENTS)]
        while not all(sender.done() for sender in senders):
            slowest = max(slowest, seconds_of_a_put(ledger, kinesis))
            highest = max(highest, rss_mib(dev))
    assert [odd for sender in senders for odd in sender.result()] == []
    assert highest - before < RSS_GROWTH_MIB_MAX, f"grew from {before:.0f} to {highest:.0f} MiB"
    assert slowest < ANSWER_SECONDS_MAX
    ledger.check(dev.url)
    dev.stop()


def test_bodies_over_the_cap_are_refused_unread(dev):
    with connect_to(dev) as connection:
        connection.sendall(f"{HEAD}Content-Length: {1 << 40}\r\n\r\n".encode())
        assert answer(connection).startswith(b"HTTP/1.1 413 ")
    with connect_to(dev) as connection:
        connection.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        piece = b"100000\r\n" + b"x" * MIB + b"\r\n"
        try:
            for _ in range(BODY_BYTES_MAX // MIB + 8):
                connection.sendall(piece)
            connection.sendall(b"0\r\n\r\n")
        except ConnectionError:
            pass
        assert answer(connection).startswith(b"HTTP/1.1 413 ")


def test_memory_comes_back_after_large_bodies(dev):
    """Many large writes at once, then quiet: what bodies held is free again."""
    ledger, kinesis = Ledger(), client(dev.url)
    body = b'{"Records":"' + b"x" * (8 * MIB) + b'"}'
    request = f"{HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def send() -> bytes:
        with connect_to(dev) as connection:
            connection.sendall(request)
            return answer(connection)

    with ThreadPoolExecutor(LARGE_BODIES) as clients:
        answers = [clients.submit(send) for _ in range(LARGE_BODIES)]
    assert all(sent.result().startswith(b"HTTP/1.1 400 ") for sent in answers)
    wait_until(lambda: rss_mib(dev) < QUIET_RSS_MIB_MAX, "memory to come back")
    assert seconds_of_a_put(ledger, kinesis) < ANSWER_SECONDS_MAX
    dev.stop()
