"""The sources of core, plugins and sdk are clean under clang 14 too, with the flags of the build; nothing is generated."""
import concurrent.futures
import os
import shutil
import sys
import tempfile

from compile_flags import commands
from sources import ROOT, finish, run



def main():
    if not shutil.which("clang++-14"):
        print("clang++-14 is not installed")
        sys.exit(77)
    ours = [(f, d, flags) for f, d, flags in commands()
            if os.path.relpath(f, ROOT).startswith(("core/", "plugins/", "sdk/")) and "/build/" not in os.path.relpath(f, ROOT)]
    seen, jobs = set(), []
    for file, directory, flags in ours:
        if file not in seen:
            seen.add(file)
            jobs.append((file, directory, [x for x in flags if x != file]))
    problems = []
    with tempfile.TemporaryDirectory() as scratch:
        header = os.path.join(ROOT, "core/base/pch.hpp")
        precompiled = {}

        # Flags for the compiler of the build that clang does not have.
        jobs = [(file, directory, [*flags, "-Wno-unknown-warning-option"]) for file, directory, flags in jobs]

        def pch_for(flags):
            """One precompiled header for each set of flags that it depends on; None where there is none."""
            key = tuple(x for x in flags if not x.startswith(("-I", "-isystem")))
            if key not in precompiled:
                out = os.path.join(scratch, f"{len(precompiled)}.pch")
                done = run(["clang++-14", *flags, f"-I{ROOT}", "-x", "c++-header", header, "-o", out])
                precompiled[key] = out if done.returncode == 0 else None
                if done.returncode:
                    problems.append(f"core/base/pch.hpp:\n{done.stdout[-3000:]}")
            return precompiled[key]

        for file, _, flags in jobs:
            if file.endswith(".cpp"):
                pch_for(flags)

        def check(job):
            file, directory, flags = job
            compiler = ["clang++-14"] if file.endswith(".cpp") else ["clang-14"]
            pch = pch_for(flags) if file.endswith(".cpp") and "/core/" in file else None
            done = run([*compiler, *flags, "-Wthread-safety", "-fsyntax-only", *(["-include-pch", pch] if pch else []), file], cwd=directory)
            return None if done.returncode == 0 else f"{os.path.relpath(file, ROOT)}:\n{done.stdout[-3000:]}"

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            problems += [p for p in pool.map(check, jobs) if p]
    finish(problems, f"{len(jobs)} sources")


main()
