"""Runs in the guest, whose kernel has ipvlan, VLANs and dummy links: ipvlan networks in every mode, and parents that are made."""
import json
import os
import subprocess
import sys
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))

from harness.lan import Lan, ip  # noqa: E402
from harness.waiting import eventually  # noqa: E402

IMAGE = "test/busybox"


def link_in(e, name):
    out = subprocess.run(["nsenter", "-t", str(e.init_pid(name)), "-n", "ip", "-d", "-j", "link", "show", "eth0"], stdout=subprocess.PIPE,
                         text=True, check=True).stdout
    return json.loads(out)[0]["linkinfo"]


def pings(e, name, address):
    return e("exec", name, "ping", "-c", "1", "-W", "3", address, timeout=120).code == 0


def start(e, name, network, *more):
    e.ok("run", "-d", "--name", name, "--network", network, "--cap-add", "NET_RAW", *more, IMAGE, "sleep", "1000", timeout=120)
    return e.address(name, network)


def create(host, driver, name, *more):
    host.engine.ok("network", "create", "-d", driver, *more, name, timeout=120)


def l2(host, other, lan):
    """On the LAN itself, with the parent's MAC address."""
    create(host, "ipvlan", "net", "--subnet", lan.subnet, "--gateway", lan.gateway, "--ip-range", f"{lan.prefix}.64/27", "-o", "parent=eth0")
    one, two = start(host.engine, "one", "net"), start(host.engine, "two", "net")
    info = link_in(host.engine, "one")
    assert info["info_kind"] == "ipvlan" and info["info_data"]["mode"] == "l2", info
    assert "bridge" in json.dumps(info["info_data"]), info
    mac = host.engine.inspect("one")["NetworkSettings"]["Networks"]["net"]["MacAddress"]
    assert mac == host.links()["eth0"]["address"], mac
    assert pings(host.engine, "one", two) and pings(host.engine, "one", other.address) and pings(host.engine, "one", lan.gateway)
    assert other.command("busybox", "ping", "-c", "1", "-W", "3", one).returncode == 0
    assert f"default via {lan.gateway}" in host.engine.ok("exec", "one", "ip", "route", timeout=120)
    host.engine.restart()
    host.engine.wait_ready(120)
    assert pings(host.engine, "two", one)
    stats = host.engine.api("GET", "/containers/one/stats?stream=false", timeout=120).json["networks"]["eth0"]
    assert stats["rx_packets"] > 0, stats


def private(host, other, lan):
    create(host, "ipvlan", "net", "--subnet", lan.subnet, "--gateway", lan.gateway, "-o", "parent=eth0", "-o", "ipvlan_flag=private")
    start(host.engine, "one", "net", "--ip", f"{lan.prefix}.66")
    start(host.engine, "two", "net", "--ip", f"{lan.prefix}.67")
    assert "private" in json.dumps(link_in(host.engine, "one")["info_data"])
    assert pings(host.engine, "one", other.address) and not pings(host.engine, "one", f"{lan.prefix}.67")


def one_mode(host, other, lan):
    """All ipvlan links on a parent have the mode of the last one: a second mode is refused."""
    create(host, "ipvlan", "net", "--subnet", lan.subnet, "-o", "parent=eth0")
    done = host.engine("network", "create", "-d", "ipvlan", "-o", "parent=eth0", "-o", "ipvlan_mode=l3", "second", timeout=120)
    assert done.code != 0 and 'in use by network "net" in mode l2: all its networks have the same mode, not l3' in done.err, done


def routed(mode):
    def check(host, other, lan):
        create(host, "ipvlan", "net", "--subnet", "10.88.0.0/24", "--ipv6", "--subnet", "fd00:88::/64", "-o", "parent=eth0", "-o", f"ipvlan_mode={mode}")
        ip("route", "replace", "10.88.0.0/24", "via", host.address, namespace=other.name)
        one = start(host.engine, "one", "net")
        assert link_in(host.engine, "one")["info_data"]["mode"] == mode
        routes = host.engine.ok("exec", "one", "ip", "route", timeout=120)
        assert "default dev eth0" in routes and "via" not in routes, routes
        assert "default dev eth0" in host.engine.ok("exec", "one", "ip", "-6", "route", timeout=120)
        assert pings(host.engine, "one", other.address)
        assert other.command("busybox", "ping", "-c", "1", "-W", "3", one).returncode == 0
    check.__name__ = mode
    return check


def vlan(host, other, lan):
    """A sub-interface is made for the first network that names it, and goes with the last."""
    create(host, "macvlan", "net", "--subnet", "10.89.0.0/24", "-o", "parent=eth0.10")
    create(host, "macvlan", "beside", "--subnet", "10.90.0.0/24", "-o", "parent=eth0.10", "-o", "macvlan_mode=private")
    made = host.links()["eth0.10"]
    assert made["linkinfo"]["info_kind"] == "vlan" and made["linkinfo"]["info_data"]["id"] == 10 and "UP" in made["flags"], made
    ip("link", "add", "link", "eth0", "name", "tagged", "type", "vlan", "id", "10", namespace=other.name)
    ip("address", "add", "10.89.0.9/24", "dev", "tagged", namespace=other.name)
    ip("link", "set", "tagged", "up", namespace=other.name)
    start(host.engine, "one", "net")
    eventually(lambda: pings(host.engine, "one", "10.89.0.9"), timeout=60)
    host.engine.ok("rm", "-f", "one", timeout=120)
    host.engine.ok("network", "rm", "net", timeout=120)
    assert "eth0.10" in host.links()
    host.engine.restart()
    host.engine.wait_ready(120)
    host.engine.ok("network", "rm", "beside", timeout=120)
    assert "eth0.10" not in host.links()
    # One that somebody else made stays.
    ip("link", "add", "link", "eth0", "name", "eth0.11", "type", "vlan", "id", "11", namespace=host.name)
    create(host, "macvlan", "net", "-o", "parent=eth0.11")
    host.engine.ok("network", "rm", "net", timeout=120)
    assert "eth0.11" in host.links()
    ip("link", "delete", "eth0.11", namespace=host.name)


def no_parent(host, other, lan):
    """A network of its own on this host, from which nothing leads elsewhere."""
    create(host, "macvlan", "net")
    assert [x for x in host.links().values() if x["ifname"].startswith("gd-") and x["linkinfo"]["info_kind"] == "dummy"]
    start(host.engine, "one", "net")
    two = start(host.engine, "two", "net")
    assert pings(host.engine, "one", two) and "default" not in host.engine.ok("exec", "one", "ip", "route", timeout=120)
    assert not pings(host.engine, "one", other.address)


def main():
    with open(sys.argv[1], "rb") as f:
        image = f.read()
    lan = Lan()
    failed = 0
    try:
        host, other = lan.add_host(), lan.add_host()
        host.start_engine(image, patience=120)
        for check in (l2, private, one_mode, routed("l3"), routed("l3s"), vlan, no_parent):
            try:
                check(host, other, lan)
                print(f"ok {check.__name__}", flush=True)
            except Exception:
                failed += 1
                print(f"not ok {check.__name__}\n{traceback.format_exc(limit=-3)}", flush=True)
            host.engine.remove_all()
            for network in host.engine.api("GET", "/networks").json:
                if network["Name"] not in ("bridge", "host", "none"):
                    host.engine("network", "rm", network["Name"], timeout=120)
            try:
                eventually(lambda: set(host.links()) == {"lo", "eth0"}, timeout=60)
            except AssertionError:
                failed += 1
                print(f"not ok {check.__name__}: left {sorted(host.links())}", flush=True)
        log = host.engine.log_text()[-3000:]
        problem = lan.end()
        if problem:
            failed += 1
        print(f"not ok shutdown\n{problem}" if problem else "ok shutdown", flush=True)
        if failed:
            print(log, flush=True)
    finally:
        sys.stdout.flush()
    sys.exit(1 if failed else 0)


main()
