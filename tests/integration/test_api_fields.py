"""Every member of a reply that Docker's description of the API has, is there, of objects that have all there is to have: or it stands
in api/excused.py by its name, with the reason, and is not there. And what older versions of the API had."""
import base64
import fnmatch
import glob
import json
import os
import time
from urllib.parse import quote

import pytest

from api.excused import EXCUSED
from api.parameters_images import build
from api.world import World, filters
from conftest import IMAGE, make_engine
from harness import archives, census, http_unix, plugins
from harness.attested import IN_TOTO, PREDICATE, SLSA, Attested, statement
from harness.http_unix import Hijacked
from harness.registries import OCI_MANIFEST, RegistryImage
from harness.waiting import eventually

HERE = os.path.dirname(os.path.abspath(__file__))


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
    # Internal: nothing of it makes the host forward.
    w.post("/networks/create", {"Name": "rich6", "Internal": True, "EnableIPv6": True, "IPAM": {"Config": [{"Subnet": "fd00:77::/64"}]}})
    w.post("/volumes/create", {"Name": "rich", "Labels": {"a": "b"}})
    answer = w.post("/containers/create?name=rich", {
        "Image": w.rich_image, "Cmd": ["sh", "-c", WRITES], "Domainname": "example", "StopTimeout": 5, "Shell": ["/bin/sh"], "AttachStdout": True,
        "HostConfig": {"Binds": ["rich:/vol:ro"], "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}, "NetworkMode": "rich",
                       "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2},
                       "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}, "Annotations": {"a": "b"}},
        "NetworkingConfig": {"EndpointsConfig": {"rich": ENDPOINT, "rich6": {"IPAMConfig": {"IPv6Address": "fd00:77::9"}}}}})
    assert answer.status == 201, answer
    assert w.post("/containers/rich/start").status == 204
    # All that can be asked for; what is not there on every machine (disks to throttle) need not be used.
    bind, volume, tmpfs = ({"Propagation": "rprivate", "NonRecursive": True, "CreateMountpoint": True, "ReadOnlyNonRecursive": False, "ReadOnlyForceRecursive": False},
                           {"NoCopy": True, "Labels": {"a": "b"}, "DriverConfig": {"Name": "local", "Options": {}}, "Subpath": "a"}, {"SizeBytes": 1 << 20, "Mode": 0o700, "Options": []})
    answer = w.post("/containers/create?name=asked", {
        "Image": w.rich_image, "Cmd": ["true"], "OnBuild": ["RUN true"], "NetworkDisabled": True,
        "HostConfig": {"Mounts": [{"Type": "bind", "Source": "/tmp", "Target": "/b", "ReadOnly": True, "Consistency": "default", "BindOptions": bind},
                                  {"Type": "volume", "Target": "/v2", "VolumeOptions": volume}, {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": tmpfs},
                                  {"Type": "image", "Source": IMAGE, "Target": "/i", "ImageOptions": {"Subpath": "bin"}}],
                       "BlkioWeightDevice": [{"Path": "/dev/loop0", "Weight": 100}], **{key: [{"Path": "/dev/loop0", "Rate": 1 << 20}] for key in THROTTLES},
                       "Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}], "Tmpfs": {"/tt": "size=1m"}, "Sysctls": {"net.ipv4.ip_forward": "0"},
                       "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/other", "CgroupPermissions": "rwm"}]}})
    assert answer.status == 201, answer
    eventually(lambda: w.get("/containers/rich/json").json["State"]["Health"]["Log"], what="a probe has run")
    assert b"test/many" in w.post("/images/load", many_platforms("test/many:1")).body
    assert b"test/attested" in w.post("/images/load", rich_attestation("test/attested:1")).body
    answer = w.post("/containers/create?name=of_many", {"Image": "test/many:1", "Cmd": ["x"]})
    assert answer.status == 201, answer


WRITES = "dd if=/dev/zero of=/written bs=4096 count=4 oflag=direct; exec sleep 1000"
THROTTLES = [f"BlkioDevice{way}{what}" for way in ("Read", "Write") for what in ("Bps", "IOps")]
ARM = "platform=" + quote(json.dumps({"os": "linux", "architecture": "arm", "variant": "v7"}))
INDEX = "application/vnd.oci.image.index.v1+json"


def many_platforms(tag):
    """An archive of an index whose entries say all that a descriptor can."""
    blobs = {}

    def blob(content, media_type, **more):
        blobs[archives.digest(content)] = content
        return {"mediaType": media_type, "digest": "sha256:" + archives.digest(content), "size": len(content), **more}

    def image(architecture, **variant):
        layer = archives.Tar().add("which", architecture.encode()).bytes()
        config = {**json.loads(archives.config_of([layer])), "architecture": architecture, "author": "somebody", **variant}
        manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
                               "layers": [blob(layer, "application/vnd.oci.image.layer.v1.tar")]}).encode()
        return blob(manifest, OCI_MANIFEST, platform={"os": "linux", "architecture": architecture, **variant}, annotations={"a": "b"},
                    urls=["https://example.invalid/x"], artifactType="application/x", data=base64.b64encode(manifest).decode())
    document = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [image("amd64", variant="v1"), image("arm", variant="v7")]}).encode()
    index = blob(document, INDEX, annotations={"io.containerd.image.name": tag})
    tar = archives.Tar()
    tar.add("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
    tar.add("index.json", json.dumps({"schemaVersion": 2, "manifests": [index]}).encode())
    for name, data in blobs.items():
        tar.add("blobs/sha256/" + name, data)
    return tar.bytes()


def rich_attestation(tag):
    """An image with a statement whose descriptor says all that a descriptor can."""
    made = Attested(attest=False)
    text = statement(made.image.digest, SLSA)
    made.add(made.image.digest, [made.blob(text, IN_TOTO, annotations={PREDICATE: SLSA}, urls=["https://example.invalid/x"], artifactType="application/x",
                                           data=base64.b64encode(text).decode(), platform={"os": "linux", "architecture": "arm", "variant": "v7"})])
    return made.archive(tag)


def failed_start(w):
    """What waits for a container that cannot start hears why."""
    name = w.create(None, "/no/such/program")
    stream = Hijacked(w.engine.socket, f"/containers/{name}/wait?condition=next-exit")
    assert w.post(f"/containers/{name}/start").status != 204
    body = stream.read_until(b"}\n")
    stream.close()
    return http_unix.Response(200, {}, body[body.index(b"{"):body.rindex(b"}") + 1])


def committed(w):
    assert w.post("/commit?container=exited&repo=test/said&author=somebody&comment=something").status == 201
    return w.get("/images/test/said:latest/json")


def distribution(w):
    """Of one image, and of several platforms."""
    arm = [{"mediaType": OCI_MANIFEST, "digest": w.image.digest, "size": len(w.image.manifest), "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}}]
    w.registry.manifests[("test/index", "1")] = (INDEX, json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": arm}).encode())
    return [w.get(f"/distribution/{w.rich_image}/json"), w.get(f"/distribution/{w.registry.host}/test/index:1/json")]


def debugging(w):
    """What an engine tells of itself whose log is to say everything, with a registry of its own settings."""
    engine = make_engine(image=False, config={"log_level": "debug", "registries": {"reg.example:5000": {"insecure": True, "mirrors": ["http://mirror.example"]}}})
    try:
        told = engine.api("GET", "/info")
        assert told.json["RegistryConfig"]["IndexConfigs"]["reg.example:5000"] == {
            "Name": "reg.example:5000", "Mirrors": ["http://mirror.example"], "Secure": False, "Official": False}
        return told
    finally:
        problem = engine.destroy()
        assert not problem, problem


def exec_with_all(w):
    return w.get(f"/exec/{w.exec('running', 'echo', 'x', User='root', Privileged=True)}/json")


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
    "GET /containers/{id}/json": lambda w: [w.get("/containers/rich/json?size=1"), w.get("/containers/asked/json"), w.get("/containers/of_many/json")],
    "GET /containers/{id}/top": lambda w: w.get("/containers/rich/top"),
    "GET /containers/{id}/changes": lambda w: w.get(f"/containers/{changed(w)}/changes"),
    "GET /containers/{id}/stats": lambda w: w.get("/containers/rich/stats?stream=0"),
    "POST /containers/{id}/update": lambda w: w.post("/containers/running/update", {"RestartPolicy": {"Name": "no"}}),
    "POST /containers/{id}/wait": lambda w: [w.post("/containers/exited/wait"), failed_start(w)],
    "POST /containers/prune": lambda w: w.create(Labels={"f": "p"}) and w.post("/containers/prune?" + filters('{"label":["f=p"]}')),
    "GET /images/json": lambda w: w.get("/images/json?manifests=1&identity=1&shared-size=1"),
    "POST /build/prune": lambda w: w.post("/build/prune?all=1"),
    "GET /images/{name}/json": lambda w: [w.get(f"/images/{w.rich_image}/json?manifests=1"), committed(w), w.get("/images/test/many:1/json?manifests=1"),
                                          w.get("/images/test/attested:1/json?manifests=1"),
                                          w.get("/images/test/many:1/json?" + ARM)],
    "GET /images/{name}/attestations": lambda w: w.get("/images/test/attested:1/attestations?statement=1"),
    "GET /images/{name}/history": lambda w: w.get(f"/images/{IMAGE}/history"),
    "DELETE /images/{name}": removed_image,
    "GET /images/search": lambda w: w.get(f"/images/search?term={w.registry.host}/found"),
    "POST /images/prune": pruned_images,
    "POST /auth": lambda w: w.post("/auth", {"serveraddress": w.registry.host, "username": "user", "password": "right"}),
    "GET /info": lambda w: [w.get("/info"), debugging(w)], "GET /version": lambda w: w.get("/version"),
    "POST /commit": lambda w: w.post("/commit?container=exited"),
    "GET /events": lambda w: w.get(f"/events?since=1&until={time.time():.6f}&" + filters('{"event":["start"],"container":["rich"]}')),
    "GET /system/df": usage,
    "POST /containers/{id}/exec": lambda w: w.post("/containers/running/exec", {"Cmd": ["true"]}),
    "GET /exec/{id}/json": exec_with_all,
    "GET /volumes": lambda w: w.get("/volumes"), "POST /volumes/create": lambda w: w.post("/volumes/create", {"Name": w.name(), "Labels": {"a": "b"}}),
    "GET /volumes/{name}": lambda w: w.get("/volumes/rich"),
    "POST /volumes/prune": lambda w: w.volume() and w.post("/volumes/prune?" + filters('{"all":["1"],"label!":["a"]}')),
    "GET /networks": lambda w: w.get("/networks"), "GET /networks/{id}": lambda w: w.get("/networks/rich"),
    "POST /networks/create": lambda w: w.post("/networks/create", {"Name": w.name()}),
    "POST /networks/prune": lambda w: w.network() and w.post("/networks/prune?" + filters('{"label!":["a"]}')),
    "GET /distribution/{name}/json": distribution,
    "GET /plugins": lambda w: w.plugin(document=plugins.rich_config()) and w.get("/plugins"),
    "GET /plugins/privileges": lambda w: w.get(f"/plugins/privileges?remote={w.plugin_remote(document=plugins.rich_config())}"),
    "GET /plugins/{name}/json": lambda w: w.get(f"/plugins/{w.plugin(document=plugins.rich_config())}/json"),
    "DELETE /plugins/{name}": lambda w: w.delete(f"/plugins/{w.plugin(document=plugins.rich_config())}"),
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


def excuse(operation, member):
    """By its name, or by that of the object or entry that it is in."""
    known = EXCUSED.get(operation, {})
    return next((known[member[:i]] for i in range(len(member), 0, -1) if member[:i] in known and (i == len(member) or member[i] in ".[")), None)


def io_unknown(w):
    """Entries of disks are those that the kernel has for this container, which has written to one; some kernels count nothing."""
    group = w.get("/containers/rich/json").json["Id"]
    told = [open(path).read() for root in census.cgroup_roots() for kind in ("blkio.throttle.io_service_bytes_recursive", "io.stat")
            for path in glob.glob(f"{root}/**/{group}/{kind}", recursive=True)]
    assert told, "the container's control group"
    counted = any(":" in text for text in told)
    return () if counted else [f"blkio_stats.{what}_recursive[].{part}" for what in ("io_service_bytes", "io_serviced") for part in ("major", "minor", "op", "value")]


@pytest.mark.parametrize("operation,status,fields", FIELDS, ids=[f[0] for f in FIELDS])
def test_members_of_replies(world, operation, status, fields):
    answers = REQUESTS[operation](world)
    found = set()
    for answer in answers if isinstance(answers, list) else [answers]:
        assert answer.status == status, answer
        found.update(members(json.loads(answer.body.splitlines()[0]) if operation == "GET /events" else answer.json))
    unknown = io_unknown(world) if operation.endswith("/stats") else ()
    missing = [one for one in fields if not is_there(one, found) and not excuse(operation, one) and one not in unknown]
    there = [one for one in fields if is_there(one, found) and excuse(operation, one)]
    assert not missing and not there, f"not there: {' '.join(missing)}; there, and excused: {' '.join(there)}"


def test_how_many_members_there_are(capsys):
    every = [(operation, one) for operation, _, fields in FIELDS for one in fields]
    excused = [one for one in every if excuse(*one)]
    with capsys.disabled():
        print(f"\n{len(every)} members of {len(FIELDS)} replies: {len(every) - len(excused)} shown, {len(excused)} excused by "
              f"{sum(map(len, EXCUSED.values()))} names with a reason")
    assert set(REQUESTS) == {operation for operation, _, _ in FIELDS}
    unknown = [(operation, name) for operation, names in EXCUSED.items() for name in names if (operation, name) not in every and not name.endswith("[]")]
    assert not unknown and all(why for names in EXCUSED.values() for why in names.values())


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
