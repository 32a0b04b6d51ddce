"""Tests written in Go: one module below go/, whose tests are run one by one against an engine."""
import os
import re
import subprocess

import installed

HERE = os.path.dirname(os.path.abspath(__file__))


class Module:
    """The tests of go/NAME. What they need is installed as any client is; they themselves are compiled when they are first run."""

    def __init__(self, name):
        self.client, self.directory, self.binary = "go/" + name, os.path.join(HERE, "go", name), None

    def names(self):
        """Of all tests, in the order in which they stand."""
        found = []
        for file in sorted(os.listdir(self.directory)):
            if file.endswith("_test.go"):
                with open(os.path.join(self.directory, file)) as f:
                    found += [name for name in re.findall(r"^func (Test\w+)\(t \*testing\.T\)", f.read(), re.M)]
        return found

    def compile(self, directory):
        installed.installed(self.client)
        binary = os.path.join(str(directory), "client.test")
        done = subprocess.run(["go", "test", "-c", "-o", binary, "."], cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=900)
        assert done.returncode == 0, done.stdout[-4000:]
        self.binary = binary

    def run(self, name, environment, timeout=120):
        """Skips where the Go test does; fails with what it said."""
        import pytest
        done = subprocess.run([self.binary, "-test.run", f"^{name}$", "-test.v", f"-test.timeout={timeout}s"], cwd=self.directory, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout + 20, env=environment)
        assert done.returncode == 0 and f"--- FAIL: {name}" not in done.stdout, done.stdout[-6000:]
        if f"--- SKIP: {name}" in done.stdout:
            pytest.skip(done.stdout.strip().splitlines()[-3].strip())
        assert f"--- PASS: {name}" in done.stdout, done.stdout[-6000:]
