"""A LAN of the test's own: hosts that are network namespaces, joined by a bridge, each with an engine of its own."""
import json
import os
import secrets
import subprocess

from .engine import Engine


def ip(*words, namespace=None):
    """Runs ip(8) in a namespace and gives what it printed."""
    inside = ["-n", namespace] if namespace else []
    done = subprocess.run(["ip", *inside, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


class HostEngine(Engine):
    """An engine whose host is a namespace."""

    def __init__(self, namespace, **more):
        self.namespace = namespace
        super().__init__(**more)

    def daemon_command(self):
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *super().daemon_command()]


class Host:
    """A host with the interface eth0 on the LAN."""

    def __init__(self, lan, number):
        self.lan, self.name, self.port = lan, f"{lan.name}h{number}", f"p{number}"
        self.address = f"{lan.prefix}.{10 + number}"
        ip("netns", "add", self.name)
        ip("link", "add", self.port, "type", "veth", "peer", "name", "eth0", "netns", self.name, namespace=lan.name)
        ip("link", "set", self.port, "master", "lan", "up", namespace=lan.name)
        for words in (("link", "set", "lo", "up"), ("link", "set", "eth0", "up"), ("address", "add", f"{self.address}/24", "dev", "eth0"),
                      ("route", "add", "default", "via", lan.gateway)):
            ip(*words, namespace=self.name)
        self.engine = None

    def command(self, *words, timeout=30):
        """Runs a program on the host."""
        return subprocess.run(["nsenter", f"--net=/run/netns/{self.name}", *map(str, words)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=timeout)

    def popen(self, *words):
        return subprocess.Popen(["nsenter", f"--net=/run/netns/{self.name}", *map(str, words)], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True)

    def links(self):
        """Every interface of the host, as ip -d -j shows it, by name."""
        return {x["ifname"]: x for x in json.loads(ip("-d", "-j", "link", "show", namespace=self.name) or "[]")}

    def routes(self, device):
        return sorted(x["dst"] for x in json.loads(ip("-j", "route", "show", "dev", device, namespace=self.name) or "[]"))

    def start_engine(self, image, patience=20, **more):
        self.engine = HostEngine(self.name, **more)
        self.engine.start(wait=False)
        self.engine.wait_ready(patience)
        self.engine.load(image)
        return self.engine


class Lan:
    """The switch, which is also the gateway; hosts are added."""

    def __init__(self, prefix="10.77.0"):
        self.name, self.prefix, self.gateway, self.hosts = "gl" + secrets.token_hex(3), prefix, f"{prefix}.1", []
        ip("netns", "add", self.name)
        for words in (("link", "set", "lo", "up"), ("link", "add", "lan", "type", "bridge"), ("link", "set", "lan", "up"),
                      ("address", "add", f"{self.gateway}/24", "dev", "lan")):
            ip(*words, namespace=self.name)

    @property
    def subnet(self):
        return f"{self.prefix}.0/24"

    def add_host(self):
        self.hosts.append(Host(self, len(self.hosts)))
        return self.hosts[-1]

    def hairpin(self, host, on):
        """Whether the switch sends back to the host what came from it."""
        subprocess.run(["bridge", "-n", self.name, "link", "set", "dev", host.port, "hairpin", "on" if on else "off"], check=True)

    def end(self):
        """Ends the engines and removes the LAN; gives what went wrong, "" for nothing."""
        problem = ""
        for host in self.hosts:
            if host.engine:
                problem += host.engine.shutdown()
                left = sorted(set(host.links()) - {"lo", "eth0"})
                if left:
                    problem += f"interfaces left on {host.name}: {left}\n"
                problem += host.engine.destroy()
        for name in [host.name for host in self.hosts] + [self.name]:
            if os.path.exists(f"/run/netns/{name}"):
                subprocess.run(["ip", "netns", "delete", name], check=True)
        return problem
