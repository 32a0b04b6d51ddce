"""Managed plugins made on the spot: archives of them, registries' documents, and what runs of one."""
import gzip
import hashlib
import json
import os
import subprocess

from . import archives, http_unix

HERE = os.path.dirname(os.path.abspath(__file__))
_program = None


def program():
    """The static plugin of the tests (plugin.c), compiled once."""
    global _program
    if _program is None:
        out = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"gantry-plugin-{os.getpid()}")
        subprocess.run(["gcc", "-O1", "-static", "-o", out, os.path.join(HERE, "plugin.c")], check=True)
        with open(out, "rb") as f:
            _program = f.read()
        os.unlink(out)
    return _program


def config(way="serve", **more):
    """A configuration in the names that authors of plugins write."""
    return {"description": "a plugin of the tests", "documentation": "https://example.invalid/",
            "interface": {"types": ["docker.volumedriver/1.0"], "socket": "p.sock"}, "entrypoint": ["/plugin", way],
            "env": [{"name": "DEBUG", "description": "says more", "settable": ["value"], "value": "0"}], **more}


def rich_config():
    """One that has all there is to have."""
    thing = {"description": "a", "settable": ["value"]}
    return config(workdir="/", user={"uid": 7, "gid": 8}, network={"type": "host"}, ipcHost=True, pidHost=True, propagatedMount="/mnt/volumes",
                  linux={"capabilities": ["CAP_SYS_ADMIN"], "allowAllDevices": True,
                         "devices": [{"name": "null", "description": "a", "settable": ["path"], "path": "/dev/null"}]},
                  mounts=[{"name": "tmp", "description": "a", "settable": ["source"], "source": "/tmp", "destination": "/host", "type": "bind", "options": ["rbind", "ro"]}],
                  args={"name": "args", "value": ["more"], **thing})


def archive(document=None, **more):
    """A tar of config.json and rootfs/."""
    tar = archives.Tar()
    tar.add("config.json", json.dumps(document if document is not None else config(**more)).encode())
    return tar.dir("rootfs").dir("rootfs/mnt").dir("rootfs/mnt/volumes").dir("rootfs/tmp", 0o1777).add("rootfs/plugin", program(), 0o755).bytes()


class RegistryPlugin:
    """A plugin as a registry holds it; Stub.add() takes it. `diff_ids`: others than are true."""
    media_type = "application/vnd.docker.distribution.manifest.v2+json"

    def __init__(self, document=None, diff_ids=None, **more):
        layer = archives.Tar().dir("mnt").dir("mnt/volumes").dir("tmp", 0o1777).add("plugin", program(), 0o755).bytes()
        rootfs = {"type": "layers", "diff_ids": [_digest(layer)] if diff_ids is None else diff_ids}
        self.layer = gzip.compress(layer, 1, mtime=0)
        self.config = json.dumps({**(document or config(**more)), "rootfs": rootfs}).encode()
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": self.media_type,
            "config": {"mediaType": "application/vnd.docker.plugin.v1+json", "digest": _digest(self.config), "size": len(self.config)},
            "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "digest": _digest(self.layer), "size": len(self.layer)}]}).encode()
        self.digest = _digest(self.manifest)

    def blobs(self):
        return {_digest(x): x for x in (self.config, self.layer)}


def _digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def create(engine, name, document=None, **more):
    """POST /plugins/create; gives its id."""
    answer = http_unix.request(engine.socket, "POST", f"/plugins/create?name={name}", archive(document, **more), headers={"Content-Type": "application/x-tar"})
    assert answer.status == 204, answer
    return inspect(engine, name)["Id"]


def inspect(engine, name):
    answer = http_unix.request(engine.socket, "GET", f"/plugins/{name}/json")
    assert answer.status == 200, answer
    return answer.json


def processes(number):
    """Processes in a plugin's control group."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cgroup") as f:
                if number in f.read():
                    found.append(int(pid))
        except OSError:
            pass
    return found


def first(number):
    """The plugin's own process."""
    [pid] = [p for p in processes(number) if os.path.basename(os.readlink(f"/proc/{p}/exe")) == "plugin"]
    return pid


def remove_all(engine):
    for plugin in http_unix.request(engine.socket, "GET", "/plugins").json:
        answer = http_unix.request(engine.socket, "DELETE", f"/plugins/{plugin['Id']}?force=1")
        assert answer.status == 200, answer
