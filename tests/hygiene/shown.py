"""tests/integration/api/README.md is true: each test that it names is there, and each point of a table names one."""
import re

from sources import finish, text

README = "tests/integration/api/README.md"
NAME = re.compile(r"`([^`]+)`")


def documented():
    """"GET /containers/json query:all" for each parameter of the API."""
    for line in text("tests/integration/api/operations.txt").splitlines():
        method, path, _, _, parameters = line.split()
        yield from (f"{method} {path} {one}" for one in parameters.split(","))


def tests_of(file):
    try:
        return set(re.findall(r"^def (test_\w+)\(", text("tests/integration/" + file), re.MULTILINE))
    except FileNotFoundError:
        return set()


def main():
    parameters, tests, problems, points = set(documented()), {}, [], []
    for number, line in enumerate(text(README).splitlines(), 1):
        named = [n for n in NAME.findall(line) if "::" in n or " /" in n]
        for name in named:
            file, _, test = name.partition("::")
            if test and file not in tests:
                tests[file] = tests_of(file)
            if test not in tests[file] if test else name not in parameters:
                problems.append(f"{README}:{number}: there is no test {name}")
        if line.startswith("| ") and not line.startswith(("| Point", "| ---")):
            points.append(line[2:].split(" |")[0])
            if not named:
                problems.append(f"{README}:{number}: {points[-1]}: no test is named")
    problems += [f"{README}: A{n:02} is not there" for n in range(1, 21) if sum(p.startswith(f"A{n:02} ") for p in points) != 1]
    finish(problems, f"{len(points)} points")


main()
