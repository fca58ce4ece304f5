"""TLS on the port that speaks HTTP too, with the server's own authority."""

import os
import subprocess
import urllib.request

import boto3
import pytest
from botocore.exceptions import SSLError

import connect
import server


def secure_client(url: str, authority: str):
    """A client that trusts `authority` only."""
    return boto3.client(
        "kinesis",
        endpoint_url=url.replace("http://", "https://"),
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        verify=authority,
    )


@pytest.fixture
def shown(tmp_path):
    """Keeps what a server shows as its authority in a file."""

    def keep(url: str) -> str:
        path = tmp_path / f"{url.rsplit(':')[-1]}.pem"
        with urllib.request.urlopen(f"{url}/_millpond/ca.pem") as answer:
            path.write_bytes(answer.read())
        return str(path)

    return keep


def test_dev_is_trusted_by_who_asks_it_for_its_authority(shown, new_name):
    with server.running() as url, server.running() as other:
        plain, secure = connect.client(url), secure_client(url, shown(url))
        name = new_name()
        plain.create_stream(StreamName=name, ShardCount=1)
        put = secure.put_record(StreamName=name, PartitionKey="k", Data=b"over TLS")
        iterator = plain.get_shard_iterator(
            StreamName=name, ShardId=put["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = secure.get_records(ShardIterator=iterator)["Records"]
        assert [record["Data"] for record in records] == [b"over TLS"]
        with pytest.raises(SSLError):
            secure_client(other, shown(url)).list_streams()


def test_serve_keeps_its_authority_which_ca_prints(shown, tmp_path):
    data = ["--data-dir", str(tmp_path / "data")]
    binary = os.environ.get("MILLPOND_BIN", "millpond")
    printed = subprocess.run([binary, "ca", *data], check=True, capture_output=True).stdout
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(printed)
    for _ in range(2):
        with server.running(*data, "--tls", "self-signed", mode="serve") as url:
            secure_client(url, str(trusted)).list_streams()
            with open(shown(url), "rb") as file:
                assert file.read() == printed
