"""commit: a container's changes as an image; what a kill or a full disk in the middle leaves."""
import io
import json
import os
import subprocess
import tarfile

from conftest import IMAGE
from harness.waiting import eventually


def inspect(engine, name):
    return engine.api("GET", f"/images/{name}/json").json


def test_commit_makes_a_layer_of_the_changes_and_a_config(store):
    store.ok("run", "--name", "c", "-e", "A=1", "-w", "/tmp", "--label", "l=v", IMAGE, "sh", "-c", "echo x > /new; rm /data/seed")
    id = store.ok("commit", "-a", "Me <me@x>", "-m", "why", "-c", "ENV B=2", "-c", 'CMD ["cat", "/new"]', "-c", "EXPOSE 80", "c", "test/new:1")
    image, base = inspect(store, "test/new:1"), inspect(store, IMAGE)
    assert id == image["Id"] and image["Author"] == "Me <me@x>" and image["Comment"] == "why"
    assert image["RootFS"]["Layers"][:-1] == base["RootFS"]["Layers"]
    config = image["Config"]
    assert config["Cmd"] == ["cat", "/new"] and "A=1" in config["Env"] and "B=2" in config["Env"]
    assert config["WorkingDir"] == "/tmp" and config["Labels"]["l"] == "v" and "80/tcp" in config["ExposedPorts"]
    assert "Hostname" not in config and "Image" not in config
    assert store.ok("run", "--rm", "test/new:1") == "x"
    assert store.ok("run", "--rm", "test/new:1", "ls", "/data") == ""
    newest = store.api("GET", "/images/test/new:1/history").json[0]
    assert newest["Comment"] == "why" and newest["Size"] > 0 and newest["CreatedBy"].startswith("sh -c echo x")
    # The engine's own mount points are nobody's change.
    store.ok("run", "--name", "d", "test/new:1", "true")
    data = store.ok("save", "test/new:1", text=False)
    tar = tarfile.open(fileobj=io.BytesIO(data))
    layer = json.load(tar.extractfile("manifest.json"))[0]["Layers"][-1]
    # /etc is there for its own sake: its mount points are not.
    assert [n for n in tarfile.open(fileobj=tar.extractfile(layer)).getnames() if n != "etc"] == ["data", "data/.wh.seed", "new"]


def test_nothing_changed_is_no_layer(store):
    store.ok("run", "--name", "c", IMAGE, "true")
    store.ok("commit", "-c", "LABEL a=b", "c", "test/same")
    assert inspect(store, "test/same")["RootFS"] == inspect(store, IMAGE)["RootFS"]
    assert store.api("GET", "/images/test/same/history").json[0]["Size"] == 0


def test_a_running_container_is_paused_meanwhile(store):
    store.ok("run", "-d", "--name", "c", IMAGE, "sleep", "300")
    mark = store.api("GET", "/info").json["SystemTime"]
    store.ok("commit", "c", "test/a")
    store.ok("commit", "--no-pause", "c", "test/b")
    store.ok("pause", "c")
    store.ok("commit", "c", "test/c")
    assert store.state("c")["Status"] == "paused"
    store.ok("unpause", "c")
    actions = [json.loads(line)["Action"] for line in
               store.ok("events", "--since", mark, "--until", store.api("GET", "/info").json["SystemTime"],
                        "--filter", "container=c", "--format", "json").splitlines()]
    assert actions == ["pause", "commit", "unpause", "commit", "pause", "commit", "unpause"] or \
        actions == ["pause", "unpause", "commit", "commit", "pause", "commit", "unpause"]


def test_what_is_refused(store):
    store.ok("create", "--name", "c", IMAGE, "true")
    store.fails("commit", "none", code=1, match="No such container")
    store.fails("commit", "c", "UPPER", code=1, match="must be lowercase")
    store.fails("commit", "c", "a@sha256:" + "0" * 64, code=1, match="digest")
    store.fails("commit", "-c", "RUN x", "c", code=1, match="not a valid change command")
    assert store.api("POST", "/commit").status == 400
    assert store.api("POST", "/commit?container=c", body={"Env": "x"}).status == 400
    assert store.api("POST", "/commit?container=c&tag=x").status == 400
    id = store.api("POST", "/commit?container=c&repo=test/body", body={"Env": ["Z=1"], "Labels": {"k": "v"}}).json["Id"]
    assert inspect(store, id)["Config"]["Env"] == ["Z=1"]


def test_docker_commit(store):
    store.ok("run", "--name", "c", IMAGE, "touch", "/x")
    done = subprocess.run(["docker", "commit", "-m", "hi", "c", "test/docker:1"], env=store.environment(), capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip() == inspect(store, "test/docker:1")["Id"], done
