"""Writes the signed requests beside this file: `pip install boto3`, then run it.

Each is a request as botocore would send it, at 2015-08-30T12:36:00Z with example credentials.
"""

import datetime
import pathlib

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.session

HERE = pathlib.Path(__file__).parent
NOW = datetime.datetime(2015, 8, 30, 12, 36, 0)
ENDPOINT = "http://127.0.0.1:4567"
ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SESSION_ID, TOKEN = "ASIDEXAMPLE", "example-token/with+odd//characters=="

botocore.auth.get_current_datetime = lambda *_, **__: NOW


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def write(name, method, url, headers, body):
    path = url.removeprefix(ENDPOINT)
    lines = [f"{method} {path}"]
    headers = {key.lower(): text(value) for key, value in headers.items()}
    headers.setdefault("host", ENDPOINT.removeprefix("http://"))
    lines += [f"{key}: {value}" for key, value in sorted(headers.items())]
    content = "\n".join(lines) + "\n\n" + text(body or b"")
    (HERE / f"{name}.http").write_text(content, newline="\n")


def client(**keys):
    session = botocore.session.get_session()
    config = botocore.config.Config(user_agent="boto", user_agent_extra="")
    return session.create_client(
        "kinesis", region_name="eu-west-1", endpoint_url=ENDPOINT, config=config, **keys
    )


def call(name, operation, keys, prepare=None, **arguments):
    kinesis = client(**keys)

    def capture(request, **_):
        headers = {k: v for k, v in request.headers.items() if not k.lower().startswith("amz-sdk-")}
        write(name, request.method, request.url, headers, request.body)
        return botocore.awsrequest.AWSResponse(request.url, 200, {}, Raw())

    if prepare:
        kinesis.meta.events.register("before-sign.kinesis", prepare)
    kinesis.meta.events.register("before-send.kinesis", capture)
    getattr(kinesis, operation)(**arguments)


class Raw:
    def stream(self, *_, **__):
        yield b"{}"


def presigned():
    credentials = botocore.credentials.Credentials(SESSION_ID, SECRET, TOKEN)
    request = botocore.awsrequest.AWSRequest(
        method="POST", url=f"{ENDPOINT}/", headers={"X-Amz-Target": "Kinesis_20131202.ListStreams"}
    )
    botocore.auth.SigV4QueryAuth(credentials, "kinesis", "eu-west-1", expires=900).add_auth(request)
    prepared = request.prepare()
    write("presigned", prepared.method, prepared.url, prepared.headers, prepared.body)


def with_date_header(request, **_):
    request.headers["Date"] = "replaced by the signer"


def with_blanks(request, **_):
    request.headers["X-Custom"] = "  two  blanks,   three "


plain = {"aws_access_key_id": ID, "aws_secret_access_key": SECRET}
session = plain | {"aws_access_key_id": SESSION_ID, "aws_session_token": TOKEN}
call("list_streams", "list_streams", plain)
call("session_token", "describe_limits", session)
call("date_header", "list_streams", plain, with_date_header)
call("blanks", "list_streams", plain, with_blanks)
call(
    "put_records",
    "put_records",
    plain,
    StreamName="clicks",
    Records=[{"Data": "größer 🌊".encode(), "PartitionKey": f"schlüssel-{n}"} for n in range(3)],
)
presigned()
