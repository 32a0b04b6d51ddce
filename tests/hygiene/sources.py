"""The sources, and how a check tells what it found."""
import os
import re
import subprocess
import sys

ROOT = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.getcwd()
BUILD = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else os.path.join(ROOT, "build/dev")


def files(*directories, suffixes=(".cpp", ".hpp", ".h", ".c")):
    """Paths relative to the repository, sorted."""
    found = []
    for directory in directories:
        for top, subdirs, names in os.walk(os.path.join(ROOT, directory)):
            # Only the repository's own build directory holds no sources: core/build does.
            subdirs[:] = [d for d in subdirs if d not in (".git", "__pycache__") and os.path.normpath(os.path.join(top, d)) != os.path.join(ROOT, "build")]
            found += [os.path.relpath(os.path.join(top, n), ROOT) for n in names if n.endswith(suffixes)]
    return sorted(found)


def text(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def without_comments(code):
    """C++ without comments; literals and line numbers stay."""
    def replace(match):
        s = match[0]
        return s if s[0] in "\"'R" else re.sub(r"[^\n]", " ", s)
    return re.sub(r'R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?\*/', replace, code, flags=re.DOTALL)


def without_literals(code):
    """The same without the contents of literals too."""
    code = without_comments(code)
    return re.sub(r'R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"', '""', code, flags=re.DOTALL)


def finish(problems, checked):
    for p in problems:
        print(p)
    print(f"{len(problems)} problems in {checked}")
    sys.exit(1 if problems else 0)


def run(command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **more)
