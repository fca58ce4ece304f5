"""Runs each command of the AWS CLI that it is told in a line of JSON, in one Python for all."""

import contextlib
import io
import json
import sys

import awscli.clidriver


def run(arguments: list[str]) -> dict:
    """What the `aws` program would end with and print."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            code = awscli.clidriver.create_clidriver().main(arguments)
        except SystemExit as end:
            code = end.code
    return {"code": code, "stdout": stdout.getvalue(), "stderr": stderr.getvalue()}


for line in sys.stdin:
    print(json.dumps(run(json.loads(line))), flush=True)
