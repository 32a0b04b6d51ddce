#!/usr/bin/python3
"""Makes fields.txt, what test_api_fields.py compares replies with, of Docker's description of the Engine API (api/swagger.yaml of moby).

    list_fields.py SWAGGER.yaml > fields.txt

One line an operation that answers with JSON: method, path, status, and each member that the answer may have. "[]" stands for the
entries of a list, "*" for the names of a map."""
import sys

import yaml

from list_operations import SWARM


def merged(document, schema):
    """The schema without $ref and allOf."""
    while "$ref" in schema:
        schema = document["definitions"][schema["$ref"].rsplit("/", 1)[1]]
    whole = {**schema, "properties": dict(schema.get("properties", {}))}
    for part in schema.get("allOf", []):
        part = merged(document, part)
        whole["properties"].update(part["properties"])
        whole = {**part, **whole}
    return whole


def paths(document, schema, where="", within=()):
    name = schema.get("$ref")
    if name in within:
        return
    within = (*within, name) if name else within
    schema = merged(document, schema)
    for key, inner in schema["properties"].items():
        yield f"{where}.{key}" if where else key
        yield from paths(document, inner, f"{where}.{key}" if where else key, within)
    if "items" in schema:
        yield from paths(document, schema["items"], where + "[]", within)
    if isinstance(schema.get("additionalProperties"), dict):
        yield from paths(document, schema["additionalProperties"], where + ".*", within)


def main(file):
    with open(file) as f:
        document = yaml.safe_load(f)
    for name, path in document["paths"].items():
        for method, operation in path.items():
            if method == "parameters" or SWARM & set(operation["tags"]):
                continue
            for status, answer in operation["responses"].items():
                if int(status) < 300 and "schema" in answer:
                    found = list(dict.fromkeys(paths(document, answer["schema"])))
                    if found:
                        print(method.upper(), name, status, ",".join(found))


if __name__ == "__main__":
    main(sys.argv[1])
