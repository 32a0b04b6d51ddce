"""Clients that a package registry has: each is installed once into a cache outside the source tree.

Each client has a directory here with an executable `install` and the files that say what is installed (LOCKS). `install`
is run in that directory with the place to fill as its only argument. The place is
$XDG_CACHE_HOME/gantry-clients/NAME-DIGEST, DIGEST being that of `install` and the locks: whatever changes them makes a new
one, and what is there already is used as it is, also by several tests at a time.

    python3 tests/clients/installed.py [NAME...]    installs these, or all; says what could not be had, and then ends with 1
"""
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
LOCKS = ("install", "package.json", "package-lock.json", "go.mod", "go.sum", "pom.xml", "requirements.txt")
DONE = ".installed"
_failed = {}


class NotInstalled(Exception):
    """Why a client is not there: one line."""


def clients():
    """The names of all clients: directories below this one, "go/compose" being in "go"."""
    return sorted(os.path.relpath(top, HERE) for top, _, files in os.walk(HERE) if "install" in files)


def cache_directory(name):
    """Where client `name` is, or would be, installed."""
    digest = hashlib.sha256()
    for lock in LOCKS:
        try:
            with open(os.path.join(HERE, name, lock), "rb") as f:
                data = f.read()
        except FileNotFoundError:
            continue
        digest.update(f"{lock} {len(data)}\n".encode() + data)
    top = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(top, "gantry-clients", f"{name.replace('/', '-')}-{digest.hexdigest()[:16]}")


def install(name, timeout=1800):
    """The directory in which client `name` is installed. Raises NotInstalled; it is tried once for each process."""
    if name in _failed:
        raise NotInstalled(_failed[name])
    place = cache_directory(name)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the descriptor's end is the lock's
        if not os.path.exists(os.path.join(place, DONE)):
            try:
                _fill(name, place, timeout)
            except NotInstalled as e:
                _failed[name] = str(e)
                raise
    return place


def _fill(name, place, timeout):
    shutil.rmtree(place, ignore_errors=True)
    os.mkdir(place)
    log = place + ".log"
    with open(log, "wb") as out:
        try:
            code = subprocess.run(["nice", "-n", "10", os.path.join(HERE, name, "install"), place], cwd=os.path.join(HERE, name),
                                  stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=timeout).returncode
            why = f"ended with {code}"
        except subprocess.TimeoutExpired:
            code, why = 1, f"took more than {timeout} s"
    if code != 0:
        with open(log, errors="replace") as f:
            said = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", f.read()).splitlines() if line.strip()]
        raise NotInstalled(f"{name}: its install {why}: {said[-1][:200] if said else 'it said nothing'} ({log})")
    with open(os.path.join(place, DONE), "w"):
        pass


def installed(name, timeout=1800):
    """install() for tests: skips, with the reason, where the client is not to be had."""
    import pytest
    try:
        return install(name, timeout)
    except NotInstalled as e:
        pytest.skip(str(e), allow_module_level=True)


if __name__ == "__main__":
    missing = 0
    for client in sys.argv[1:] or clients():
        try:
            print(f"{client}: {install(client)}", flush=True)
        except NotInstalled as e:
            missing += 1
            print(f"{e}", flush=True)
    sys.exit(1 if missing else 0)
