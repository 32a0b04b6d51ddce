"""Damaged state of every class: the engine starts, says so, sets the damaged object aside, and all else works (R31)."""
import json
import os
import sqlite3

import pytest

from conftest import IMAGE
from harness import archives
from harness.waiting import eventually


@pytest.fixture
def engine(fresh):
    return fresh()


def database(e):
    return os.path.join(e.root, "state.db")


def fold(e):
    """The daemon ended; everything it wrote is in the file itself, as if it had been closed in order."""
    with open(database(e) + ".state", "w") as f:
        f.write("closed\n")
    db = sqlite3.connect(database(e))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return db


def told(e, mark):
    text = e.log_text()[mark:].lower()
    return "damage" in text


def works(e):
    e.ok("ps", "-a")
    if e("run", "--rm", IMAGE, "true").code != 0:
        e.load(archives.make_busybox_image(IMAGE + ":latest"))
    e.ok("run", "--rm", IMAGE, "true")


DAMAGES = {
    "truncate": lambda f, size: f.truncate(size // 2),
    "empty": lambda f, size: f.truncate(0),
    "zero": lambda f, size: f.write(b"\0" * size),
    "garbage": lambda f, size: f.write(os.urandom(size)),
}


@pytest.mark.parametrize("log", ["log kept", "log deleted"])
@pytest.mark.parametrize("damage", [*DAMAGES, "delete"])
def test_a_damaged_store_never_stops_the_engine(engine, damage, log):
    engine.ok("create", "--name", "c", IMAGE)
    engine.kill()
    mark = len(engine.log_text())
    path = database(engine)
    if damage == "delete":
        os.unlink(path)
    else:
        with open(path, "r+b") as f:
            DAMAGES[damage](f, os.path.getsize(path))
    if log == "log deleted":
        os.unlink(path + "-wal")
    engine.start()
    assert told(engine, mark), engine.log_text()[mark:]
    works(engine)
    # It is told once.
    mark = len(engine.log_text())
    engine.restart()
    assert not told(engine, mark), engine.log_text()[mark:]
    works(engine)


def test_a_deleted_log_is_told_of(engine):
    engine.ok("create", "--name", "c", IMAGE)
    engine.kill()
    mark = len(engine.log_text())
    os.unlink(database(engine) + "-wal")
    engine.start()
    assert told(engine, mark)
    works(engine)


def test_a_flipped_bit_of_the_log_is_told_of(engine):
    for n in range(3):
        engine.ok("create", "--name", f"c{n}", IMAGE)
    engine.kill()
    mark = len(engine.log_text())
    with open(database(engine) + "-wal", "r+b") as f:
        size = os.path.getsize(f.name)
        f.seek(size // 2)
        byte = f.read(1)[0]
        f.seek(size // 2)
        f.write(bytes([byte ^ 1]))
    engine.start()
    assert told(engine, mark)
    works(engine)


def test_what_a_damaged_store_still_has_is_saved(engine):
    """One page of the table of objects is lost: those on the others are there."""
    for n in range(40):
        engine.ok("create", "--name", f"c{n}", IMAGE)
    c20 = engine.inspect("c20")["Id"]
    engine.kill()
    fold(engine).close()
    mark = len(engine.log_text())
    with open(database(engine), "r+b") as f:
        data = f.read()
        # A leaf (13) of the table of objects that has the record of one of them.
        pages = [n for n in range(1, len(data) // 4096) if data[n * 4096] == 13 and b"container" + c20.encode() in data[n * 4096:][:4096]]
        assert pages
        for n in pages:
            f.seek(n * 4096)
            f.write(b"\xff" * 4096)
    engine.start()
    assert told(engine, mark)
    names = engine.ok("ps", "-a", "--format", "{{.Names}}").split()
    assert {"c0", "c39"} <= set(names) and 20 <= len(names) < 40, names
    assert IMAGE in engine.ok("images")
    works(engine)


@pytest.mark.parametrize("body", ["", "{", "[]", '{"name": 5}', "null", '{"config": [], "host_config": "x"}'])
@pytest.mark.parametrize("kind", ["container", "volume", "network", "endpoint", "image"])
def test_a_damaged_object_is_set_aside(engine, kind, body):
    engine.ok("volume", "create", "v")
    engine.ok("network", "create", "n")
    engine.ok("run", "-d", "--name", "c", "--network", "n", "-v", "v:/mnt", IMAGE, "sleep", "1000")
    engine.ok("create", "--name", "other", IMAGE)
    engine.kill()
    db = fold(engine)
    changed = db.execute("UPDATE objects SET body=? WHERE kind=? AND (name<>'other')", (body, kind)).rowcount
    db.commit()
    db.close()
    assert changed
    mark = len(engine.log_text())
    engine.start()
    text = engine.log_text
    eventually(lambda: any(w in text()[mark:].lower() for w in ("damage", "cannot be used", "set aside")), timeout=5)
    works(engine)
    for name in ("c", "other"):
        engine("rm", "-f", name)


def test_a_running_container_without_a_record_goes_on(engine):
    engine.ok("run", "-d", "--name", "c", IMAGE, "sleep", "1000")
    pid = engine.init_pid("c")
    engine.kill()
    db = fold(engine)
    db.execute("UPDATE objects SET body='{' WHERE kind='container'")
    db.commit()
    db.close()
    mark = len(engine.log_text())
    engine.start()
    works(engine)
    assert os.path.exists(f"/proc/{pid}")
    records = [json.loads(line) for line in engine.log_text()[mark:].splitlines() if line.startswith("{")]
    assert any("left alone" in r["message"] for r in records), records
