"""A member of a wrong type anywhere in a body is the client's mistake: 400 with a text, never 500, and nothing is made."""
import copy
import os
import re

import pytest

from conftest import IMAGE
from harness.engine import REPOSITORY

CREATE = {
    "Image": IMAGE, "Cmd": ["true"], "Entrypoint": ["sh"], "Env": ["A=1"], "Labels": {"a": "b"}, "WorkingDir": "/", "User": "root",
    "Hostname": "h", "Tty": False, "OpenStdin": False, "StdinOnce": False, "AttachStdout": True, "StopSignal": "TERM", "StopTimeout": 1, "NetworkDisabled": False,
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
# Every route whose body is JSON, with a body that is right.
ROUTES = [
    ("/containers/create?name=typed", CREATE),
    ("/containers/there/update", {"Memory": 100 << 20, "NanoCpus": 1, "PidsLimit": 5, "CpuShares": 5, "CpusetCpus": "0", "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}}),
    ("/containers/there/exec", {"Cmd": ["true"], "Env": ["A=1"], "User": "root", "WorkingDir": "/", "Tty": False, "AttachStdin": False, "AttachStdout": True,
                                "AttachStderr": True, "Privileged": False, "DetachKeys": "ctrl-p", "ConsoleSize": [24, 80]}),
    ("/exec/EXEC/start", {"Detach": True, "Tty": False, "ConsoleSize": [24, 80]}),
    ("/networks/create", {"Name": "typed", "Driver": "bridge", "Internal": False, "Attachable": True, "EnableIPv4": True, "EnableIPv6": False, "Scope": "local",
                          "Options": {"com.docker.network.driver.mtu": "1400"}, "Labels": {"a": "b"},
                          "IPAM": {"Driver": "default", "Config": [{"Subnet": "10.213.0.0/24", "Gateway": "10.213.0.1", "IPRange": "10.213.0.0/25",
                                                                    "AuxiliaryAddresses": {"a": "10.213.0.9"}}], "Options": {}}}),
    ("/networks/tn/connect", {"Container": "there", "EndpointConfig": {"Aliases": ["x"], "IPAMConfig": {"IPv4Address": ""}, "DriverOpts": {}, "MacAddress": "", "GwPriority": 0}}),
    ("/networks/tn/disconnect", {"Container": "there", "Force": False}),
    ("/volumes/create", {"Name": "typed", "Driver": "local", "DriverOpts": {}, "Labels": {"a": "b"}}),
    ("/commit?container=there", {"Cmd": ["true"], "Entrypoint": ["sh"], "Env": ["A=1"], "User": "root", "WorkingDir": "/", "Labels": {"a": "b"},
                                  "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/v": {}}, "StopSignal": "SIGTERM"}),
    ("/auth", {"username": "u", "password": "p", "serveraddress": "127.0.0.1:1", "identitytoken": ""}),
    ("/gantry/drivers/check", {"file": "/no/such/network-x.so"}),
    ("/gantry/images/bootstrap", {"reference": "typed", "suite": "bookworm", "include": ["a"], "mirror": "http://127.0.0.1:1/", "variant": "minbase"}),
    ("/gantry/shutdown", {"containers": False}),
]
IDS = [r[0].split("?")[0] for r in ROUTES]
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


def is_of_another_type(value, path, right):
    """Whether `value` may not stand where `right` stands, whatever it is. null is as absent, but not within a list."""
    return type(value) is not type(right) and (value is not None or isinstance(path[-1], int))


def names_member(message, path):
    """The message has the member's name, or, within a list, that of the list."""
    return [key for key in path if isinstance(key, str)][-1] in message


def observed(engine):
    """All that a request could have made or changed."""
    there = engine.inspect("there")
    return {"containers": sorted(c["Id"] for c in engine.api("GET", "/containers/json?all=1").json),
            "networks": sorted(n["Id"] for n in engine.api("GET", "/networks").json),
            "volumes": sorted(v["Name"] for v in engine.api("GET", "/volumes").json["Volumes"] or []),
            "images": sorted(i["Id"] for i in engine.api("GET", "/images/json?all=1").json),
            "config": (there["Config"], there["HostConfig"], sorted(there["NetworkSettings"]["Networks"])),
            "pid": engine.pid, "running": engine.process.poll() is None}


@pytest.fixture
def there(engine):
    """A running container, a network beside it, and an exec that has not been started."""
    engine.ok("network", "create", "tn")
    engine.ok("run", "-d", "--name", "there", IMAGE, "sleep", "1000")
    made = engine.api("POST", "/containers/there/exec", {"Cmd": ["true"]})
    assert made.status == 201
    yield made.json["Id"]
    for c in engine.api("GET", "/containers/json?all=1").json:
        engine.api("DELETE", f"/containers/{c['Id']}?force=1&v=1")


@pytest.mark.parametrize("url,body", ROUTES, ids=IDS)
def test_another_type_is_refused_by_name_and_changes_nothing(engine, there, url, body):
    url = url.replace("EXEC", there)
    before, wrong = observed(engine), []
    for path in places(body):
        right = body
        for key in path:
            right = right[key]
        for value in WRONG:
            if not is_of_another_type(value, path, right):
                continue
            if "create?" in url and path in (("Cmd",), ("Entrypoint",)) and isinstance(value, str):
                continue  # stands for a list of one
            answer = engine.api("POST", url, changed(body, path, value))
            if answer.status != 400 or not names_member(answer.message, path) or "\n" in answer.message:
                wrong.append(f"{'.'.join(map(str, path))} = {value!r}: {answer}")
    for value in ([], [body]):
        answer = engine.api("POST", url, value)
        if answer.status != 400 or "not an object" not in answer.message:
            wrong.append(f"the body {value!r}: {answer}")
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong[:40])
    assert observed(engine) == before


# The others of its own type are not all wrong; what is right for these ends the engine, takes minutes, or is asked of a registry.
HARMLESS = [r for r in ROUTES if r[0] not in ("/gantry/shutdown", "/gantry/images/bootstrap", "/auth")]


@pytest.mark.parametrize("url,body", HARMLESS, ids=[r[0].split("?")[0] for r in HARMLESS])
def test_no_value_is_the_daemons_fault(engine, there, url, body):
    url = url.replace("EXEC", there)
    assert engine.api("POST", f"/exec/{there}/start", {"Detach": True}).status == 200  # what follows finds it under way
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
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong[:40])
    assert engine.process.poll() is None


# What is asked of these is in their address, or their body is a stream or a list (of plugins: wrong ones are in test_plugins.py
# and the unit test of the API); the last one is refused whatever its body says.
WITHOUT_JSON = {"/containers/{id}/start", "/containers/{id}/stop", "/containers/{id}/restart", "/containers/{id}/kill",
                "/containers/{id}/pause", "/containers/{id}/unpause", "/containers/{id}/rename", "/containers/{id}/resize",
                "/containers/{id}/wait", "/containers/{id}/attach", "/exec/{id}/resize", "/images/{name:*}/tag", "/images/load",
                "/images/create", "/images/{name:*}/push", "/images/prune", "/containers/{id}/archive", "/containers/prune",
                "/volumes/prune", "/networks/prune", "/build", "/build/cancel", "/build/prune", "/gantry/build",
                "/session", "/grpc", "/plugins/pull", "/plugins/create", "/plugins/{name:*}/enable", "/plugins/{name:*}/disable",
                "/plugins/{name:*}/set", "/plugins/{name:*}/push", "/plugins/{name:*}/upgrade", "/volumes/{name}"}


def test_every_route_with_a_json_body_is_here():
    """A route that the daemon's tables have is in one of the two lists of this file."""
    source = os.path.join(REPOSITORY, "core/daemon/api")
    served = set()
    for name in os.listdir(source):
        with open(os.path.join(source, name)) as f:
            served |= {route for _, route in re.findall(r'router\.add\(\s*"(POST|PUT)",\s*"([^"]+)"', f.read())}
    assert served == WITHOUT_JSON | {re.sub(r"\b(there|tn|EXEC)\b", "{id}", one) for one in IDS}
