"""A real sshd on loopback with keys of its own, and an ssh that knows it. Nothing of the host's own ssh is read or written."""
import glob
import os
import socket
import subprocess
import tempfile

from .waiting import eventually

CACHE = os.path.join(tempfile.gettempdir(), "gantry-sshd-package")


def find_sshd():
    """The path of an sshd, from the host or from the distribution's package, which is only unpacked; None without either."""
    for path in ("/usr/sbin/sshd", os.path.join(CACHE, "usr/sbin/sshd")):
        if os.access(path, os.X_OK):
            return path
    with tempfile.TemporaryDirectory() as directory:
        try:
            subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "openssh-server", "libwrap0"], cwd=directory, check=True, timeout=120,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for package in glob.glob(os.path.join(directory, "*.deb")):
                subprocess.run(["dpkg", "-x", package, CACHE], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except (OSError, subprocess.SubprocessError, ValueError):
            return None
    return os.path.join(CACHE, "usr/sbin/sshd")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class SshServer:
    """`path`: a directory for PATH, in which an ssh lies that knows this server as "box". `programs`: PATH of its sessions."""

    def __init__(self, sshd, directory, programs):
        self.port = free_port()
        self.path = os.path.join(directory, "bin")
        os.makedirs(self.path)
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(directory, name)], check=True)
        self._write(directory, "sshd_config", f"""
ListenAddress 127.0.0.1
Port {self.port}
HostKey {directory}/host
AuthorizedKeysFile {directory}/user.pub
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
SetEnv PATH={programs}:/usr/bin:/bin
""")
        with open(os.path.join(directory, "host.pub")) as f:
            self._write(directory, "known_hosts", f"[127.0.0.1]:{self.port} {f.read()}")
        self._write(directory, "ssh_config", f"""
Host box
    HostName 127.0.0.1
    Port {self.port}
Host *
    IdentityFile {directory}/user
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile {directory}/known_hosts
    GlobalKnownHostsFile /dev/null
    BatchMode yes
""")
        self._write(directory, "bin/ssh", f'#!/bin/sh\nexec /usr/bin/ssh -F {directory}/ssh_config "$@"\n', 0o755)
        with open("/etc/passwd") as f:
            users = f.read()
        if "\nsshd:" not in users:
            users += "sshd:x:60999:65534::/run/sshd:/usr/sbin/nologin\n"
        self._write(directory, "passwd", users, 0o644)
        self.log = os.path.join(directory, "sshd.log")
        libraries = ":".join(glob.glob(os.path.join(CACHE, "usr/lib/*-linux-gnu")))
        # In a mount namespace of its own it finds the user and the directory that its package would have made.
        script = f"mount --bind {directory}/passwd /etc/passwd && mount -t tmpfs tmpfs /run && mkdir -m 0755 /run/sshd && LD_LIBRARY_PATH={libraries} exec {sshd} -D -e -f {directory}/sshd_config"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            eventually(self._answers, timeout=20, what="sshd answers")
        except AssertionError:
            self.end()
            with open(self.log) as f:
                raise AssertionError("sshd does not answer:\n" + f.read()) from None

    @staticmethod
    def _write(directory, name, text, mode=0o600):
        path = os.path.join(directory, name)
        with open(path, "w") as f:
            f.write(text.lstrip("\n"))
        os.chmod(path, mode)

    def _answers(self):
        assert self.process.poll() is None
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as s:
            return s.recv(4) == b"SSH-"

    def end(self):
        self.process.terminate()
        self.process.wait(20)
