#!/usr/bin/python3
"""Makes operations.txt, what test_api_walk.py walks, of Docker's description of the Engine API (api/swagger.yaml of moby).

    list_operations.py SWAGGER.yaml > operations.txt

One line an operation: method, path, "swarm" or "-", status codes, parameters as WHERE:NAME (of a body: body:MEMBER for each
member it describes)."""
import sys

import yaml

SWARM = {"Swarm", "Node", "Service", "Task", "Secret", "Config"}


def resolve(document, node):
    while "$ref" in node:
        node = document["definitions"][node["$ref"].rsplit("/", 1)[1]]
    return node


def members(document, schema):
    """The names of an object's members, those of what it is made of (allOf) as well."""
    schema = resolve(document, schema)
    found = list(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        found += members(document, part)
    return found


def parameters(document, operation, path):
    for one in [*path.get("parameters", []), *operation.get("parameters", [])]:
        if one["in"] == "body":
            yield from (f"body:{name}" for name in members(document, one["schema"]))
        else:
            yield f"{one['in']}:{one['name'].replace(' ', '')}"


def main(file):
    with open(file) as f:
        document = yaml.safe_load(f)
    for name, path in document["paths"].items():
        for method, operation in path.items():
            if method == "parameters":
                continue
            swarm = "swarm" if SWARM & set(operation["tags"]) else "-"
            statuses = ",".join(str(s) for s in operation["responses"])
            words = [p for p in parameters(document, operation, path) if not p.startswith("path:")]
            print(method.upper(), name, swarm, statuses, ",".join(dict.fromkeys(words)) or "-")


if __name__ == "__main__":
    main(sys.argv[1])
