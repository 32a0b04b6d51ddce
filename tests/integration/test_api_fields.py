"""Every member of a reply that Docker's description of the API has, is there, of objects that have all there is to have: or it stands
in EXCUSED with the reason. And what older versions of the API had."""
import fnmatch
import json
import os
import time

import pytest

from api.parameters_images import build
from api.world import World, filters
from conftest import IMAGE, make_engine
from harness import archives
from harness.registries import RegistryImage
from harness.waiting import eventually

HERE = os.path.dirname(os.path.abspath(__file__))
WINDOWS = "of Windows"
SWARM = "of a swarm"
NOT_KEPT = "no image of the store has it: a manifest's own descriptor has neither"
# operation (or *) -> member -> why it is not there.
EXCUSED = {
    "*": {
        "*Descriptor.urls": NOT_KEPT, "*Descriptor.annotations": NOT_KEPT, "*Descriptor.data": NOT_KEPT, "*Descriptor.artifactType": NOT_KEPT,
        "*Descriptor.platform": NOT_KEPT, "*[Pp]latform.os.version": WINDOWS, "*[Pp]latform.os.features": WINDOWS, "*[Pp]latform*.variant": "of other processors",
        "*Platforms[[]].variant": "of other processors", "*Platforms[[]].os.*": WINDOWS,
        "*.ArgsEscaped": WINDOWS, "*.CpuCount": WINDOWS, "*.CpuPercent": WINDOWS, "*.IOMaximum*": WINDOWS, "*AttestationData*": "attestations are not kept",
        "*Identity*": "nobody vouches for an image", "*ClusterVolume*": SWARM, "*.NetworkDisabled": "Docker leaves it out where it is false",
        "*UsageData*": "told by the disk usage alone", "*.IPAMConfig.IPv6Address": "networks have IPv4 only", "*.IPAMConfig.LinkLocalIPs": "networks have no such addresses",
        "*Volume*.Status*": "the driver of this volume tells none", "Status": "the driver of this volume tells none", "Status.*": "the driver of this volume tells none",
    },
    "GET /containers/json": {"[[]].Mounts[[]].[NDT]*": "depends on the mount's type"},
    "GET /containers/{id}/json": {
        "Config.OnBuild": "of an image, and left out where it is empty",
        "HostConfig.*[[]].*": "what was asked for, and nothing was", "HostConfig.Mounts[[]].*Options*": "what was asked for, and nothing was", "Storage*": "of containerd's image store", "GraphDriver.Data.*": "what a driver tells of itself, and ours tells nothing"},
    "GET /containers/{id}/stats": {
        "blkio_stats.*[[]]*": "one for each disk that was used",
        "*.commitbytes": WINDOWS, "*.commitpeakbytes": WINDOWS, "*.privateworkingset": WINDOWS, "*.endpoint_id": WINDOWS, "*.instance_id": WINDOWS,
        "storage_stats.*": WINDOWS},
    "POST /containers/{id}/wait": {"Error*": "only where waiting failed"},
    "GET /images/{name}/json": {"Author": "left out where it is empty", "Comment": "left out where it is empty", "OsVersion": WINDOWS, "Variant": "of other processors", "GraphDriver.Data.*": "what a driver tells of itself, and ours tells nothing"},
    "GET /info": {
        "FirewallBackend*": "what a network driver works with is its own", "ProductLicense": "Docker's own", "NGoroutines": "of a program in Go; told where the engine debugs", "NFd": "told where the engine debugs",
        "GenericResources*": SWARM, "Swarm.*": SWARM, "Containerd*": "there is none", "NRI*": "there is none", "DiscoveredDevices*": "there is none",
        "RegistryConfig.*.*": "one for each registry with settings of its own", "Runtimes.*.runtimeArgs": "a driver has none", "Runtimes.*.status*": "what a runtime in Go tells"},
    "GET /version": {"Experimental": "Docker leaves it out where it is false"},
    "GET /system/df": {"BuildCacheUsage.Items[[]].[PD]*": "of a step that has it", "VolumeUsage.Items*.Status*": "the driver tells none"},
    "GET /networks": {"*.Peers*": SWARM},
    "GET /networks/{id}": {"Peers*": SWARM, "Services*": SWARM},
    "GET /distribution/{name}/json": {"Descriptor.*": NOT_KEPT},
}
WITHOUT = {
    "GET /images/{name}/attestations": "attestations are not supported", "GET /plugins": "there are no managed plugins",
    "GET /plugins/privileges": "there are no managed plugins", "GET /plugins/{name}/json": "there are no managed plugins",
    "DELETE /plugins/{name}": "there are no managed plugins",
}


def read_fields():
    with open(os.path.join(HERE, "api", "fields.txt")) as f:
        for line in f:
            method, path, status, fields = line.split()
            yield f"{method} {path}", int(status), fields.split(",")


FIELDS = list(read_fields())
ENDPOINT = {"Aliases": ["rich"], "DriverOpts": {"a": "b"}, "IPAMConfig": {"IPv4Address": "10.77.0.9"}, "MacAddress": "02:42:0a:4d:00:09"}


@pytest.fixture(scope="module")
def world():
    engine = make_engine()
    w = World(engine)
    make_rich(w)
    yield w
    w.close()
    problem = engine.destroy()
    assert not problem, problem


def make_rich(w):
    """An image, a container, a network and a volume that have all there is to have."""
    layers = archives.busybox_layers()
    image = RegistryImage(layers, User="0", ExposedPorts={"80/tcp": {}}, Env=["PATH=/bin"], Cmd=["sh"], Entrypoint=["env"], Volumes={"/v": {}}, WorkingDir="/tmp",
                          Labels={"a": "b"}, StopSignal="SIGTERM", Shell=["/bin/sh", "-c"], OnBuild=["RUN true"],
                          Healthcheck={"Test": ["CMD", "true"], "Interval": 10**9, "Timeout": 10**9, "StartPeriod": 10**9, "StartInterval": 10**9, "Retries": 3})
    w.rich_image = w.registry.add(image, "test/rich", "1")
    w.post(f"/images/create?fromImage={w.registry.host}/test/rich&tag=1")
    w.post("/networks/create", {"Name": "rich", "Labels": {"a": "b"}, "Options": {"com.docker.network.bridge.name": "rich0"},
                                "IPAM": {"Config": [{"Subnet": "10.77.0.0/24", "IPRange": "10.77.0.0/25", "Gateway": "10.77.0.1",
                                                     "AuxiliaryAddresses": {"other": "10.77.0.2"}}]}})
    w.post("/volumes/create", {"Name": "rich", "Labels": {"a": "b"}})
    answer = w.post("/containers/create?name=rich", {
        "Image": w.rich_image, "Cmd": ["sleep", "1000"], "Domainname": "example", "StopTimeout": 5, "Shell": ["/bin/sh"], "AttachStdout": True,
        "HostConfig": {"Binds": ["rich:/vol:ro"], "Mounts": [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1 << 20, "Mode": 0o700}}],
                       "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}, "NetworkMode": "rich", "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2},
                       "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}, "Annotations": {"a": "b"}, "Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}],
                       "Tmpfs": {"/tt": "size=1m"}, "Sysctls": {"net.ipv4.ip_forward": "0"}, "StorageOpt": {},
                       "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/other", "CgroupPermissions": "rwm"}]},
        "NetworkingConfig": {"EndpointsConfig": {"rich": ENDPOINT}}})
    assert answer.status == 201, answer
    assert w.post("/containers/rich/start").status == 204
    eventually(lambda: w.get("/containers/rich/json").json["State"]["Health"]["Log"], what="a probe has run")


def removed_image(w):
    build(w, f"FROM {IMAGE}\nENV fields=x\n", "t=test/fields:1")
    return w.delete("/images/test/fields:1")


def pruned_images(w):
    build(w, f"FROM {IMAGE}\nLABEL fields=prune\n", "t=test/fields:2")
    return w.post("/images/prune?" + filters('{"dangling":["false"],"label":["fields=prune"]}'))


def usage(w):
    build(w, f"FROM {IMAGE}\nRUN echo fields\n")
    return w.get("/system/df?verbose=1")


REQUESTS = {
    "GET /containers/json": lambda w: w.get("/containers/json?all=1&size=1"),
    "POST /containers/create": lambda w: w.post("/containers/create", {"Image": IMAGE}),
    "GET /containers/{id}/json": lambda w: w.get("/containers/rich/json?size=1"),
    "GET /containers/{id}/top": lambda w: w.get("/containers/rich/top"),
    "GET /containers/{id}/changes": lambda w: w.get(f"/containers/{changed(w)}/changes"),
    "GET /containers/{id}/stats": lambda w: w.get("/containers/rich/stats?stream=0"),
    "POST /containers/{id}/update": lambda w: w.post("/containers/running/update", {"RestartPolicy": {"Name": "no"}}),
    "POST /containers/{id}/wait": lambda w: w.post("/containers/exited/wait"),
    "POST /containers/prune": lambda w: w.create(Labels={"f": "p"}) and w.post("/containers/prune?" + filters('{"label":["f=p"]}')),
    "GET /images/json": lambda w: w.get("/images/json?manifests=1&shared-size=1"),
    "POST /build/prune": lambda w: w.post("/build/prune?all=1"),
    "GET /images/{name}/json": lambda w: w.get(f"/images/{w.rich_image}/json?manifests=1"),
    "GET /images/{name}/history": lambda w: w.get(f"/images/{IMAGE}/history"),
    "DELETE /images/{name}": removed_image,
    "GET /images/search": lambda w: w.get(f"/images/search?term={w.registry.host}/found"),
    "POST /images/prune": pruned_images,
    "POST /auth": lambda w: w.post("/auth", {"serveraddress": w.registry.host, "username": "user", "password": "right"}),
    "GET /info": lambda w: w.get("/info"), "GET /version": lambda w: w.get("/version"),
    "POST /commit": lambda w: w.post("/commit?container=exited"),
    "GET /events": lambda w: w.get(f"/events?since=1&until={time.time():.6f}&" + filters('{"event":["start"],"container":["rich"]}')),
    "GET /system/df": usage,
    "POST /containers/{id}/exec": lambda w: w.post("/containers/running/exec", {"Cmd": ["true"]}),
    "GET /exec/{id}/json": lambda w: w.get(f"/exec/{w.exec('running', 'echo', 'x')}/json"),
    "GET /volumes": lambda w: w.get("/volumes"), "POST /volumes/create": lambda w: w.post("/volumes/create", {"Name": w.name(), "Labels": {"a": "b"}}),
    "GET /volumes/{name}": lambda w: w.get("/volumes/rich"),
    "POST /volumes/prune": lambda w: w.volume() and w.post("/volumes/prune?" + filters('{"all":["1"],"label!":["a"]}')),
    "GET /networks": lambda w: w.get("/networks"), "GET /networks/{id}": lambda w: w.get("/networks/rich"),
    "POST /networks/create": lambda w: w.post("/networks/create", {"Name": w.name()}),
    "POST /networks/prune": lambda w: w.network() and w.post("/networks/prune?" + filters('{"label!":["a"]}')),
    "GET /distribution/{name}/json": lambda w: w.get(f"/distribution/{w.rich_image}/json"),
}


def changed(w):
    name = w.run(None, "touch", "/made")
    w.engine.wait_exited(name)
    return name


def members(value, where=""):
    """Every member of a reply, as in fields.txt but for names of maps."""
    if isinstance(value, list):
        for one in value:
            yield from members(one, where + "[]")
    elif isinstance(value, dict):
        for key, inner in value.items():
            name = f"{where}.{key}" if where else key
            yield name
            yield from members(inner, name)


def is_there(wanted, found):
    """A name of a map ("*") is any."""
    if "*" not in wanted:
        return wanted in found
    pattern = wanted.replace("[", "[[]")
    return any(fnmatch.fnmatchcase(one, pattern) for one in found)


def reason(operation, member):
    for key in (operation, "*"):
        for pattern, why in EXCUSED.get(key, {}).items():
            if fnmatch.fnmatchcase(member, pattern):
                return why
    return ""


@pytest.mark.parametrize("operation,status,fields", [f for f in FIELDS if f[0] not in WITHOUT], ids=[f[0] for f in FIELDS if f[0] not in WITHOUT])
def test_members_of_replies(world, operation, status, fields):
    answer = REQUESTS[operation](world)
    assert answer.status == status, answer
    reply = json.loads(answer.body.splitlines()[0]) if operation == "GET /events" else answer.json
    found = set(members(reply))
    missing = [one for one in fields if not is_there(one, found) and not reason(operation, one)
               and not any(reason(operation, one[:i]) and one[:i] not in found for i, c in enumerate(one) if c in ".[")]
    assert not missing, " ".join(missing)


def test_how_many_members_there_are(capsys):
    every = [(operation, one) for operation, _, fields in FIELDS for one in fields]
    excused = [1 for operation, one in every if operation in WITHOUT or reason(operation, one)]
    with capsys.disabled():
        print(f"\n{len(every)} members of {len(FIELDS)} replies: {len(excused)} excused, with a reason")
    assert set(REQUESTS) | set(WITHOUT) == {operation for operation, _, _ in FIELDS}


# --- older versions ---
OLD_NETWORK = {"Bridge", "HairpinMode", "LinkLocalIPv6Address", "LinkLocalIPv6PrefixLen", "SecondaryIPAddresses", "SecondaryIPv6Addresses", "EndpointID",
               "Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPAddress", "IPPrefixLen", "IPv6Gateway", "MacAddress"}


@pytest.mark.parametrize("version", ["1.24", "1.40", "1.44", "1.51"])
def test_the_default_networks_settings_of_a_container(world, version):
    settings = world.get(f"/v{version}/containers/running/json").json["NetworkSettings"]
    bridge = settings["Networks"]["bridge"]
    assert OLD_NETWORK <= set(settings)
    for one in ("EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "MacAddress"):
        assert settings[one] == bridge[one] and settings[one]
    assert not OLD_NETWORK & set(world.get("/v1.52/containers/running/json").json["NetworkSettings"])
    assert world.get(f"/v{version}/containers/rich/json").json["NetworkSettings"]["IPAddress"] == "", "it is not on the default one"


def test_short_names_of_a_container(world):
    inspected = world.get("/containers/rich/json").json
    short = inspected["Id"][:12]
    for version, aliases in (("1.44", ["rich", short]), ("1.45", ["rich"]), ("1.56", ["rich"])):
        network = world.get(f"/v{version}/containers/rich/json").json["NetworkSettings"]["Networks"]["rich"]
        assert network["Aliases"] == aliases, version
        assert short in network["DNSNames"]


def test_what_was_taken_from_a_containers_configuration(world):
    for version, there in (("1.51", True), ("1.52", False)):
        assert ("OnBuild" in world.get(f"/v{version}/containers/running/json").json["Config"]) == there
    assert "KernelMemory" in world.get("/v1.41/containers/running/json").json["HostConfig"]
    assert "KernelMemory" not in world.get("/v1.42/containers/running/json").json["HostConfig"]


@pytest.mark.parametrize("version,there,gone", [
    ("1.24", {"VirtualSize", "Container", "ContainerConfig", "Parent", "DockerVersion", "Author", "Comment"}, set()),
    ("1.43", {"VirtualSize", "Container", "ContainerConfig", "Parent"}, set()),
    ("1.44", {"Container", "ContainerConfig", "Parent", "DockerVersion"}, {"VirtualSize"}),
    ("1.45", {"Parent", "DockerVersion", "Author", "Comment"}, {"VirtualSize", "Container", "ContainerConfig"}),
    ("1.52", set(), {"Parent", "DockerVersion", "Author", "Comment", "VirtualSize", "Container"})])
def test_an_image(world, version, there, gone):
    image = world.get(f"/v{version}/images/{IMAGE}/json").json
    assert there <= set(image) and not gone & set(image)
    config = set(image["Config"])
    assert ({"Hostname", "AttachStdin", "Image", "Tty"} <= config) == (version < "1.50")
    assert ({"Entrypoint", "Volumes", "OnBuild", "Labels", "WorkingDir", "User"} <= config) == (version < "1.52")
    if "VirtualSize" in there:
        assert image["VirtualSize"] == image["Size"]


@pytest.mark.parametrize("version", ["1.24", "1.40", "1.42", "1.43", "1.44", "1.50", "1.51", "1.56"])
def test_a_list_of_images(world, version):
    untagged = world.post("/images/create?fromSrc=-", archives.Tar().add("f", version.encode()).bytes())
    number = json.loads(untagged.body.splitlines()[-1])["status"]
    images = {i["Id"]: i for i in world.get(f"/v{version}/images/json").json}
    minor = int(version[2:])
    assert images[number]["RepoTags"] == (["<none>:<none>"] if minor < 43 else [])
    assert images[number]["RepoDigests"] == (["<none>@<none>"] if minor < 43 else [])
    assert ("VirtualSize" in images[number]) == (minor < 44)
    test_image = next(i for i in images.values() if f"{IMAGE}:latest" in i["RepoTags"])
    assert test_image["Containers"] > 0 if minor >= 51 else test_image["Containers"] == -1


@pytest.mark.parametrize("version,keys", [
    ("1.40", {"LayersSize", "Images", "Containers", "Volumes", "BuildCache", "BuilderSize"}), ("1.44", {"LayersSize", "Images", "Containers", "Volumes", "BuildCache"}),
    ("1.52", {"LayersSize", "Images", "Containers", "Volumes", "BuildCache", "ImageUsage", "ContainerUsage", "VolumeUsage", "BuildCacheUsage"}),
    ("1.53", {"ImageUsage", "ContainerUsage", "VolumeUsage", "BuildCacheUsage"})])
def test_disk_usage(world, version, keys):
    assert set(world.get(f"/v{version}/system/df").json) == keys
    if version == "1.52":
        assert set(world.get("/v1.52/system/df?verbose=1").json) == {k for k in keys if k.endswith("Usage")}


def test_events_and_info(world):
    for version, there in (("1.51", True), ("1.52", False)):
        line = world.get(f"/v{version}/events?since=1&until={time.time():.6f}&" + filters('{"container":["running"]}')).body.splitlines()[0]
        assert ({"status", "id", "from"} <= set(json.loads(line))) == there
    # docker-compose 1.29 speaks the newest version there is and reads the old fields.
    line = world.get(f"/v1.52/events?since=1&until={time.time():.6f}&" + filters('{"container":["running"]}'),
                     headers={"User-Agent": "docker-compose/1.29.2 docker-py/5.0.3 Linux/6.1"}).body.splitlines()[0]
    assert {"status", "id", "from"} <= set(json.loads(line))
    assert "Expected" in world.get("/v1.48/info").json["RuncCommit"] and "Expected" not in world.get("/v1.49/info").json["RuncCommit"]
    assert "BridgeNfIptables" in world.get("/v1.49/info").json and "BridgeNfIptables" not in world.get("/v1.50/info").json


def test_versions_that_there_are_not(world):
    for version, words in (("1.57", "too new. Maximum supported API version is 1.56"), ("1.23", "too old. Minimum supported API version is 1.24")):
        answer = world.get(f"/v{version}/info")
        assert answer.status == 400 and words in answer.message
    assert world.get("/v1.24/info").headers["api-version"] == "1.56"
