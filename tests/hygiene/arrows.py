"""Who may include whom (DESIGN 1): plugins -> sdk; core -> sdk; core/daemon -> the rest of core; the client, the monitor
and the resolver only what is small."""
import re

from sources import files, finish, text, without_comments

# The parts of core that a part of core may include, besides itself.
LEAVES = {
    "base": set(),
    "archive": {"base"},
    "tls": {"base"},
    "config": {"base", "driver"},
    "store": {"base"},
    "driver": {"base"},
    "image": {"base", "archive", "store", "driver"},
    "volume": {"base", "store", "driver"},
    "network": {"base", "store", "driver"},
    "container": {"base", "archive", "store", "driver", "image", "volume", "network", "config", "monitor"},
    "plugin": {"base", "archive", "store", "image", "network", "container"},
    "build": {"base", "archive", "store", "driver", "image", "volume", "network", "config", "container"},
    "compose": {"base", "config"},
    "monitor": {"base", "driver"},
    "driverhost": {"base", "driver"},
    "resolver": {"base"},
    "buildkit": {"base", "build"},
    "cli": {"archive", "base", "build"},
}
# core/container's side of the conversation with the monitors may use the formats of core/monitor (frames, log files), no more;
# the client knows what a .dockerignore says, and nothing else of builds; gantry-buildkit the frames of a build session, too.
WIRE_ONLY = {("container", "monitor"): re.compile(r"core/monitor/(protocol|frames?|wire|messages?|log_format)[a-z_]*\.hpp"),
             ("cli", "build"): re.compile(r"core/build/dockerignore\.hpp"),
             ("buildkit", "build"): re.compile(r"core/build/(dockerignore|frames)\.hpp")}


def main():
    problems, paths = [], files("core", "plugins", "sdk")
    for path in paths:
        parts = path.split("/")
        for number, line in enumerate(without_comments(text(path)).splitlines(), 1):
            include = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
            if not include:
                continue
            target, where = include[1], f"{path}:{number}"
            if target.startswith("tests/"):
                problems.append(f"{where}: includes {target} of the tests")
            elif parts[0] == "sdk" and re.match(r"(core|plugins)/", target):
                problems.append(f"{where}: sdk includes {target}")
            elif parts[0] == "plugins" and target.startswith("core/"):
                problems.append(f"{where}: a plugin includes {target}; it may use sdk and plugins/*/common")
            elif parts[0] == "plugins" and target.startswith("plugins/"):
                # plugins/KIND[/SUBKIND]/NAME/file: itself, and "common" of its own kind.
                mine, theirs = parts[1:-1], target.split("/")[1:-1]
                if mine[:len(theirs)] != theirs and theirs[:len(mine)] != mine and not (
                        "common" in theirs and theirs[0] == mine[0]):
                    problems.append(f"{where}: plugin {'/'.join(mine)} includes {target}")
            elif parts[0] == "core" and target.startswith("plugins/"):
                problems.append(f"{where}: core includes {target}")
            elif parts[0] == "core" and target.startswith("core/"):
                mine, theirs = parts[1], target.split("/")[1]
                if mine in ("daemon", theirs):
                    continue
                if theirs not in LEAVES.get(mine, set()):
                    problems.append(f"{where}: core/{mine} includes {target}")
                elif (wire := WIRE_ONLY.get((mine, theirs))) and not wire.fullmatch(target):
                    problems.append(f"{where}: core/{mine} includes {target}, which is not the wire format")
    finish(problems, f"{len(paths)} files")


main()
