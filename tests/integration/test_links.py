"""Links between containers (--link): on the default network by /etc/hosts, on a user's by the resolver; shown, checked and removed."""
import json
from urllib.parse import quote

import pytest

from conftest import IMAGE
from harness.waiting import eventually

SERVE = ("sh", "-c", "mkdir -p /www && echo page > /www/index.html && exec httpd -f -p 80 -h /www")


def serve(engine, name, *more):
    engine.ok("run", "-d", "--name", name, *more, IMAGE, *SERVE)


def names(engine, name):
    return next(set(c["Names"]) for c in engine.api("GET", "/containers/json?all=1").json if "/" + name in c["Names"])


def hosts_of(engine, name, alias):
    """The lines of its /etc/hosts that begin with the alias."""
    lines = [line.split() for line in engine.ok("exec", name, "cat", "/etc/hosts").splitlines()]
    return [line for line in lines if line[1:2] == [alias]]


def refused(answer, status, words):
    assert answer.status == status and words in answer.message, answer


def test_on_the_default_network(engine):
    serve(engine, "db", "--hostname", "dbhost", "--expose", "80", "-e", "SECRET=x")
    number = engine.inspect("db")["Id"]
    engine.ok("run", "-d", "--name", "web", "--link", "db:database", "--link", number[:12] + ":again", "--link", "db", IMAGE, "sleep", "1000")
    address = engine.address("db")
    assert hosts_of(engine, "web", "database") == [[address, "database", "dbhost", "db"]]
    assert hosts_of(engine, "web", "again") == [[address, "again", "dbhost", "db"]]
    assert hosts_of(engine, "web", "db") == [[address, "db", "dbhost"]]
    for alias in ("database", "again", "db", "dbhost"):
        assert engine.ok("exec", "web", "probe", "get", alias) == "page", alias
    environment = engine.ok("exec", "web", "env")
    assert "DATABASE_" not in environment and "SECRET" not in environment, "as Docker since 29"
    assert sorted(engine.inspect("web")["HostConfig"]["Links"]) == ["/db:/web/again", "/db:/web/database", "/db:/web/db"]
    assert names(engine, "db") == {"/db", "/web/database", "/web/again", "/web/db"} and names(engine, "web") == {"/web"}
    by_name = engine.api("GET", "/containers/json?filters=" + quote(json.dumps({"name": ["^/web/database$"]}))).json
    assert [c["Id"] for c in by_name] == [number]
    engine.ok("rename", "db", "store")
    assert "/store:/web/database" in engine.inspect("web")["HostConfig"]["Links"]


def test_the_target_must_be_there_and_run(engine):
    def create(links, **host):
        return engine.api("POST", "/containers/create?name=web", {"Image": IMAGE, "Cmd": ["true"], "HostConfig": {"Links": links, **host}})
    refused(create(["nobody:x"]), 400, "could not get container for nobody: No such container: nobody")
    engine.ok("create", "--name", "db", IMAGE, "sleep", "1000")
    engine.ok("run", "-d", "--name", "onhost", "--network", "host", IMAGE, "sleep", "1000")
    refused(create(["onhost:x"]), 400, "host type networking can't be used with links")
    for mode, words in (("host", "host type networking"), ("container:db", "container type network"), ("none", "without network")):
        refused(create(["db:x"], NetworkMode=mode), 400, words)
    for bad in ("", "a:b:c", "db:", ":x", "db:a b", "db:a\n1.2.3.4 evil", "../db:x"):
        refused(create([bad]), 400, "links")
    refused(create(["db:x", "onhost:x"]), 400, "host type networking")
    assert create(["db:x", "db:x"]).status == 201
    refused(engine.api("POST", "/containers/web/start"), 409, "Cannot link to a non running container: /db AS /web/x")
    engine.ok("start", "db")
    engine.ok("start", "web")


def test_the_address_follows_a_restart(engine):
    serve(engine, "db")
    engine.ok("run", "-d", "--name", "web", "--link", "db:x", IMAGE, "sleep", "1000")
    engine.ok("exec", "web", "sh", "-c", "echo 10.9.8.7 own >> /etc/hosts")
    before = engine.address("db")
    engine.ok("stop", "-t", "0", "db")
    engine.ok("start", "db")
    assert engine.address("db") != before, "addresses are given out in turn"
    assert hosts_of(engine, "web", "x") == [[engine.address("db"), "x", engine.inspect("db")["Config"]["Hostname"], "db"]]
    assert hosts_of(engine, "web", "own") == [["10.9.8.7", "own"]]
    assert engine.ok("exec", "web", "probe", "get", "x") == "page"


def test_a_link_is_there_after_a_restart_of_the_engine(fresh):
    engine = fresh()
    serve(engine, "db")
    engine.ok("run", "-d", "--name", "web", "--link", "db:x", IMAGE, "sleep", "1000")
    engine.kill()
    engine.start()
    assert engine.inspect("web")["HostConfig"]["Links"] == ["/db:/web/x"] and "/web/x" in names(engine, "db")
    engine.ok("restart", "-t", "0", "db")
    assert hosts_of(engine, "web", "x")[0][0] == engine.address("db")


def test_links_are_removed_alone_and_with_their_target(engine):
    serve(engine, "db")
    engine.ok("run", "-d", "--name", "web", "--link", "db:x", "--link", "db:y", IMAGE, "sleep", "1000")
    refused(engine.api("DELETE", "/containers/web?link=1"), 400, "cannot remove the default link name of the container")
    refused(engine.api("DELETE", "/containers/web/none?link=1"), 404, "No such container: web/none")
    refused(engine.api("DELETE", "/containers/nobody/x?link=1"), 404, "No such container: nobody")
    assert engine.api("DELETE", "/containers/web/x?link=1").status == 204
    assert engine.inspect("web")["HostConfig"]["Links"] == ["/db:/web/y"] and names(engine, "db") == {"/db", "/web/y"}
    assert hosts_of(engine, "web", "x") == [] and len(hosts_of(engine, "web", "y")) == 1
    assert engine.state("db")["Running"] and engine.state("web")["Running"], "the containers stay"
    engine.ok("rm", "--link", "/web/y")
    assert engine.inspect("web")["HostConfig"]["Links"] is None and names(engine, "db") == {"/db"}
    engine.ok("run", "-d", "--name", "other", "--link", "db:z", IMAGE, "sleep", "1000")
    engine.ok("rm", "-f", "db")
    assert engine.inspect("other")["HostConfig"]["Links"] is None, "it goes with its target"
    engine.ok("restart", "-t", "0", "other")


def test_on_a_network_of_the_users(engine):
    engine.ok("network", "create", "n1")
    engine.ok("network", "create", "n2")
    engine.ok("run", "-d", "--name", "web", "--network", "n1", "--link", "db:database", IMAGE, "sleep", "1000")
    assert engine("exec", "web", "probe", "resolve", "database").code != 0, "nobody is there yet, which is no error"
    serve(engine, "db", "--network", "n1")
    assert engine.ok("exec", "web", "probe", "get", "database") == "page"
    engine.ok("run", "-d", "--name", "neighbour", "--network", "n1", IMAGE, "sleep", "1000")
    assert engine("exec", "neighbour", "probe", "resolve", "database").code != 0, "the alias is its own"
    shown = engine.inspect("web")
    assert shown["NetworkSettings"]["Networks"]["n1"]["Links"] == ["db:database"] and shown["HostConfig"]["Links"] is None
    assert names(engine, "db") == {"/db"}
    # Of a network that is connected later, by id; the name is one of that network's alone.
    serve(engine, "far", "--network", "n2")
    link = engine.inspect("far")["Id"] + ":distant"
    assert engine.api("POST", "/networks/n2/connect", {"Container": "web", "EndpointConfig": {"Links": [link]}}).status == 200
    assert engine.ok("exec", "web", "probe", "get", "distant") == "page"
    engine.ok("restart", "-t", "0", "web")
    for alias in ("distant", "database"):
        assert engine.ok("exec", "web", "probe", "get", alias) == "page", alias
    refused(engine.api("POST", "/networks/n2/connect", {"Container": "neighbour", "EndpointConfig": {"Links": ["a:b:c"]}}), 400, "bad format for links: \"a:b:c\"")


def test_an_alias_comes_before_a_containers_name(engine):
    engine.ok("network", "create", "n1")
    serve(engine, "db", "--network", "n1")
    engine.ok("run", "-d", "--name", "decoy", "--network", "n1", IMAGE, "sleep", "1000")
    engine.ok("run", "-d", "--name", "web", "--network", "n1", "--link", "db:decoy", IMAGE, "sleep", "1000")
    assert engine.ok("exec", "web", "probe", "get", "decoy") == "page"


@pytest.mark.parametrize("first", ["a", "b"])
def test_two_that_name_each_other(engine, first):
    """A link to a container whose own link leads back ends in no endless wait."""
    serve(engine, "a")
    engine.ok("run", "-d", "--name", "b", "--link", "a:other", IMAGE, "sleep", "1000")
    engine.ok("run", "-d", "--name", "c", "--link", "b:other", IMAGE, "sleep", "1000")
    second = "b" if first == "a" else "a"
    for name in (first, second):
        engine.ok("restart", "-t", "0", name)
    eventually(lambda: hosts_of(engine, "c", "other")[0][0] == engine.address("b"))
    assert hosts_of(engine, "b", "other")[0][0] == engine.address("a")
