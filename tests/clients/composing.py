"""docker compose, the one of the distribution and the current one: how each is run, and what it calls things."""
import json
import os
import re
import shutil
import subprocess
import threading

import installed

V1, V5 = "1.29", "current"


class Compose:
    """`compose(*args)` runs a command in `directory` that must end with `code`, and gives all that it printed."""

    def __init__(self, version, engine, directory, home):
        self.version, self.directory = version, str(directory)
        if version == V1:
            self.command = [shutil.which("docker-compose")]
        else:
            self.command = [os.path.join(installed.installed("go/compose"), "docker-compose")]
        self.separator = "_" if version == V1 else "-"
        self.environment = engine.environment(HOME=str(home), DOCKER_BUILDKIT="0", COMPOSE_DOCKER_CLI_BUILD="0", PYTHONUNBUFFERED="1")

    def __call__(self, *args, code=0, timeout=120, input=None):
        given = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        done = subprocess.run([*self.command, *args], cwd=self.directory, **given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=timeout, env=self.environment)
        assert done.returncode == code, (args, done.returncode, done.stdout[-4000:])
        return done.stdout

    def output(self, *args):
        """What a command that must succeed wrote on its standard output alone."""
        return subprocess.run([*self.command, *args], cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=60,
                              env=self.environment, check=True).stdout

    def json(self, *args):
        """The objects that a command printed, one a line."""
        return [json.loads(line) for line in self.output(*args).splitlines() if line]

    def start(self, *args):
        """A command that goes on; its output is a pipe."""
        return subprocess.Popen([*self.command, *args], cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, env=self.environment)

    def container(self, service, number=1):
        """The name of a service's container."""
        return self.separator.join([self.project, service, str(number)])

    @property
    def project(self):
        return re.sub(r"[^a-z0-9_-]", "", os.path.basename(self.directory).lower())

    def prefix(self, service, number=1):
        """What stands before a service's lines in the output of several."""
        return rf"{service}{self.separator}{number} +\| "


class Shown:
    """What a command that goes on has printed so far."""

    def __init__(self, process):
        self.process, self.text = process, ""
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.text += line
                self.changed.notify_all()

    def until(self, *parts, timeout=240):
        with self.changed:
            assert self.changed.wait_for(lambda: all(p in self.text for p in parts), timeout), (parts, self.text[-6000:])

    def interrupt(self):
        self.process.send_signal(2)
        self.process.wait(60)
        self.reader.join(10)
        return self.text


def why_not(version):
    """Why this version is not here, or None."""
    if version == V1:
        return None if shutil.which("docker-compose") else "docker-compose 1.29: package docker-compose is not installed"
    try:
        installed.install("go/compose")
    except installed.NotInstalled as e:
        return str(e)
