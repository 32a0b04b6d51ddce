"""Published ports that change while a container runs: gantry update --publish-add/--publish-rm, gantry port --add/--rm, and the
members PublishAdd and PublishRm of POST /containers/{id}/update."""
import json
import socket
import subprocess

import pytest

from conftest import IMAGE
from harness import census
from harness.waiting import eventually
from test_networks import SERVE, get, host_address

PORT = 24700  # and those behind it: below what the kernel and the engine choose from


def leads(engine):
    """What the kernel's maps say: {"tcp/24700/0.0.0.0": "ADDRESS:80"}."""
    found = {}
    for name, any_address in (("any_ports", "0.0.0.0"), ("fixed_ports", None), ("any_ports6", "::"), ("fixed_ports6", None)):
        out = subprocess.run(["nft", "-n", "-j", "list", "map", "inet", f"gantry_{engine.name}", name], stdout=subprocess.PIPE, check=True).stdout
        for item in json.loads(out)["nftables"]:
            for key, value in item.get("map", {}).get("elem", []):
                *address, protocol, number = key["concat"]
                protocol = {6: "tcp", 17: "udp", 132: "sctp"}.get(protocol, protocol)
                where = address[0] if address else any_address
                found[f"{protocol}/{number}/{where}"] = "{}:{}".format(*value["concat"])
    return found


def shown(engine, name="web"):
    """What `port` prints; inspect and ps say the same."""
    lines = [line for line in engine.ok("port", name).splitlines() if line]
    inspected = [f"{spec} -> {one['HostIp']}:{one['HostPort']}" for spec, ports in engine.inspect(name)["NetworkSettings"]["Ports"].items() for one in ports or []]
    listed = [f"{p['PrivatePort']}/{p['Type']} -> {p['IP']}:{p['PublicPort']}" for c in engine.api("GET", "/containers/json").json
              if f"/{name}" in c["Names"] for p in c["Ports"] if "PublicPort" in p]
    assert sorted(lines) == sorted(inspected) == sorted(listed)
    return sorted(lines)


def bindings(engine, name="web"):
    return engine.inspect(name)["HostConfig"]["PortBindings"]


@pytest.fixture
def web(engine):
    engine.ok("run", "-d", "--name", "web", "-p", f"127.0.0.1:{PORT}:80", IMAGE, *SERVE)
    return engine.address("web")


def test_a_port_more_and_one_less(engine, web):
    assert eventually(lambda: get("127.0.0.1", PORT)) == "page\n"
    pid = engine.init_pid("web")
    assert engine.ok("update", "--publish-add", f"{PORT + 1}:80", "--publish-rm", f"127.0.0.1:{PORT}:80", "web") == "web"
    assert get(host_address(), PORT + 1) == "page\n" and engine.init_pid("web") == pid
    with pytest.raises(OSError):
        get("127.0.0.1", PORT, timeout=1)
    assert leads(engine) == {f"tcp/{PORT + 1}/0.0.0.0": f"{web}:80"}
    assert shown(engine) == [f"80/tcp -> 0.0.0.0:{PORT + 1}"]
    assert f"0.0.0.0:{PORT + 1}->80/tcp" in engine.ok("ps")
    assert bindings(engine) == {"80/tcp": [{"HostIp": "", "HostPort": str(PORT + 1)}]}
    # A program of the host may have the other one.
    with socket.create_server(("127.0.0.1", PORT)):
        pass


def test_the_short_way(engine, web):
    out = engine.ok("port", "--add", "127.0.0.1::80", "--add", f"{PORT + 1}:81", "--rm", "80", "web")
    number = int(engine.inspect("web")["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"])
    assert sorted(out.splitlines()) == [f"80/tcp -> 127.0.0.1:{number}", f"81/tcp -> 0.0.0.0:{PORT + 1}"]
    assert get("127.0.0.1", number) == "page\n"
    # By the number that was found.
    engine.ok("port", "--rm", f"127.0.0.1:{number}:80", "web")
    assert shown(engine) == [f"81/tcp -> 0.0.0.0:{PORT + 1}"]
    engine.fails("port", "--rm", "81", "web", "81/tcp", match="one too many")


def test_ranges_protocols_and_addresses(engine, web):
    engine.ok("update", "--publish-rm", "80", "--publish-add", f"127.0.0.1:{PORT}-{PORT + 2}:80-82", "--publish-add", f"{PORT}:7/udp",
              "--publish-add", f"{PORT}:9/sctp", "web")
    assert leads(engine) == {**{f"tcp/{PORT + i}/127.0.0.1": f"{web}:{80 + i}" for i in range(3)},
                             f"udp/{PORT}/0.0.0.0": f"{web}:7", f"sctp/{PORT}/0.0.0.0": f"{web}:9"}
    engine.ok("update", "--publish-rm", f"{PORT + 1}-{PORT + 2}:81-82", "--publish-rm", "9/sctp", "web")
    assert shown(engine) == [f"7/udp -> 0.0.0.0:{PORT}", f"80/tcp -> 127.0.0.1:{PORT}"]


def test_a_datagram_of_a_known_flow_takes_the_new_way(engine):
    engine.ok("run", "-d", "--name", "web", IMAGE, "probe", "echo-udp", "7")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.2)

        def echoed():
            s.sendto(b"ping", (host_address(), PORT))
            return s.recv(100) == b"ping"
        with pytest.raises(OSError):
            echoed()
        engine.ok("port", "--add", f"{PORT}:7/udp", "web")
        assert eventually(echoed)
        engine.ok("port", "--rm", f"{PORT}:7/udp", "web")
        with pytest.raises(OSError):
            echoed()


def test_what_is_refused_changes_nothing(engine, web):
    engine.ok("run", "-d", "--name", "other", "-p", f"127.0.0.1:{PORT + 5}:80", IMAGE, "sleep", "1000")
    before = leads(engine), shown(engine), engine.inspect("web")["HostConfig"]
    with socket.create_server(("0.0.0.0", PORT + 6)):
        for words, match in ((["--publish-add", f"{PORT + 5}:80"], f"{PORT + 5} failed: port is already allocated"),
                             (["--publish-add", f"{PORT + 6}:80"], f"{PORT + 6} failed: port is already allocated"),
                             (["--publish-add", f"{PORT}:81"], f"{PORT} failed: port is already allocated"),
                             (["--publish-add", "198.51.100.7:81:81"], "198.51.100.7:81"),
                             (["--publish-add", "[fd00::1]:81:81"], 'network "bridge" has no IPv6'),
                             (["--publish-rm", "81"], f'does not publish "81/tcp", but "127.0.0.1:{PORT}:80/tcp"'),
                             (["--publish-rm", f"{PORT}:81"], "does not publish"),
                             (["--publish-add", "80/icmp"], "invalid proto: icmp"),
                             (["--publish-add", "1-3:80-81"], "invalid ranges"),
                             (["--publish-rm", "x"], 'invalid argument "x" for "--publish-rm" flag'),
                             (["--memory", "64m", "--publish-add", f"{PORT + 1}:81"], "in one request")):
            # What is right in the same request is not done either.
            engine.fails("update", "--publish-add", f"{PORT + 2}:82", "--restart", "always", *words, "web", code=1, match=match)
            assert (leads(engine), shown(engine), engine.inspect("web")["HostConfig"]) == before, words
    engine.fails("update", "web", match="one or more flags")
    engine.fails("update", "--publish-add", "80", "nobody", match="No such container: nobody")
    # Nothing was held on to.
    engine.ok("update", "--publish-add", f"{PORT + 2}:82", "--publish-add", f"{PORT + 6}:80", "web")


def test_the_api(engine, web):
    def update(body):
        return engine.api("POST", "/containers/web/update", body)
    assert update({"PublishAdd": {"81/tcp": [{"HostPort": str(PORT + 1)}]}, "RestartPolicy": {"Name": "always"}}).json == {"Warnings": []}
    assert engine.inspect("web")["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert update({"PublishRm": {"80/tcp": None}}).status == 200
    assert shown(engine) == [f"81/tcp -> 0.0.0.0:{PORT + 1}"]
    for body, status, words in (({"PublishAdd": []}, 400, "PublishAdd: expected an object, found a list"),
                                ({"PublishAdd": {"81/tcp": "8080"}}, 400, "PublishAdd.81/tcp: expected a list, found a string"),
                                ({"PublishAdd": {"81/tcp": [{"HostPort": 8080}]}}, 400, "HostPort: expected a string, found a number"),
                                ({"PublishAdd": {"81/tcp": [{"HostPort": "99999"}]}}, 400, 'invalid port specification: "99999"'),
                                ({"PublishRm": {"0": None}}, 400, 'invalid port specification: "0"'),
                                ({"PublishAdd": {"81/tcp": [{"HostIp": "x"}]}}, 400, "invalid IP address: x"),
                                ({"PublishRm": {"82/tcp": None}}, 404, 'does not publish "82/tcp"'),
                                ({"PublishAdd": {"82/tcp": [{"HostPort": str(PORT + 1)}]}}, 409, "already allocated")):
        answer = update(body)
        assert answer.status == status and words in answer.json["message"], (body, answer)
    events = engine.ok("events", "--since", "1m", "--until", "0s", "--filter", "event=update", "--format", "{{.Action}}")
    assert set(events.split()) == {"update"}


def test_one_that_stands_still_takes_it_with_its_next_start(engine):
    engine.ok("create", "--name", "web", "-p", f"{PORT}:80", IMAGE, *SERVE)
    engine.ok("update", "--publish-add", f"127.0.0.1:{PORT + 1}:80", "--publish-rm", "80", "web")
    engine.fails("update", "--publish-add", f"{PORT + 1}:81", "web", match="already allocated")
    assert bindings(engine) == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(PORT + 1)}]}
    engine.ok("start", "web")
    assert shown(engine) == [f"80/tcp -> 127.0.0.1:{PORT + 1}"]
    assert eventually(lambda: get("127.0.0.1", PORT + 1)) == "page\n"


def test_publish_all_is_what_it_stood_for(engine):
    engine.ok("run", "-d", "--name", "web", "-P", "--expose", "80", "--expose", "81", IMAGE, *SERVE)
    eighty = engine.ok("port", "web", "80")
    engine.ok("update", "--publish-rm", "81", "--publish-add", f"{PORT}:80", "web")
    assert shown(engine) == sorted([f"80/tcp -> {eighty}", f"80/tcp -> 0.0.0.0:{PORT}"])
    engine.ok("restart", "-t", "0", "web")
    assert "81/tcp" not in engine.ok("port", "web") and len(shown(engine)) == 2


def test_networks_without_ports_of_their_own(engine):
    engine.ok("run", "-d", "--name", "host", "--network", "host", IMAGE, "sleep", "1000")
    engine.ok("run", "-d", "--name", "none", "--network", "none", IMAGE, "sleep", "1000")
    engine.ok("run", "-d", "--name", "joined", "--network", "container:none", IMAGE, "sleep", "1000")
    engine.ok("network", "create", "--internal", "inner")
    engine.ok("run", "-d", "--name", "inner", "--network", "inner", IMAGE, "sleep", "1000")
    for name, match in (("host", "has the host's network"), ("none", "has no network"), ("joined", "conflicting options"), ("inner", "leads outside")):
        engine.fails("update", "--publish-add", f"{PORT}:80", name, match=match)
        assert bindings(engine, name) == {}


def test_ports_go_with_the_way_out(engine, web):
    engine.ok("network", "create", "n1")
    engine.ok("network", "connect", "n1", "web")
    engine.ok("update", "--publish-add", f"{PORT + 1}:80", "web")
    engine.ok("network", "disconnect", "bridge", "web")
    moved = engine.address("web", "n1")
    assert leads(engine) == {f"tcp/{PORT}/127.0.0.1": f"{moved}:80", f"tcp/{PORT + 1}/0.0.0.0": f"{moved}:80"}
    engine.ok("update", "--publish-rm", f"{PORT + 1}:80", "web")
    assert leads(engine) == {f"tcp/{PORT}/127.0.0.1": f"{moved}:80"}


def test_kept_over_restarts_of_the_container_and_of_the_engine(fresh):
    engine = fresh()
    engine.ok("run", "-d", "--name", "web", IMAGE, *SERVE)
    engine.ok("update", "--publish-add", f"127.0.0.1:{PORT}:80", "web")
    engine.restart()
    assert eventually(lambda: get("127.0.0.1", PORT)) == "page\n"
    assert shown(engine) == [f"80/tcp -> 127.0.0.1:{PORT}"]
    engine.ok("restart", "-t", "0", "web")
    assert eventually(lambda: get("127.0.0.1", PORT)) == "page\n"
    engine.ok("update", "--publish-rm", "80", "web")
    engine.restart()
    assert shown(engine) == [] and leads(engine) == {} and bindings(engine) == {}
    engine.ok("restart", "-t", "0", "web")
    assert leads(engine) == {}


@pytest.mark.parametrize("place", ["network.ports.recorded", "network.ports.exposed"])
def test_killed_in_between(fresh, place):
    engine = fresh(preset="dev")
    engine.ok("run", "-d", "--name", "web", "-p", f"127.0.0.1:{PORT}:80", IMAGE, *SERVE)
    address = engine.address("web")
    engine.kill()
    engine.start(env={"GANTRY_FAILPOINT": f"{place}=kill"})
    old = {f"tcp/{PORT}/127.0.0.1": f"{address}:80"}
    new = {f"tcp/{PORT + 1}/127.0.0.1": f"{address}:80"}
    engine.fails("update", "--publish-rm", "80", "--publish-add", f"127.0.0.1:{PORT + 1}:80", "web")
    engine.process.wait(20)
    assert leads(engine) == (old if place == "network.ports.recorded" else new)
    engine.start()
    # Recorded: the engine brings the kernel after it.
    eventually(lambda: leads(engine) == new)
    assert shown(engine) == [f"80/tcp -> 127.0.0.1:{PORT + 1}"]
    assert bindings(engine) == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(PORT + 1)}]}
    assert eventually(lambda: get("127.0.0.1", PORT + 1)) == "page\n"
    with socket.create_server(("127.0.0.1", PORT)):
        pass


def test_an_error_of_the_kernel_changes_nothing(fresh):
    engine = fresh(preset="dev")
    engine.ok("run", "-d", "--name", "web", "-p", f"127.0.0.1:{PORT}:80", IMAGE, *SERVE)
    before = leads(engine), shown(engine), bindings(engine)
    engine.kill()
    engine.start(env={"GANTRY_FAILPOINT": "network.ports.recorded=error"})
    engine.fails("update", "--publish-rm", "80", "--publish-add", f"127.0.0.1:{PORT + 1}:80", "web", match="network.ports.recorded")
    assert (leads(engine), shown(engine), bindings(engine)) == before
    engine.restart()
    assert (leads(engine), shown(engine), bindings(engine)) == before


def test_nothing_is_left(fresh):
    engine = fresh()
    engine.ok("run", "--rm", IMAGE, "true")
    before = census.own(engine)["tables"], leads(engine)
    engine.ok("run", "-d", "--name", "web", IMAGE, *SERVE)
    engine.ok("update", "--publish-add", f"{PORT}:80", "--publish-add", "81", "web")
    engine.ok("rm", "-f", "web")
    assert (census.own(engine)["tables"], leads(engine)) == before
    engine.ok("run", "--rm", "-p", f"{PORT}:80", IMAGE, "true")
