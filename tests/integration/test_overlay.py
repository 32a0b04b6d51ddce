"""Networks over three hosts, agreed on through an etcd: names, addresses, faults, and what is left."""
import re
import subprocess

import pytest

from conftest import IMAGE
from harness.hosts import Etcd, Host, Lan, run
from harness.waiting import eventually

SERVE = ("sh", "-c", "mkdir -p /www && hostname > /www/index.html && exec httpd -f -p 80 -h /www")


class Site:
    def __init__(self):
        self.lan = Lan()
        self.etcd = Etcd(self.lan, 1)
        self.hosts = []

    def __iter__(self):
        return iter(self.hosts)

    def create(self, *options, name="net"):
        for host in self.hosts:
            host.ok("network", "create", "--driver", "overlay", "--opt", "etcd=" + self.etcd.url, *options, name)


@pytest.fixture(scope="module")
def whole_site():
    site = Site()
    try:
        site.etcd.start()
        for number in (11, 12, 13):
            site.hosts.append(Host(site.lan, number))
        for host in site.hosts:
            host.begin()
        yield site
        problems = "".join(host.destroy() for host in site.hosts)
        for host in site.hosts:
            assert host.links() == ["lo", "uplink"] and host.tables() == []
        assert not problems, problems
    finally:
        for host in site.hosts:
            host.destroy()
        site.etcd.close()
        site.lan.close()


@pytest.fixture
def site(whole_site, request):
    """After each test there is no container and no network, here or in etcd, and the kernel has what it had before."""
    marks = [len(host.log_text()) for host in whole_site]
    yield whole_site
    if whole_site.etcd.process.poll() is not None:
        whole_site.etcd.start()
    for host, mark in zip(whole_site, marks):
        if getattr(request.node, "failed", False):
            print(f"--- {host.netns} ---\n" + host.log_text()[mark:][-3000:])
        if host.process.poll() is not None:
            host.start()
        whole_site.lan.plug(host.number, True)
        host.remove_all()
        for network in host.api("GET", "/networks").json:
            if network["Name"] not in ("bridge", "host", "none"):
                host.ok("network", "rm", network["Name"])
        assert [link for link in host.links() if link.startswith("gx-")] == []
    eventually(lambda: whole_site.etcd.keys() == {}, what="etcd is empty again")


def serve(host, name, *more):
    # Busybox's ping opens a raw socket.
    host.ok("run", "-d", "--name", name, "--hostname", name, "--network", "net", "--cap-add", "NET_RAW", *more, IMAGE, *SERVE)


def get(host, name, target):
    done = host("exec", name, "probe", "get", target, timeout=20)
    return done.out.strip() if done.code == 0 else None


def reaches(host, name, target, answer, timeout=10):
    eventually(lambda: get(host, name, target) == answer, timeout=timeout, what=f"{name} of {host.netns} reaches {target}")


def peers(host):
    return {p["host"]: p for p in host.api("GET", "/gantry/networks/net/peers").json["peers"]}


class Pings:
    """One ping every 100 ms from a container to an address."""

    def __init__(self, host, name, address):
        self.host, self.name = host, name
        host.ok("exec", "-d", name, "sh", "-c", f"exec ping -i 0.1 {address} > /pings 2>&1")
        eventually(lambda: "seq=5" in self.text(), what="the first pings come back")

    def text(self):
        return self.host.ok("exec", self.name, "cat", "/pings")

    def lost(self):
        self.host.ok("exec", self.name, "sh", "-c", "kill -INT $(pidof ping)")
        found = eventually(lambda: re.search(r"(\d+) packets transmitted, (\d+) packets received", self.text()))
        sent, received = map(int, found.groups())
        return sent - received


def test_three_hosts_are_one_network(site):
    site.create()
    subnets = {host.api("GET", "/networks/net").json["IPAM"]["Config"][0]["Subnet"] for host in site}
    assert len(subnets) == 1
    for number, host in enumerate(site):
        serve(host, f"web{number}")
    addresses = [host.address(f"web{number}", "net") for number, host in enumerate(site)]
    assert len(set(addresses)) == 3
    for a, host in enumerate(site):
        for b, address in enumerate(addresses):
            reaches(host, f"web{a}", f"web{b}", f"web{b}")
            assert get(host, f"web{a}", address) == f"web{b}"
    known = peers(site.hosts[0])
    assert sorted(p["address"] for p in known.values()) == ["10.55.0.12", "10.55.0.13"]
    assert {p["state"] for p in known.values()} == {"ready"}
    out = site.hosts[0].ok("network", "peers", "net")
    assert out.split("\n")[0].split() == ["HOST", "ADDRESS", "STATE", "ENDPOINTS"] and len(out.split("\n")) == 3
    # Another name, and no name any more.
    site.hosts[1].ok("rename", "web1", "other")
    reaches(site.hosts[0], "web0", "other", "web1")
    site.hosts[1].ok("rm", "-f", "other")
    # The name, not the page: a connection to an address that nobody has any more waits long.
    eventually(lambda: site.hosts[0]("exec", "web0", "nslookup", "other").code != 0, what="the name is gone")
    assert "is on this host alone" in site.hosts[0].fails("network", "peers", "bridge").err


def test_packets_of_1450_bytes_pass_and_larger_ones_do_not(site):
    site.create()
    a, b = site.hosts[:2]
    serve(a, "one")
    serve(b, "two")
    reaches(a, "one", "two", "two")
    send = ("import socket,sys; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.setsockopt(0,10,2); "
            "s.settimeout(5); s.sendto(b'x'*int(sys.argv[2]),(sys.argv[1],7)); print(len(s.recv(9000)))")
    b.ok("exec", "-d", "two", "probe", "echo-udp", "7")
    address, pid = b.address("two", "net"), a.init_pid("one")

    def datagram(size):
        return subprocess.run(["nsenter", "-t", str(pid), "-n", "/usr/bin/python3", "-c", send, address, str(size - 28)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    eventually(lambda: datagram(1000).stdout.strip() == "972")
    assert datagram(1450).stdout.strip() == "1422"
    assert "Message too long" in datagram(1451).stderr


def test_without_etcd_nothing_is_lost_and_containers_start(site):
    site.create()
    a, b, c = site
    serve(a, "one")
    serve(b, "two")
    reaches(a, "one", "two", "two")
    pings = Pings(a, "one", b.address("two", "net"))
    site.etcd.stop()
    for number in range(3):
        serve(a, f"new{number}")
    reaches(a, "new0", "new1", "new1")  # other hosts hear of them later
    a.restart()
    assert get(a, "one", "two") == "two"
    eventually(lambda: "does not answer" in a.api("GET", "/gantry/networks/net/peers").json["source"]["message"])
    assert get(b, "two", "one") == "one"
    # A wish that only etcd can grant says so.
    free = a.api("GET", "/networks/net").json["IPAM"]["Config"][0]["Subnet"].split(".")
    done = c.fails("run", "--rm", "--network", "net", "--ip", f"{free[0]}.{free[1]}.{int(free[2]) + 5}.9", IMAGE, "true")
    assert "etcd at" in done.err and "does not answer" in done.err
    assert pings.lost() == 0
    site.etcd.start()
    reaches(b, "two", "new2", "new2", timeout=20)
    serve(c, "three")
    reaches(c, "three", "new1", "new1", timeout=20)


def test_a_stopped_etcd_is_like_one_that_is_away(site):
    site.create()
    a, b, _ = site
    serve(a, "one")
    serve(b, "two")
    reaches(a, "one", "two", "two")
    pings = Pings(a, "one", b.address("two", "net"))
    site.etcd.process.send_signal(19)
    try:
        serve(b, "late")
        reaches(b, "late", "two", "two")
    finally:
        site.etcd.process.send_signal(18)
    reaches(a, "one", "late", "late", timeout=30)
    assert pings.lost() == 0


def test_a_host_that_is_killed_and_comes_back(site):
    site.create()
    a, b, c = site
    for host, name in ((a, "one"), (b, "two"), (c, "three")):
        serve(host, name)
    reaches(a, "one", "two", "two")
    reaches(a, "one", "three", "three")
    pings = Pings(a, "one", c.address("three", "net"))
    b.kill_all()
    b.start()
    serve(b, "again")
    reaches(a, "one", "again", "again", timeout=20)
    eventually(lambda: get(a, "one", "two") is None, what="what died with the host is no longer named")
    assert pings.lost() == 0


def test_a_host_that_is_cut_off_and_joined_again(site):
    site.create()
    a, b, c = site
    for host, name in ((a, "one"), (b, "two"), (c, "three")):
        serve(host, name)
    reaches(a, "one", "two", "two")
    reaches(a, "one", "three", "three")
    site.lan.plug(b.number, False)
    pings = Pings(a, "one", c.address("three", "net"))
    serve(b, "inside")  # its own addresses are its own
    reaches(b, "two", "inside", "inside")
    serve(a, "outside")
    reaches(c, "three", "outside", "outside")
    site.lan.plug(b.number, True)
    reaches(b, "two", "outside", "outside", timeout=30)
    reaches(c, "three", "inside", "inside", timeout=30)
    assert pings.lost() == 0


def test_an_address_moves_with_its_container(site):
    site.create("--subnet", "10.99.0.0/16")
    a, b, c = site
    serve(a, "watcher")
    for host in (b, c, b, c):
        serve(host, "mover", "--ip", "10.99.200.7")
        assert host.address("mover", "net") == "10.99.200.7"
        reaches(a, "watcher", "10.99.200.7", "mover")
        reaches(a, "watcher", "mover", "mover")
        other = c if host is b else b
        done = other.fails("run", "--rm", "--network", "net", "--ip", "10.99.200.7", IMAGE, "true")
        assert re.search('address 10.99.200.7 of network "net" is (taken by|in use on) host', done.err), done
        host.ok("rm", "-f", "mover")
        eventually(lambda: "/gantry/1/net/net/ip/10.99.200.7" not in site.etcd.keys())


def test_addresses_that_are_used_again_and_again(site):
    site.create("--subnet", "10.99.0.0/24")
    a, b, c = site
    serve(a, "watcher")
    for turn in range(4):
        for host in (b, c):
            serve(host, "x")
        for number, host in ((1, b), (2, c)):
            address = host.address("x", "net")
            reaches(a, "watcher", address, "x")
            host.ok("exec", "x", "sh", "-c", f"echo {turn}-{number} > /www/index.html")
            assert get(a, "watcher", address) == f"{turn}-{number}"
        for host in (b, c):
            host.ok("rm", "-f", "x")
    # Each host has blocks of its own, and no address is given twice.
    names = [f"n{i}" for i in range(20)]
    for name in names:
        b.ok("run", "-d", "--name", name, "--network", "net", IMAGE, "sleep", "1000")
    serve(c, "y")
    given = [b.address(name, "net") for name in names] + [c.address("y", "net"), a.address("watcher", "net")]
    assert len(set(given)) == len(given)
    owners = [value for key, value in site.etcd.keys().items() if "/blk/" in key]
    assert len(owners) >= 4


def test_hosts_that_do_not_agree_are_refused(site):
    a, b, _ = site
    a.ok("network", "create", "-d", "overlay", "-o", "etcd=" + site.etcd.url, "--subnet", "10.99.0.0/16", "net")
    done = b.fails("network", "create", "-d", "overlay", "-o", "etcd=" + site.etcd.url, "--subnet", "10.98.0.0/16", "net")
    assert "has subnet 10.99.0.0/16 and gateway 10.99.0.1 on its other hosts, not 10.98.0.0/16" in done.err
    b.ok("network", "create", "--subnet", "10.99.7.0/24", "mine")
    done = b.fails("network", "create", "-d", "overlay", "-o", "etcd=" + site.etcd.url, "net")
    assert "given it subnet 10.99.0.0/16, which meets 10.99.7.0/24 of this host" in done.err
    done = b.fails("network", "create", "-d", "overlay", "-o", "etcd=10.0.0.1:2379", "net")
    assert 'option "etcd": "10.0.0.1:2379" is not an address such as http://10.0.0.1:2379' in done.err
    done = b.fails("network", "create", "-d", "overlay", "-o", "etcd=http://10.55.0.99:2379", "net")
    assert "etcd at http://10.55.0.99:2379 does not answer" in done.err
    done = b.fails("network", "create", "-d", "overlay", "-o", "etcd=" + site.etcd.url, "-o", "encrypted=true", "net")
    assert "encrypted" in done.err and "WireGuard" in done.err
    assert sorted(n["Name"] for n in b.api("GET", "/networks").json) == ["bridge", "host", "mine", "none"]


def test_a_killed_engine_leaves_nothing(site):
    site.create()
    a, b, _ = site
    serve(a, "one")
    serve(b, "two")
    reaches(a, "one", "two", "two")
    for _ in range(3):
        a.restart()
        assert get(a, "one", "two") == "two"
    serve(a, "three")
    reaches(b, "two", "three", "three")
    a.kill()
    a.start()
    a.ok("rm", "-f", "one", "three")
    a.ok("network", "rm", "net")
    assert [l for l in a.links() if re.match(r"g[xv]-", l)] == []
    eventually(lambda: len(peers(b)) == 1, what="the others know that it left")


def test_published_ports_and_the_way_out(site):
    site.create()
    a, b, _ = site
    serve(a, "web", "-p", "8080:80")

    def page():
        return run("curl", "-sS", "-m", "5", "http://10.55.0.11:8080/", netns=b.netns, check=False).strip()

    # Its server listens a moment after it has started.
    eventually(lambda: page() == "web", what="the published port is reached from another host")
    # The host's network sees the host's address.
    serve(b, "two")
    assert b("exec", "two", "probe", "get", "10.55.0.11", "8080", "/").out.strip() == "web"
