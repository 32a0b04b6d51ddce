"""An engine of the test's own: private root, run directory, socket and kernel names; ended wholly, also by force."""
import json
import os
import secrets
import signal
import subprocess
import tempfile
import time

from . import census, http_unix
from .waiting import eventually

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PREFIX = "gantry-test-"


def binaries(preset=None):
    """The directory with gantry and gantryd: $GANTRY_BIN, or build/release/bin, or build/dev/bin."""
    if preset:
        return os.path.join(REPOSITORY, "build", preset, "bin")
    candidates = [os.environ.get("GANTRY_BIN"), os.path.join(REPOSITORY, "build/release/bin"),
                  os.path.join(REPOSITORY, "build/dev/bin")]
    for directory in filter(None, candidates):
        if os.access(os.path.join(directory, "gantryd"), os.X_OK):
            return directory
    raise FileNotFoundError(f"no gantryd in any of {candidates}")


class Result:
    """What a command printed and how it ended."""

    def __init__(self, args, code, out, err):
        self.args, self.code, self.out, self.err = args, code, out, err

    def __repr__(self):
        return f"<{' '.join(map(str, self.args))}: {self.code}\n--- out ---\n{self.out[-2000:]}\n--- err ---\n{self.err[-2000:]}>"


class Engine:
    def __init__(self, preset=None, config=None, name=None, base=None, run_dir=None):
        self.bin = binaries(preset)
        self.name = name or "gt" + secrets.token_hex(3)
        self.base = base or tempfile.mkdtemp(prefix=PREFIX)
        os.chmod(self.base, 0o755)
        self.root, self.run_dir = os.path.join(self.base, "root"), run_dir or os.path.join(self.base, "run")
        self.socket = os.path.join(self.run_dir, "gantry.sock")
        self.log_file = os.path.join(self.base, "gantryd.log")
        self.config_file = os.path.join(self.base, "gantry.json")
        self.process = None
        self.config = {"name": self.name, **(config or {})}
        self.write_config()
        with open(os.path.join(self.base, "owner.json"), "w") as f:
            json.dump({"pid": os.getpid(), "started": census.start_time(os.getpid()), "name": self.name, "bin": self.bin}, f)

    # --- the daemon ---
    def write_config(self):
        with open(self.config_file, "w") as f:
            json.dump(self.config, f)

    def program(self, name):
        return os.path.join(self.bin, name)

    def daemon_command(self):
        return [self.program("gantryd"), "--config", self.config_file, "--root", self.root, "--run", self.run_dir,
                "--socket", self.socket]

    def start(self, env=None, wait=True, arguments=()):
        """Starts gantryd. `env`: further variables, such as GANTRY_FAILPOINT."""
        log = open(self.log_file, "ab")
        self.process = subprocess.Popen([*self.daemon_command(), *arguments], stdin=subprocess.DEVNULL, stdout=log,
                                        stderr=log, env={**os.environ, **(env or {})}, start_new_session=True)
        log.close()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=20):
        def ready():
            code = self.process.poll()
            if code is not None:
                raise SystemError(f"gantryd ended with {code}:\n{self.log_text()[-3000:]}")
            return http_unix.request(self.socket, "GET", "/_ping", timeout=5).status == 200
        end = time.monotonic() + timeout
        while True:
            try:
                if ready():
                    return
            except SystemError as e:
                raise AssertionError(str(e)) from None
            except OSError:
                pass
            if time.monotonic() > end:
                raise AssertionError(f"gantryd does not answer on {self.socket}:\n{self.log_text()[-3000:]}")
            time.sleep(0.01)

    def log_text(self):
        try:
            with open(self.log_file, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    @property
    def pid(self):
        return self.process.pid

    def kill(self, number=signal.SIGKILL):
        """Ends gantryd, and only it, with a signal."""
        self.process.send_signal(number)
        return self.process.wait(20)

    def restart(self, env=None):
        self.kill()
        return self.start(env)

    # --- the client ---
    def environment(self, **more):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("DOCKER_", "GANTRY_"))}
        return {**env, "GANTRY_HOST": "unix://" + self.socket, "DOCKER_HOST": "unix://" + self.socket, **more}

    def __call__(self, *args, input=None, timeout=60, text=True, env=None):
        """Runs `gantry ARGS`; never fails by itself. input: text for its standard input, None: /dev/null."""
        command = [self.program("gantry"), *map(str, args)]
        given = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        done = subprocess.run(command, **given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=text,
                              timeout=timeout, env=self.environment(**(env or {})), errors="replace" if text else None)
        return Result(args, done.returncode, done.stdout, done.stderr)

    def popen(self, *args, **more):
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen([self.program("gantry"), *map(str, args)], env=self.environment(), **more)

    def ok(self, *args, **more):
        """Runs a command that must succeed, and gives what it printed, without the last newline."""
        done = self(*args, **more)
        assert done.code == 0, done
        return done.out.rstrip("\n") if isinstance(done.out, str) else done.out

    def fails(self, *args, code=None, match=None, **more):
        """Runs a command that must fail, with one line on standard error that holds `match`."""
        import re
        done = self(*args, **more)
        assert done.code != 0 if code is None else done.code == code, done
        if match:
            assert re.search(match, done.err, re.IGNORECASE), done
        return done

    def api(self, method, url, body=None, **more):
        return http_unix.request(self.socket, method, url, body, **more)

    def inspect(self, name):
        answer = self.api("GET", f"/containers/{name}/json")
        assert answer.status == 200, answer
        return answer.json

    def state(self, name):
        return self.inspect(name)["State"]

    def init_pid(self, name):
        return self.state(name)["Pid"]

    def address(self, name, network="bridge"):
        return self.inspect(name)["NetworkSettings"]["Networks"][network]["IPAddress"]

    def wait_exited(self, name, timeout=20):
        return eventually(lambda: (s := self.state(name))["Status"] in ("exited", "dead") and s, timeout, what=f"{name} exits")

    def load(self, archive):
        done = self("load", input=archive, text=False)
        assert done.code == 0, done
        return done.out.decode()

    def remove_all(self):
        """Every container, then every volume and network of the test."""
        ids = self.ok("ps", "-aq", "--no-trunc").split()
        if ids:
            self.ok("rm", "-f", "-v", *ids)

    # --- the end ---
    def processes(self):
        return census.processes_of(self)

    def shutdown(self):
        """Ends the engine in the documented way. Gives what went wrong, "" for nothing."""
        problem = ""
        if self.process is None:
            return problem
        if self.process.poll() is None:
            try:
                done = self("system", "shutdown", "--containers", timeout=60)
                if done.code != 0:
                    problem += f"system shutdown: {done}\n"
            except subprocess.TimeoutExpired:
                problem += "system shutdown does not end\n"
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                problem += "gantryd goes on after system shutdown\n"
        left = []
        for _ in range(100):
            left = self.processes()
            if not left:
                break
            time.sleep(0.05)
        if left:
            problem += f"processes left after shutdown: {left}\n"
        return problem

    def destroy(self):
        """Removes every trace, by force where needed; gives what the documented way had left."""
        problem = self.shutdown()
        left = census.own(self)
        left.pop("files")
        left = {k: v for k, v in left.items() if v}
        if left:
            problem += f"left after shutdown: {left}\n"
        force_away(self.name, self.base)
        return problem


def force_away(name, base):
    """Ends and removes all that an engine of this name and directory made, without its help."""
    for _ in range(50):
        pids = census.processes_under(name, base)
        if not pids:
            break
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)
    for target in census.mounts_below(base):
        subprocess.run(["umount", "-l", target], stderr=subprocess.DEVNULL)
    for link in census.links_of(name):
        subprocess.run(["ip", "link", "delete", link], stderr=subprocess.DEVNULL)
    for family, table in census.tables_of(name):
        subprocess.run(["nft", "delete", "table", family, table], stderr=subprocess.DEVNULL)
    for directory in census.cgroups_of(name):
        try:
            os.rmdir(directory)
        except OSError:
            pass
    # Not by Python, which cannot go as deep as a container can.
    subprocess.run(["rm", "-rf", "--one-file-system", base], stderr=subprocess.DEVNULL)


def clean_up_dirty_runs():
    """What tests that were killed have left: engines whose owner is no longer there."""
    top = tempfile.gettempdir()
    for entry in os.listdir(top):
        base = os.path.join(top, entry)
        if not entry.startswith(PREFIX) or not os.path.isdir(base):
            continue
        try:
            with open(os.path.join(base, "owner.json")) as f:
                owner = json.load(f)
        except (OSError, ValueError):
            continue
        if census.start_time(owner["pid"]) != owner["started"]:
            force_away(owner["name"], base)
