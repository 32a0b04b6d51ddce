"""Completion in real shells, and scripts/install, which brings it to where they look."""
import os
import re
import shutil
import subprocess

import pytest

from conftest import IMAGE
from harness.engine import REPOSITORY
from harness.terminal import Terminal
from harness.waiting import eventually

needs = {shell: pytest.mark.skipif(not shutil.which(shell), reason=f"{shell} is not installed") for shell in ("bash", "zsh", "fish")}


class Shell:
    """A shell on a terminal, with gantry in PATH, and its completion read from `file`."""

    def __init__(self, engine, command, read, scratch):
        self.terminal = Terminal(50, 200)
        environment = engine.environment(PATH=engine.bin + ":" + os.environ["PATH"], TERM="xterm", PS1="$ ", PROMPT="$ ", HOME=scratch, ZDOTDIR=scratch)
        # The terminal is the shell's own: line editors want that.
        self.process = subprocess.Popen(["setsid", "--ctty", *command], stdin=self.terminal.slave, stdout=self.terminal.slave, stderr=self.terminal.slave, cwd=scratch,
                                        env=environment)
        self.terminal.begin()
        self.type(read + "; echo rea''dy\n")
        # What is typed before the editor has its prompt is lost in some of them.
        eventually(lambda: "$ " in self.shown().rpartition("ready")[2], timeout=20, what="the prompt")

    def shown(self):
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", b"".join(self.terminal.shown).decode(errors="replace"))

    def type(self, text):
        os.write(self.terminal.master, text.encode())

    def expect(self, text):
        eventually(lambda: text in self.shown(), timeout=20, what=f"{text!r} in {self.shown()[-500:]!r}")

    def completes(self, typed, text):
        """The words typed and a tab give the text on the same line."""
        del self.terminal.shown[:]
        self.type(typed + "\t")
        self.expect(text)
        self.type("\x15")  # the line is emptied

    def end(self):
        self.process.kill()
        self.process.wait(20)
        self.terminal.end()


@pytest.fixture
def things(engine):
    engine.ok("run", "-d", "--name", "webserver", IMAGE, "sleep", "100")
    engine.ok("network", "create", "frontnet")
    engine.ok("volume", "create", "datavol")
    yield engine
    engine.remove_all()


def script(engine, shell, scratch):
    path = os.path.join(scratch, "completion." + shell)
    with open(path, "w") as f:
        f.write(engine.ok("completion", shell) + "\n")
    return path


@needs["bash"]
def test_bash(things, scratch):
    shell = Shell(things, ["bash", "--norc", "--noprofile", "-i"], f". {script(things, 'bash', scratch)}", scratch)
    try:
        shell.completes("gantry netw", "gantry network ")
        shell.completes("gantry ps --no-t", "gantry ps --no-trunc ")
        shell.completes("gantry stop web", "gantry stop webserver ")
        shell.completes("gantry run --network fro", "gantry run --network frontnet ")
        shell.completes("gantry run --network=fro", "gantry run --network=frontnet ")
        shell.completes("gantry run -e 'A=b c' test/busybox:la", "test/busybox:latest ")
        shell.completes("gantry volume rm dat", "gantry volume rm datavol ")
        shell.completes("gantry cp webs", "gantry cp webserver:")
        open(os.path.join(scratch, "some file"), "w").close()
        shell.completes("gantry load -i som", r"gantry load -i some\ file ")
    finally:
        shell.end()


@needs["zsh"]
def test_zsh(things, scratch):
    shell = Shell(things, ["zsh", "-f", "-i"], f"unsetopt zle_bracketed_paste; unset zle_bracketed_paste; autoload -U compinit && compinit -u -D; . {script(things, 'zsh', scratch)}", scratch)
    try:
        shell.completes("gantry netw", "network ")
        shell.completes("gantry stop web", "webserver ")
        shell.completes("gantry ps --no-t", "--no-trunc ")
        shell.completes("gantry run --network fro", "frontnet ")
        shell.completes("gantry rmi test/busybox:la", "latest ")
    finally:
        shell.end()


@needs["fish"]
def test_fish(things, scratch):
    path = script(things, "fish", scratch)

    def complete(line):
        done = subprocess.run(["fish", "--no-config", "-c", f"source {path}; complete -C '{line}'"], capture_output=True, text=True, timeout=60,
                              env=things.environment(PATH=things.bin + ":" + os.environ["PATH"], HOME=scratch))
        assert done.returncode == 0, done
        return [entry.split("\t")[0] for entry in done.stdout.splitlines()]

    assert complete("gantry netw") == ["network"]
    assert complete("gantry stop web") == ["webserver"]
    assert complete("gantry ps --no-t") == ["--no-trunc"]
    assert complete("gantry run --network fro") == ["frontnet"]
    assert complete("gantry network connect frontnet web") == ["webserver"]


def test_an_engine_that_is_not_there_is_silence(engine):
    done = engine("__complete", "--", "-H", "unix:///no/such", "stop", "")
    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "sh", "fish"])
def test_docker_env_is_read_by_the_shells(engine, shell):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    host = "unix:///run/it's here.sock"
    read = f"{engine.program('gantry')} docker-env --shell {shell}"
    line = f"{read} | source; printf %s $DOCKER_HOST" if shell == "fish" else f'eval "$({read})"; printf %s "$DOCKER_HOST${{DOCKER_TLS_VERIFY-}}"'
    done = subprocess.run([shell, "-c", line], capture_output=True, text=True, env=engine.environment(GANTRY_HOST=host, DOCKER_TLS_VERIFY="1"))
    assert done.stdout == host and done.stderr == "", done


# --- scripts/install ---
def install(engine, destination, *arguments):
    preset = os.path.basename(os.path.dirname(engine.bin))
    return subprocess.run([os.path.join(REPOSITORY, "scripts/install"), "--destdir", destination, "--preset", preset, *arguments], capture_output=True, text=True)


def tree(directory):
    return sorted(os.path.relpath(os.path.join(where, name), directory) for where, _, names in os.walk(directory) for name in names)


def test_install_puts_programs_and_completions_and_nothing_named_docker(engine, scratch):
    done = install(engine, scratch, "--prefix", "/usr")
    assert done.returncode == 0, done
    there = tree(scratch)
    for name in ("usr/bin/gantry", "usr/bin/gantryd", "usr/bin/gantry-dial", "usr/lib/gantry/drivers/network-bridge.so",
                 "usr/share/bash-completion/completions/gantry", "usr/share/zsh/site-functions/_gantry", "usr/share/fish/vendor_completions.d/gantry.fish"):
        assert name in there
    assert not [name for name in there if "docker" in name]
    assert subprocess.run([os.path.join(scratch, "usr/bin/gantryd"), "--validate"], capture_output=True, text=True).stdout == "configuration is valid\n"
    assert install(engine, scratch, "--prefix", "/usr", "--remove").returncode == 0
    assert tree(scratch) == []


def test_install_links_the_usual_socket_when_told_to(engine, scratch):
    assert install(engine, scratch, "--docker-socket").returncode == 0
    assert os.readlink(os.path.join(scratch, "run/docker.sock")) == "/run/gantry/gantry.sock"
    with open(os.path.join(scratch, "etc/tmpfiles.d/gantry-docker-socket.conf")) as f:
        assert f.read() == "L /run/docker.sock - - - - /run/gantry/gantry.sock\n"
    assert install(engine, scratch, "--docker-socket").returncode == 0  # again
    assert install(engine, scratch, "--remove").returncode == 0
    assert tree(scratch) == [] and not os.path.lexists(os.path.join(scratch, "run/docker.sock"))


def test_install_takes_nobodys_socket_away(engine, scratch):
    os.makedirs(os.path.join(scratch, "run"))
    open(os.path.join(scratch, "run/docker.sock"), "w").close()
    done = install(engine, scratch, "--docker-socket")
    assert done.returncode == 1 and "is not ours" in done.stderr and done.stderr.count("\n") == 1, done
    assert tree(scratch) == ["run/docker.sock"]
    assert install(engine, scratch, "--frob").returncode == 2
