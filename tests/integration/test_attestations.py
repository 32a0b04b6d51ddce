"""Attestations of images: loaded, pulled, kept, told of, saved and pushed with the image that they speak about; and those that lie."""
import io
import json
import os
import shutil
import tarfile
from urllib.parse import quote

import pytest

from conftest import IMAGE, make_engine
from harness import archives
from harness.attested import ABOUT, IN_TOTO, KIND, PREDICATE, SLSA, SPDX, Attested, statement
from harness.registries import OCI_INDEX, OCI_MANIFEST, DockerRegistry, RegistryImage, Stub, pull, push, sha256

ARM = json.dumps({"os": "linux", "architecture": "arm64"})
AMD = json.dumps({"os": "linux", "architecture": "amd64"})


@pytest.fixture
def registry():
    stub = Stub()
    yield stub
    stub.close()


@pytest.fixture(autouse=True)
def no_images_but_the_first(engine):
    yield
    for image in engine.api("GET", "/images/json").json:
        if f"{IMAGE}:latest" not in image["RepoTags"]:
            assert engine.api("DELETE", f"/images/{image['Id']}?force=1").status == 200
    assert engine.api("POST", "/images/prune?filters=" + quote('{"dangling":["false"],"label":["none"]}')).status == 200


@pytest.fixture
def own():
    """An engine that a test may restart."""
    engine = make_engine()
    yield engine
    problem = engine.destroy()
    assert not problem, problem


def load(engine, archive):
    """(what was said, the error or "")."""
    answer = engine.api("POST", "/images/load", archive)
    told = [json.loads(line) for line in answer.body.decode().splitlines() if line] if answer.status == 200 else []
    return told, next((m["error"] for m in told if "error" in m), "" if answer.status == 200 else answer.message)


def attested(engine, name, query=""):
    answer = engine.api("GET", f"/images/{name}/attestations?{query}")
    assert answer.status == 200, answer
    return answer.json


def predicates(engine, name, query=""):
    return [one["PredicateType"] for one in attested(engine, name, query)]


def stored(engine):
    """The blobs on disk, by digest."""
    return {"sha256:" + name for _, _, files in os.walk(f"{engine.root}/images/blobs") for name in files}


def saved(engine, name, query=""):
    answer = engine.api("GET", f"/images/{name}/get?{query}")
    assert answer.status == 200, answer
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as tar:
        return answer.body, {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}


def check_whole(engine, name, made):
    image = made.image.digest
    assert attested(engine, name) == [{"Descriptor": one, "PredicateType": one["annotations"][PREDICATE]} for one in made.statements(image)]
    raw = engine.api("GET", f"/images/{name}/attestations?statement=1").body
    for predicate in (SLSA, SPDX):
        assert statement(image, predicate) in raw, "a statement is given byte for byte"
    assert [one["Statement"]["predicateType"] for one in json.loads(raw)] == [SLSA, SPDX]


# --- what is kept and told ---
@pytest.mark.parametrize("flat", [False, True], ids=["index", "flat"])
def test_of_an_archive(engine, flat):
    made = Attested()
    assert load(engine, made.archive("test/attested:1", flat=flat))[1] == ""
    check_whole(engine, "test/attested:1", made)
    image = engine.api("GET", "/images/test/attested:1/json?manifests=1").json
    assert [(one["Kind"], one["ID"]) for one in image["Manifests"]] == [("image", made.image.digest), ("attestation", made.entries[1]["digest"])]
    shown = image["Manifests"][1]
    assert shown["AttestationData"] == {"For": made.image.digest} and "ImageData" not in shown and shown["Available"]
    content = made.entries[1]["size"] + sum(len(made.blobs[one["digest"]]) for one in made.statements(made.image.digest)) + made.document([])["config"]["size"]
    assert shown["Size"] == {"Content": content, "Total": content}
    assert image["RepoDigests"] == [f"test/attested@{made.image.digest if flat else made.digest}"]
    assert "attestation" not in engine.ok("images", "--tree") and "unknown" not in engine.ok("images", "--tree")


def test_of_a_registry(engine, registry):
    made = Attested()
    name = made.serve(registry)
    told, error = pull(engine, name)
    assert not error, told
    check_whole(engine, name, made)
    assert engine.api("GET", f"/images/{name}/json").json["RepoDigests"] == [f"{name.rpartition(':')[0]}@{made.digest}"]
    # What is here is not fetched again.
    seen = len(registry.seen)
    assert not pull(engine, name)[1]
    asked = [path for method, path, _ in registry.seen[seen:] if method == "GET"]
    assert not [path for path in asked if made.entries[1]["digest"] in path or any(d in path for d in made.blobs if d not in (made.image.digest, made.image.id))], asked


def test_of_a_registrys_index_of_several_platforms_those_of_the_image_alone_are_fetched(engine, registry):
    made = Attested()
    other = RegistryImage([archives.Tar().add("which", b"other\n").bytes()], architecture="arm64")
    made.add_image(other, "arm64")
    foreign = made.add(other.digest)
    name = made.serve(registry)
    assert not pull(engine, name)[1]
    check_whole(engine, name, made)
    assert not [path for path in registry.paths() if foreign["digest"] in path or other.id in path]
    assert engine.api("GET", f"/images/{name}/attestations?platform={quote(ARM)}").status == 404
    # The index is not kept, so an archive has one of the image and what is attested of it.
    body, files = saved(engine, name)
    top = json.loads(files["index.json"])["manifests"]
    assert [one["mediaType"] for one in top] == [OCI_INDEX]
    index = json.loads(files["blobs/sha256/" + top[0]["digest"].removeprefix("sha256:")])
    assert [one["digest"] for one in index["manifests"]] == [made.image.digest, made.entries[1]["digest"]]
    assert index["manifests"][1]["annotations"] == made.entries[1]["annotations"]
    assert saved(engine, name)[0] == body
    engine.ok("rmi", name)
    assert load(engine, body)[1] == ""
    check_whole(engine, name, made)


def test_of_several_platforms_in_an_archive_each_has_its_own(engine):
    made = Attested()
    other = RegistryImage([archives.Tar().add("which", b"other\n").bytes()], architecture="arm64")
    made.add_image(other, "arm64")
    made.add(other.digest, made.statements(other.digest, (SPDX,)))
    assert load(engine, made.archive("test/attested:1"))[1] == ""
    assert predicates(engine, "test/attested:1") == predicates(engine, "test/attested:1", f"platform={quote(AMD)}") == [SLSA, SPDX]
    [one] = attested(engine, "test/attested:1", f"platform={quote(ARM)}&statement=true")
    assert one["Statement"]["subject"][0]["digest"] == {"sha256": other.digest.removeprefix("sha256:")}
    kinds = [one["Kind"] for one in engine.api("GET", "/images/test/attested:1/json?manifests=1").json["Manifests"]]
    assert kinds == ["image", "image", "attestation", "attestation"]
    # Saved as it came, byte for byte; and one platform with what is attested of it.
    body, files = saved(engine, "test/attested:1")
    assert {"sha256:" + name.removeprefix("blobs/sha256/") for name in files if name.startswith("blobs/")} == set(made.blobs) | {made.digest}
    _, one = saved(engine, "test/attested:1", f"platform={quote(ARM)}")
    kept = {"sha256:" + name.removeprefix("blobs/sha256/") for name in one if name.startswith("blobs/")}
    assert other.digest in kept and made.entries[3]["digest"] in kept and made.image.digest not in kept and made.entries[1]["digest"] not in kept
    engine.ok("rmi", "test/attested:1")
    assert load(engine, body)[1] == ""
    assert predicates(engine, "test/attested:1", f"platform={quote(ARM)}") == [SPDX]


def test_types_are_asked_for(engine):
    load(engine, Attested().archive("test/attested:1"))
    assert predicates(engine, "test/attested:1", f"type={quote(SPDX)}") == [SPDX]
    assert predicates(engine, "test/attested:1", f"type={quote(SPDX)}&type={quote(SLSA)}") == [SLSA, SPDX]
    assert predicates(engine, "test/attested:1", "type=https://example.invalid/none") == []


@pytest.mark.parametrize("query,status,words", [
    ("platform={", 400, "invalid platform"), (f"platform={quote(AMD)}&platform={quote(ARM)}", 400, "only one platform may be given, not 2"),
    (f"platform={quote(ARM)}", 404, "does not provide the specified platform (linux/arm64)")], ids=["broken", "two", "other"])
def test_what_is_asked_wrongly(engine, query, status, words):
    answer = engine.api("GET", f"/images/{IMAGE}/attestations?{query}")
    assert answer.status == status and words in answer.message and "\n" not in answer.message, answer


def test_the_client_lists_and_prints_them(engine):
    made = Attested()
    load(engine, made.archive("test/attested:1"))
    slsa, spdx = made.statements(made.image.digest)
    head, *lines = engine.ok("image", "attestations", "test/attested:1").splitlines()
    assert head.split() == ["TYPE", "DIGEST", "SIZE"]
    assert [line.split()[:2] for line in lines] == [[SLSA, slsa["digest"]], [SPDX, spdx["digest"]]]
    assert engine.ok("image", "attestations", "--type", SPDX, "--format", "{{.Digest}}", "test/attested:1") == spdx["digest"]
    [printed] = json.loads(engine.ok("image", "attestations", "--statement", "--type", SLSA, "--platform", "linux/amd64", "test/attested:1"))
    assert printed["Statement"] == json.loads(statement(made.image.digest, SLSA))
    assert engine.ok("image", "attestations", IMAGE).split() == ["TYPE", "DIGEST", "SIZE"]
    engine.fails("image", "attestations", "--platform", "linux/arm64", "test/attested:1", match="does not provide the specified platform")
    engine.fails("image", "attestations", "--statement", "--format", "json", IMAGE, match="cannot be given together")


def test_an_image_without_any_has_an_empty_list(engine):
    assert attested(engine, IMAGE) == []
    assert engine.api("GET", "/images/test/none/attestations").status == 404


def test_another_machines_image_is_asked_for_by_its_platform(engine):
    made = Attested(architecture="arm64")
    made.entries[0]["platform"]["architecture"] = "arm64"
    other = RegistryImage([archives.Tar().add("which", b"other\n").bytes()], architecture="riscv64")
    made.add_image(other, "riscv64")
    assert load(engine, made.archive("test/attested:1"))[1] == ""
    assert engine.api("GET", "/images/test/attested:1/attestations").status == 404
    assert predicates(engine, "test/attested:1", f"platform={quote(ARM)}") == [SLSA, SPDX]


# --- how long they stay ---
def test_they_stay_as_long_as_the_image_and_go_with_it(own):
    before = stored(own)
    made = Attested()
    load(own, made.archive("test/attested:1"))
    own.ok("tag", "test/attested:1", "test/attested:2")
    own.ok("rmi", "test/attested:1")
    own.ok("image", "prune", "-f")
    assert stored(own) - before == set(made.blobs) | {made.digest}
    own.restart()
    check_whole(own, "test/attested:2", made)
    own.ok("rmi", "test/attested:2")
    assert stored(own) == before


def test_an_image_that_comes_again_has_the_new_ones_too(engine):
    made = Attested(attest=False)
    made.add(made.image.digest, made.statements(made.image.digest, (SLSA,)))
    load(engine, made.archive("test/attested:1"))
    again = Attested(attest=False)
    again.add(again.image.digest, again.statements(again.image.digest, (SPDX,)))
    load(engine, again.archive("test/attested:1"))
    assert predicates(engine, "test/attested:1") == [SPDX, SLSA]
    # And an archive that has none takes none away.
    load(engine, Attested(attest=False).archive("test/attested:1"))
    assert predicates(engine, "test/attested:1") == [SPDX, SLSA]


@pytest.mark.skipif(not shutil.which("docker-registry"), reason="docker-registry is needed")
def test_pushed_and_pulled_again(engine, tmp_path):
    made = Attested()
    load(engine, made.archive("test/attested:1"))
    real = DockerRegistry(str(tmp_path)).start()
    try:
        name = f"{real.host}/test/attested:1"
        engine.ok("tag", "test/attested:1", name)
        told, error = push(engine, name)
        assert not error, told
        assert next(m["aux"] for m in told if "aux" in m)["Digest"] == made.digest
        assert real.get("/v2/test/attested/manifests/1", OCI_INDEX)[1] == made.index
        assert real.get(f"/v2/test/attested/manifests/{made.entries[1]['digest']}", OCI_MANIFEST)[1] == made.blobs[made.entries[1]["digest"]]
        engine.ok("rmi", name, "test/attested:1")
        assert made.digest not in stored(engine)
        assert not pull(engine, name)[1]
        check_whole(engine, name, made)
    finally:
        real.stop()


# --- those that are missing, too large or too many: the image is usable without them ---
def too_many(made):
    for number in range(17):
        made.add(made.image.digest, [made.blob(json.dumps({"number": number}).encode(), IN_TOTO, annotations={PREDICATE: SLSA})])


def too_large(made):
    made.add(made.image.digest, [made.blob(b"{}", IN_TOTO, annotations={PREDICATE: SLSA}),
                                 {"mediaType": IN_TOTO, "digest": sha256(b"huge"), "size": 33 << 20, "annotations": {PREDICATE: SPDX}}])
    made.blobs[sha256(b"huge")] = b"huge"


def too_many_layers(made):
    made.add(made.image.digest, [made.blob(b'{"number": %d}' % n, IN_TOTO) for n in range(65)])


def too_large_together(made):
    for number in range(3):
        made.add(made.image.digest, [made.blob(b'{"x": "%d%s"}' % (number, b"x" * (24 << 20)), IN_TOTO)])


@pytest.mark.parametrize("bend,kept,words", [
    (too_many, 16, "the image has more than the 16 attestations that are kept"), (too_large, 0, "more than the 33554432 of an attestation that are kept"),
    (too_many_layers, 0, "65 layers, more than the 64 that are kept"), (too_large_together, 2, "more than the 67108864 bytes that are kept")],
    ids=["many", "large", "layers", "together"])
@pytest.mark.parametrize("way", ["load", "pull"])
def test_beyond_the_bounds_they_are_left_out_and_that_is_told(engine, registry, bend, kept, words, way):
    made = Attested(attest=False)
    bend(made)
    if way == "load":
        told, error = load(engine, made.archive("test/attested:1"))
        name = "test/attested:1"
    else:
        name = made.serve(registry)
        told, error = pull(engine, name)
        assert not any(sha256(b"huge") in path for path in registry.paths()), "what is too large is not asked for"
    assert not error and any(m.get("status", "").startswith("Attestation not kept: ") and words in m["status"] for m in told), told
    assert len(attested(engine, name)) == kept


def test_those_that_a_registry_lacks_are_told_of(engine, registry):
    made = Attested()
    [slsa, _] = made.statements(made.image.digest)
    for missing in (made.entries[1]["digest"], slsa["digest"]):
        name = made.serve(registry, without=(missing,))
        registry.manifests.pop(("test/attested", missing), None)
        registry.blobs.pop(missing, None)
        told, error = pull(engine, name)
        assert not error and any("Attestation not kept: " in m.get("status", "") and missing in m["status"] for m in told), told
        assert attested(engine, name) == []
        engine.ok("rmi", name)


def test_those_that_an_archive_lacks_are_not_there(engine):
    made = Attested()
    [slsa, _] = made.statements(made.image.digest)
    assert load(engine, made.archive("test/attested:1", without=(slsa["digest"],)))[1] == ""
    assert attested(engine, "test/attested:1") == []


# --- those that lie ---
def wrong_subject(made):
    made.add(made.image.digest, document=made.document(made.statements(made.image.digest), subject={"mediaType": OCI_MANIFEST, "digest": "sha256:" + "a" * 64, "size": 1}))


def wrong_size(made):
    made.add(made.image.digest, [dict(one, size=one["size"] - 1) for one in made.statements(made.image.digest)])


def wrong_type(made):
    made.add(made.image.digest, mediaType="application/vnd.docker.distribution.manifest.v2+json")


def not_a_digest(made):
    made.add(made.image.digest, [dict(one, digest="sha256:../../../etc/passwd") for one in made.statements(made.image.digest)])


def two_meanings(made):
    made.add(made.image.digest, document={**made.document(made.statements(made.image.digest)), "manifests": []})


def negative(made):
    made.add(made.image.digest, [dict(one, size=-1) for one in made.statements(made.image.digest)])


@pytest.mark.parametrize("bend", [wrong_subject, wrong_size, wrong_type, two_meanings, negative])
@pytest.mark.parametrize("way", ["load", "pull"])
def test_one_that_contradicts_itself_is_refused_with_its_image(engine, registry, bend, way):
    before = stored(engine)
    made = Attested(attest=False)
    bend(made)
    if way == "load":
        error = load(engine, made.archive("test/attested:1"))[1]
    else:
        error = pull(engine, made.serve(registry))[1]
    assert error and "\n" not in error, error
    assert stored(engine) == before and len(engine.api("GET", "/images/json").json) == 1


def test_bytes_of_another_digest_are_refused(engine, registry):
    made = Attested()
    before = stored(engine)
    [slsa, _] = made.statements(made.image.digest)
    name = made.serve(registry)
    for digest, where in ((slsa["digest"], registry.blobs), (made.entries[1]["digest"], None)):
        good = made.blobs[digest]
        bad = good[:-2] + b"x" + good[-1:]
        if where is None:
            registry.manifests[("test/attested", digest)] = (OCI_MANIFEST, bad)
        else:
            where[digest] = bad
        error = pull(engine, name)[1]
        assert "digest" in error and "\n" not in error, error
        made.serve(registry)
    assert stored(engine) == before
    archive = Attested()
    archive.blobs[slsa["digest"]] = b"{}"
    assert "has the digest" in load(engine, archive.archive("test/attested:1"))[1]
    assert stored(engine) == before


def test_one_of_a_digest_that_is_none_is_no_attestation(engine):
    made = Attested(attest=False)
    not_a_digest(made)
    assert load(engine, made.archive("test/attested:1"))[1] == "", "an archive never has such a blob"
    assert attested(engine, "test/attested:1") == []


def about_another(made):
    made.add("sha256:" + "b" * 64)


def about_itself(made):
    entry = made.add(made.image.digest)
    entry["annotations"] = {KIND: "attestation-manifest", ABOUT: entry["digest"]}


def about_each_other(made):
    one, two = made.add(made.image.digest), made.add(made.image.digest, made.statements(made.image.digest, (SPDX,)))
    one["annotations"], two["annotations"] = {**one["annotations"], ABOUT: two["digest"]}, {**two["annotations"], ABOUT: one["digest"]}


def an_index(made):
    """That names itself cannot be made; one that names the image again can."""
    inner = made.blob(json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": made.entries[:1]}).encode(), OCI_INDEX)
    made.entries.append({**inner, "annotations": {KIND: "attestation-manifest", ABOUT: made.image.digest}})


def of_another_kind(made):
    made.add(made.image.digest)["annotations"][KIND] = "something-else"


def the_image_itself(made):
    made.entries.append({**made.entries[0], "annotations": {KIND: "attestation-manifest", ABOUT: made.image.digest}})


@pytest.mark.parametrize("bend", [about_another, about_itself, about_each_other, an_index, of_another_kind, the_image_itself])
@pytest.mark.parametrize("way", ["load", "pull"])
def test_one_that_speaks_of_something_else_is_not_the_images(engine, registry, bend, way):
    made = Attested(attest=False)
    bend(made)
    if way == "load":
        name = "test/attested:1"
        assert load(engine, made.archive(name))[1] == ""
    else:
        name = made.serve(registry)
        assert pull(engine, name)[1] == ""
    assert attested(engine, name) == []
    assert len(engine.api("GET", "/images/json").json) == 2, "no attestation has become an image"


def test_a_statement_that_is_no_json_is_told_of_when_it_is_asked_for(engine):
    made = Attested(attest=False)
    made.add(made.image.digest, [made.blob(b'{"a": 1}{"injected": 2}', IN_TOTO, annotations={PREDICATE: SLSA}),
                                 made.blob(b"not a statement", "application/octet-stream"), made.blob(b'{"b": 2}', IN_TOTO)])
    load(engine, made.archive("test/attested:1"))
    assert predicates(engine, "test/attested:1") == [SLSA, ""]
    answer = engine.api("GET", "/images/test/attested:1/attestations?statement=1")
    assert answer.status == 500 and "is not a JSON object" in answer.message, answer
