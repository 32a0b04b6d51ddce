"""Networks: addresses, names, published ports, connect and disconnect, host, none and shared ones."""
import json
import os
import socket
import subprocess
import urllib.request

import pytest

from conftest import IMAGE
from harness.waiting import eventually

SERVE = ("sh", "-c", "mkdir -p /www && echo page > /www/index.html && exec httpd -f -p 80 -h /www")


def get(address, port, timeout=5):
    host = f"[{address}]" if ":" in address else address
    with urllib.request.urlopen(f"http://{host}:{port}/", timeout=timeout) as answer:
        return answer.read().decode()


def published(engine, name, spec="80/tcp"):
    return int(engine.inspect(name)["NetworkSettings"]["Ports"][spec][0]["HostPort"])


def host_address():
    out = subprocess.run(["ip", "-j", "-4", "address", "show", "scope", "global"], stdout=subprocess.PIPE, check=True).stdout
    for link in json.loads(out):
        if link["ifname"].startswith(("eth", "en")):
            return link["addr_info"][0]["local"]
    pytest.skip("this host has no address besides loopback")


def serve(engine, name="web", *more):
    engine.ok("run", "-d", "--name", name, "-p", "80", *more, IMAGE, *SERVE)
    return published(engine, name)


def test_the_default_network(engine):
    out = engine.ok("run", "--rm", IMAGE, "sh", "-c", "ip -o addr show dev eth0; ip route; ls /sys/class/net")
    assert "inet 172." in out and "default via 172." in out and out.split("\n")[-2:] == ["eth0", "lo"]


def test_published_port_on_loopback(engine):
    port = serve(engine)
    assert eventually(lambda: get("127.0.0.1", port)) == "page\n"
    assert get("localhost", port) == "page\n"


def test_published_port_on_the_hosts_own_address(engine):
    port = serve(engine)
    assert eventually(lambda: get(host_address(), port)) == "page\n"


def test_published_port_from_another_container(engine):
    port = serve(engine)
    gateway = engine.inspect("web")["NetworkSettings"]["Networks"]["bridge"]["Gateway"]
    for address in (gateway, host_address()):
        assert engine.ok("run", "--rm", IMAGE, "probe", "get", f"{address}", port, "/") == "page"


def test_published_port_from_the_container_itself(engine):
    port = serve(engine)
    assert engine.ok("exec", "web", "probe", "get", f"{host_address()}", port, "/") == "page"


def test_port_bound_to_loopback_only(engine):
    engine.ok("run", "-d", "--name", "web", "-p", "127.0.0.1::80", IMAGE, *SERVE)
    port = published(engine, "web")
    assert eventually(lambda: get("127.0.0.1", port)) == "page\n"
    with pytest.raises(OSError):
        get(host_address(), port, timeout=1)


def test_a_port_given_twice_is_refused(engine):
    port = serve(engine)
    engine.fails("run", "-d", "--name", "second", "-p", f"{port}:80", IMAGE, *SERVE, code=125, match=str(port))
    engine.ok("rm", "-f", "web")
    engine("rm", "-f", "second")
    engine.ok("run", "-d", "--name", "second", "-p", f"{port}:80", IMAGE, *SERVE)
    assert eventually(lambda: get("127.0.0.1", port)) == "page\n"


def test_a_port_that_the_host_listens_on_is_refused(engine):
    with socket.create_server(("0.0.0.0", 0)) as listener:
        engine.fails("run", "--rm", "-p", f"{listener.getsockname()[1]}:80", IMAGE, "true", code=125, match="in use|allocated")


def test_udp_port(engine):
    engine.ok("run", "-d", "--name", "u", "-p", "127.0.0.1::7/udp", IMAGE, "probe", "echo-udp", "7")
    port = published(engine, "u", "7/udp")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.2)

        def echoed():
            s.sendto(b"ping", ("127.0.0.1", port))
            return s.recv(100) == b"ping"
        eventually(echoed)


def test_port_ranges_and_publish_all(engine):
    engine.ok("run", "-d", "--name", "r", "-p", "127.0.0.1:24800-24802:80-82", IMAGE, "sleep", "100")
    ports = engine.inspect("r")["NetworkSettings"]["Ports"]
    assert {k: v[0]["HostPort"] for k, v in ports.items()} == {"80/tcp": "24800", "81/tcp": "24801", "82/tcp": "24802"}
    engine.ok("run", "-d", "--name", "P", "-P", "--expose", "99", IMAGE, "sleep", "100")
    assert int(engine.inspect("P")["NetworkSettings"]["Ports"]["99/tcp"][0]["HostPort"]) > 0
    for bad in ("80:80:80:80", "x:80", "80:70000", "1-3:80-81", "80/icmp"):
        engine.fails("create", "-p", bad, IMAGE, code=125)


def test_ports_are_free_after_stop(engine):
    port = serve(engine)
    engine.ok("stop", "-t", "0", "web")
    with pytest.raises(OSError):
        get("127.0.0.1", port, timeout=1)
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_the_clients_address_is_kept(engine):
    engine.ok("run", "-d", "--name", "web", "-p", "80", IMAGE, "sh", "-c",
              "mkdir -p /www/cgi-bin; printf '#!/bin/sh\\nprintf \"\\\\r\\\\n$REMOTE_ADDR\"' > /www/cgi-bin/who; chmod +x /www/cgi-bin/who; exec httpd -f -p 80 -h /www")
    port = published(engine, "web")
    engine.ok("network", "create", "n1")
    engine.ok("run", "-d", "--name", "client", "--network", "n1", IMAGE, "sleep", "100")
    engine.ok("run", "-d", "--name", "neighbour", IMAGE, "sleep", "100")
    address = host_address()

    def seen_from(name):
        return engine.ok("exec", name, "probe", "get", address, port, "/cgi-bin/who").strip().strip("[]").removeprefix("::ffff:")
    assert seen_from("client") == engine.address("client", "n1")
    # On the server's own bridge the answer would take the short way past the host: there the host speaks for the client.
    assert seen_from("neighbour") == engine.inspect("web")["NetworkSettings"]["Networks"]["bridge"]["Gateway"]


def test_names_on_the_default_network(engine):
    serve(engine)
    assert engine.ok("run", "--rm", IMAGE, "probe", "get", "web") == "page"


def test_names_and_aliases_on_a_network(engine):
    engine.ok("network", "create", "n1")
    engine.ok("run", "-d", "--name", "db", "--network", "n1", "--network-alias", "store", IMAGE, *SERVE)
    name = engine.inspect("db")["Id"][:12]
    for known in ("db", "store", name, "db.n1"):
        assert engine.ok("run", "--rm", "--network", "n1", IMAGE, "probe", "get", f"{known}") == "page", known
    assert engine("run", "--rm", IMAGE, "probe", "get", "db").code != 0
    engine.ok("rename", "db", "db2")
    assert engine.ok("run", "--rm", "--network", "n1", IMAGE, "probe", "get", "db2") == "page"


def test_a_name_is_gone_with_its_container(engine):
    serve(engine)
    engine.ok("run", "-d", "--name", "client", IMAGE, "sleep", "100")
    engine.ok("exec", "client", "probe", "resolve", "web")
    engine.ok("rm", "-f", "web")
    assert engine("exec", "client", "probe", "resolve", "web").code != 0


def test_networks_are_kept_apart(engine):
    engine.ok("network", "create", "n1")
    engine.ok("network", "create", "n2")
    engine.ok("run", "-d", "--name", "a", "--network", "n1", IMAGE, *SERVE)
    address = engine.address("a", "n1")
    assert engine("run", "--rm", "--network", "n2", IMAGE, "probe", "get", f"{address}").code != 0
    assert engine("run", "--rm", IMAGE, "probe", "get", f"{address}").code != 0


def test_connect_and_disconnect(engine):
    engine.ok("network", "create", "n1")
    engine.ok("run", "-d", "--name", "a", "--network", "n1", IMAGE, *SERVE)
    engine.ok("run", "-d", "--name", "b", IMAGE, "sleep", "100")
    assert engine("exec", "b", "probe", "get", "a").code != 0
    engine.ok("network", "connect", "--alias", "bee", "n1", "b")
    assert engine.ok("exec", "b", "probe", "get", "a") == "page"
    assert "eth1" in engine.ok("exec", "b", "ls", "/sys/class/net")
    assert engine.ok("exec", "a", "probe", "resolve", "bee") == engine.address("b", "n1")
    engine.fails("network", "rm", "n1", match="active endpoints|in use")
    engine.ok("network", "disconnect", "n1", "b")
    assert "eth1" not in engine.ok("exec", "b", "ls", "/sys/class/net")
    engine.fails("network", "disconnect", "n1", "b", match="not connected")


def test_create_with_options(engine):
    engine.ok("network", "create", "--subnet", "10.213.7.0/24", "--gateway", "10.213.7.254", "--label", "a=b", "n1")
    n = engine.api("GET", "/networks/n1").json
    assert n["IPAM"]["Config"][0]["Subnet"] == "10.213.7.0/24" and n["Labels"] == {"a": "b"}
    engine.ok("run", "-d", "--name", "a", "--network", "n1", "--ip", "10.213.7.77", IMAGE, "sleep", "100")
    assert engine.address("a", "n1") == "10.213.7.77"
    engine.fails("run", "--rm", "--network", "n1", "--ip", "10.213.7.77", IMAGE, "true", code=125, match="already in use")
    engine.fails("run", "--rm", "--network", "n1", "--ip", "10.213.8.1", IMAGE, "true", code=125, match="10.213.8.1")
    for bad in (["--subnet", "10.213.7.0/24", "n2"], ["--subnet", "10.213.7.1/99", "n2"], ["--subnet", "x", "n2"],
                ["--driver", "no-such", "n2"], ["--opt", "no.such=1", "n2"], ["n1"], ["bridge"]):
        engine.fails("network", "create", *bad)
    assert {n["Name"] for n in engine.api("GET", "/networks").json} == {"bridge", "host", "none", "n1"}


def test_internal_network_reaches_nothing_outside(engine):
    engine.ok("network", "create", "--internal", "n1")
    out = engine.ok("run", "--rm", "--network", "n1", IMAGE, "ip", "route")
    assert "default" not in out


def test_host_network(engine):
    out = engine.ok("run", "--rm", "--network", "host", IMAGE, "sh", "-c", "cat /proc/net/dev; hostname")
    with open("/proc/net/dev") as f:
        links = [line.split(":")[0].strip() for line in f if ":" in line]
    assert [line.split(":")[0].strip() for line in out.splitlines() if ":" in line] == links and out.splitlines()[-1] == socket.gethostname()


def test_no_network(engine):
    assert engine.ok("run", "--rm", "--network", "none", IMAGE, "ls", "/sys/class/net") == "lo"


def test_a_network_that_is_disabled(engine):
    made = engine.api("POST", "/containers/create?name=c", {"Image": IMAGE, "Cmd": ["sh", "-c", "ls /sys/class/net"], "NetworkDisabled": True})
    assert made.status == 201, made
    assert engine.inspect("c")["Config"]["NetworkDisabled"] is True
    assert engine.ok("start", "-a", "c") == "lo"


def test_network_of_another_container(engine):
    engine.ok("run", "-d", "--name", "a", IMAGE, *SERVE)
    assert engine.ok("run", "--rm", "--network", "container:a", IMAGE, "probe", "get", "127.0.0.1") == "page"
    engine.fails("run", "--rm", "--network", "container:nobody", IMAGE, "true", match="nobody")


def test_unknown_network(engine):
    engine.fails("run", "--rm", "--network", "no-such", IMAGE, "true", code=125, match="no-such")
    engine.fails("network", "inspect", "no-such", match="no-such")


def test_ls_and_inspect(engine):
    lines = engine.ok("network", "ls").splitlines()
    assert lines[0].split() == ["NETWORK", "ID", "NAME", "DRIVER", "SCOPE"]
    assert sorted(line.split()[1] for line in lines[1:]) == ["bridge", "host", "none"]
    engine.ok("run", "-d", "--name", "a", IMAGE, "sleep", "100")
    inside = json.loads(engine.ok("network", "inspect", "bridge"))[0]["Containers"]
    assert [c["Name"] for c in inside.values()] == ["a"]
    engine.fails("network", "rm", "bridge", match="pre-defined|cannot be removed")


def test_addresses_are_given_back(engine):
    engine.ok("network", "create", "--subnet", "10.213.9.0/29", "n1")
    for _ in range(12):
        engine.ok("run", "--rm", "--network", "n1", IMAGE, "true")
    names = [engine.ok("run", "-d", "--network", "n1", IMAGE, "sleep", "100") for _ in range(5)]
    engine.fails("run", "--rm", "--network", "n1", IMAGE, "true", code=125, match="address")
    engine.ok("rm", "-f", *names)
    engine.ok("run", "--rm", "--network", "n1", IMAGE, "true")


@pytest.mark.skipif(os.path.exists("/etc/gantry/overlay.d"), reason="this machine has documents of overlay networks")
def test_an_overlay_that_neither_etcd_nor_a_document_knows_is_this_hosts_alone(fresh):
    engine = fresh()
    engine.ok("network", "create", "--driver", "overlay", "mine")

    def number():
        name = "gx-" + engine.ok("network", "inspect", "--format", "{{.Id}}", "mine")[:12]
        return json.loads(subprocess.run(["ip", "-d", "-j", "link", "show", name], stdout=subprocess.PIPE, check=True).stdout)[0]["linkinfo"]["info_data"]["id"]

    before = number()
    port = serve(engine, "web", "--network", "mine")
    assert engine.ok("run", "--rm", "--network", "mine", IMAGE, "probe", "get", "web", "80", "/") == "page"
    assert eventually(lambda: get("127.0.0.1", port)) == "page\n"
    engine.kill()
    engine.start()
    assert engine.ok("run", "--rm", "--network", "mine", IMAGE, "probe", "get", "web", "80", "/") == "page"
    assert number() == before
    told = engine.api("GET", "/gantry/networks/mine/peers").json
    assert told["peers"] == [] and told["source"]["source"] == "none"
    shown = engine("network", "peers", "mine")
    assert (shown.code, shown.out.split()) == (0, ["HOST", "ADDRESS", "STATE", "ENDPOINTS"])
    assert shown.err.strip() == "gantry: note: neither etcd nor a document knows the network: this host has it for itself"


def test_outside_is_reached_masqueraded(engine):
    with socket.create_server((host_address(), 0)) as listener:
        engine.ok("run", "-d", IMAGE, "nc", *map(str, listener.getsockname()))
        connection, peer = listener.accept()
        connection.close()
        assert peer[0]


def test_resolver_file(engine):
    out = engine.ok("run", "--rm", "--dns", "192.0.2.53", "--dns-search", "example.org", "--dns-option", "ndots:3", IMAGE, "cat", "/etc/resolv.conf")
    assert "example.org" in out and "ndots:3" in out
    engine.fails("run", "--rm", "--dns", "nonsense", IMAGE, "true", code=125, match="nonsense")


def test_low_ports_and_ping_without_capabilities(engine):
    engine.ok("run", "--rm", "-u", "1000", "--cap-drop", "ALL", IMAGE, "sh", "-c", "timeout 0.2 nc -l -p 80; [ $? = 143 ]")
    # What ping of today uses: an ICMP socket that needs no capability.
    assert engine.ok("run", "--rm", "-u", "1000", "--cap-drop", "ALL", IMAGE, "probe", "socket", "2", "2", "1") == "ok"
