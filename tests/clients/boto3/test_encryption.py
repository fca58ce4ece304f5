"""Encrypted streams, as boto3 starts, uses and stops their encryption."""

import pytest

import connect
import fake_kms
import server

SHARD = "shardId-000000000000"
KEY = "alias/aws/kinesis"


@pytest.fixture
def encrypted(kinesis, create):
    """A stream that has one plain record, and is encrypted since then."""
    name = create()
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"plain")
    kinesis.start_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId=KEY)
    wait(kinesis, name)
    return name


def wait(kinesis, name: str) -> None:
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})


def summary(kinesis, name: str) -> dict:
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]


def read(kinesis, name: str) -> list[tuple]:
    iterator = kinesis.get_shard_iterator(
        StreamName=name, ShardId=SHARD, ShardIteratorType="TRIM_HORIZON"
    )
    records = kinesis.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    return [(record["Data"], record.get("EncryptionType")) for record in records]


def test_start_stream_encryption(kinesis, encrypted):
    told = summary(kinesis, encrypted)
    assert (told["EncryptionType"], told["KeyId"]) == ("KMS", KEY)
    put = kinesis.put_record(StreamName=encrypted, PartitionKey="k", Data=b"one")
    assert put["EncryptionType"] == "KMS"
    put = kinesis.put_records(
        StreamName=encrypted, Records=[{"PartitionKey": "k", "Data": b"two"}] * 2
    )
    assert (put["EncryptionType"], put["FailedRecordCount"]) == ("KMS", 0)
    records = [(b"plain", None), (b"one", "KMS"), (b"two", "KMS"), (b"two", "KMS")]
    assert read(kinesis, encrypted) == records


def test_stop_stream_encryption(kinesis, encrypted):
    kinesis.put_record(StreamName=encrypted, PartitionKey="k", Data=b"one")
    kinesis.stop_stream_encryption(StreamName=encrypted, EncryptionType="KMS", KeyId=KEY)
    wait(kinesis, encrypted)
    told = summary(kinesis, encrypted)
    assert told["EncryptionType"] == "NONE" and "KeyId" not in told
    assert "EncryptionType" not in kinesis.put_record(
        StreamName=encrypted, PartitionKey="k", Data=b"two"
    )
    assert read(kinesis, encrypted) == [(b"plain", None), (b"one", "KMS"), (b"two", None)]


def test_a_key_that_isnt_there(kinesis, encrypted):
    with pytest.raises(kinesis.exceptions.KMSNotFoundException):
        kinesis.start_stream_encryption(StreamName=encrypted, EncryptionType="KMS", KeyId="none")
    assert summary(kinesis, encrypted)["KeyId"] == KEY


def test_keys_of_a_key_management_service(tmp_path, new_name):
    """Records are read after a restart, as long as the service lets them be."""
    kms, name = fake_kms.FakeKms(), new_name()
    flags = [f"--data-dir={tmp_path}", f"--kms-endpoint={kms.url}", "--kms-credential=id:secret"]
    with server.running(*flags, mode="serve") as url:
        kinesis = connect.client(url)
        connect.ensure_stream(kinesis, name, 1)
        start = {"StreamName": name, "EncryptionType": "KMS"}
        with pytest.raises(kinesis.exceptions.KMSNotFoundException, match="No such key."):
            kinesis.start_stream_encryption(KeyId="alias/none", **start)
        kinesis.start_stream_encryption(KeyId="alias/app", **start)
        kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"one")
        assert read(kinesis, name) == [(b"one", "KMS")]
    with server.running(*flags, mode="serve") as url:
        assert read(connect.client(url), name) == [(b"one", "KMS")]
    kms.refusal = "DisabledException"
    with server.running(*flags, mode="serve") as url:
        kinesis = connect.client(url)
        with pytest.raises(kinesis.exceptions.KMSDisabledException, match="As the test wants it."):
            kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"two")
        with pytest.raises(kinesis.exceptions.KMSDisabledException):
            read(kinesis, name)
    kms.shutdown()
    kms.server_close()
    assert kms.calls[:3] == [
        "TrentService.GenerateDataKey",
        "TrentService.GenerateDataKey",
        "TrentService.Decrypt",
    ]
