"""An engine in a network namespace of its own, which plays a host: what it changes of the network is nobody else's."""
import subprocess

from harness.engine import Engine


class NetnsEngine(Engine):
    """`netns`: the name of a namespace in /run/netns that is the caller's."""

    def __init__(self, netns, **more):
        super().__init__(**more)
        self.netns = netns

    def daemon_command(self):
        return ["nsenter", f"--net=/run/netns/{self.netns}", "--", *super().daemon_command()]

    def inside(self, *command, timeout=20):
        """What a program prints that runs on that host."""
        return inside(self.netns, *command, timeout=timeout)


def inside(netns, *command, timeout=20):
    done = subprocess.run(["nsenter", f"--net=/run/netns/{netns}", "--", *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout
