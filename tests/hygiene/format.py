"""Sources are as clang-format 14 would write them."""
import shutil
import sys

from sources import ROOT, files, finish, run


def main():
    if not shutil.which("clang-format-14"):
        print("clang-format-14 is not installed")
        sys.exit(77)
    paths, problems = files("core", "plugins", "sdk", "tests"), []
    for start in range(0, len(paths), 50):
        done = run(["clang-format-14", "--dry-run", "-Werror", "--style=file", *paths[start:start + 50]], cwd=ROOT)
        problems += sorted({line.split(":")[0] for line in done.stdout.splitlines() if "error: code should be clang-formatted" in line})
    finish([f"{p}: run clang-format-14 -i" for p in problems], f"{len(paths)} files")


main()
