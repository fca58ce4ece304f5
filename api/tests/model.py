"""Compares our operations, members, constraints and errors with the installed botocore's model.

    python3 api/tests/model.py [description.json]

Without an argument, asks `cargo run -p millpond-codegen -- describe`. Names every difference, and
fails on any that isn't in ALLOWED. The botocore that the model was taken from is named in
api/model/NOTICE.md.
"""

import json
import subprocess
import sys

import botocore
import botocore.session

# What we know better than the model: see the tables of api/codegen/src/facts.rs for the reasons.
ALLOWED = {
    "PositiveIntegerObject: max: ours 100000, botocore's None",
    "RetentionPeriodHours: min: ours 1, botocore's None",
    (
        "SubscribeToShardEvent: required: ours ['MillisBehindLatest', 'Records'], "
        "botocore's ['ContinuationSequenceNumber', 'MillisBehindLatest', 'Records']"
    ),
}


def described(arguments):
    """Our own description of the API."""
    if arguments:
        with open(arguments[0], encoding="utf-8") as file:
            return json.load(file)
    command = ["cargo", "run", "--quiet", "-p", "millpond-codegen", "--", "describe"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def installed():
    """The same description of botocore's model."""
    loader = botocore.session.get_session().get_component("data_loader")
    model = loader.load_service_model("kinesis", "service-2")
    return {
        "operations": {name: operation(of) for name, of in model["operations"].items()},
        "shapes": {name: shape(of) for name, of in model["shapes"].items()},
    }


def operation(of):
    return {
        "input": of["input"]["shape"],
        "output": of.get("output", {}).get("shape"),
        "errors": [error["shape"] for error in of["errors"]],
        "plane": of.get("staticContextParams", {}).get("OperationType", {}).get("value"),
    }


def shape(of):
    members = {name: member["shape"] for name, member in of.get("members", {}).items()}
    target = lambda name: of.get(name, {}).get("shape")
    return {
        "type": of["type"],
        "members": members if of["type"] == "structure" else None,
        "required": of.get("required", []),
        "min": of.get("min"),
        "max": of.get("max"),
        "pattern": of.get("pattern"),
        "values": of.get("enum", []),
        "item": target("member"),
        "key": target("key"),
        "value": target("value"),
        "status": (500 if of.get("fault") else 400) if of.get("exception") else None,
    }


def differences(ours, theirs):
    """One line for each difference between two tables of facts by name."""
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in theirs:
            yield f"{name}: only ours"
        elif name not in ours:
            yield f"{name}: only botocore's"
        else:
            for fact in sorted(ours[name].keys() | theirs[name].keys()):
                a, b = ordered(ours[name].get(fact)), ordered(theirs[name].get(fact))
                if a != b:
                    yield f"{name}: {fact}: ours {a}, botocore's {b}"


def ordered(fact):
    """The order of a list of facts says nothing."""
    return sorted(fact) if isinstance(fact, list) else fact


def main():
    ours, theirs = described(sys.argv[1:]), installed()
    kinds = ("operations", "shapes")
    found = [line for kind in kinds for line in differences(ours[kind], theirs[kind])]
    unknown = [line for line in found if line not in ALLOWED]
    stale = sorted(ALLOWED.difference(found))
    for line in unknown:
        print(f"differs: {line}")
    for line in stale:
        print(f"no longer differs, take it out of ALLOWED: {line}")
    compared = f"{len(ours['operations'])} operations compared with botocore {botocore.__version__}"
    print(f"{compared}: {len(unknown)} unknown differences")
    return 1 if unknown or stale else 0


if __name__ == "__main__":
    sys.exit(main())
