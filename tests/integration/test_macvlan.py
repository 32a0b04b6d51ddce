"""macvlan networks between hosts of a LAN that is network namespaces: modes, gateway, host access, faults, kill -9."""
import json
import re
import subprocess

import pytest

from conftest import IMAGE
from harness import archives
from harness.lan import Lan, ip
from harness.waiting import eventually
from test_attack_races import failpoints
from test_networks import SERVE


@pytest.fixture(scope="module")
def lan():
    lan = Lan()
    try:
        image = archives.make_busybox_image(IMAGE + ":latest")
        for _ in range(2):
            lan.add_host().start_engine(image)
        yield lan
    finally:
        problem = lan.end()
    assert not problem, problem


@pytest.fixture
def hosts(lan, request):
    """Both hosts; afterwards they have no container, no network and no interface of ours."""
    for host in lan.hosts:
        if host.engine.process.poll() is not None:
            host.engine.start()
    yield lan.hosts
    for host in lan.hosts:
        if getattr(request.node, "failed", False):
            print(f"--- gantryd.log of {host.name} ---\n" + host.engine.log_text()[-3000:])
        if host.engine.process.poll() is not None:
            host.engine.start()
        host.engine.remove_all()
        for network in host.engine.api("GET", "/networks").json:
            if network["Name"] not in ("bridge", "host", "none"):
                host.engine.ok("network", "rm", network["Name"])
        eventually(lambda: set(host.links()) - {"gantry0"} == {"lo", "eth0"}, what=f"{host.name} is as it was: {sorted(host.links())}")


def create(host, *more, name="lan", part=0):
    """A macvlan network on the LAN; each host gives addresses of a part of its own."""
    lan = host.lan
    number = 2 * lan.hosts.index(host) + part
    return host.engine.ok("network", "create", "-d", "macvlan", "--subnet", lan.subnet, "--gateway", lan.gateway,
                          "--ip-range", f"{lan.prefix}.{64 + 32 * number}/27", "-o", "parent=eth0", *more, name)


def serve(host, name="web", *more):
    host.engine.ok("run", "-d", "--name", name, "--network", "lan", *more, IMAGE, *SERVE)
    return host.engine.address(name, "lan")


def reaches(host, address, *more, network="lan"):
    """Whether a new container of a host gets the page at an address."""
    return host.engine("run", "--rm", "--network", network, *more, IMAGE, "timeout", "2", "probe", "get", address).out == "page\n"


def link_in(engine, name, interface="eth0"):
    out = subprocess.run(["nsenter", "-t", str(engine.init_pid(name)), "-n", "ip", "-d", "-j", "link", "show", interface],
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(out)[0]


def host_link(host):
    found = [x for n, x in host.links().items() if n.startswith("gm-")]
    return found[0] if found else None


def test_containers_of_two_hosts_are_on_the_lan(hosts, lan):
    a, b = hosts
    create(a)
    create(b)
    address = serve(a, "web", "--cap-add", "NET_RAW")
    assert address.startswith(f"{lan.prefix}.6") and reaches(b, address) and reaches(a, address)
    link = link_in(a.engine, "web")
    assert link["linkinfo"]["info_kind"] == "macvlan" and link["linkinfo"]["info_data"]["mode"] == "bridge"
    settings = a.engine.inspect("web")["NetworkSettings"]["Networks"]["lan"]
    assert settings["MacAddress"] == link["address"] and settings["Gateway"] == lan.gateway
    inside = a.engine.ok("exec", "web", "sh", "-c", "ip -4 -o addr show dev eth0; ip route; ping -c 1 -W 2 " + lan.gateway)
    assert f"inet {address}/24" in inside and f"default via {lan.gateway} dev eth0" in inside and "1 packets received" in inside
    # As with Docker, the host itself is not heard.
    assert not reaches(a, a.address)
    assert a.command("python3", "-c", f"import socket; socket.create_connection(('{address}', 80), 1)").returncode != 0


def test_private_reaches_other_hosts_alone(hosts):
    a, b = hosts
    create(a, "-o", "macvlan_mode=private")
    create(b)
    address = serve(a)
    assert link_in(a.engine, "web")["linkinfo"]["info_data"]["mode"] == "private"
    assert reaches(b, address) and not reaches(a, address)


def test_vepa_reaches_what_the_switch_sends_back(hosts, lan):
    a, b = hosts
    create(a, "-o", "macvlan_mode=vepa")
    create(b)
    address = serve(a)
    assert link_in(a.engine, "web")["linkinfo"]["info_data"]["mode"] == "vepa"
    assert reaches(b, address) and not reaches(a, address)
    lan.hairpin(a, True)
    try:
        assert reaches(a, address)
    finally:
        lan.hairpin(a, False)


def test_passthru_gives_the_parent_to_one_container(hosts):
    a, b = hosts
    own = a.links()["eth0"]["address"]
    create(a, "-o", "macvlan_mode=passthru")
    create(b)
    address = serve(a)
    link = link_in(a.engine, "web")
    assert link["linkinfo"]["info_data"]["mode"] == "passthru"
    assert a.links()["eth0"]["address"] == link["address"] == a.engine.inspect("web")["NetworkSettings"]["Networks"]["lan"]["MacAddress"]
    assert reaches(b, address)
    a.engine.fails("run", "--rm", "--network", "lan", IMAGE, "true", match='"lan" is in mode passthru: .*"eth0" carries one container only')
    # A restart finds it free, whatever the kernel still has to take away.
    a.engine.ok("restart", "-t", "0", "web")
    assert link_in(a.engine, "web")["linkinfo"]["info_data"]["mode"] == "passthru"
    a.engine.ok("rm", "-f", "web")
    eventually(lambda: a.links()["eth0"]["address"] == own)


def test_the_mtu_is_that_of_the_parent_or_less(hosts):
    a, _ = hosts
    ip("link", "set", "eth0", "mtu", "1400", namespace=a.name)
    try:
        create(a)
        serve(a)
        assert link_in(a.engine, "web")["mtu"] == 1400
        a.engine.ok("rm", "-f", "web")
        a.engine.ok("network", "rm", "lan")
        create(a, "-o", "com.docker.network.driver.mtu=1300")
        serve(a)
        assert link_in(a.engine, "web")["mtu"] == 1300
        a.engine.fails("network", "create", "-d", "macvlan", "-o", "parent=eth0", "-o", "com.docker.network.driver.mtu=1500", "big",
                       match='is 1500, more than the 1400 of parent interface "eth0"')
    finally:
        ip("link", "set", "eth0", "mtu", "1500", namespace=a.name)


def test_addresses_static_ranged_and_kept_free(hosts, lan):
    a, b = hosts
    create(a, "--aux-address", f"printer={lan.prefix}.64")
    create(b)
    assert serve(a, "web", "--ip", f"{lan.prefix}.200") == f"{lan.prefix}.200"
    assert reaches(b, f"{lan.prefix}.200")
    assert serve(a, "first") == f"{lan.prefix}.65"
    a.engine.ok("restart", "-t", "0", "web")
    assert a.engine.address("web", "lan") == f"{lan.prefix}.200"
    a.engine.fails("run", "--network", "lan", "--ip", f"{lan.prefix}.200", IMAGE, "true", match="address already in use")
    a.engine.fails("run", "--network", "lan", "--ip", "10.9.9.9", IMAGE, "true", match="no configured subnet contains")


def test_internal_has_no_way_out(hosts, lan):
    a, b = hosts
    create(a, "--internal")
    create(b)
    address = serve(a)
    assert "default" not in a.engine.ok("exec", "web", "ip", "route")
    assert reaches(b, address)


def test_several_networks_and_changes_while_running(hosts, lan):
    a, b = hosts
    create(a)
    create(b)
    a.engine.ok("network", "create", "back")
    a.engine.ok("run", "-d", "--name", "web", "--network", "back", IMAGE, *SERVE)
    assert link_in(a.engine, "web")["linkinfo"]["info_kind"] == "veth"
    a.engine.ok("network", "connect", "--ip", f"{lan.prefix}.77", "lan", "web")
    assert link_in(a.engine, "web", "eth1")["linkinfo"]["info_kind"] == "macvlan"
    assert reaches(b, f"{lan.prefix}.77") and reaches(a, "web", network="back")
    assert "default via 172." in a.engine.ok("exec", "web", "ip", "route")
    a.engine.ok("network", "disconnect", "back", "web")
    assert f"default via {lan.gateway} dev eth1" in a.engine.ok("exec", "web", "ip", "route")
    a.engine.ok("network", "disconnect", "lan", "web")
    assert a.engine.ok("exec", "web", "ls", "/sys/class/net").split() == ["lo"]
    a.engine.ok("network", "connect", "lan", "web")
    eventually(lambda: reaches(b, a.engine.address("web", "lan")))


def test_both_families(hosts):
    a, b = hosts
    for number, host in enumerate(hosts):
        create(host, "--ipv6", "--subnet", "fd00:77::/64", "--gateway", "fd00:77::1", "--ip-range", f"fd00:77::{number + 1}:0/112",
               *(("-o", "host_access=true") if host is a else ()))
    address = serve(a)
    settings = a.engine.inspect("web")["NetworkSettings"]["Networks"]["lan"]
    six = settings["GlobalIPv6Address"]
    assert six.startswith("fd00:77::1:") and reaches(b, address)
    inside = a.engine.ok("exec", "web", "sh", "-c", "ip -6 route; ip -6 addr show dev eth0")
    assert "default via fd00:77::1 dev eth0" in inside and f"{six}/64" in inside
    assert b.engine("run", "--rm", "--network", "lan", "--cap-add", "NET_RAW", IMAGE, "ping", "-6", "-c", "1", "-W", "2", six).code == 0
    assert a.routes(host_link(a)["ifname"]) == [address]
    a.engine.restart()
    assert b.engine("run", "--rm", "--network", "lan", "--cap-add", "NET_RAW", IMAGE, "ping", "-6", "-c", "1", "-W", "2", six).code == 0


def test_host_and_containers_reach_each_other(hosts, lan):
    a, b = hosts
    create(a, "-o", "host_access=true", "--aux-address", f"host={lan.prefix}.70")
    create(b)
    link = host_link(a)
    assert link["linkinfo"]["info_data"]["mode"] == "bridge" and a.routes(link["ifname"]) == []
    address = serve(a)
    other = serve(a, "other")
    assert a.routes(link["ifname"]) == sorted([address, other])
    get = ("python3", "-c", f"import urllib.request as u; print(u.urlopen('http://{address}/', timeout=3).read().decode())")
    assert "page" in a.command(*get).stdout
    server = a.popen("python3", "-u", "-c", "import http.server as h, os; os.chdir('/proc/self/task'); s = h.ThreadingHTTPServer(('', 8123), "
                     "h.SimpleHTTPRequestHandler); print('up', flush=True); s.serve_forever()")
    try:
        assert server.stdout.readline() == "up\n"
        assert "Directory listing" in a.engine.ok("run", "--rm", "--network", "lan", IMAGE, "probe", "get", f"{lan.prefix}.70", "8123", "/")
    finally:
        server.terminate()
        server.wait(10)
    # The LAN is not told that the host's own address is elsewhere now.
    assert b.command("ping", "-c", "1", "-W", "2", a.address).returncode in (0, 127)
    neighbours = json.loads(ip("-j", "neigh", "show", a.address, namespace=b.name) or "[]")
    assert all(x.get("lladdr") in (None, a.links()["eth0"]["address"]) for x in neighbours)
    # Names are served at the host's address.
    assert reaches(a, "web")
    a.engine.ok("rm", "-f", "other")
    assert a.routes(link["ifname"]) == [address]
    a.engine.restart()
    assert a.routes(link["ifname"]) == [address] and "page" in a.command(*get).stdout
    a.engine.ok("rm", "-f", "web")
    a.engine.ok("network", "rm", "lan")
    assert host_link(a) is None


def test_the_hosts_address_is_chosen_where_none_is_given(hosts, lan):
    a, _ = hosts
    create(a, "-o", "host_access=true")
    config = a.engine.api("GET", "/networks/lan").json["IPAM"]["Config"][0]
    assert config["AuxiliaryAddresses"] == {"host": f"{lan.prefix}.64"}
    addresses = [x["local"] for x in json.loads(ip("-j", "addr", "show", "dev", host_link(a)["ifname"], namespace=a.name))[0]["addr_info"]]
    assert addresses == [f"{lan.prefix}.64"]
    assert serve(a) == f"{lan.prefix}.65"
    a.engine.ok("network", "create", "-d", "macvlan", "-o", "parent=eth0", "-o", "host_access=true", "own")
    config = a.engine.api("GET", "/networks/own").json["IPAM"]["Config"][0]
    assert config["AuxiliaryAddresses"]["host"].startswith(config["Subnet"].rsplit(".", 1)[0])
    a.engine.ok("run", "-d", "--name", "there", "--network", "own", IMAGE, *SERVE)
    assert reaches(a, "there", network="own")


BAD = [
    (["-o", "parent=eth9"], 'parent interface "eth9" is not there'),
    (["-o", "parent=lo"], '"lo" is the loopback interface'),
    (["-o", "parent=inport"], '"inport" is a port of "br0", .*name that one'),
    (["-o", "parent=eth0.5000"], '"eth0.5000" is not there, and "5000" is no VLAN that could be made; 1 to 4094 are allowed'),
    (["-o", "parent=eth9.7"], '"eth9.7" is not there, and neither is "eth9", of which it would be VLAN 7'),
    (["-o", "parent=an/interface"], '"an/interface" cannot name an interface'),
    (["-o", "parent=eth0", "-o", "macvlan_mode=fast"], 'option "macvlan_mode" is "fast"; one of "bridge", "private", "vepa", "passthru" is needed'),
    (["-o", "parent=eth0", "-o", "macvlan=bridge"], 'unknown option "macvlan"; known: .*"macvlan_mode", "parent"'),
    (["-o", "parent=eth0", "-o", "macvlan_mode=vepa", "-o", "host_access=true"], 'option "host_access" needs macvlan_mode "bridge", not "vepa"'),
    (["-o", "parent=eth0", "-o", "host_access=perhaps"], 'option "host_access" is "perhaps"; true or false is needed'),
]


@pytest.mark.parametrize("options,line", BAD, ids=[" ".join(o for o in options if o != "-o") for options, _ in BAD])
def test_a_bad_wish_is_refused_in_one_line(hosts, options, line):
    a, _ = hosts
    ip("link", "add", "name", "br0", "type", "bridge", namespace=a.name)
    ip("link", "add", "inport", "type", "veth", "peer", "name", "outport", namespace=a.name)
    ip("link", "set", "inport", "master", "br0", namespace=a.name)
    try:
        done = a.engine.fails("network", "create", "-d", "macvlan", *options, "bad", match=line)
        assert done.err.count("\n") == 1
        assert a.engine.api("GET", "/networks/bad").status == 404
        assert set(a.links()) - {"gantry0"} == {"lo", "eth0", "br0", "inport", "outport"}
    finally:
        ip("link", "delete", "inport", namespace=a.name)
        ip("link", "delete", "br0", namespace=a.name)


@pytest.mark.parametrize("options,line", [(["-o", "parent=eth0.10"], r'"eth0.10" is not there, and VLANs \(802.1Q\) are not supported by this kernel'),
                                          ([], 'names no interface, and the dummy link that would stand for one is not supported by this kernel')],
                         ids=["vlan", "dummy"])
def test_what_the_kernel_has_not_is_said_in_one_line(hosts, options, line):
    a, _ = hosts
    done = a.engine("network", "create", "-d", "macvlan", *options, "made")
    if done.code == 0:
        pytest.skip("this kernel has it: tests/vm/guest_networks.py tries it")
    assert re.search(line, done.err) and done.err.count("\n") == 1, done


def test_ipvlan_works_or_says_that_the_kernel_has_it_not(hosts):
    a, _ = hosts
    done = a.engine("network", "create", "-d", "ipvlan", "-o", "parent=eth0", "ipv")
    if done.code == 0:
        pytest.skip("this kernel has it: tests/vm/guest_networks.py tries it")
    assert "ipvlan is not supported by this kernel" in done.err and done.err.count("\n") == 1, done


def test_passthru_needs_a_parent_of_its_own(hosts):
    a, _ = hosts
    create(a)
    a.engine.fails("network", "create", "-d", "macvlan", "-o", "parent=eth0", "-o", "macvlan_mode=passthru", "alone",
                   match='"eth0" is in use by network "lan" in mode bridge: mode passthru needs a parent of its own')
    # Another network beside it is fine, also after a restart.
    a.engine.restart()
    a.engine.ok("network", "create", "-d", "macvlan", "-o", "parent=eth0", "-o", "macvlan_mode=private", "beside")
    a.engine.fails("network", "create", "-d", "macvlan", "-o", "parent=eth0", "-o", "macvlan_mode=passthru", "alone", match="is in use by network")
    a.engine.ok("network", "rm", "lan", "beside")
    a.engine.ok("network", "create", "-d", "macvlan", "-o", "parent=eth0", "-o", "macvlan_mode=passthru", "alone")
    a.engine.fails("network", "create", "-d", "macvlan", "-o", "parent=eth0", "beside", match='by network "alone" in mode passthru')


def test_a_published_port_is_refused_in_one_line(hosts):
    a, _ = hosts
    create(a)
    a.engine.fails("run", "-d", "-p", "8080:80", "--network", "lan", IMAGE, *SERVE,
                   match='driver "macvlan" of network "lan" cannot publish ports')


def test_a_network_in_use_stays(hosts):
    a, _ = hosts
    create(a)
    serve(a)
    a.engine.fails("network", "rm", "lan", match="has active endpoints")
    assert reaches(a, a.engine.address("web", "lan"))


def test_statistics_count_what_the_container_sees(hosts):
    a, b = hosts
    create(a)
    create(b)
    address = serve(a)
    assert reaches(b, address)
    seen = a.engine.api("GET", "/containers/web/stats?stream=false").json["networks"]["eth0"]
    assert seen["rx_packets"] > 0 and seen["tx_packets"] > 0 and seen["rx_bytes"] > 100


def test_the_parent_goes_away_and_comes_back(hosts, lan):
    a, b = hosts
    create(a, "-o", "host_access=true")
    create(b)
    serve(a)
    ip("link", "delete", "eth0", namespace=a.name)
    assert host_link(a) is None
    a.engine.fails("run", "--rm", "--network", "lan", IMAGE, "true", match='parent interface "eth0" is not there')
    ip("link", "add", a.port, "type", "veth", "peer", "name", "eth0", "netns", a.name, namespace=lan.name)
    ip("link", "set", a.port, "master", "lan", "up", namespace=lan.name)
    ip("link", "set", "eth0", "up", namespace=a.name)
    ip("address", "add", f"{a.address}/24", "dev", "eth0", namespace=a.name)
    a.engine.ok("restart", "-t", "0", "web")
    assert reaches(b, a.engine.address("web", "lan")) and host_link(a)


def test_a_killed_daemon_is_missed_by_nobody(hosts):
    a, b = hosts
    create(a)
    create(b)
    address = serve(a)
    serve(a, "ends")
    pid = a.engine.init_pid("web")
    a.engine.kill()
    assert reaches(b, address)
    a.engine.start()
    assert reaches(b, address) and a.engine.init_pid("web") == pid
    assert a.engine.api("GET", "/containers/web/stats?stream=false").json["networks"]["eth0"]["rx_packets"] > 0
    # One ends while nobody looks.
    ends = a.engine.init_pid("ends")
    a.engine.kill()
    subprocess.run(["kill", "-9", str(ends)], check=True)
    a.engine.start()
    eventually(lambda: not a.engine.state("ends")["Running"])
    eventually(lambda: [c["Name"] for c in a.engine.api("GET", "/networks/lan").json["Containers"].values()] == ["web"])


POINTS = ["network.create.recorded", "network.create.made", "network.ensure.begin", "network.ensure.made", "network.attach.recorded",
          "network.attach.attached", "network.attach.named", "network.connect.recorded", "network.connect.attached",
          "network.disconnect.released", "network.detach.taken_back", "network.detach.detached", "network.remove.begin",
          "network.remove.unmade", "network.reconcile.begin", "network.reconcile.mended"]


@pytest.mark.parametrize("point", POINTS)
def test_killed_at(hosts, lan, point):
    """Whatever step the daemon dies in: after its next start all can be done again and then nothing is left."""
    a, _ = hosts
    e = a.engine
    if point not in failpoints(e):
        pytest.skip("needs a build with failpoints")
    network = ("network", "create", "-d", "macvlan", "--subnet", lan.subnet, "-o", "parent=eth0", "-o", "host_access=true", "lan")
    steps = [network, ("run", "-d", "--name", "one", "--network", "lan", IMAGE, *SERVE), ("run", "-d", "--name", "two", "--network", "none", IMAGE, *SERVE),
             ("network", "create", "side"), ("run", "-d", "--name", "three", "--network", "side", IMAGE, *SERVE),
             ("network", "connect", "lan", "three"), ("network", "disconnect", "lan", "three"), ("rm", "-f", "one", "two", "three"),
             ("network", "rm", "lan", "side")]
    e.kill()
    e.start(env={"GANTRY_FAILPOINT": f"{point}=kill"}, wait=False)
    deaths = 0
    for step in steps:
        if e.process.poll() is None and deaths == 0:
            try:
                e.wait_ready()
            except AssertionError:
                pass
        done = e(*step)
        if done.code != 0 and ("closed the connection" in done.err or "cannot connect" in done.err.lower() or e.process.poll() is not None):
            e.process.wait(10)
            deaths += 1
            e.start()
            e("rm", "-f", step[step.index("--name") + 1]) if "--name" in step else None
            done = e(*step)
        # A step that had been done before the death is done already.
        assert done.code == 0 or re.search("already exists|no such|not found|is not connected", done.err, re.IGNORECASE), (step, done)
    assert deaths == 1, point
    eventually(lambda: set(a.links()) - {"gantry0"} == {"lo", "eth0"}, what=sorted(a.links()))


def test_a_hundred_starts_leave_nothing(hosts):
    a, _ = hosts
    create(a, "-o", "host_access=true")
    name = host_link(a)["ifname"]
    a.engine.ok("create", "--name", "c", "--network", "lan", IMAGE, "true")
    for _ in range(100):
        a.engine.ok("start", "-a", "c")
    assert a.routes(name) == [] and set(a.links()) - {"gantry0"} == {"lo", "eth0", name}
    assert a.engine.api("GET", "/networks/lan").json["Containers"] == {}
