"""Runs in the guest, whose kernel has WireGuard: encrypted overlay networks between two hosts, and a third machine on their wire."""
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))

from harness.hosts import Etcd, Host, Lan, run  # noqa: E402
from harness.waiting import eventually  # noqa: E402

IMAGE = "test/busybox"
SECRET = "open-sesame-4711"
SERVE = ("sh", "-c", f"mkdir -p /www && echo {SECRET} > /www/index.html && exec httpd -f -p 80 -h /www")
SLOW = 120  # seconds; emulation is ten to thirty times slower

CAPTURE = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((sys.argv[1], 0))
print("ready", flush=True)
with open(sys.argv[2], "wb", buffering=0) as out:
    while True:
        out.write(s.recv(65536))
"""
SEND = """
import socket, sys
info = socket.getaddrinfo(sys.argv[1], 4789, type=socket.SOCK_DGRAM)[0]
socket.socket(info[0], socket.SOCK_DGRAM).sendto(bytes.fromhex(sys.argv[2]), info[4])
"""


class Wire:
    """What goes over the LAN, at the port of a host."""

    def __init__(self, lan, number):
        self.file = f"/tmp/wire-{number}"
        self.process = subprocess.Popen(["nsenter", f"--net=/run/netns/{lan.wire}", "/usr/bin/python3", "-c", CAPTURE, f"port{number}", self.file],
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def end(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        with open(self.file, "rb") as f:
            return f.read()


def get(host, name, target):
    done = host("exec", name, "probe", "get", target, timeout=SLOW)
    return done.out.strip() if done.code == 0 else None


def create(site, name, *options):
    for host in site.hosts:
        host.ok("network", "create", "-d", "overlay", "-o", "etcd=" + site.etcd.url, *options, name, timeout=SLOW)


def start(site, network):
    """A server on each host that knows the other one by name."""
    for host, name in zip(site.hosts, ("one", "two")):
        host.ok("run", "-d", "--name", name, "--network", network, "--cap-add", "NET_RAW", IMAGE, *SERVE, timeout=SLOW)
    a, b = site.hosts
    eventually(lambda: get(a, "one", "two") == SECRET, timeout=SLOW, what="one reaches two by name")
    eventually(lambda: get(b, "two", "one") == SECRET, timeout=SLOW, what="two reaches one by name")


def device(host, prefix):
    return next(link for link in host.links() if link.startswith(prefix))


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def forged(vni, mac, source, target):
    """A VXLAN packet of the network with a datagram for a port of the container that nobody listens at."""
    udp = struct.pack("!HHHH", 4242, 4243, 8, 0)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(target))
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    ethernet = bytes.fromhex(mac.replace(":", "")) + bytes.fromhex("024200000001") + b"\x08\x00"
    return struct.pack("!II", 0x08000000, vni << 8) + ethernet + ip + udp


def refused_datagrams(host, name):
    rows = [line.split() for line in host.ok("exec", name, "cat", "/proc/net/snmp", timeout=SLOW).splitlines() if line.startswith("Udp:")]
    return int(dict(zip(rows[0], rows[1]))["NoPorts"])


def inject(site, network):
    """Whether a forged packet of the third machine came to the container of the first host."""
    a = site.hosts[0]
    vni = next(json.loads(value)["vni"] for key, value in site.etcd.keys().items() if key.endswith(f"/{network}/facts"))
    endpoint = a.inspect("one")["NetworkSettings"]["Networks"][network]
    packet = forged(vni, endpoint["MacAddress"], "10.55.99.99", endpoint["IPAddress"]).hex()
    links = json.loads(run("ip", "-j", "address", "show", "dev", "uplink", netns=a.netns))
    six = next(x["local"] for x in links[0]["addr_info"] if x["family"] == "inet6")
    before = refused_datagrams(a, "one")
    for target in ("10.55.0.11", f"{six}%uplink"):
        for _ in range(3):
            run("/usr/bin/python3", "-c", SEND, target, packet, netns=site.stranger)
    # Behind them on the same way: once this has an answer, they were taken or dropped.
    run("busybox", "ping", "-c", "1", "-W", "20", "10.55.0.11", netns=site.stranger)
    return refused_datagrams(a, "one") > before


def plain(site):
    """The other tests see what they say they see."""
    create(site, "net")
    start(site, "net")
    wire = Wire(site.lan, 11)
    assert get(site.hosts[0], "one", "two") == SECRET
    assert SECRET.encode() in wire.end()
    assert inject(site, "net")


def encrypted(site):
    """By name and by address, whole packets, and nothing of it on the wire."""
    a, b = site.hosts
    create(site, "net", "-o", "encrypted=true")
    start(site, "net")
    wire = Wire(site.lan, 11)
    assert get(a, "one", "two") == SECRET and get(b, "two", "one") == SECRET
    seen = wire.end()
    assert len(seen) > 1000 and SECRET.encode() not in seen
    # Neither is there a VXLAN packet: UDP to port 4789, after the header of IPv4 or IPv6.
    assert not re.search(rb"\x45.{8}\x11.{10}..\x12\xb5", seen, re.DOTALL)
    assert "mtu 1370" in a.ok("exec", "one", "ip", "link", "show", "eth0", timeout=SLOW)
    assert a("exec", "one", "ping", "-c", "1", "-W", "20", "-s", str(1370 - 28), "two", timeout=SLOW).code == 0
    tunnel = json.loads(run("ip", "-d", "-j", "link", "show", device(a, "gw-"), netns=a.netns))[0]
    assert tunnel["linkinfo"]["info_kind"] == "wireguard" and tunnel["mtu"] == 1440, tunnel
    vxlan = json.loads(run("ip", "-d", "-j", "link", "show", device(a, "gx-"), netns=a.netns))[0]["linkinfo"]["info_data"]
    assert vxlan["link"] == device(a, "gw-") and vxlan["local6"].startswith("fe80:"), vxlan
    keys = [os.path.join(a.root, d, f) for d, _, files in os.walk(a.root) for f in files if f.endswith(".wireguard")]
    assert len(keys) == 1 and os.stat(keys[0]).st_mode & 0o777 == 0o600, keys


def strangers(site):
    """Packets of the network that come from elsewhere are not taken."""
    create(site, "net", "-o", "encrypted=true")
    start(site, "net")
    assert not inject(site, "net")


def restarts(site):
    """A killed engine keeps keys and ways; without its WireGuard device a network sends nothing, and is mended."""
    a, b = site.hosts
    create(site, "net", "-o", "encrypted=true")
    start(site, "net")
    key = re.search(r'"key":"([^"]+)"', "".join(v for k, v in site.etcd.keys().items() if "/mem/" in k))[1]
    a.kill()
    assert get(b, "two", "one") == SECRET
    a.start(wait=False)
    a.wait_ready(SLOW)
    assert get(a, "one", "two") == SECRET
    assert key in "".join(site.etcd.keys().values())
    run("ip", "link", "delete", device(a, "gw-"), netns=a.netns)
    wire = Wire(site.lan, 11)
    assert a("exec", "one", "ping", "-c", "1", "-W", "5", b.address("two", "net"), timeout=SLOW).code != 0
    assert not re.search(rb"\x45.{8}\x11.{10}..\x12\xb5", wire.end(), re.DOTALL)
    a.kill()
    a.start(wait=False)
    a.wait_ready(SLOW)
    eventually(lambda: get(a, "one", "two") == SECRET, timeout=SLOW, what="the way is back")


def not_agreed(site):
    """No network is encrypted on one host and plain on another, nor plain because something is missing."""
    a, b = site.hosts
    etcd = "etcd=" + site.etcd.url
    a.ok("network", "create", "-d", "overlay", "-o", etcd, "-o", "encrypted=true", "net", timeout=SLOW)
    done = b("network", "create", "-d", "overlay", "-o", etcd, "net", timeout=SLOW)
    assert done.code == 1 and 'network "net" is encrypted on its other hosts: it needs option "encrypted" here too' in done.err, done
    done = b("network", "create", "-d", "overlay", "-o", etcd, "-o", "wireguard_port=5000", "other", timeout=SLOW)
    assert done.code == 1 and '"wireguard_port" is of encrypted networks' in done.err, done
    port = json.loads(next(v for k, v in site.etcd.keys().items() if "/mem/" in k))["wireguard"]["port"]
    done = a("network", "create", "-d", "overlay", "-o", etcd, "-o", "encrypted=true", "-o", f"wireguard_port={port}", "other", timeout=SLOW)
    assert done.code == 1 and f"UDP port {port} of this host is in use already" in done.err, done
    assert [link for link in a.links() if link.startswith("gw-")] == [device(a, "gw-")], a.links()


class Site:
    def __init__(self):
        self.lan = Lan()
        self.etcd = Etcd(self.lan, 1)
        self.stranger = self.lan.join(66)
        self.hosts = [Host(self.lan, 11), Host(self.lan, 12)]


def begin(site, image):
    site.etcd.start()
    for host in site.hosts:
        host.start(wait=False)
        host.wait_ready(SLOW)
        host.load(image)


def main():
    with open(sys.argv[1], "rb") as f:
        image = f.read()
    site, failed = Site(), 0
    begin(site, image)
    for check in (plain, encrypted, strangers, restarts, not_agreed):
        try:
            check(site)
            print(f"ok {check.__name__}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {check.__name__}\n{traceback.format_exc(limit=-3)}", flush=True)
            print("".join(host.log_text()[-1500:] for host in site.hosts), flush=True)
        for host in site.hosts:
            host.remove_all()
            for network in host.api("GET", "/networks").json:
                if network["Name"] not in ("bridge", "host", "none"):
                    host("network", "rm", network["Name"], timeout=SLOW)
        try:
            for host in site.hosts:
                eventually(lambda: not [x for x in host.links() if x[:3] in ("gw-", "gx-")], timeout=SLOW, what=f"links of {host.number} are gone")
            eventually(lambda: site.etcd.keys() == {}, timeout=SLOW, what="etcd is empty again")
        except AssertionError as error:
            failed += 1
            print(f"not ok {check.__name__}: left {error}", flush=True)
    problem = "".join(host.shutdown() for host in site.hosts)
    left = {host.number: host.links() for host in site.hosts if host.links() != ["lo", "uplink"]}
    print(f"not ok shutdown {problem} {left}" if problem or left else "ok shutdown", flush=True)
    failed += bool(problem or left)
    site.etcd.close()
    site.lan.close()
    sys.exit(1 if failed else 0)


main()
