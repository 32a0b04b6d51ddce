"""A member of a wrong type anywhere in a body is the client's mistake: 400 with a text, never 500, and nothing is made."""
import copy

import pytest

from conftest import IMAGE

CREATE = {
    "Image": IMAGE, "Cmd": ["true"], "Entrypoint": ["sh"], "Env": ["A=1"], "Labels": {"a": "b"}, "WorkingDir": "/", "User": "root",
    "Hostname": "h", "Tty": False, "OpenStdin": False, "StdinOnce": False, "AttachStdout": True, "StopSignal": "TERM", "StopTimeout": 1,
    "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/v": {}}, "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1000000000, "Retries": 1},
    "HostConfig": {
        "Binds": ["tv:/mnt"], "Memory": 100 << 20, "NanoCpus": 1000000000, "CpuShares": 10, "CpusetCpus": "0", "PidsLimit": 10,
        "NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "24841"}]}, "AutoRemove": False,
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "CapAdd": ["NET_RAW"], "CapDrop": ["KILL"], "Dns": ["10.0.0.1"],
        "DnsSearch": ["x"], "DnsOptions": ["ndots:1"], "ExtraHosts": ["a:10.0.0.1"], "Privileged": False, "ReadonlyRootfs": False, "SecurityOpt": ["no-new-privileges"],
        "Sysctls": {"net.ipv4.ip_forward": "0"}, "Tmpfs": {"/t": "size=1m"}, "ShmSize": 1 << 20, "Init": False, "IpcMode": "private",
        "PidMode": "", "UTSMode": "", "Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 20}], "LogConfig": {"Type": "local", "Config": {"max-size": "1m"}},
        "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/n", "CgroupPermissions": "rwm"}], "DeviceCgroupRules": ["c 1:3 r"], "GroupAdd": ["1"],
        "Mounts": [{"Type": "volume", "Source": "tv2", "Target": "/m", "ReadOnly": True, "VolumeOptions": {"NoCopy": True, "Labels": {"a": "b"}, "DriverConfig": {"Name": "local", "Options": {}}}}],
        "VolumesFrom": [], "OomScoreAdj": 0, "MaskedPaths": ["/proc/x"], "ReadonlyPaths": ["/proc/y"], "CgroupParent": "", "Runtime": "native",
    },
    "NetworkingConfig": {"EndpointsConfig": {"bridge": {"Aliases": ["x"], "IPAMConfig": {"IPv4Address": ""}, "DriverOpts": {}, "MacAddress": ""}}},
}
ROUTES = [
    ("/containers/create?name=typed", CREATE),
    ("/containers/there/update", {"Memory": 100 << 20, "NanoCpus": 1, "PidsLimit": 5, "CpuShares": 5, "CpusetCpus": "0", "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}}),
    ("/containers/there/exec", {"Cmd": ["true"], "Env": ["A=1"], "User": "root", "WorkingDir": "/", "Tty": False, "AttachStdout": True, "Privileged": False, "DetachKeys": "ctrl-p"}),
    ("/networks/create", {"Name": "typed", "Driver": "bridge", "Internal": False, "EnableIPv6": False, "Options": {"a": "b"}, "Labels": {"a": "b"},
                          "IPAM": {"Driver": "default", "Config": [{"Subnet": "10.213.0.0/24", "Gateway": "10.213.0.1", "IPRange": "10.213.0.0/25"}], "Options": {}}}),
    ("/networks/tn/connect", {"Container": "there", "EndpointConfig": {"Aliases": ["x"], "IPAMConfig": {"IPv4Address": ""}, "DriverOpts": {}}}),
    ("/networks/tn/disconnect", {"Container": "there", "Force": False}),
    ("/volumes/create", {"Name": "typed", "Driver": "local", "DriverOpts": {}, "Labels": {"a": "b"}}),
]
WRONG = [None, 5, -1, 1.5, True, "\0text", "text", [], [5], [None], [[]], [{}], {}, {"a": 5}, {"a": None}, {"a": []}, 1 << 62]


def places(value, path=()):
    """Every path in a body, the members of lists and objects included."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def changed(body, path, value):
    body = copy.deepcopy(body)
    at = body
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return body


@pytest.mark.parametrize("url,body", ROUTES, ids=[r[0].split("?")[0] for r in ROUTES])
def test_wrong_types_are_refused(engine, url, body):
    engine.ok("network", "create", "tn")
    engine.ok("run", "-d", "--name", "there", IMAGE, "sleep", "1000")
    wrong = []
    for path in places(body):
        for value in WRONG:
            answer = engine.api("POST", url, changed(body, path, value))
            if answer.status >= 500 and answer.status != 501:
                wrong.append(f"{'.'.join(map(str, path))} = {value!r}: {answer}")
            elif answer.status >= 400:
                assert answer.message
            if answer.status == 201 and "create" in url:
                engine.api("DELETE", {"/networks/create": "/networks/typed", "/volumes/create": "/volumes/typed"}.get(url, "/containers/typed?v=1"))
                if "/networks" in url or "/volumes" in url:
                    made = answer.json.get("Id") or answer.json.get("Name")
                    engine.api("DELETE", f"/{url.split('/')[1]}/{made}")
            if "connect" in url:
                engine.api("POST", "/networks/tn/disconnect", {"Container": "there"})
                if "disconnect" in url:
                    engine.api("POST", "/networks/tn/connect", {"Container": "there"})
    for c in engine.api("GET", "/containers/json?all=1").json:
        if c["Names"] != ["/there"]:
            engine.api("DELETE", f"/containers/{c['Id']}?force=1&v=1")
    engine.ok("rm", "-f", "there")
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong[:40])
