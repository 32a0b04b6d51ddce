"""Flags of the build, read from compile_commands.json."""
import json
import os
import shlex
import sys

from sources import BUILD


def commands():
    """(file, directory, flags without output, dependency and precompiled-header options) of each source of ours."""
    path = os.path.join(BUILD, "compile_commands.json")
    if not os.path.exists(path):
        print(f"there is no {path}")
        sys.exit(77)
    with open(path) as f:
        entries = json.load(f)
    for entry in entries:
        words = shlex.split(entry["command"])
        while words and not words[0].endswith(("g++", "gcc", "c++", "cc", "clang++-14", "clang-14")):
            words.pop(0)  # the compiler cache and its environment
        flags, skip = [], 0
        for n, word in enumerate(words[1:], 1):
            if skip:
                skip -= 1
            elif word in ("-o", "-MF", "-MT", "-MQ", "-include", "-c"):
                skip = 1
            elif not word.startswith(("-MD", "-MMD", "-Winvalid-pch")):
                flags.append(word)
        yield entry["file"], entry["directory"], flags
