"""Registries: pull, push, login, search and inspection against docker-registry, with and without TLS and passwords."""
import json
import os
import shutil
import subprocess
import time
import urllib.request
from urllib.parse import quote

import pytest

from conftest import IMAGE, make_engine
from harness import archives
from harness.archives import Tar
from harness.registries import (OCI_INDEX, Breaker, DockerRegistry, RegistryImage, auth_header, make_certificates, noise,
                                pull, push, sha256, skopeo)

pytestmark = pytest.mark.skipif(not (shutil.which("docker-registry") and shutil.which("htpasswd") and shutil.which("skopeo")),
                                reason="docker-registry, htpasswd and skopeo are needed")
MANIFESTS = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(str(tmp_path_factory.mktemp("certificates")), "127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def trusted(tmp_path_factory):
    return tmp_path_factory.mktemp("certs.d")


@pytest.fixture(scope="module")
def shared_engine(trusted):
    engine = make_engine(config={"certificate_directories": [str(trusted)]})
    engine("run", "--rm", IMAGE, "true")
    yield engine
    problem = engine.destroy()
    assert not problem, problem


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    r = DockerRegistry(str(tmp_path_factory.mktemp("registry"))).start()
    yield r
    r.stop()


@pytest.fixture
def clean(engine):
    """The engine, without any image of a test."""
    yield engine
    for image in engine.api("GET", "/images/json").json:
        if f"{IMAGE}:latest" not in image["RepoTags"]:
            engine.api("DELETE", f"/images/{image['Id']}?force=1")
        else:
            for tag in image["RepoTags"]:
                if tag != f"{IMAGE}:latest":
                    engine.ok("rmi", tag)


def statuses(messages):
    return [m.get("status", "") for m in messages]


def test_push_and_pull(clean, registry):
    name = f"{registry.host}/test/busybox:1"
    clean.ok("tag", IMAGE, name)
    messages, error = push(clean, name)
    assert not error
    told = statuses(messages)
    assert told[0] == f"The push refers to repository [{registry.host}/test/busybox]"
    assert told.count("Preparing") == 2 and told.count("Pushed") == 2
    aux = next(m["aux"] for m in messages if "aux" in m)
    headers, manifest = registry.get("/v2/test/busybox/manifests/1", MANIFESTS)
    assert aux == {"Tag": "1", "Digest": sha256(manifest), "Size": len(manifest)}
    assert f"1: digest: {aux['Digest']} size: {aux['Size']}" in told

    image = clean.api("GET", f"/images/{IMAGE}/json").json
    assert f"{registry.host}/test/busybox@{aux['Digest']}" in image["RepoDigests"]

    # The same again: nothing is compressed, nothing sent but the manifest.
    before = len(registry.requests())
    messages, error = push(clean, name)
    assert not error and statuses(messages).count("Layer already exists") == 2
    assert [r for r in registry.requests()[before:] if r.startswith(("POST", "PATCH", "PUT"))] == ["PUT /v2/test/busybox/manifests/1"]

    # Into an engine that has nothing, by tag and by digest.
    clean.ok("rmi", "-f", name)
    clean.ok("rmi", "-f", IMAGE)
    try:
        messages, error = pull(clean, name)
        assert not error
        told = statuses(messages)
        assert told[0] == "Pulling from test/busybox" and messages[0]["id"] == "1"
        assert told.count("Pulling fs layer") == 2 and told.count("Download complete") == 2 and told.count("Pull complete") == 2
        assert told[-2:] == [f"Digest: {aux['Digest']}", f"Status: Downloaded newer image for {name}"]
        assert clean.ok("run", "--rm", name, "cat", "/opq/new") == "new"
        pulled = clean.api("GET", f"/images/{name}/json").json
        assert pulled["Id"] == image["Id"] and pulled["RepoDigests"] == [f"{registry.host}/test/busybox@{aux['Digest']}"]
        messages, error = pull(clean, name)
        assert not error and statuses(messages)[-1] == f"Status: Image is up to date for {name}"
        assert statuses(messages).count("Already exists") == 2
        messages, error = pull(clean, f"{registry.host}/test/busybox@{aux['Digest']}")
        assert not error and statuses(messages)[-1].endswith(f"@{aux['Digest']}")
        _, error = pull(clean, f"{registry.host}/test/busybox@{'sha256:' + 64 * '0'}")
        assert "not found" in error
        assert os.listdir(os.path.join(clean.root, "images/partial")) == []
    finally:
        clean.load(archives.make_busybox_image(IMAGE + ":latest"))


def test_what_is_not_there(clean, registry):
    _, error = pull(clean, f"{registry.host}/no/such:1")
    assert f"manifest for {registry.host}/no/such:1 not found" in error
    _, error = push(clean, f"{registry.host}/no/such:1")
    assert "An image does not exist locally with the tag" in error
    _, error = pull(clean, "127.0.0.1:1/a:1")
    assert "127.0.0.1:1" in error and "connect" in error.lower()


def test_a_digest_survives_the_round_trip(clean, registry):
    """What skopeo has put there comes back out as it was, byte for byte."""
    layers = [Tar().dir("d").add("d/f", b"content\n").bytes(), Tar().add("g", b"more\n").bytes()]
    for compress in ("gzip", "zstd"):
        path = os.path.join(registry.directory, f"{compress}.tar")
        with open(path, "wb") as f:
            f.write(archives.oci_archive(layers, "x/y:1", archives.config_of(layers, Cmd=["x"]), compress))
        name = f"{registry.host}/trip/{compress}"
        skopeo("copy", "--insecure-policy", "--dest-tls-verify=false", f"oci-archive:{path}", f"docker://{name}:1")
        _, there = registry.get(f"/v2/trip/{compress}/manifests/1", MANIFESTS)
        _, error = pull(clean, f"{name}:1")
        assert not error
        clean.ok("tag", f"{name}:1", f"{name}-again:2")
        messages, error = push(clean, f"{name}-again:2")
        assert not error and statuses(messages).count("Mounted from trip/" + compress) == 2
        _, back = registry.get(f"/v2/trip/{compress}-again/manifests/2", MANIFESTS)
        assert back == there


def test_platforms_of_an_index(clean, registry):
    images = {}
    for architecture, variant in (("amd64", ""), ("arm64", ""), ("arm", "v6"), ("arm", "v7")):
        layer = Tar().add("arch", (architecture + variant).encode()).bytes()
        image = RegistryImage([layer], architecture=architecture, Cmd=["x"])
        images[architecture + variant] = image
        path = os.path.join(registry.directory, architecture + variant)
        for digest, blob in image.blobs().items():
            upload(registry, "multi", digest, blob)
        put_manifest(registry, "multi", image.digest, image.media_type, image.manifest)
    entries = [{"mediaType": i.media_type, "digest": i.digest, "size": len(i.manifest),
                "platform": {"os": "linux", "architecture": a.rstrip("v67"), **({"variant": a[-2:]} if a[-2:] in ("v6", "v7") else {})}}
               for a, i in images.items()]
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    put_manifest(registry, "multi", "1", OCI_INDEX, index)
    name = f"{registry.host}/multi:1"
    for platform, wanted in (("", "amd64"), ("linux/arm64", "arm64"), ("linux/arm64/v8", "arm64"), ("linux/arm/v6", "armv6"),
                             ("linux/arm", "armv7"), ("linux/amd64", "amd64")):
        messages, error = pull(clean, name, platform=platform)
        assert not error, platform
        assert clean.api("GET", f"/images/{name}/json").json["Id"] == images[wanted].id
        assert f"Digest: {sha256(index)}" in statuses(messages)
    _, error = pull(clean, name, platform="linux/s390x")
    assert "no matching manifest for linux/s390x" in error and "linux/arm64" in error
    assert "is not of the form" in pull(clean, name, platform="a/b/c/d")[1]

    inspected = clean.api("GET", f"/distribution/{name}/json").json
    assert inspected["Descriptor"] == {"mediaType": OCI_INDEX, "digest": sha256(index), "size": len(index)}
    assert {(p["os"], p["architecture"], p.get("variant")) for p in inspected["Platforms"]} == {
        ("linux", "amd64", None), ("linux", "arm64", None), ("linux", "arm", "v6"), ("linux", "arm", "v7")}
    assert clean.api("GET", f"/distribution/{registry.host}/no/such:1/json").status == 404


def upload(registry, repository, digest, data):
    base = f"http://{registry.host}"
    begin = urllib.request.Request(f"{base}/v2/{repository}/blobs/uploads/", method="POST")
    location = urllib.request.urlopen(begin).headers["Location"]
    put = urllib.request.Request(location + f"&digest={digest}", data=data, method="PUT",
                                 headers={"Content-Type": "application/octet-stream"})
    assert urllib.request.urlopen(put).status == 201


def put_manifest(registry, repository, reference, media_type, data):
    put = urllib.request.Request(f"http://{registry.host}/v2/{repository}/manifests/{reference}", data=data, method="PUT",
                                 headers={"Content-Type": media_type})
    assert urllib.request.urlopen(put).status == 201


def test_every_tag(clean, registry):
    for tag in ("a", "b", "c"):
        clean.ok("tag", IMAGE, f"{registry.host}/tags:{tag}")
    answer = clean.api("POST", f"/images/{registry.host}/tags/push", headers={"X-Registry-Auth": ""})
    assert answer.status == 200 and answer.body.count(b'"aux"') == 3
    for tag in ("a", "b", "c"):
        clean.ok("rmi", f"{registry.host}/tags:{tag}")
    answer = clean.api("POST", f"/images/create?fromImage={registry.host}/tags")
    assert answer.status == 200 and b'"error"' not in answer.body
    names = clean.api("GET", f"/images/{IMAGE}/json").json["RepoTags"]
    assert {f"{registry.host}/tags:{t}" for t in "abc"} <= set(names)


def test_a_large_layer_goes_in_pieces(clean, registry):
    layer = Tar().add("big", noise(40 << 20)).bytes()
    name = f"{registry.host}/big:1"
    clean.load(archives.docker_archive([layer], [name], archives.config_of([layer], Cmd=["x"])))
    before = len(registry.requests())
    messages, error = push(clean, name)
    assert not error
    assert len([r for r in registry.requests()[before:] if r.startswith("PATCH")]) == 2
    clean.ok("rmi", name)
    _, error = pull(clean, name)
    assert not error


@pytest.mark.parametrize("breaks", [[1], [200_000], [1 << 20, 20 << 20, 39 << 20], [33 << 20, 34 << 20]], ids=str)
def test_a_push_that_breaks_goes_on(clean, registry, breaks):
    size = 40 << 20
    layer = Tar().add("big", noise(size, seed=breaks[0])).bytes()
    breaker = Breaker(registry.port, breaks)
    try:
        name = f"{breaker.host}/breaks:1"
        clean.load(archives.docker_archive([layer], [name], archives.config_of([layer], Cmd=["x"])))
        messages, error = push(clean, name)
        assert not error and not breaker.breaks
        assert statuses(messages).count("Pushed") == 1
        # Of a piece that broke, what the registry has is not sent again.
        assert breaker.sent < size + (len(breaks) + 1) * (8 << 20)
        clean.ok("rmi", name)
        assert not pull(clean, f"{registry.host}/breaks:1")[1]
    finally:
        breaker.close()


def test_a_committed_container(clean, registry):
    """Its layer has no blob: one is made, once."""
    name = f"{registry.host}/committed:1"
    clean.ok("run", "--name", "c", IMAGE, "sh", "-c", "echo changed > /changed; rm /data/seed")
    image = clean.api("POST", f"/commit?container=c&repo={registry.host}/committed&tag=1").json["Id"]
    messages, error = push(clean, name)
    assert not error
    before = len(registry.requests())
    messages, error = push(clean, name)
    assert not error and statuses(messages).count("Layer already exists") == 3
    assert [r for r in registry.requests()[before:] if not r.startswith(("HEAD", "GET"))] == ["PUT /v2/committed/manifests/1"]
    clean.ok("rm", "c")
    clean.ok("rmi", name)
    assert not pull(clean, name)[1]
    assert clean.api("GET", f"/images/{name}/json").json["Id"] == image
    assert clean.ok("run", "--rm", name, "sh", "-c", "cat /changed; ls /data") == "changed"


def test_search_in_a_registry_without_one(clean, registry):
    clean.ok("tag", IMAGE, f"{registry.host}/find/me:1")
    assert not push(clean, f"{registry.host}/find/me:1")[1]
    found = clean.api("GET", f"/images/search?term={registry.host}/find").json
    assert [x["name"] for x in found] == [f"{registry.host}/find/me"]
    assert clean.api("GET", f"/images/search?term={registry.host}/nothing-like-it").json == []
    filters = quote(json.dumps({"is-official": ["true"]}))
    assert clean.api("GET", f"/images/search?term={registry.host}/find&filters={filters}").json == []
    assert clean.api("GET", f"/images/search?term={registry.host}/find&limit=101").status == 400
    assert clean.api("GET", f"/images/search?term={registry.host}/find&filters=" + quote(json.dumps({"x": ["1"]}))).status == 400


def test_events(clean, registry):
    name = f"{registry.host}/events:1"
    clean.ok("tag", IMAGE, name)
    assert not push(clean, name)[1] and not pull(clean, name)[1]
    answer = clean.api("GET", "/events?since=0&until=" + str(int(time.time()) + 1) + "&filters=" +
                       quote(json.dumps({"type": ["image"]})))
    events = [json.loads(line) for line in answer.body.decode().splitlines()]
    mine = [(e["Action"], e["Actor"]["ID"], e["Actor"]["Attributes"]["name"]) for e in events if e["Actor"]["ID"] == name]
    assert mine == [("push", name, name[:-2]), ("pull", name, name[:-2])]


def test_passwords(clean, tmp_path):
    registry = DockerRegistry(str(tmp_path), users={"user": "secret"}).start()
    try:
        name = f"{registry.host}/private:1"
        clean.ok("tag", IMAGE, name)
        good, bad = auth_header("user", "secret"), auth_header("user", "wrong")
        assert "unauthorized" in push(clean, name)[1] or "authentication required" in push(clean, name)[1]
        assert "authentication required" in push(clean, name, bad)[1]
        assert not push(clean, name, good)[1]
        for headers in (None, bad):
            error = pull(clean, name, headers)[1]
            assert f"pull access denied for {registry.host}/private" in error
        assert not pull(clean, name, good)[1]
        login = {"username": "user", "password": "secret", "serveraddress": registry.host}
        answer = clean.api("POST", "/auth", login)
        assert (answer.status, answer.json) == (200, {"Status": "Login Succeeded", "IdentityToken": ""})
        answer = clean.api("POST", "/auth", {**login, "password": "wrong"})
        assert answer.status == 401 and "incorrect username or password" in answer.message
        assert clean.api("POST", "/auth", {**login, "password": 7}).status == 400
        assert clean.api("POST", "/images/create?fromImage=x&tag=1", headers={"X-Registry-Auth": "!"}).status == 400
    finally:
        registry.stop()


def test_tls(clean, tmp_path, certificates, trusted, fresh):
    registry = DockerRegistry(str(tmp_path), users={"user": "secret"}, certificates=certificates).start()
    try:
        name, good = f"{registry.host}/private:1", auth_header("user", "secret")
        clean.ok("tag", IMAGE, name)
        # Over loopback any certificate is taken, as Docker does.
        assert not push(clean, name, good)[1]
        # Not where the configuration forbids it, until the authority is known.
        strict = fresh(config={"certificate_directories": [str(trusted)], "registries": {registry.host: {"insecure": False}}})
        error = pull(strict, name, good)[1]
        assert "certificate" in error.lower()
        os.makedirs(trusted / registry.host)
        shutil.copy(os.path.join(certificates, "ca.crt"), trusted / registry.host / "ca.crt")
        assert not pull(strict, name, good)[1]
        shutil.rmtree(trusted / registry.host)
        strict.config["registries"][registry.host]["ca"] = os.path.join(certificates, "ca.crt")
        strict.write_config()
        strict.restart()
        strict.ok("rmi", "-f", name)
        assert not pull(strict, name, good)[1]
    finally:
        registry.stop()


def test_mirrors(clean, registry, fresh):
    name = f"{registry.host}/mirrored:1"
    clean.ok("tag", IMAGE, name)
    assert not push(clean, name)[1]
    # The registry itself is not there: what can be had comes from its mirror, the first mirror that answers.
    engine = fresh(config={"registries": {"registry.invalid": {"mirrors": ["http://127.0.0.1:1", f"http://{registry.host}"]}},
                           "max_download_attempts": 1})
    assert not pull(engine, "registry.invalid/mirrored:1")[1]
    assert engine.ok("run", "--rm", "registry.invalid/mirrored:1", "echo", "hello") == "hello"
    assert "registry.invalid" in pull(engine, "registry.invalid/other:1")[1]


@pytest.mark.skipif(not shutil.which("docker"), reason="docker's client is not installed")
def test_docker_client(clean, registry, tmp_path):
    def docker(*args):
        return subprocess.run(["docker", "--config", str(tmp_path), *args], env=clean.environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    name = f"{registry.host}/docker:1"
    assert docker("tag", IMAGE, name).returncode == 0
    done = docker("push", name)
    assert done.returncode == 0 and "1: digest: sha256:" in done.stdout, done.stdout
    docker("rmi", name)
    done = docker("pull", name)
    assert done.returncode == 0 and f"image for {name}" in done.stdout, done.stdout
    assert docker("run", "--rm", name, "echo", "hello").stdout == "hello\n"
    assert docker("pull", "-a", name[:-2]).returncode == 0
    done = docker("pull", f"{registry.host}/docker:none")
    assert done.returncode == 1 and "not found" in done.stdout
