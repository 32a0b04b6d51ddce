"""Hosts as network namespaces: joined by a bridge in a namespace of its own, each with its own gantryd, directories and
address; and an etcd beside them."""
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time

from . import archives
from .engine import Engine
from .waiting import eventually


def run(*command, netns=None, check=True):
    prefix = ["nsenter", f"--net=/run/netns/{netns}"] if netns else []
    done = subprocess.run([*prefix, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert not check or done.returncode == 0, (command, done.stderr)
    return done.stdout


class Lan:
    """A bridge that namespaces are joined by: 10.55.0.0/24."""

    def __init__(self):
        self.mark = secrets.token_hex(2)
        self.wire = f"gt{self.mark}-lan"
        self.namespaces = []
        self.add_namespace(self.wire)
        run("ip", "link", "add", "lan", "type", "bridge", netns=self.wire)
        run("ip", "link", "set", "lan", "up", netns=self.wire)

    def add_namespace(self, name):
        run("ip", "netns", "add", name)
        self.namespaces.append(name)
        run("ip", "link", "set", "lo", "up", netns=name)

    def join(self, number):
        """A namespace with the address 10.55.0.NUMBER."""
        name = f"gt{self.mark}-{number}"
        self.add_namespace(name)
        port = f"port{number}"
        run("ip", "link", "add", port, "type", "veth", "peer", "name", "uplink", "netns", name, netns=self.wire)
        run("ip", "link", "set", port, "master", "lan", "up", netns=self.wire)
        run("ip", "address", "add", f"10.55.0.{number}/24", "dev", "uplink", netns=name)
        run("ip", "link", "set", "uplink", "up", netns=name)
        return name

    def plug(self, number, up):
        """Cuts a namespace off, or joins it again."""
        run("ip", "link", "set", f"port{number}", "up" if up else "down", netns=self.wire)

    def close(self):
        for name in self.namespaces:
            subprocess.run(["ip", "netns", "delete", name], stderr=subprocess.DEVNULL)


class Etcd:
    """etcd in a namespace of the network; its data stay over stop() and start()."""

    def __init__(self, lan, number):
        self.netns, self.url = lan.join(number), f"http://10.55.0.{number}:2379"
        self.directory = tempfile.mkdtemp(prefix="gantry-test-etcd-")
        self.process = None

    def start(self):
        log = open(os.path.join(self.directory, "log"), "ab")
        peer = "http://127.0.0.1:2380"
        self.process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.netns}", "etcd", "--data-dir", os.path.join(self.directory, "data"),
             "--listen-client-urls", self.url, "--advertise-client-urls", self.url, "--listen-peer-urls", peer,
             "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=" + peer, "--unsafe-no-fsync"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        eventually(lambda: self.post("/v3/maintenance/status", {}).get("leader"), timeout=30, what="etcd leads")
        return self

    def post(self, path, body):
        return json.loads(run("curl", "-sS", "-m", "5", "-d", json.dumps(body), self.url + path, netns=self.netns))

    def keys(self):
        import base64
        answer = self.post("/v3/kv/range", {"key": base64.b64encode(b"/gantry/").decode(),
                                            "range_end": base64.b64encode(b"/gantry0").decode()})
        return {base64.b64decode(kv["key"]).decode(): base64.b64decode(kv.get("value", "")).decode()
                for kv in answer.get("kvs", [])}

    def stop(self, number=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(20)

    def close(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class Host(Engine):
    """An engine in a namespace of the network."""

    def __init__(self, lan, number, config=None):
        self.lan, self.number, self.netns = lan, number, lan.join(number)
        super().__init__(config=config)

    def daemon_command(self):
        return ["nsenter", f"--net=/run/netns/{self.netns}", *super().daemon_command()]

    def begin(self, image="test/busybox"):
        self.start()
        self.load(archives.make_busybox_image(image + ":latest"))
        return self

    def links(self):
        return sorted(link["ifname"] for link in json.loads(run("ip", "-j", "link", netns=self.netns)))

    def tables(self):
        return run("nft", "list", "tables", netns=self.netns).split("\n")[:-1]

    def kill_all(self):
        """As if the machine had lost its power: every process of the engine and its containers at once."""
        for _ in range(100):
            pids = [pid for pid, _ in self.processes()]
            if not pids:
                break
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.02)
        self.process.wait(10)
