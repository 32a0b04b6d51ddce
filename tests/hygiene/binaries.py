"""Every shipped ELF is hardened: position independent, relocations read-only and bound at start, no executable stack, stack
canaries, no writable and executable segment, no search path of its own; a driver exports one symbol."""
import glob
import os
import re
import sys

from sources import ROOT, finish, run


def problems_of(path, driver):
    def readelf(*options):
        return run(["readelf", "-W", *options, path]).stdout

    header, segments, dynamic = readelf("-h"), readelf("-l"), readelf("-d")
    symbols = readelf("--dyn-syms")
    if not re.search(r"Type:\s+DYN", header):
        yield "not position independent"
    if "GNU_RELRO" not in segments:
        yield "no RELRO"
    static = "INTERP" not in segments and not driver
    if not re.search(r"BIND_NOW|FLAGS_1.*NOW", dynamic) and not static:
        yield "lazily bound"
    stack = re.search(r"GNU_STACK\s+\S+\s+\S+\s+\S+\s+\S+\s+\S+\s+(\S+)", segments)
    if not stack or "E" in stack[1]:
        yield "executable stack"
    if re.search(r"^\s+LOAD\s.*\sRWE\s", segments, re.MULTILINE):
        yield "a segment is writable and executable"
    if re.search(r"\((RPATH|RUNPATH)\)", dynamic):
        yield "has a search path of its own"
    if "TEXTREL" in dynamic:
        yield "text relocations"
    if "__stack_chk_fail" not in symbols and "__stack_chk_fail" not in readelf("-s"):
        yield "no stack canaries"
    if driver:
        exported = [line.split()[-1].split("@")[0] for line in symbols.splitlines()
                    if re.search(r"\s(GLOBAL|WEAK|UNIQUE)\s+DEFAULT\s+\d+\s", line)]
        if exported != ["gantry_driver_entry"]:
            yield f"exports {', '.join(exported) or 'nothing'}, not gantry_driver_entry alone"


def main():
    release = os.path.join(ROOT, "build/release")
    programs = sorted(p for p in glob.glob(os.path.join(release, "bin", "*")) if open(p, "rb").read(4) == b"\x7fELF")
    drivers = sorted(glob.glob(os.path.join(release, "drivers", "*.so")))
    if not programs:
        print("build/release is not built")
        sys.exit(77)
    problems = [f"{os.path.relpath(p, ROOT)}: {x}" for p in programs for x in problems_of(p, False)]
    problems += [f"{os.path.relpath(p, ROOT)}: {x}" for p in drivers for x in problems_of(p, True)]
    for name in ("gantry", "gantryd", "gantry-launcher", "gantry-driver-host", "gantry-dial"):
        if not os.path.exists(os.path.join(release, "bin", name)):
            problems.append(f"build/release/bin/{name} is missing")
    for path in programs + drivers:
        mode = os.stat(path)
        if mode.st_mode & 0o022:
            problems.append(f"{os.path.relpath(path, ROOT)}: writable by others")
    finish(problems, f"{len(programs)} programs and {len(drivers)} drivers")


main()
