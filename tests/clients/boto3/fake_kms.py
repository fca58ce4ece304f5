"""A key management service as small as the server needs, over HTTP."""

import base64
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTEXT = "aws:kinesis:arn"


class FakeKms(ThreadingHTTPServer):
    """Knows `alias/app`. `refusal` is the code of the error that it answers with, if any."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.refusal: str | None = None
        self.wrapped: dict[str, tuple[str, str]] = {}
        self.calls: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, operation: str, request: dict) -> tuple[int, dict]:
        self.calls.append(operation)
        if self.refusal:
            return 400, {"__type": self.refusal, "message": "As the test wants it."}
        stream = request["EncryptionContext"][CONTEXT]
        if operation == "TrentService.GenerateDataKey":
            if (request["KeyId"], request["KeySpec"]) != ("alias/app", "AES_256"):
                return 400, {"__type": "NotFoundException", "message": "No such key."}
            plain, blob = (base64.b64encode(os.urandom(n)).decode() for n in (32, 64))
            self.wrapped[blob] = (stream, plain)
            return 200, {"Plaintext": plain, "CiphertextBlob": blob, "KeyId": "app"}
        wrapped_for, plain = self.wrapped[request["CiphertextBlob"]]
        assert (operation, wrapped_for) == ("TrentService.Decrypt", stream)
        assert request["KeyId"] == "app"
        return 200, {"Plaintext": plain, "KeyId": "app"}


class Handler(BaseHTTPRequestHandler):
    server: FakeKms

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert "/us-east-1/kms/aws4_request" in self.headers["Authorization"]
        status, answer = self.server.answer(self.headers["X-Amz-Target"], request)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
