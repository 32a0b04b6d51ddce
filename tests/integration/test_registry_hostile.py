"""Registries that lie, break and attack: nothing is tagged, nothing kept, no secret told, and what broke off goes on."""
import base64
import gzip
import http.client
import json
import os
import socket
import subprocess
import threading
import time
import urllib.parse

import pytest

from conftest import IMAGE, make_engine
from harness.archives import Tar, config_of, docker_archive
from harness.engine import Engine
from harness.registries import (DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Pulling, RegistryImage, Stub, auth_header, make_certificates,
                                noise, pull, push, sha256)
from harness.waiting import eventually

SECRET = auth_header("user", "s3cret")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(str(tmp_path_factory.mktemp("certificates")), "127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def shared_engine():
    engine = make_engine(config={"certificate_directories": []})
    engine("run", "--rm", IMAGE, "true")  # the bridge, whose address is one that is not loopback
    yield engine
    problem = engine.destroy()
    assert not problem, problem


@pytest.fixture
def stub():
    s = Stub()
    yield s
    s.close()


def files(engine):
    found = []
    for top in ("images/blobs", "images/tmp", "images/partial"):
        for directory, _, names in os.walk(os.path.join(engine.root, top)):
            found += [os.path.join(directory, n) for n in names]
    return sorted(found)


def layers(engine):
    top = os.path.join(engine.root, "drivers")
    return sorted(os.path.join(d, n) for d, names, _ in os.walk(top) for n in names if n.startswith(("sha256", "unpack-")))


@pytest.fixture
def nothing(engine):
    """Afterwards the engine has what it had before: no image, no tag, no blob, no layer, and is the same process."""
    pid, images = engine.pid, engine.api("GET", "/images/json").json
    before = files(engine), layers(engine)
    yield engine
    assert engine.process.poll() is None and engine.pid == pid
    assert engine.api("GET", "/images/json").json == images
    # What an earlier push had packed may have been given up meanwhile; nothing has come.
    assert not set(files(engine)) - set(before[0])
    assert layers(engine) == before[1]


@pytest.fixture
def clean(engine):
    yield engine
    for image in engine.api("GET", "/images/json").json:
        if f"{IMAGE}:latest" not in image["RepoTags"]:
            engine.api("DELETE", f"/images/{image['Id']}?force=1")


def small(**more):
    return RegistryImage([Tar().dir("d").add("d/f", b"content\n").bytes(), Tar().add("g", b"more\n").bytes()], Cmd=["x"], **more)


def mib(size, count=1, seed=0):
    return RegistryImage([Tar().add(f"f{n}", noise(size << 20, seed + n)).bytes() for n in range(count)], level=0, Cmd=["x"])


# --- one digest, two meanings (S46), malformed documents (S48), ids as paths (S55) ---
def changed(text, **members):
    return json.dumps({**json.loads(text), **members}).encode()


AMBIGUOUS = {
    "both lists": lambda t: (OCI_MANIFEST, changed(t, manifests=[])),
    "schema 1 members": lambda t: (OCI_MANIFEST, changed(t, fsLayers=[])),
    "another type in the header": lambda t: (OCI_INDEX, t),
    "another type in the document": lambda t: (OCI_MANIFEST, changed(t, mediaType=DOCKER_MANIFEST)),
    "no type in a Docker document": lambda t: (DOCKER_MANIFEST, json.dumps({k: v for k, v in json.loads(t).items() if k != "mediaType"}).encode()),
    "no header": lambda t: ("", t),
    "json": lambda t: ("application/json", t),
    "duplicate key": lambda t: (OCI_MANIFEST, b'{"layers":[],' + t[1:]),
    "case variant": lambda t: (OCI_MANIFEST, b'{"Layers":[],' + t[1:]),
    "byte order mark": lambda t: (OCI_MANIFEST, b"\xef\xbb\xbf" + t),
    "trailing bytes": lambda t: (OCI_MANIFEST, t + b"{}"),
    "null layers": lambda t: (OCI_MANIFEST, changed(t, layers=None)),
    "no config": lambda t: (OCI_MANIFEST, changed(t, config=None)),
    "not json": lambda t: (OCI_MANIFEST, b"\x00\xff"),
    "deep": lambda t: (OCI_MANIFEST, b'{"a":' * 5000 + b"1" + b"}" * 5000),
    "empty": lambda t: (OCI_MANIFEST, b""),
}


@pytest.mark.parametrize("case", AMBIGUOUS, ids=str)
def test_a_document_has_one_meaning(nothing, stub, case):
    image = small()
    name = stub.add(image)
    content_type, text = AMBIGUOUS[case](image.manifest)
    stub.manifests[("test/app", "1")] = (content_type, text)
    assert pull(nothing, name)[1]
    # The same verdict with the digest pinned.
    stub.manifests[("test/app", sha256(text))] = (content_type, text)
    assert pull(nothing, f"{stub.host}/test/app@{sha256(text)}")[1]


BAD_DIGESTS = ["x", "", "sha256:../../../../x", "sha256:" + 63 * "a", "sha256:" + 65 * "a", "sha256:" + 64 * "A", "sha512:" + 128 * "a",
               "sha256:" + 60 * "a" + "/../", None, 7]


@pytest.mark.parametrize("digest", BAD_DIGESTS, ids=str)
def test_digests_are_no_paths(nothing, stub, digest):
    for where in ("config", "layers", "index"):
        image = small()
        name = stub.add(image)
        if where == "config":
            image.document["config"]["digest"] = digest
        elif where == "layers":
            image.document["layers"][0]["digest"] = digest
        entry = {"mediaType": OCI_MANIFEST, "digest": digest, "size": 5, "platform": {"os": "linux", "architecture": "amd64"}}
        index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()
        stub.manifests[("test/app", "1")] = (OCI_INDEX, index) if where == "index" else (OCI_MANIFEST, image.manifest)
        assert "digest" in pull(nothing, name)[1]


@pytest.mark.parametrize("size", [-1, 2 ** 63, 2 ** 64, 1.5, "5", None, 10 ** 30])
def test_sizes_are_whole_numbers(nothing, stub, size):
    image = small()
    name = stub.add(image)
    image.document["layers"][0]["size"] = size
    stub.manifests[("test/app", "1")] = (OCI_MANIFEST, image.manifest)
    assert "size" in pull(nothing, name)[1]


# --- digests and sizes are enforced (S47) ---
def flipped(data):
    return data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]


@pytest.mark.parametrize("what", ["layer", "layer+1", "layer-1", "layer flipped", "config", "diff id", "layer count"])
def test_wrong_bytes(nothing, stub, what):
    image = small()
    name = stub.add(image)
    layer, config = image.document["layers"][1]["digest"], image.id
    data = stub.blobs[layer]
    if what == "layer":
        stub.blobs[layer] = gzip.compress(Tar().add("evil", b"x").bytes())
    elif what == "layer+1":
        stub.blobs[layer] = data + b"\0"
    elif what == "layer-1":
        stub.blobs[layer] = data[:-1]
    elif what == "layer flipped":
        stub.blobs[layer] = flipped(data)
    elif what == "config":
        stub.blobs[config] = flipped(image.config)
    else:
        document = json.loads(image.config)
        diff_ids = document["rootfs"]["diff_ids"]
        if what == "diff id":
            diff_ids[1] = "sha256:" + 64 * "0"
        else:
            diff_ids.append(diff_ids[0])
        text = json.dumps(document).encode()
        image.document["config"].update(digest=sha256(text), size=len(text))
        stub.blobs[sha256(text)] = text
        stub.manifests[("test/app", "1")] = (OCI_MANIFEST, image.manifest)
    assert pull(nothing, name)[1]
    collected = [f for f in files(nothing) if "/partial/" in f]
    for path in collected:  # only what is as its name says may wait for the next try
        with open(path, "rb") as f:
            assert sha256(f.read()) == "sha256:" + os.path.basename(path)
        os.unlink(path)


def test_the_registry_lies_about_a_digest(nothing, stub):
    image = small()
    name = stub.add(image)
    for told in ("sha256:" + 64 * "0", "sha512:" + 128 * "0", "SHA256:" + sha256(image.manifest)[7:], "x"):
        stub.before = lambda h: "manifests" in h.path and h.answer(200, image.manifest, Content_Type=OCI_MANIFEST, Docker_Content_Digest=told)
        assert "digest" in pull(nothing, name)[1]
    # Other bytes than the pinned ones.
    stub.before = lambda h: "manifests" in h.path and h.answer(200, image.manifest, Content_Type=OCI_MANIFEST)
    assert "digest" in pull(nothing, f"{stub.host}/test/app@sha256:{64 * '0'}")[1]


def test_a_digest_known_from_elsewhere_is_not_enough(clean, stub):
    image = small()
    assert not pull(clean, stub.add(image))[1]
    assert not clean.api("GET", f"/images/{stub.host}/test/app@{image.digest}/json").status == 404
    assert "not found" in pull(clean, f"{stub.host}/other/repo@{image.digest}")[1]
    assert clean.api("GET", f"/images/{stub.host}/other/repo@{image.digest}/json").status == 404


def test_what_is_known_is_judged_as_what_is_new(clean, stub):
    """An image that is here, with all its layers, makes no document and no blob of another repository any truer."""
    image = small()
    name = stub.add(image)
    assert not pull(clean, name)[1]
    before = clean.api("GET", "/images/json").json, files(clean), layers(clean)
    other = f"{stub.host}/test/app:2"
    # The very same bytes, said to be something else.
    for case in ("another type in the header", "no header", "json"):
        stub.manifests[("test/app", "2")] = AMBIGUOUS[case](image.manifest)
        assert pull(clean, other)[1], case
        stub.manifests[("test/app", image.digest)] = AMBIGUOUS[case](image.manifest)
        assert pull(clean, f"{stub.host}/test/app@{image.digest}")[1], case
    # The layers are known by what they unpack to, but the blobs that are named for them are others.
    evil = gzip.compress(Tar().add("evil", b"x").bytes())
    for digest, size in ((sha256(evil), len(evil)), ("sha256:" + 64 * "0", 5), (image.document["layers"][1]["digest"], image.document["layers"][0]["size"])):
        document = json.loads(image.manifest)
        document["layers"][0].update(digest=digest, size=size)
        stub.manifests[("test/app", "2")] = (OCI_MANIFEST, json.dumps(document).encode())
        assert pull(clean, other)[1], digest
    stub.blobs[sha256(evil)] = evil
    document["layers"][0].update(digest=sha256(evil), size=len(evil))
    stub.manifests[("test/app", "2")] = (OCI_MANIFEST, json.dumps(document).encode())
    assert "digest" in pull(clean, other)[1], "a blob that is not what the config says"
    assert clean.api("GET", f"/images/{other}/json").status == 404
    assert (clean.api("GET", "/images/json").json, [f for f in files(clean) if "/partial/" not in f], layers(clean)) == before
    # And the good one is as good as before.
    stub.add(image)
    clean.ok("rmi", "-f", name)
    assert not pull(clean, name)[1]


# --- indexes without end (S49), bodies without end (S50) ---
def index_of(*entries):
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}).encode()


def entry(text, **more):
    return {"mediaType": OCI_INDEX, "digest": sha256(text), "size": len(text), **more}


def test_nested_indexes(nothing, stub):
    text = index_of()
    for depth in range(100):
        stub.manifests[("test/app", sha256(text))] = (OCI_INDEX, text)
        text = index_of(entry(text, annotations={"n": str(depth)}))
    stub.manifests[("test/app", "1")] = (OCI_INDEX, text)
    assert "nested deeper than 4" in pull(nothing, f"{stub.host}/test/app:1")[1]
    # A wide diamond: many entries, all of the same few.
    leaves = [index_of(*[entry(b"x" * n) for n in range(20)]) for _ in range(1)]
    wide = index_of(*[entry(leaves[0]) for _ in range(10_000)])
    stub.manifests[("test/app", "2")] = (OCI_INDEX, wide)
    assert "more than 1000" in pull(nothing, f"{stub.host}/test/app:2")[1]
    leaf = index_of()
    fans = [index_of(entry(leaf, annotations={"n": str(n)})) for n in range(400)]
    for fan in [leaf, *fans]:
        stub.manifests[("test/app", sha256(fan))] = (OCI_INDEX, fan)
    stub.manifests[("test/app", "3")] = (OCI_INDEX, index_of(*[entry(f) for f in fans]))
    assert "would have to be fetched" in pull(nothing, f"{stub.host}/test/app:3")[1]
    assert len(stub.seen) < 100, "what such an index costs is bounded"


def endless(handler, status=200, content_type="application/json", first=b"{"):
    """A body that has no end; what was taken of it is counted."""
    handler.send_response(status)
    handler.send_header("Content-Type", content_type)
    handler.send_header("Connection", "close")
    handler.end_headers()
    block, handler.server.taken = b" " * 65536, 0
    try:
        handler.wfile.write(first)
        while handler.server.taken < 256 << 20:
            handler.wfile.write(block)
            handler.server.taken += len(block)
    except OSError:
        pass
    handler.close_connection = True
    return True


@pytest.mark.parametrize("where", ["manifest", "config", "error", "token", "hello"])
def test_bodies_without_end(nothing, stub, where):
    image = small()
    name = stub.add(image)

    def before(h):
        if where == "manifest" and "manifests" in h.path:
            return endless(h, content_type=OCI_MANIFEST)
        if where == "config" and image.id in h.path:
            return endless(h)
        if where == "error" and "manifests" in h.path:
            return endless(h, 403)
        if where == "hello" and h.path == "/v2/":
            return endless(h)
        if where == "token":
            if h.path.startswith("/token"):
                return endless(h)
            if "Authorization" not in h.headers:
                return h.answer(401, b"", WWW_Authenticate=f'Bearer realm="{stub.url}/token",service="s"')
    stub.before = before
    assert pull(nothing, name)[1]
    assert stub.server.taken < 24 << 20  # what is in the buffers of the sockets is beyond the limit


def test_a_head_without_end(nothing, stub):
    name = stub.add(small())

    def before(h):
        if "manifests" in h.path:
            for n in range(5000):
                h.send_response_only(200) if n == 0 else h.send_header(f"X-{n}", "x" * 100)
            h.end_headers()
            h.close_connection = True
            return True
    stub.before = before
    assert pull(nothing, name)[1]


# --- credentials stay with the registry (S51) ---
def secrets_of(other):
    return other.headers_seen("Authorization") + other.headers_seen("Cookie")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_get_no_credentials(clean, stub, status):
    other = Stub()
    try:
        image = small()
        name = stub.add(image)
        other.blobs.update(image.blobs())

        def before(h):
            if "Authorization" not in h.headers:
                return h.answer(401, b"", WWW_Authenticate='Basic realm="x"')
            if "/blobs/" in h.path:
                return h.answer(status, b"", Location=other.url + h.path, Set_Cookie="a=b")
        stub.before = before
        assert not pull(clean, name, SECRET)[1]
        assert other.paths(part="/blobs/") and secrets_of(other) == []
        assert base64.b64encode(b"user:s3cret").decode() not in str(other.seen)
    finally:
        other.close()


@pytest.mark.parametrize("location", ["http://user:pass@127.0.0.1:1/x", "file:///etc/passwd", "gopher://127.0.0.1:1/", "", "https://a b/", "//"])
def test_redirects_to_nowhere(nothing, stub, location):
    name = stub.add(small())
    stub.before = lambda h: "/blobs/" in h.path and h.answer(307, b"", Location=location)
    assert pull(nothing, name)[1]


def test_redirects_in_a_circle(nothing, stub):
    name = stub.add(small())
    stub.before = lambda h: "/blobs/" in h.path and h.answer(307, b"", Location=h.path)
    assert "redirects more than 5 times" in pull(nothing, name)[1]
    assert len(stub.seen) < 20


def test_no_redirect_from_https_to_http(nothing, certificates):
    secure, other = Stub(certificates=certificates), Stub()
    try:
        image = small()
        name = secure.add(image)
        other.blobs.update(image.blobs())
        secure.before = lambda h: "/blobs/" in h.path and h.answer(307, b"", Location=other.url + h.path)
        assert "plain HTTP: refused" in pull(nothing, name)[1]
        assert other.seen == []
    finally:
        secure.close()
        other.close()


def test_an_upload_sent_elsewhere_gets_no_credentials(engine, stub):
    other = Stub()
    name = f"{stub.host}/test/app:1"
    try:
        def before(h):
            if "Authorization" not in h.headers:
                return h.answer(401, b"", WWW_Authenticate='Basic realm="x"')
            if h.command == "POST":
                return h.answer(202, b"", Location=other.url + "/upload")
        stub.before = before
        other.before = lambda h: h.answer(201)
        engine.ok("tag", IMAGE, name)
        engine.api("POST", f"/images/{stub.host}/test/app/push?tag=1", headers=SECRET)
        assert other.paths("PUT", "/upload") and secrets_of(other) == []
        other.seen.clear()
        stub.before = lambda h: h.command == "POST" and h.answer(202, b"", Location="ftp://127.0.0.1/x") or before(h)
        answer = engine.api("POST", f"/images/{stub.host}/test/app/push?tag=1", headers=SECRET)
        assert b"neither http nor https" in answer.body and other.seen == []
    finally:
        engine.ok("rmi", name)
        other.close()


def test_layers_from_elsewhere(nothing, stub):
    other = Stub()
    try:
        image = small()
        name = stub.add(image)
        for media_type in ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                           None):
            image.document["layers"][1]["urls"] = [other.url + "/layer"]
            if media_type:
                image.document["layers"][1]["mediaType"] = media_type
            else:
                image.document["layers"][1]["mediaType"] = image.document["layers"][0]["mediaType"]
                del stub.blobs[image.document["layers"][1]["digest"]]
            stub.manifests[("test/app", "1")] = (OCI_MANIFEST, image.manifest)
            assert pull(nothing, name)[1]
        for path in (f for f in files(nothing) if "/partial/" in f):
            os.unlink(path)
        assert other.seen == []
    finally:
        other.close()


# --- token servers (S52) ---
@pytest.mark.parametrize("realm", ["http://localhost:{port}/token", "http://169.254.169.254/token", "file:///etc/passwd", "http://user:pw@127.0.0.1:{port}/token",
                                   "http://127.0.0.1:{port}/" + 10_000 * "x", 'http://127.0.0.1\\".evil:{port}/token', "/token", "", "http://127.0.0.2:{port}/token"])
def test_hostile_realms_get_no_secret(nothing, stub, realm):
    other = Stub("0.0.0.0")
    try:
        name = stub.add(small())
        header = f'Bearer realm="{realm.format(port=other.port)}",service="s"'
        stub.before = lambda h: "Authorization" not in h.headers and h.answer(401, b"", WWW_Authenticate=header)
        for headers in (SECRET, {"X-Registry-Auth": base64.urlsafe_b64encode(b'{"identitytoken":"t0ken"}').decode()}):
            assert pull(nothing, name, headers)[1]
        assert secrets_of(other) == [] and "t0ken" not in str(other.seen) and other.seen == []
        assert stub.paths(part="/token") == [] and "s3cret" not in str(stub.seen)
    finally:
        other.close()


def test_a_token_server_that_the_configuration_allows(stub, fresh):
    other = Stub()
    try:
        name = stub.add(small())
        realm = f"http://localhost:{other.port}/token"
        other.before = lambda h: h.answer(200, b'{"token":"t"}')
        stub.before = lambda h: "Authorization" not in h.headers and h.answer(401, b"", WWW_Authenticate=f'Bearer realm="{realm}",service="s v"')
        engine = fresh(config={"registries": {stub.host: {"realms": ["localhost"]}}}, image=False)
        assert not pull(engine, name, SECRET)[1]
        assert other.headers_seen("Authorization") == ["Basic " + base64.b64encode(b"user:s3cret").decode()]
        assert other.paths() == ["/token?service=s%20v&scope=repository%3atest%2fapp%3apull&account=user"]
        assert set(stub.headers_seen("Authorization")) == {"Bearer t"}
    finally:
        other.close()


def test_tokens(clean, stub):
    image = small()
    name, tokens = stub.add(image), []

    def before(h):
        if h.path.startswith("/token"):
            tokens.append((h.command, h.path, h.body))
            return h.answer(200, json.dumps({"access_token": f"t{len(tokens)}", "refresh_token": "refresh"}).encode())
        # The first token is refused once it is shown: a new one is fetched.
        if h.headers.get("Authorization") != "Bearer t2":
            return h.answer(401, b"", WWW_Authenticate=f'Bearer realm="{stub.url}/token",service="s",scope="repository:other/repo:push"')
    stub.before = before
    assert not pull(clean, name, {"X-Registry-Auth": base64.urlsafe_b64encode(b'{"identitytoken":"t0ken"}').decode()})[1]
    assert len(tokens) == 2  # once for all requests
    # What the token is for is not the registry's to say.
    assert all("repository%3atest%2fapp%3apull" in body.decode() and "grant_type=refresh_token" in body.decode() for _, _, body in tokens)
    tokens.clear()
    stub.before = lambda h: before(h) if h.path.startswith("/token") or "Authorization" not in h.headers else None
    answer = clean.api("POST", "/auth", {"username": "user", "password": "s3cret", "serveraddress": stub.host})
    assert answer.json == {"Status": "Login Succeeded", "IdentityToken": "refresh"}
    stub.before = lambda h: h.path.startswith("/token") and h.answer(200, json.dumps({"token": "a\r\nX-Evil: 1"}).encode()) or \
        "Authorization" not in h.headers and h.answer(401, b"", WWW_Authenticate=f'Bearer realm="{stub.url}/token"')
    assert "gives no token" in pull(clean, name)[1]


# --- TLS (S53) ---
def bridge_address(engine):
    return engine.api("GET", "/networks/bridge").json["IPAM"]["Config"][0]["Gateway"]


def test_no_plain_http_off_loopback(nothing):
    other = Stub(bridge_address(nothing))
    try:
        name = other.add(small())
        assert pull(nothing, name, SECRET)[1]
        assert other.seen == []
    finally:
        other.close()


def test_no_unknown_certificate_off_loopback(nothing, tmp_path, fresh):
    address = bridge_address(nothing)
    other = Stub(address, certificates=make_certificates(str(tmp_path), "127.0.0.1"))
    try:
        name = other.add(small())
        assert "certificate" in pull(nothing, name, SECRET)[1].lower()
        assert other.seen == []
        # Where it is said of this very host, and of no other.
        engine = fresh(config={"registries": {other.host: {"insecure": True}, "other.example": {"insecure": True}}}, image=False)
        assert not pull(engine, name)[1]
        engine.config["registries"] = {f"{address}:1": {"insecure": True}}
        engine.write_config()
        engine.restart()
        other.seen.clear()
        engine.ok("rmi", name)
        assert pull(engine, name, SECRET)[1] and other.seen == []
    finally:
        other.close()


class NamesOfItsOwn(Engine):
    """An engine whose /etc/hosts is another."""

    def daemon_command(self):
        mount = f"mount --bind {self.base}/hosts /etc/hosts && exec \"$@\""
        return ["unshare", "-m", "--propagation", "private", "sh", "-c", mount, "sh", *super().daemon_command()]


def test_a_name_of_loopback_and_another_address(nothing):
    """What counts is the address that is dialled, not one of those that the name also has."""
    address = bridge_address(nothing)
    engine = NamesOfItsOwn(config={"certificate_directories": []})
    other = Stub(address)
    here = Stub()
    try:
        with open(os.path.join(engine.base, "hosts"), "w") as f:
            f.write(f"127.0.0.1 localhost both.test\n{address} both.test\n")
        engine.start()
        other.add(small())
        assert pull(engine, f"both.test:{other.port}/test/app:1", SECRET)[1]
        assert other.seen == []
        # A registry on loopback itself may be reached by any of its names.
        here.add(small())
        assert not pull(engine, f"both.test:{here.port}/test/app:1")[1]
    finally:
        other.close()
        here.close()
        problem = engine.destroy()
        assert not problem, problem


def test_insecure_hosts_may_be_plain(fresh, nothing):
    other = Stub(bridge_address(nothing))
    try:
        name = other.add(small())
        for settings in ({"insecure": True}, {"http": True}):
            engine = fresh(config={"registries": {other.host: settings}}, image=False)
            assert not pull(engine, name)[1]
    finally:
        other.close()


def test_loopback_may_be_forbidden_too(fresh, stub):
    engine = fresh(config={"registries": {stub.host: {"insecure": False}}}, image=False)
    assert pull(engine, stub.add(small()), SECRET)[1] and stub.seen == []


# --- what breaks goes on ---
def cut(handler, data, at, status=200, **headers):
    """Sends `at` bytes of the body and breaks the connection."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data[:at])
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True
    return True


@pytest.mark.parametrize("at", [0, 1, 100, 65_536, (1 << 20) - 1, (1 << 20) + 12_345])
def test_a_connection_that_breaks(clean, stub, at):
    image = mib(2)
    name, broken = stub.add(image), []

    def before(h):
        if "/blobs/" + image.document["layers"][0]["digest"] in h.path and not broken:
            broken.append(1)
            return cut(h, image.packed[0], at)
    stub.before = before
    messages, error = pull(clean, name)
    assert not error
    assert any("Retrying in" in m.get("status", "") for m in messages)
    asked = [h.get("Range") for m, path, h in stub.seen if image.document["layers"][0]["digest"] in path]
    assert asked == [None, f"bytes={at}-" if at else None]


def test_a_registry_that_knows_no_ranges(clean, stub):
    image = mib(2)
    name, broken = stub.add(image), []

    def before(h):
        if image.document["layers"][0]["digest"] in h.path:
            broken.append(1)
            return cut(h, image.packed[0], 1 << 20) if len(broken) == 1 else h.answer(200, image.packed[0])
    stub.before = before
    assert not pull(clean, name)[1] and len(broken) == 2


def test_a_wrong_range(nothing, stub):
    image = mib(2)
    name, broken = stub.add(image), []

    def before(h):
        if image.document["layers"][0]["digest"] in h.path:
            broken.append(1)
            if len(broken) == 1:
                return cut(h, image.packed[0], 1 << 20)
            return h.answer(206, image.packed[0][5:], Content_Range=f"bytes 5-{len(image.packed[0]) - 1}/{len(image.packed[0])}")
    stub.before = before
    assert "another part" in pull(nothing, name)[1]


@pytest.mark.parametrize("status,where", [(429, "/manifests/"), (500, "/manifests/"), (502, "config"), (503, "/blobs/"), (504, "/v2/")])
def test_passing_trouble(clean, stub, status, where):
    image = small()
    name, asked = stub.add(image), {}
    place = image.id if where == "config" else where

    def before(h):
        asked[h.path] = asked.get(h.path, 0) + 1
        if asked[h.path] == 1 and (h.path == place if place == "/v2/" else place in h.path):
            return h.answer(status, b"")
    stub.before = before
    assert not pull(clean, name)[1]
    assert {path: n for path, n in asked.items() if n != 1} == {path: 2 for path in asked if (path == place if place == "/v2/" else place in path)}


def test_a_registry_that_says_when_to_come_back(clean, stub):
    """It is not asked sooner."""
    name, asked = stub.add(small()), []

    def before(h):
        if "/manifests/" in h.path:
            asked.append(time.monotonic())
            return h.answer(429, b"", Retry_After="2") if len(asked) == 1 else None
    stub.before = before
    assert not pull(clean, name)[1]
    assert len(asked) == 2 and asked[1] - asked[0] >= 2


def test_trouble_that_does_not_pass(nothing, stub, fresh):
    name = stub.add(small())
    stub.before = lambda h: "/manifests/" in h.path and h.answer(429, b'{"errors":[{"code":"TOOMANYREQUESTS","message":"too many"}]}', Retry_After="86400")
    assert "toomanyrequests: too many" in pull(nothing, name)[1]
    assert len(stub.paths(part="/manifests/")) == 1, "nobody waits for a day"
    engine = fresh(config={"max_download_attempts": 3}, image=False)
    stub.before = lambda h: "/blobs/" in h.path and h.answer(503)
    stub.seen.clear()
    assert "503" in pull(engine, name)[1]
    assert len(stub.paths(part="/blobs/")) == 3


def digest_in(path):
    """What a path or a query ends with."""
    return urllib.parse.unquote(path)[-71:]


@pytest.mark.parametrize("lost", ["piece", "answer", "upload"])
def test_an_upload_goes_on_where_it_was(engine, stub, lost):
    """What the registry says it has is not sent again; an answer that was lost is no failure; a lost upload is begun anew."""
    layer = Tar().add("big", noise(70 << 20)).bytes()
    name, got, begun = f"{stub.host}/up:1", bytearray(), []
    put = {}

    def before(h):
        if h.command == "HEAD" and "/blobs/" in h.path:
            return h.answer(200 if digest_in(h.path) in put else 404)
        if h.command == "POST":
            begun.append(1)
            got.clear()
            return h.answer(202, Location=f"/upload/{len(begun)}")
        if h.command == "PATCH":
            first = int(h.headers["Content-Range"].split("-")[0])
            if first != len(got):
                return h.answer(416)
            if len(got) >= 32 << 20 and lost != "answer" and not stub.broken:
                stub.broken = True
                if lost == "upload":
                    return h.answer(404)
                got.extend(h.body[:5 << 20])
                h.connection.shutdown(socket.SHUT_RDWR)
                h.close_connection = True
                return True
            got.extend(h.body)
            return h.answer(202, Location=h.path, Range=f"0-{len(got) - 1}")
        if h.command == "GET" and h.path.startswith("/upload/"):
            return h.answer(204, Location=h.path, Range=f"0-{len(got) - 1}")
        if h.command == "PUT" and h.path.startswith("/upload/"):
            got.extend(h.body)
            assert sha256(bytes(got)) == digest_in(h.path)
            put[sha256(bytes(got))] = len(got)
            if lost == "answer" and not stub.broken:
                stub.broken = True
                h.connection.shutdown(socket.SHUT_RDWR)
                h.close_connection = True
                return True
            return h.answer(201)
        if h.command == "PUT":
            return h.answer(201)
    stub.before, stub.broken = before, False
    engine.load(docker_archive([layer], [name], config_of([layer], Cmd=["x"])))
    try:
        _, error = push(engine, name)
        assert not error and stub.broken and len(put) == 2
        pieces = [h["Content-Range"].split("-")[0] for m, _, h in stub.seen if m == "PATCH"]
        if lost == "piece":
            assert pieces[2] == str(37 << 20) and len(pieces) == 4 and len(begun) == 2
        if lost == "upload":
            assert pieces == ["0", str(32 << 20), "0", str(32 << 20), str(64 << 20)] and len(begun) == 3
    finally:
        engine.ok("rmi", "-f", name)


class Slow:
    """Lets a layer through piece by piece, until released."""

    def __init__(self, stub, digest, data, first):
        self.released, self.begun, self.count = threading.Event(), threading.Event(), 0
        self.digest, self.data, self.first = digest, data, first
        stub.before = self

    def __call__(self, h):
        if self.digest not in h.path or h.command != "GET":
            return None
        self.count += 1
        start = int((h.headers.get("Range") or "bytes=0-")[6:].rstrip("-"))
        h.send_response(206 if start else 200)
        h.send_header("Content-Length", str(len(self.data) - start))
        if start:
            h.send_header("Content-Range", f"bytes {start}-{len(self.data) - 1}/{len(self.data)}")
        h.end_headers()
        middle = max(start, self.first)
        h.wfile.write(self.data[start:middle])
        h.wfile.flush()
        self.begun.set()
        assert self.released.wait(50), "what is refused waits for nothing"
        h.wfile.write(self.data[middle:])
        return True


def partial_size(engine, digest):
    try:
        return os.path.getsize(os.path.join(engine.root, "images/partial", digest.removeprefix("sha256:")))
    except FileNotFoundError:
        return 0


def opened(engine, digest):
    """The engine's descriptors of a partial download."""
    path = os.path.join(engine.root, "images/partial", digest.removeprefix("sha256:"))
    directory = f"/proc/{engine.pid}/fd"
    found = []
    for number in os.listdir(directory):
        try:
            if os.readlink(os.path.join(directory, number)) == path:
                found.append(number)
        except FileNotFoundError:  # closed meanwhile
            pass
    return found


def test_a_bad_layer_does_not_wait_for_a_slow_one(nothing, stub):
    image = mib(3, 2)
    document = json.loads(image.config)
    document["rootfs"]["diff_ids"][0] = "sha256:" + 64 * "0"
    text = json.dumps(document).encode()
    image.document["config"].update(digest=sha256(text), size=len(text))
    name = stub.add(image)
    stub.blobs[sha256(text)] = text
    slow = Slow(stub, image.document["layers"][1]["digest"], image.packed[1], 1 << 20)
    assert "digest" in pull(nothing, name)[1]
    slow.released.set()
    for path in (f for f in files(nothing) if "/partial/" in f):
        os.unlink(path)


def test_two_pulls_share_a_download(clean, stub):
    image = mib(3)
    digest = image.document["layers"][0]["digest"]
    first, second = stub.add(image), stub.add(image, "test/other")
    slow = Slow(stub, digest, image.packed[0], 1 << 20)
    pulls = [Pulling(clean, name).begun() for name in (first, first, second)]
    assert slow.begun.wait(30)
    slow.released.set()
    assert [p.error() for p in pulls] == ["", "", ""]
    assert slow.count == 1
    assert clean.api("GET", f"/images/{second}/json").json["Id"] == image.id


def test_a_cancelled_pull_goes_on_where_it_was(clean, stub):
    image = mib(3)
    digest = image.document["layers"][0]["digest"]
    name, slow = stub.add(image), Slow(stub, digest, image.packed[0], 1 << 20)
    client = Pulling(clean, name)
    eventually(lambda: partial_size(clean, digest) == 1 << 20)
    client.socket.close()
    eventually(lambda: not opened(clean, digest), what="the download has ended")
    eventually(lambda: not [x for x in layers(clean) if "/unpack-" in x], what="the half-unpacked layer is gone")
    assert clean.api("GET", f"/images/{name}/json").status == 404
    assert partial_size(clean, digest) == 1 << 20
    slow.released.set()
    stub.before, stub.seen = None, []
    assert not pull(clean, name)[1]
    assert [h.get("Range") for _, path, h in stub.seen if digest in path] == [f"bytes={1 << 20}-"]
    assert partial_size(clean, digest) == 0


def test_who_joined_keeps_a_cancelled_pull(clean, stub):
    image = mib(3)
    digest = image.document["layers"][0]["digest"]
    name, slow = stub.add(image), Slow(stub, digest, image.packed[0], 1 << 20)
    first = Pulling(clean, name).begun()
    eventually(lambda: partial_size(clean, digest) == 1 << 20)
    second = Pulling(clean, name).begun()
    first.leave(clean)
    slow.released.set()
    assert second.error() == "" and slow.count == 1


def test_a_killed_engine_goes_on_where_it_was(fresh, stub):
    image = mib(4, 2)
    digests = [x["digest"] for x in image.document["layers"]]
    engine = fresh(image=False)
    name, slow = stub.add(image), Slow(stub, digests[1], image.packed[1], 2 << 20)
    client = Pulling(engine, name)
    eventually(lambda: partial_size(engine, digests[1]) == 2 << 20 and partial_size(engine, digests[0]) == len(image.packed[0]))
    engine.restart()
    client.socket.close()
    slow.released.set()
    assert engine.api("GET", "/images/json").json == []
    stub.before, stub.seen = None, []
    assert not pull(engine, name)[1]
    assert [(path[-71:], h.get("Range")) for _, path, h in stub.seen if "/blobs/" in path and path[-71:] in digests] == [
        (digests[1], f"bytes={2 << 20}-")]
    assert not [x for x in layers(engine) if "/unpack-" in x] and files(engine) and not [f for f in files(engine) if "/partial/" in f]


def test_a_damaged_partial_file_is_begun_anew(clean, stub):
    image = mib(2)
    digest = image.document["layers"][0]["digest"]
    name = stub.add(image)
    path = os.path.join(clean.root, "images/partial", digest.removeprefix("sha256:"))
    for damage in (b"x" * 1000, b"x" * (8 << 20), image.packed[0][:-1] + b"x"):
        with open(path, "wb") as f:
            f.write(damage)
        assert not pull(clean, name)[1]
        clean.ok("rmi", "-f", name)
        assert not os.path.exists(path)


@pytest.mark.parametrize("point", ["registry.pull.resolved", "registry.download.written", "image.layer.prepared", "image.layer.committed",
                                   "registry.pull.unpacked", "image.blob.written", "registry.pull.before_record"])
def test_killed_in_mid_pull(fresh, stub, point):
    engine = fresh(start=False)
    if point not in subprocess.run([engine.program("gantryd"), "--list-failpoints"], stdout=subprocess.PIPE, text=True).stdout:
        pytest.skip("needs a build with failpoints")
    name = stub.add(mib(1, 2))
    engine.start(env={"GANTRY_FAILPOINT": f"{point}=kill"})
    with pytest.raises((OSError, http.client.HTTPException)):
        pull(engine, name)
    engine.process.wait(10)
    engine.start()
    assert engine.api("GET", "/images/json").json == []
    assert not pull(engine, name)[1]
    engine.ok("rmi", name)
    eventually(lambda: files(engine) == [] and layers(engine) == [], what="nothing is left")


@pytest.mark.parametrize("point", ["registry.download.written", "image.layer.applied", "image.blob.written", "registry.pull.before_record"])
def test_a_full_disk(fresh, stub, point):
    engine = fresh(start=False)
    if point not in subprocess.run([engine.program("gantryd"), "--list-failpoints"], stdout=subprocess.PIPE, text=True).stdout:
        pytest.skip("needs a build with failpoints")
    name = stub.add(mib(1, 2))
    engine.start(env={"GANTRY_FAILPOINT": f"{point}=enospc"})
    assert "No space left" in pull(engine, name)[1]
    assert engine.api("GET", "/images/json").json == [] and layers(engine) == []
    assert not [f for f in files(engine) if "/images/partial/" not in f]
    engine.restart()
    assert not pull(engine, name)[1]


def test_a_pull_is_bounded_in_memory(clean, stub):
    image = mib(64, 4)
    assert not pull(clean, stub.add(image), timeout=120)[1]
    with open(f"/proc/{clean.pid}/status") as f:
        peak = next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))
    assert peak < 200 << 10, f"{peak} KiB"
