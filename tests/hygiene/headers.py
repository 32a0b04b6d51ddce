"""Every header of ours compiles by itself; those of the border also as C11, C17 and C++17, pedantically."""
import concurrent.futures
import os
import tempfile

from compile_flags import commands
from sources import ROOT, files, finish, run


def main():
    headers = [h for h in files("core", "plugins", "sdk/include", suffixes=(".hpp",))]
    includes = set()
    for _, _, flags in commands():
        includes |= {f for f in flags if f.startswith("-I")} | {"-isystem" + b for a, b in zip(flags, flags[1:]) if a == "-isystem"}
    flags = ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-D_GNU_SOURCE", "-I" + ROOT,
             f"-I{ROOT}/sdk/include", "-I/usr/include/libnl3", *sorted(includes)]
    problems = []

    def compile_alone(header, extra, language):
        # As an including file, so that "#pragma once in main file" is no warning; twice, so that once is enough.
        with tempfile.NamedTemporaryFile("w", suffix="." + language) as f:
            path = os.path.join(ROOT, header)
            f.write(f'#include "{path}"\n#include "{path}"\n')
            f.flush()
            done = run([*extra, f.name])
        return None if done.returncode == 0 else f"{header}: not self-contained with {' '.join(extra[:2])}:\n{done.stdout[-1500:]}"

    jobs = [(h, ["g++", *flags], "cpp") for h in headers]
    for header in files("sdk/include/gantry/abi", suffixes=(".h",)):
        own = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", f"-I{ROOT}/sdk/include"]
        jobs += [(header, ["gcc", f"-std={std}", *own], "c") for std in ("c11", "c17")]
        jobs += [(header, ["g++", f"-std={std}", *own], "cpp") for std in ("c++17", "c++20")]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = [p for p in pool.map(lambda j: compile_alone(*j), jobs) if p]
    finish(problems, f"{len(jobs)} compilations of {len(headers)} headers")


main()
