"""What can load or pull an image: engines and the raw tools. Each turn has a place of its own, and nothing is deleted before the
end: ext4 is slow to give out inodes that were freed within the last minutes, and the next in line would pay for it."""
import os
import shutil
import subprocess
import time

from harness.engine import Engine


def run(command, environment=None, timeout=900):
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stdout.strip()[-300:]}")
    return done.stdout


def shell(script, *arguments):
    run(["bash", "-euc", script, "bash", *arguments])


class Turn:
    """load(), pull() and push() are what is timed; a contender without one of them has no part in it. push() sends what load() has
    brought; name() gives it the name to be pushed under."""
    load = pull = push = None

    def name(self):
        pass

    def end(self):
        pass


class Gantry(Turn):
    label = "gantry"

    def __init__(self, place, image, registry):
        self.image, self.registry = image, registry
        self.engine = Engine(config={"registries": {registry.address: {"insecure": True}}} if registry else None)
        self.engine.start()

    def call(self, *command):
        run([self.engine.program("gantry"), *command], self.engine.environment())

    def load(self):
        self.call("load", "-q", "-i", self.image.archive)

    def pull(self):
        self.call("pull", "-q", self.image.reference(self.registry.address))

    def name(self):
        self.call("tag", self.image.tag, self.image.reference(self.registry.address))

    def push(self):
        self.call("push", "-q", self.image.reference(self.registry.address))

    def cpu(self):
        """Seconds of processor that gantryd has used."""
        with open(f"/proc/{self.engine.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak(self):
        """MiB of memory that gantryd has had at most."""
        with open(f"/proc/{self.engine.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024

    def end(self):
        problem = self.engine.destroy()
        if problem:
            print(f"gantry left something: {problem}")


class Docker(Turn):
    """dockerd of our own, without any network."""
    label = "docker"
    programs = ("dockerd",)

    def __init__(self, place, image, registry):
        self.image, self.registry = image, registry
        self.environment = {**os.environ, "DOCKER_HOST": f"unix://{place}/docker.sock"}
        self.log = open(os.path.join(place, "log"), "wb")
        options = ["--insecure-registry", registry.address] if registry else []
        self.daemon = subprocess.Popen(
            ["dockerd", "--data-root", f"{place}/root", "--exec-root", f"{place}/run", "--pidfile", f"{place}/pid", "--host",
             self.environment["DOCKER_HOST"], "--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", *options],
            stdout=self.log, stderr=self.log, start_new_session=True)
        for _ in range(300):
            if self.daemon.poll() is not None:
                raise RuntimeError(f"dockerd ended with {self.daemon.returncode}")
            if subprocess.run(["docker", "version"], env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError("dockerd does not answer")

    def load(self):
        run(["docker", "load", "-q", "-i", self.image.archive], self.environment)

    def pull(self):
        run(["docker", "pull", "-q", self.image.reference(self.registry.address)], self.environment)

    def name(self):
        run(["docker", "tag", self.image.tag, self.image.reference(self.registry.address)], self.environment)

    def push(self):
        run(["docker", "push", "-q", self.image.reference(self.registry.address)], self.environment)

    def end(self):
        self.daemon.terminate()
        try:
            self.daemon.wait(60)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
        self.log.close()


class Podman(Turn):
    label = "podman"
    programs = ("podman",)

    def __init__(self, place, image, registry):
        self.image, self.registry = image, registry
        self.base = ["podman", "--root", f"{place}/root", "--runroot", f"{place}/run", "--tmpdir", f"{place}/tmp", "--cgroup-manager=cgroupfs",
                     "--events-backend", "file"]
        run([*self.base, "images", "-q"])  # makes its directories

    def load(self):
        run([*self.base, "load", "-q", "-i", self.image.archive])

    def pull(self):
        run([*self.base, "pull", "-q", "--tls-verify=false", self.image.reference(self.registry.address)])

    def name(self):
        run([*self.base, "tag", self.image.tag, self.image.reference(self.registry.address)])

    def push(self):
        run([*self.base, "push", "-q", "--tls-verify=false", self.image.reference(self.registry.address)])

    def end(self):
        subprocess.run([*self.base, "system", "reset", "-f"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Tools(Turn):
    def __init__(self, place, image, registry):
        self.place, self.image, self.registry = place, image, registry

    def fetch(self, side_by_side):
        """Docker's registry gives layers as gzip."""
        shell("""wait=$1; cd "$2"; shift 2; n=0
for url; do
  n=$((n + 1)); mkdir $n
  if [ $wait = 0 ]; then curl -sfL "$url" | igzip -dc | tar -x -C $n & else curl -sfL "$url" | igzip -dc | tar -x -C $n; fi
done
wait""", "0" if side_by_side else "1", self.place, *self.registry.blob_urls())

    def unpack(self, program, side_by_side):
        shell("""program=$1 wait=$2; cd "$3"; shift 3; n=0
for layer; do
  n=$((n + 1)); mkdir $n
  if [ $wait = 0 ]; then $program -dc "$layer" | tar -x -C $n & else $program -dc "$layer" | tar -x -C $n; fi
done
wait""", program, "0" if side_by_side else "1", self.place, *self.image.layers)


class Igzip(Tools):
    label = "igzip | tar, one after another"
    programs = ("igzip", "curl")

    def load(self):
        self.unpack("igzip", False)

    def pull(self):
        self.fetch(False)


class IgzipSideBySide(Tools):
    label = "igzip | tar, side by side"
    programs = ("igzip", "curl")

    def load(self):
        self.unpack("igzip", True)

    def pull(self):
        self.fetch(True)


class Gzip(Tools):
    label = "gzip | tar, one after another"

    def load(self):
        self.unpack("gzip", False)


class Tar(Tools):
    """The layers are plain already, as if decompressing cost nothing."""
    label = "tar alone, side by side"

    def __init__(self, place, image, registry):
        super().__init__(place, image, registry)
        for n, layer in enumerate(image.layers):
            shell('gzip -dc "$1" > "$2"', layer, f"{place}/plain{n}.tar")

    def load(self):
        shell('cd "$1"; for n in 0 1 2 3; do mkdir $n; tar -x -C $n -f plain$n.tar & done; wait', self.place)


def contenders():
    """Those that are installed; for each other one a line that says so."""
    found = []
    for one in (Gantry, Docker, Podman, Igzip, IgzipSideBySide, Gzip, Tar):
        missing = [p for p in getattr(one, "programs", ()) if not shutil.which(p)]
        if missing:
            print(f"{one.label}: {missing[0]} is not installed")
        else:
            found.append(one)
    return found
