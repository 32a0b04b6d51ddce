"""Nothing in core names a driver, except the defaults in core/config; the drivers are those that plugins/ builds. And the
repository names no registry."""
import re

from sources import files, finish, text, without_comments

ALLOWED = ("core/config/",)
# The default registry of short names has to be known in one place of the engine and in one of the client, and their tests.
REFERENCES = ("core/image/references.cpp", "core/image/registry/names.cpp", "tests/unit/core/image/registry/names_test.cpp",
              "tests/unit/core/image/references_test.cpp", "core/cli/registry_host.cpp",
              "core/buildkit/image_name.cpp", "tests/unit/core/buildkit/image_name_test.cpp",
              "tests/unit/core/cli/registry_host_test.cpp")
# Words of the Engine API that happen to be names of drivers: network modes and the networks that every engine
# has; "host" is a word of Dockerfiles and plugins, too. "local", "none" and "copy" are words of their own too (scope, log
# driver, what a volume begins with),
# and "overlay" is a kind of file system.
API_WORDS = {"bridge", "host"}
API_FILES = ("core/network/", "core/build/", "core/daemon/", "core/container/", "core/plugin/", "core/cli/", "core/monitor/")


def drivers():
    found = set()
    for path in files("plugins", suffixes=("CMakeLists.txt",)):
        found |= {m[1] for m in re.finditer(r"gantry_add_driver\(\s*\w+\s+([\w.-]+)", text(path))}
    return found


def main():
    problems, names, paths = [], drivers(), files("core")
    for path in paths:
        if path.startswith(ALLOWED):
            continue
        for number, line in enumerate(without_comments(text(path)).splitlines(), 1):
            for literal in re.findall(r'"((?:\\.|[^"\\])*)"', line):
                if literal in names - {"local", "none", "copy", "overlay"} and not (literal in API_WORDS and path.startswith(API_FILES)):
                    problems.append(f"{path}:{number}: core names the driver \"{literal}\"")
    hosts = re.compile(r"docker\.io/|registry-1\.docker|index\.docker\.io|quay\.io|ghcr\.io|gcr\.io", re.IGNORECASE)
    everything = files(".", suffixes=(".cpp", ".hpp", ".h", ".c", ".py", ".md", ".txt", ".json", ".cmake", ".sh", "quickstart"))
    for path in everything:
        if path.startswith("tests/hygiene/") or path in REFERENCES:
            continue
        for number, line in enumerate(text(path).splitlines(), 1):
            if hosts.search(line):
                problems.append(f"{path}:{number}: names a registry")
    finish(problems, f"{len(paths)} files of core against {len(names)} drivers, {len(everything)} files")


main()
