"""The engines that are compared: how each is called on these machines, with the same root file system."""
import io
import json
import os
import shutil
import subprocess
import tarfile
import time

from harness import archives, census
from harness.engine import Engine

IMAGE = "test/busybox"
RUN = "run"  # below the scratch directory, a tmpfs as /run is: where every engine keeps what a reboot may take


def unpack(directory):
    """The test image as a directory, layer by layer, without whiteouts."""
    for layer in archives.busybox_layers():
        with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
            tar.extractall(directory, [m for m in tar if "/.wh." not in "/" + m.name])


class Contender:
    """runs: label -> command of a whole container that ends at once; exec: a command in a running one, or None."""

    def __init__(self):
        self.runs, self.exec, self.environment, self.prefix = {}, None, dict(os.environ), []

    def call(self, *command):
        return subprocess.run([*self.prefix, *command], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)


class Gantry(Contender):
    name = "gantry"

    def __init__(self, scratch):
        super().__init__()
        self.engine = Engine(run_dir=os.path.join(scratch, RUN, "gantry"))
        self.engine.start()
        self.engine.load(archives.make_busybox_image(IMAGE + ":latest"))
        self.environment = self.engine.environment()
        program = self.engine.program("gantry")
        self.runs = {"gantry run, bridge": [program, "run", "--rm", IMAGE, "true"],
                     "gantry run, no network": [program, "run", "--rm", "--network", "none", IMAGE, "true"]}
        self.engine.ok("run", "-d", "--name", "idle", IMAGE, "sleep", "100000")
        self.exec = [program, "exec", "idle", "true"]

    def end(self):
        problem = self.engine.destroy()
        if problem:
            print(f"gantry left something: {problem}")


class Runtime(Contender):
    """crun or runc: no engine, a bundle with an empty network namespace."""

    def __init__(self, name, scratch):
        super().__init__()
        self.name, self.state = name, os.path.join(scratch, name)
        rootfs = os.path.join(self.state, "rootfs")
        os.makedirs(rootfs)
        unpack(rootfs)
        for bundle, arguments in (("once", ["true"]), ("idle", ["sleep", "100000"])):
            path = os.path.join(self.state, bundle)
            os.mkdir(path)
            subprocess.run([name, "spec"], cwd=path, check=True, stdout=subprocess.DEVNULL)
            with open(os.path.join(path, "config.json")) as f:
                config = json.load(f)
            config["process"].update(args=arguments, terminal=False)
            config["process"].pop("rlimits", None)
            config["root"] = {"path": rootfs, "readonly": False}
            with open(os.path.join(path, "config.json"), "w") as f:
                json.dump(config, f)
        base = [name, "--root", os.path.join(scratch, RUN, name)]
        if name == "crun":
            # It refuses the mixed layout of control groups.
            self.prefix = ["unshare", "-m", "--propagation", "private", "sh", "-c", "umount -l /sys/fs/cgroup/unified; exec \"$@\"", "sh"]
            base += ["--cgroup-manager", "cgroupfs"]
        once = ["run", "--bundle", os.path.join(self.state, "once"), "bench-once-%d"]
        self.runs = {f"{name} run, no network": [*base, *once]}
        if name == "crun":
            self.runs["crun run, no network, no cgroups"] = [name, "--root", os.path.join(scratch, RUN, name), "--cgroup-manager", "disabled", *once]
        self.base = base
        # Not through a pipe: the container would hold it open.
        with open(os.devnull, "r+b") as null, open(os.path.join(self.state, "error"), "w+") as error:
            done = subprocess.run([*self.prefix, *base, "run", "--detach", "--bundle", os.path.join(self.state, "idle"), "bench-idle"],
                                  stdin=null, stdout=null, stderr=error, timeout=60)
            error.seek(0)
            said = error.read().strip()
        if done.returncode == 0:
            self.exec = [*base, "exec", "bench-idle", "true"]
        else:
            print(f"{name}: no running container: {said}")

    def end(self):
        self.call(*self.base, "delete", "--force", "bench-idle")


class Podman(Contender):
    name = "podman"

    def __init__(self, scratch):
        super().__init__()
        state = os.path.join(scratch, "podman")
        self.base = ["podman", "--root", os.path.join(state, "root"), "--runroot", os.path.join(scratch, RUN, "podman"), "--tmpdir",
                     os.path.join(scratch, RUN, "podman-tmp"),
                     "--cgroup-manager=cgroupfs", "--runtime", "runc", "--events-backend", "file"]
        archive = os.path.join(scratch, "image.tar")
        with open(archive, "wb") as f:
            f.write(archives.make_busybox_image(IMAGE + ":latest"))
        done = self.call(*self.base, "load", "-i", archive)
        if done.returncode:
            raise RuntimeError(done.stdout.strip())
        limits = ["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=10000:10000", "--pull=never"]
        image = "localhost/" + IMAGE if "localhost/" in done.stdout else IMAGE
        self.runs = {"podman run, bridge": [*self.base, "run", "--rm", *limits, image, "true"],
                     "podman run, no network": [*self.base, "run", "--rm", "--network", "none", *limits, image, "true"]}
        done = self.call(*self.base, "run", "-d", "--name", "idle", *limits, image, "sleep", "100000")
        if done.returncode == 0:
            self.exec = [*self.base, "exec", "idle", "true"]
        else:
            print(f"podman: no running container: {done.stdout.strip()[-300:]}")

    def end(self):
        self.call(*self.base, "rm", "-f", "-t", "0", "-a")
        self.call(*self.base, "system", "reset", "-f")


class Docker(Contender):
    """dockerd of our own in a network namespace of its own, so that the host's rules and links stay as they are."""
    name = "docker"

    def __init__(self, scratch):
        super().__init__()
        state = os.path.join(scratch, "docker")
        os.mkdir(state)
        self.environment["DOCKER_HOST"] = f"unix://{state}/docker.sock"
        self.log = open(os.path.join(state, "log"), "wb")
        self.daemon = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "ip link set lo up; exec \"$@\"", "sh", "dockerd", "--data-root", os.path.join(state, "root"), "--exec-root",
             os.path.join(scratch, RUN, "docker"), "--pidfile", os.path.join(state, "pid"), "--host", self.environment["DOCKER_HOST"], "--exec-opt",
             "native.cgroupdriver=cgroupfs"], stdout=self.log, stderr=self.log, start_new_session=True)
        for _ in range(200):
            if self.daemon.poll() is not None:
                raise RuntimeError(f"dockerd ended with {self.daemon.returncode}")
            if self.call("docker", "version").returncode == 0:
                break
            time.sleep(0.1)
        subprocess.run(["docker", "load"], input=archives.make_busybox_image(IMAGE + ":latest"), env=self.environment, check=True, stdout=subprocess.DEVNULL)
        self.runs = {"docker run, bridge": ["docker", "run", "--rm", IMAGE, "true"],
                     "docker run, no network": ["docker", "run", "--rm", "--network", "none", IMAGE, "true"]}
        done = self.call("docker", "run", "-d", "--name", "idle", IMAGE, "sleep", "100000")
        if done.returncode == 0:
            self.exec = ["docker", "exec", "idle", "true"]
        else:
            print(f"docker: no running container: {done.stdout.strip()[-300:]}")

    def end(self):
        self.call("docker", "rm", "-f", "idle")
        end_daemon(self.daemon, self.log)


def end_daemon(daemon, log):
    daemon.terminate()
    try:
        daemon.wait(30)
    except subprocess.TimeoutExpired:
        daemon.kill()
    log.close()


def remove_groups(before):
    """Control groups that peers have left, deepest first. `before`: census.cgroups() of the beginning."""
    for directory in sorted(set(census.cgroups()) - set(before), reverse=True):
        if any(word in directory for word in ("/docker", "/libpod", "/bench-", "/crun", "/user.slice/libpod")):
            try:
                os.rmdir(directory)
            except OSError:
                pass


def install():
    """The peers from Debian's packages; their services are not started."""
    policy = "/usr/sbin/policy-rc.d"
    ours = not os.path.exists(policy)
    if ours:
        with open(policy, "w") as f:
            f.write("#!/bin/sh\nexit 101\n")
        os.chmod(policy, 0o755)
    try:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "-qq", "update"], check=True, env=environment)
        subprocess.run(["apt-get", "-qq", "install", "-y", "--no-install-recommends", "crun", "runc", "podman", "conmon", "netavark", "aardvark-dns",
                        "containers-storage", "docker.io", "iptables"], check=True, env=environment, stdout=subprocess.DEVNULL)
    finally:
        if ours:
            os.unlink(policy)


def contenders(scratch):
    """Every engine that is there and works; for each other one a line that says why not."""
    found = [Gantry(scratch)]
    for program, make in (("crun", lambda: Runtime("crun", scratch)), ("runc", lambda: Runtime("runc", scratch)),
                          ("podman", lambda: Podman(scratch)), ("dockerd", lambda: Docker(scratch))):
        if not shutil.which(program):
            print(f"{program} is not installed (--install-peers)")
            continue
        try:
            found.append(make())
        except (RuntimeError, OSError, subprocess.SubprocessError) as e:
            print(f"{program} does not work here: {e}")
    return found
