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


def content(f):
    """What the pages of the store take of its file; the rest is room taken ahead."""
    return int.from_bytes(f.read(100)[28:32], "big") * 4096


DAMAGES = {
    "truncate": lambda f, size: f.truncate(size // 2 - 7),
    "truncate the content": lambda f, size: f.truncate(content(f) // 2 - 7),
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


def make_one_of_each(e):
    e.ok("volume", "create", "v")
    e.ok("network", "create", "n")
    e.ok("run", "-d", "--name", "c", "--network", "n", "-p", "127.0.0.1:24851:80", "-v", "v:/mnt", IMAGE, "sleep", "1000")
    e.ok("create", "--name", "other", IMAGE)


def set_aside(e, kind, mark):
    """The damage is told of, the object is gone, the others are there, and all can be made anew."""
    def is_told():
        records = [json.loads(line) for line in e.log_text()[mark:].splitlines() if line.startswith("{")]
        return [r for r in records if "damaged" in r["message"] and "set aside" in r["message"]]
    eventually(is_told, timeout=5)
    names = e.ok("ps", "-a", "--format", "{{.Names}}").split()
    assert sorted(names) == (["other"] if kind == "container" else ["c", "other"])
    assert ("v" in e.ok("volume", "ls", "-q").split()) == (kind != "volume")
    assert (e.api("GET", "/networks/n").status == 200) == (kind != "network")
    assert (IMAGE in e.ok("images")) == (kind != "image")
    works(e)
    assert {"bridge", "host", "none"} <= {n["Name"] for n in e.api("GET", "/networks").json}
    if kind == "container":
        # The one without a record goes on, with its network; its name is free.
        e.ok("create", "--name", "c", IMAGE)
    else:
        e.ok("rm", "-f", "c")
        if kind != "network":
            e.ok("network", "rm", "n")
        if kind != "volume":
            e.ok("volume", "rm", "v")
        e.ok("volume", "create", "v")
        e.ok("network", "create", "n")
        e.ok("run", "-d", "--name", "c", "--network", "n", "-p", "127.0.0.1:24851:80", "-v", "v:/mnt", IMAGE, "sleep", "1000")
    e.ok("rm", "-f", "c", "other")


@pytest.mark.parametrize("body", ["", "{", "[]", '{"name": 5}', "null", '{"config": [], "host_config": "x"}', '[{"tags": null}]',
                                  '{"tags": [null], "layers": {"a": [null]}, "config": {"a": null}, "labels": [[]], "id": {}}'])
@pytest.mark.parametrize("kind", ["container", "volume", "network", "endpoint", "image"])
def test_a_damaged_object_is_set_aside(engine, kind, body):
    make_one_of_each(engine)
    engine.kill()
    db = fold(engine)
    changed = db.execute("UPDATE objects SET body=? WHERE kind=? AND (name<>'other')", (body, kind)).rowcount
    db.commit()
    db.close()
    assert changed
    mark = len(engine.log_text())
    engine.start()
    set_aside(engine, kind, mark)


@pytest.mark.parametrize("kind,path,value", [
    ("container", ("config", "Labels"), None), ("container", ("config", "Env"), [None]), ("container", ("state", "status"), "asleep"),
    ("container", ("host_config", "RestartPolicy"), None), ("container", ("host_config", "RestartPolicy", "Name"), None),
    ("container", ("host_config", "LogConfig"), []), ("container", ("mounts",), [None]), ("container", ("endpoints",), None),
    ("container", ("host_config", "PortBindings"), {"80/tcp": [None]}), ("container", ("args",), {"0": "x"}),
    ("volume", ("consumers",), [None]), ("volume", ("labels",), {"a": None}), ("volume", ("path",), 5),
    ("network", ("subnet",), "somewhere"), ("network", ("options",), None), ("network", ("gateway",), "10.0.0.0.1"),
    ("endpoint", ("ports",), [{"protocol": "tcp", "container_port": 99999, "host_address": "", "host_port": -1}]),
    ("endpoint", ("address",), 5), ("endpoint", ("aliases",), None), ("image", ("tags",), None), ("image", ("layers",), [5]),
    ("image", ("blobs",), [None]), ("image", ("layer_sizes",), {}), ("image", ("manifest",), "../../x"),
])
def test_one_wrong_value_inside_a_record_is_damage(engine, kind, path, value):
    make_one_of_each(engine)
    engine.kill()
    db = fold(engine)
    rows = db.execute("SELECT seq, body FROM objects WHERE kind=? AND name<>'other'", (kind,)).fetchall()
    assert rows
    for seq, text in rows:
        body = json.loads(text)
        at = body
        for key in path[:-1]:
            at = at[key]
        assert path[-1] in at
        at[path[-1]] = value
        db.execute("UPDATE objects SET body=? WHERE seq=?", (json.dumps(body), seq))
    db.commit()
    db.close()
    mark = len(engine.log_text())
    engine.start()
    set_aside(engine, kind, mark)


@pytest.mark.parametrize("detail", ["", "[]", "null", '{"layer": 5, "layer_driver": null, "driver": [null]}'])
def test_a_damaged_intent_hides_nothing_that_was_begun(engine, detail):
    engine.ok("create", "--name", "c", IMAGE)
    engine.kill()
    db = fold(engine)
    for kind, name, operation in (("container", "0" * 64, "create"), ("container", "1" * 64, "start"), ("volume", "half", "create"),
                                  ("volume", "half", "remove"), ("unknown", "x", "y")):
        db.execute("INSERT INTO intents (kind, id, operation, detail) VALUES (?,?,?,?)", (kind, name, operation, detail))
    db.commit()
    db.close()
    mark = len(engine.log_text())
    engine.start()
    works(engine)
    assert told(engine, mark), engine.log_text()[mark:]
    assert engine.process.poll() is None
    engine.ok("volume", "create", "half")
    engine.ok("start", "c")
    engine.ok("rm", "-f", "c")
    # They are done with.
    mark = len(engine.log_text())
    engine.restart()
    works(engine)
    assert not told(engine, mark), engine.log_text()[mark:]


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
