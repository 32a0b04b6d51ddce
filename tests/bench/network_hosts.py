"""Hosts of the network benchmarks: namespaces on one LAN, each with an engine in it or with nothing but a bridge. All of them have the
same two containers, `server` with port 80 published as 8080, and `client`, both on the engine's default bridge network."""
import json
import os
import subprocess
import time

from contenders import IMAGE, end_daemon
from harness import archives, http_unix
from harness.hosts import Host, run

PUBLISHED = 8080


class Place:
    """A network namespace to run a command in: one by name, or that of a process."""

    def __init__(self, path):
        self.path = path

    def command(self, *command):
        return ["nsenter", f"--net={self.path}", *map(str, command)]

    def popen(self, *command):
        return subprocess.Popen(self.command(*command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def start(self, *command):
        """popen() of a program that says "ready" when it is."""
        program = self.popen(*command)
        if program.stdout.readline() != "ready\n":
            raise RuntimeError(f"{' '.join(map(str, command))}: ended with {program.wait(10)}")
        return program

    def call(self, *command, timeout=60):
        done = subprocess.run(self.command(*command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
        return done.stdout.strip()


def named(name):
    return Place(f"/run/netns/{name}")


def of_process(pid):
    return Place(f"/proc/{pid}/ns/net")


class Bare:
    """A bridge and two pairs of interfaces, no rules, no engine: what the kernel itself can do."""
    name, port = "bare veth and bridge", 80

    def __init__(self, lan, number):
        self.netns = lan.join(number)
        self.host, self.lan_address = named(self.netns), f"10.66.{number}.2"
        run("ip", "link", "add", "br0", "type", "bridge", netns=self.netns)
        run("ip", "address", "add", f"10.66.{number}.1/24", "dev", "br0", netns=self.netns)
        run("ip", "link", "set", "br0", "up", netns=self.netns)
        run("sysctl", "-qw", "net.ipv4.ip_forward=1", netns=self.netns)
        self.places = []
        for last in (2, 3):
            inner = f"{self.netns}c{last}"
            lan.add_namespace(inner)
            run("ip", "link", "add", f"v{last}", "type", "veth", "peer", "name", "eth0", "netns", inner, netns=self.netns)
            run("ip", "link", "set", f"v{last}", "master", "br0", "up", netns=self.netns)
            run("ip", "address", "add", f"10.66.{number}.{last}/24", "dev", "eth0", netns=inner)
            run("ip", "link", "set", "eth0", "up", netns=inner)
            run("ip", "route", "add", "default", "via", f"10.66.{number}.1", netns=inner)
            self.places.append(named(inner))
        self.server, self.client = self.places
        self.address = self.loopback = self.lan_address

    def route_from(self, place):
        place.call("ip", "route", "add", self.address + "/32", "via", "10.55.0." + self.lan_address.split(".")[2])

    def end(self):
        pass


class Gantry:
    name, port, loopback = "gantry", PUBLISHED, "127.0.0.1"

    def __init__(self, lan, number):
        self.engine = Host(lan, number)
        self.host, self.lan_address = named(self.engine.netns), f"10.55.0.{number}"
        self.engine.start(arguments=["--trace-start"])
        self.engine.load(archives.make_busybox_image(IMAGE + ":latest"))
        self.program, self.environment = [self.engine.program("gantry")], self.engine.environment()
        for name, more in (("server", ["-p", f"{PUBLISHED}:80"]), ("client", [])):
            self.engine.ok("run", "-d", "--name", name, *more, IMAGE, "sleep", "100000")
        self.server, self.client = (of_process(self.engine.init_pid(name)) for name in ("server", "client"))
        self.address = self.engine.address("server")
        self.socket = self.engine.socket

    def api(self, method, url, body=None):
        return checked(http_unix.request(self.socket, method, url, body))

    def end(self):
        problem = self.engine.destroy()
        if problem:
            print(f"gantry left something: {problem}")


def checked(answer):
    if answer.status >= 300:
        raise RuntimeError(repr(answer))
    return answer


class Peer:
    """docker or podman: `program` is the client's command."""
    port, loopback = PUBLISHED, "127.0.0.1"

    def begin(self, limits=()):
        for name, more in (("server", ["-p", f"{PUBLISHED}:80"]), ("client", [])):
            self.call("run", "-d", "--name", name, *limits, *more, self.image, "sleep", "100000")
        seen = {name: json.loads(self.call("inspect", name))[0] for name in ("server", "client")}
        self.server, self.client = (of_process(seen[name]["State"]["Pid"]) for name in ("server", "client"))
        self.address = seen["server"]["NetworkSettings"]["IPAddress"]

    def call(self, *command):
        done = subprocess.run([*self.program, *command], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{command[0]}: {done.stderr.strip()[-300:]}")
        return done.stdout


class Docker(Peer):
    name, image = "docker", IMAGE

    def __init__(self, lan, number, scratch):
        netns, state = lan.join(number), os.path.join(scratch, "docker")
        os.mkdir(state)
        self.host, self.lan_address, self.socket = named(netns), f"10.55.0.{number}", os.path.join(state, "docker.sock")
        self.environment, self.program = {**os.environ, "DOCKER_HOST": "unix://" + self.socket}, ["docker"]
        self.log = open(os.path.join(state, "log"), "wb")
        self.daemon = subprocess.Popen(
            self.host.command("dockerd", "--data-root", os.path.join(state, "root"), "--exec-root", os.path.join(scratch, "run", "docker"), "--pidfile",
                              os.path.join(state, "pid"), "--host", self.environment["DOCKER_HOST"], "--exec-opt", "native.cgroupdriver=cgroupfs"),
            stdout=self.log, stderr=self.log, start_new_session=True)
        try:
            for _ in range(200):
                if self.daemon.poll() is not None:
                    raise RuntimeError(f"dockerd ended with {self.daemon.returncode}")
                if os.path.exists(self.socket) and subprocess.run(["docker", "version"], env=self.environment, stdout=subprocess.DEVNULL,
                                                                 stderr=subprocess.DEVNULL).returncode == 0:
                    break
                time.sleep(0.1)
            subprocess.run(["docker", "load"], input=archives.make_busybox_image(IMAGE + ":latest"), env=self.environment, check=True, stdout=subprocess.DEVNULL)
            self.begin()
        except BaseException:
            self.end()
            raise

    def api(self, method, url, body=None):
        return checked(http_unix.request(self.socket, method, url, body))

    def end(self):
        subprocess.run(["docker", "rm", "-f", "server", "client"], env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end_daemon(self.daemon, self.log)


class Podman(Peer):
    name = "podman"

    def __init__(self, lan, number, scratch):
        netns, state = lan.join(number), os.path.join(scratch, "podman")
        self.host, self.lan_address, self.environment = named(netns), f"10.55.0.{number}", dict(os.environ)
        self.program = self.host.command("podman", "--root", os.path.join(state, "root"), "--runroot", os.path.join(scratch, "run", "podman"), "--tmpdir",
                                         os.path.join(scratch, "run", "podman-tmp"), "--cgroup-manager=cgroupfs", "--runtime", "runc", "--events-backend", "file")
        archive = os.path.join(scratch, "image.tar")
        with open(archive, "wb") as f:
            f.write(archives.make_busybox_image(IMAGE + ":latest"))
        self.image = "localhost/" + IMAGE if "localhost/" in self.call("load", "-i", archive) else IMAGE
        self.begin(["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=10000:10000", "--pull=never"])

    def end(self):
        for command in (["rm", "-f", "-t", "0", "-a"], ["system", "reset", "-f"]):
            subprocess.run([*self.program, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
