"""Networks with IPv6: beside IPv4, alone, published ports, names, on a host and with a neighbour that are namespaces."""
import json
import secrets
import subprocess

import pytest

from conftest import IMAGE
from harness import archives, census
from harness.netns_engine import NetnsEngine, inside
from harness.waiting import eventually

SERVE = ("sh", "-c", "mkdir -p /www && echo page > /www/index.html && exec httpd -f -p 80 -h /www")
HOST, NEIGHBOUR = "2001:db8:1::1", "2001:db8:1::2"


def ip(*args):
    subprocess.run(["ip", *map(str, args)], check=True, stdout=subprocess.PIPE)


@pytest.fixture
def lan():
    """(host, neighbour): two namespaces with addresses of both families, joined by a pair of interfaces."""
    names = [f"gt-{secrets.token_hex(3)}" for _ in range(2)]
    try:
        for name in names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", names[0], "link", "add", "lan0", "type", "veth", "peer", "name", "lan0", "netns", names[1])
        for name, number in zip(names, (1, 2)):
            inside(name, "sysctl", "-qw", "net.ipv6.conf.lan0.accept_dad=0")
            ip("-n", name, "address", "add", f"192.0.2.{number}/24", "dev", "lan0")
            ip("-n", name, "address", "add", f"2001:db8:1::{number}/64", "dev", "lan0", "nodad")
            ip("-n", name, "link", "set", "lan0", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], stderr=subprocess.PIPE)


@pytest.fixture
def engine(lan):
    before = census.host()
    e = NetnsEngine(lan[0])
    try:
        e.start()
        e.load(archives.make_busybox_image(IMAGE + ":latest"))
        yield e
        if e.process.poll() is None:
            e.remove_all()
    finally:
        problem = e.destroy()
    assert not problem, problem
    eventually(lambda: not census.difference(before, census.host()), timeout=10, what="nothing is left of the engine")


def fetch(netns, address, port):
    """The page that a client in a namespace gets."""
    script = f"import urllib.request; print(urllib.request.urlopen('http://[{address}]:{port}/', timeout=3).read().decode(), end='')"
    return inside(netns, "python3", "-c", script)


def address_of(engine, container, network):
    return engine.inspect(container)["NetworkSettings"]["Networks"][network]["GlobalIPv6Address"]


def test_dual_stack(engine, lan):
    engine.ok("network", "create", "--ipv6", "--subnet", "10.91.0.0/24", "--subnet", "fd00:91::/64", "--gateway", "fd00:91::fe", "--ip-range", "fd00:91::100/120", "both")
    engine.ok("run", "-d", "--name", "web", "--network", "both", "-p", "8080:80", IMAGE, *SERVE)
    engine.ok("run", "-d", "--name", "fixed", "--network", "both", "--ip6", "fd00:91::77", IMAGE, "sleep", "1000")
    assert address_of(engine, "web", "both") == "fd00:91::100" and address_of(engine, "fixed", "both") == "fd00:91::77"
    inner = engine.ok("exec", "fixed", "ip", "-6", "route")
    assert "default via fd00:91::fe dev eth0" in inner
    assert engine.ok("exec", "fixed", "probe", "get", "web", 80, "/") == "page", "by name"
    assert "fd00:91::100" in engine.ok("exec", "fixed", "nslookup", "-type=aaaa", "web")
    ports = engine.inspect("web")["NetworkSettings"]["Ports"]["80/tcp"]
    assert ports == [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}]
    assert eventually(lambda: fetch(lan[1], HOST, 8080)) == "page\n"
    assert fetch(lan[0], HOST, 8080) == "page\n", "from the host itself"
    rules = json.loads(inside(lan[0], "nft", "-j", "list", "tables"))["nftables"]
    assert [r["table"]["name"] for r in rules if "table" in r] == ["gantry_" + engine.name]


def test_ipv6_alone(engine, lan):
    engine.ok("network", "create", "--ipv4=false", "--ipv6", "six")
    engine.ok("run", "-d", "--name", "web", "--network", "six", "-p", "[::]:8080:80", IMAGE, *SERVE)
    subnet = json.loads(engine.ok("network", "inspect", "six"))[0]["IPAM"]["Config"][0]["Subnet"]
    assert subnet.startswith("fd") and subnet.endswith("::/64"), "of the engine's own range (RFC 4193)"
    assert engine.ok("run", "--rm", "--network", "six", IMAGE, "wget", "-qO-", "http://web/") == "page", "by name, without IPv4"
    assert eventually(lambda: fetch(lan[1], HOST, 8080)) == "page\n"
    engine.fails("run", "-d", "--network", "six", "-p", "127.0.0.1::80", IMAGE, "true", code=125, match="has no IPv4")


def test_a_killed_engine_leaves_the_ports_and_finds_them_again(engine, lan):
    engine.ok("network", "create", "--ipv6", "both")
    engine.ok("run", "-d", "--name", "web", "--network", "both", "-p", "8080:80", IMAGE, *SERVE)
    assert eventually(lambda: fetch(lan[1], HOST, 8080)) == "page\n"
    address = address_of(engine, "web", "both")
    engine.kill()
    assert fetch(lan[1], HOST, 8080) == "page\n", "while the engine is down"
    engine.start()
    assert address_of(engine, "web", "both") == address
    assert fetch(lan[1], HOST, 8080) == "page\n"
    engine.ok("rm", "-f", "web")
    assert "8080" not in inside(lan[0], "nft", "list", "ruleset")


def test_connect_while_running(engine, lan):
    engine.ok("network", "create", "--ipv6", "both")
    engine.ok("run", "-d", "--name", "web", IMAGE, "sleep", "1000")
    engine.ok("network", "connect", "both", "web")
    address = address_of(engine, "web", "both")
    assert f"inet6 {address}/64" in engine.ok("exec", "web", "ip", "address", "show", "eth1")
    engine.ok("network", "disconnect", "both", "web")
    assert "eth1" not in engine.ok("exec", "web", "ls", "/sys/class/net")


def test_the_host_forwards_no_longer_than_it_must(engine, lan):
    forwarding = lambda: inside(lan[0], "sysctl", "-n", "net.ipv6.conf.all.forwarding").strip()
    assert forwarding() == "0"
    engine.ok("network", "create", "--ipv6", "both")
    assert forwarding() == "1"
    engine.ok("network", "rm", "both")
    assert engine.shutdown() == ""
    assert forwarding() == "0"


def test_bad_input(engine):
    for args, words in (
            (("--subnet", "fd00::/64"), "needs IPv6, which is not enabled"), (("--ipv6", "--subnet", "fd00::1/64"), "it should be fd00::/64"),
            (("--ipv6", "--subnet", "fd00::/64", "--gateway", "fd01::1"), "gateway"), (("--ipv4=false",), "IPv4 or IPv6 must be enabled"),
            (("--ipv6", "--subnet", "ff02::/64"), "not a range of unicast")):
        engine.fails("network", "create", *args, "bad", match=words)
    engine.ok("network", "create", "--ipv6", "--subnet", "fd00:92::/64", "good")
    engine.fails("network", "create", "--ipv6", "--subnet", "fd00:92::/96", "again", match="Pool overlaps")
    engine.fails("run", "--rm", "--network", "good", "--ip6", "fd00:93::1", IMAGE, "true", code=125, match="no configured subnet contains IP address fd00:93::1")
    engine.fails("run", "--rm", "--network", "good", "--ip6", "fd00:92:::1", IMAGE, "true", code=125, match="fd00:92:::1")
    engine.fails("run", "--rm", "--network", "good", "-p", "[::1]:80:80", IMAGE, "true", code=125, match="::1")
    assert "bad" not in engine.ok("network", "ls", "--format", "{{.Name}}")


def test_a_routed_network(engine, lan):
    engine.ok("network", "create", "--ipv6", "--subnet", "10.92.0.0/24", "--subnet", "fd00:92::/64", "--opt", "com.docker.network.bridge.gateway_mode_ipv6=routed", "net")
    engine.ok("run", "-d", "--name", "web", "--network", "net", "-p", "8080:80", IMAGE, *SERVE)
    own = address_of(engine, "web", "net")
    inside(lan[1], "ip", "-6", "route", "add", "fd00:92::/64", "via", HOST)
    assert eventually(lambda: fetch(lan[1], own, 80)) == "page\n"
    assert engine.inspect("web")["NetworkSettings"]["Ports"]["80/tcp"] == [{"HostIp": "::", "HostPort": ""}, {"HostIp": "0.0.0.0", "HostPort": "8080"}]
    assert engine.ok("ps", "--format", "{{.Ports}}") == "80/tcp, 0.0.0.0:8080->80/tcp"
    with pytest.raises(AssertionError):
        fetch(lan[1], HOST, 8080)
    # Another one with the same number; in this family it takes none of the host's.
    engine.ok("run", "-d", "--name", "second", "--network", "net", "-p", "[::]:8080:80", IMAGE, *SERVE)
    assert eventually(lambda: fetch(lan[1], address_of(engine, "second", "net"), 80)) == "page\n"
    engine.ok("update", "--publish-rm", "80", "web")
    with pytest.raises(AssertionError):
        fetch(lan[1], own, 80)
    engine.restart()
    assert fetch(lan[1], address_of(engine, "second", "net"), 80) == "page\n"
