"""Builds for several platforms at once: the index that comes out, and what is done with it."""
import io
import json
import os
import platform
import shutil
import subprocess
import tarfile

import pytest

from conftest import IMAGE
from harness import archives
from harness.build_session import build, classic
from harness.registries import DockerRegistry

OWN = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
FOREIGN = "arm64" if OWN == "amd64" else "amd64"
BOTH = f"linux/{OWN},linux/{FOREIGN}"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def engine(engine):
    """The file's engine; afterwards it has no image but the test image, and an empty cache."""
    yield engine
    keep = engine.api("GET", f"/images/{IMAGE}/json").json["Id"]
    for image in engine.api("GET", "/images/json?all=1").json:
        if image["Id"] != keep:
            engine.ok("rmi", "-f", image["Id"])
    assert engine.api("POST", "/build/prune?all=1").status == 200


@pytest.fixture
def context(scratch):
    def made(dockerfile, **files):
        for name, content in {"Dockerfile": dockerfile, **files}.items():
            with open(f"{scratch}/{name}", "w") as f:
                f.write(content)
        return scratch
    return made


def layout(tag, images):
    """An OCI layout of one index. images: architecture -> layers."""
    blobs = {}

    def blob(data, media_type, **more):
        blobs[archives.digest(data)] = data
        return {"mediaType": media_type, "digest": "sha256:" + archives.digest(data), "size": len(data), **more}

    def image(architecture, layers):
        config = json.loads(archives.config_of(layers))
        config["architecture"] = architecture
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST,
                    "config": blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
                    "layers": [blob(x, "application/vnd.oci.image.layer.v1.tar") for x in layers]}
        return blob(json.dumps(manifest).encode(), MANIFEST, platform={"os": "linux", "architecture": architecture})

    manifests = [image(architecture, layers) for architecture, layers in images.items()]
    index = blob(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).encode(), INDEX,
                 annotations={"io.containerd.image.name": tag})
    tar = archives.Tar()
    tar.add("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
    tar.add("index.json", json.dumps({"schemaVersion": 2, "manifests": [index]}).encode())
    for name, data in blobs.items():
        tar.add("blobs/sha256/" + name, data)
    return tar.bytes(), index["digest"]


def base(architecture):
    """The file of that name says which base it is; /bin/sh is a program for that machine, as far as its header goes."""
    with open(shutil.which("busybox") or "/bin/busybox", "rb") as f:
        program = bytearray(f.read())
    program[18:20] = {"amd64": 62, "arm64": 183}[architecture].to_bytes(2, "little")
    tar = archives.Tar()
    for directory in ("bin", "etc", "proc", "sys", "dev", "tmp"):
        tar.dir(directory)
    tar.add("which", f"{architecture}\n".encode()).add("bin/sh", bytes(program), 0o755)
    return [tar.bytes()]


def files_of(engine, reference, architecture):
    """The files of an image for one platform, by name."""
    path = f"{engine.base}/saved.tar"
    engine.ok("save", "--platform", f"linux/{architecture}", "-o", path, reference)
    found = {}
    with tarfile.open(path) as whole:
        manifest = json.load(whole.extractfile("manifest.json"))[0]
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(whole.extractfile(layer).read())) as tar:
                for member in tar:
                    found[member.name.rstrip("/")] = tar.extractfile(member).read().decode(errors="replace") if member.isfile() else None
    os.unlink(path)
    return found


def inspect(engine, reference, architecture):
    return json.loads(engine.ok("image", "inspect", "--platform", f"linux/{architecture}", reference))[0]


def test_one_tag_names_an_index(engine, context, scratch):
    where = context("FROM scratch\nARG TARGETARCH\nCOPY file /\nCOPY $TARGETARCH /own\nLABEL arch=$TARGETARCH\n",
                    **{"file": "of both\n", OWN: "own\n", FOREIGN: "foreign\n"})
    done = engine("build", "--platform", BOTH, "-t", "multi:1", "--iidfile", f"{scratch}/iid", "--metadata-file", f"{scratch}/meta", where)
    assert done.code == 0, done
    digest = open(f"{scratch}/iid").read()
    meta = json.load(open(f"{scratch}/meta"))
    assert digest.startswith("sha256:") and meta["containerimage.digest"] == digest and meta["image.name"] == "multi:1"
    assert "containerimage.config.digest" not in meta
    assert [i["RepoTags"] for i in engine.api("GET", "/images/json").json if i["RepoTags"] != [f"{IMAGE}:latest"]] == [["multi:1"]]
    for architecture in (OWN, FOREIGN):
        image = inspect(engine, "multi:1", architecture)
        assert image["Architecture"] == architecture and image["Config"]["Labels"] == {"arch": architecture}
        files = files_of(engine, "multi:1", architecture)
        assert files["file"] == "of both\n" and files["own"] == {OWN: "own\n", FOREIGN: "foreign\n"}[architecture]
    assert engine.api("GET", "/images/multi:1/json").json["Architecture"] == OWN
    assert engine.api("GET", f"/images/{digest}/json").json["Id"] == inspect(engine, "multi:1", OWN)["Id"]
    rows = [line.split() for line in engine.ok("images", "--tree", "multi").splitlines()]
    assert rows[1][0] == "multi:1" and [r[:2] for r in rows[2:]] == [["├─", f"linux/{OWN}"], ["└─", f"linux/{FOREIGN}"]]
    manifests = engine.api("GET", "/images/json?manifests=1&filters=" + json.dumps({"reference": ["multi"]}, separators=(",", ":"))).json[0]["Manifests"]
    assert [m["ImageData"]["Platform"]["architecture"] for m in manifests] == [OWN, FOREIGN]
    assert all(m["ID"] == m["Descriptor"]["digest"] and m["Available"] for m in manifests)
    # Again: the same index, and nothing done.
    again = engine("build", "--progress", "plain", "--platform", BOTH, "-t", "multi:1", "--iidfile", f"{scratch}/iid", where)
    assert again.code == 0 and again.err.count("CACHED") >= 4 and f"exporting index of linux/{OWN}, linux/{FOREIGN}\n" in again.err and open(f"{scratch}/iid").read() == digest, again


def test_an_index_is_there_after_a_restart(fresh, context):
    engine = fresh()
    where = context("FROM scratch\nARG TARGETARCH\nCOPY file /$TARGETARCH\n", file="x")
    engine.ok("build", "-q", "--platform", BOTH, "-t", "multi:1", where)
    engine.restart()
    assert list(files_of(engine, "multi:1", FOREIGN)) == [FOREIGN]


def test_an_engine_that_ends_before_an_index_is_recorded_has_none_of_it(fresh, context):
    engine = fresh()
    if b"image.add.before_record" not in subprocess.run([engine.program("gantryd"), "--list-failpoints"], stdout=subprocess.PIPE, check=False).stdout:
        pytest.skip("needs failpoints: GANTRY_BIN=build/dev/bin")
    where = context("FROM scratch\nARG TARGETARCH\nCOPY file /$TARGETARCH\n", file="x")
    engine.ok("build", "-q", "--platform", BOTH, "-t", "multi:1", where)
    engine.restart({"GANTRY_FAILPOINT": "image.add.before_record=kill"})
    assert engine("build", "-q", "--platform", BOTH, "--label", "a=b", "-t", "multi:2", where).code == 1
    engine.process.wait()
    engine.start()
    assert list(files_of(engine, "multi:1", OWN)) == [OWN] and engine.api("GET", "/images/multi:2/json").status == 404
    engine.ok("build", "-q", "--platform", BOTH, "--label", "a=b", "-t", "multi:2", where)
    assert inspect(engine, "multi:2", FOREIGN)["Config"]["Labels"] == {"a": "b"}


def test_an_index_is_tagged_and_removed_by_parts(engine, context):
    where = context("FROM scratch\nARG TARGETARCH\nCOPY file /$TARGETARCH\n", file="x")
    engine.ok("build", "-q", "--platform", BOTH, "-t", "multi:1", where)
    engine.ok("tag", "multi:1", "multi:2")
    foreign = inspect(engine, "multi:2", FOREIGN)["Id"]
    assert f"Deleted: {foreign}" in engine.ok("rmi", "--platform", f"linux/{FOREIGN}", "multi:2")
    engine.fails("image", "inspect", "--platform", f"linux/{FOREIGN}", "multi:2", code=1, match="does not provide the specified platform")
    engine.fails("rmi", "--platform", "linux/s390x", "multi:1", code=1, match="does not provide the specified platform")
    engine.ok("rmi", "multi:1", "multi:2")
    assert [i["RepoTags"] for i in engine.api("GET", "/images/json?all=1").json] == [[f"{IMAGE}:latest"]]


def test_what_runs_here_is_done_once(engine):
    """A stage on $BUILDPLATFORM whose words do not differ is one step for all."""
    dockerfile = (f"FROM --platform=$BUILDPLATFORM {IMAGE} AS tools\nRUN echo once > /tools\n"
                  f"FROM tools AS made\nARG TARGETARCH\nRUN echo for $TARGETARCH > /made\n"
                  "FROM scratch\nCOPY --from=made /made /tools /\n")
    built = build(engine, dockerfile, entries_of=list, context="/x", platforms=[f"linux/{OWN}", f"linux/{FOREIGN}"], tags=["multi:1"])
    assert built.end["type"] == "done", built.end
    names = list(built.names.values())
    assert sum("RUN echo once" in n for n in names) == 1 and sum("RUN echo for" in n for n in names) == 2, names
    assert built.end["result"]["digest"] == built.id and "containerimage.config.digest" not in built.end["result"]["metadata"]
    for architecture in (OWN, FOREIGN):
        assert files_of(engine, "multi:1", architecture) == {"made": f"for {architecture}\n", "tools": "once\n"}
    one = build(engine, dockerfile, entries_of=list, context="/x", platforms=[f"linux/{FOREIGN}"], tags=["one:1"])
    assert len([n for n in one.cached() if "RUN" in n or "COPY" in n]) == 3, one.steps
    assert inspect(engine, "one:1", FOREIGN)["Architecture"] == FOREIGN


def test_bases_for_each_platform(engine, context):
    archive, digest = layout("test/bases:1", {FOREIGN: base(FOREIGN), OWN: base(OWN)})
    engine.load(archive)
    assert engine.api("GET", "/images/test/bases:1/json").json["Architecture"] == OWN
    assert inspect(engine, "test/bases:1", FOREIGN)["Architecture"] == FOREIGN
    assert engine.api("GET", "/images/test/bases:1/json").json["RepoDigests"] == [f"test/bases@{digest}"]
    where = context("FROM test/bases:1\nCOPY file /\nFROM test/bases:1 AS other\nCOPY --from=0 /file /which /copied/\n", file="x")
    engine.ok("build", "-q", "--platform", BOTH, "-t", "multi:1", where)
    for architecture in (OWN, FOREIGN):
        files = files_of(engine, "multi:1", architecture)
        assert files["which"] == files["copied/which"] == architecture + "\n"


def test_an_index_is_saved_and_loaded_whole(engine, context, scratch):
    where = context("FROM scratch\nARG TARGETARCH\nCOPY file /$TARGETARCH\n", file="x")
    digest = engine.ok("build", "-q", "--platform", BOTH, "-t", "multi:1", where)
    engine.ok("save", "-o", f"{scratch}/multi.tar", "multi:1")
    engine.ok("build", "-q", "--platform", BOTH, "-o", f"type=oci,dest={scratch}/oci.tar", "-t", "multi:1", where)
    for archive in ("multi", "oci"):
        engine.ok("rmi", "multi:1")
        assert "Loaded image: multi:1" in engine.ok("load", "-i", f"{scratch}/{archive}.tar")
        for architecture in (OWN, FOREIGN):
            assert list(files_of(engine, "multi:1", architecture)) == [architecture]
        if archive == "multi":
            assert engine.api("GET", f"/images/{digest}/json").status == 200


def test_files_of_each_platform(engine, context, scratch):
    where = context("FROM scratch\nARG TARGETARCH\nCOPY file /$TARGETARCH\n", file="x")
    engine.ok("build", "--platform", BOTH, "-o", f"{scratch}/out", where)
    assert sorted(os.listdir(f"{scratch}/out")) == sorted([f"linux_{OWN}", f"linux_{FOREIGN}"])
    assert os.listdir(f"{scratch}/out/linux_{FOREIGN}") == [FOREIGN]
    engine.ok("build", "--platform", f"{BOTH},linux/arm/v7", "-o", f"type=tar,dest={scratch}/out.tar", where)
    with tarfile.open(f"{scratch}/out.tar") as tar:
        assert {n for n in tar.getnames() if "/" in n} == {f"linux_{OWN}/{OWN}", f"linux_{FOREIGN}/{FOREIGN}", "linux_arm_v7/arm"}
    # One platform, though it is named twice, is no directory of its own.
    engine.ok("build", "--platform", f"linux/{FOREIGN},linux/{FOREIGN}", "-o", f"{scratch}/one", where)
    assert os.listdir(f"{scratch}/one") == [FOREIGN]
    engine.fails("build", "--platform", BOTH, "-o", f"type=docker,dest={scratch}/d.tar", where, code=1,
                 match=f'output type "docker" does not hold several platforms .linux/{OWN}, linux/{FOREIGN}.')
    assert not os.path.exists(f"{scratch}/d.tar")
    engine.fails("build", "--platform", BOTH, "-o", f"type=local,dest={scratch}/e,platform-split=false", where, code=1, match="platform-split")


def test_pushes_and_bases_from_a_registry(engine, context, tmp_path):
    if not shutil.which("docker-registry"):
        pytest.skip("docker-registry is needed")
    registry = DockerRegistry(str(tmp_path)).start()
    try:
        name = f"{registry.host}/multi:1"
        where = context("FROM scratch\nARG TARGETARCH\nCOPY file /$TARGETARCH\n", file="x")
        engine.ok("build", "--platform", BOTH, "--push", "-t", name, "--iidfile", f"{where}/iid", where)
        digest = open(f"{where}/iid").read()
        headers, body = registry.get("/v2/multi/manifests/1", accept=INDEX)
        assert "sha256:" + archives.digest(body) == digest and headers["Content-Type"] == INDEX
        entries = json.loads(body)["manifests"]
        assert [e["platform"]["architecture"] for e in entries] == [OWN, FOREIGN]
        for entry in entries:
            manifest = json.loads(registry.get(f"/v2/multi/manifests/{entry['digest']}", accept=MANIFEST)[1])
            for layer in manifest["layers"]:
                assert "sha256:" + archives.digest(registry.get(f"/v2/multi/blobs/{layer['digest']}")[1]) == layer["digest"]
        assert engine.api("GET", f"/images/{name}/json").json["RepoDigests"] == [f"{registry.host}/multi@{digest}"]
        before = len(registry.requests())
        engine.ok("push", name)
        assert not [r for r in registry.requests()[before:] if r.startswith(("POST", "PATCH"))], "sent again"
        engine.ok("tag", name, f"{registry.host}/multi:one")
        engine.ok("push", "--platform", f"linux/{FOREIGN}", f"{registry.host}/multi:one")
        headers, body = registry.get("/v2/multi/manifests/one", accept=f"{MANIFEST}, {INDEX}")
        assert headers["Content-Type"] == MANIFEST and "sha256:" + archives.digest(body) == entries[1]["digest"]
        # As bases: what a tag names for this machine stays what it names, and later builds ask no registry.
        engine.ok("rmi", name, f"{registry.host}/multi:one")
        engine.ok("pull", "-q", name)
        where = context(f"FROM {name}\nCOPY file /more\n", file="x")
        for up in (True, False):
            if not up:
                registry.stop()
            engine.ok("build", "-q", "--platform", BOTH, "-t", "above:1", where)
            assert engine.api("GET", f"/images/{name}/json").json["Architecture"] == OWN
            for architecture in (OWN, FOREIGN):
                assert sorted(files_of(engine, "above:1", architecture)) == sorted([architecture, "more"])
    finally:
        registry.stop()


def test_the_failure_of_one_platform_ends_all(engine):
    dockerfile = (f"FROM --platform=$BUILDPLATFORM {IMAGE}\nARG TARGETARCH\n"
                  f"RUN if [ $TARGETARCH = {OWN} ]; then sleep 1000; else echo gone wrong; exit 3; fi\n")
    built = build(engine, dockerfile, entries_of=list, context="/x", platforms=[f"linux/{OWN}", f"linux/{FOREIGN}"], tags=["never:1"])
    assert built.error.startswith(f"linux/{FOREIGN}: process ") and built.end["code"] == 3 and built.end["first"] == 3, built.end
    assert sorted(s[-1] for n, s in built.steps.items() if "RUN" in built.names[n]) == ["canceled", "error"]
    assert engine.api("GET", "/images/never:1/json").status == 404
    built = build(engine, "FROM scratch\nCOPY nothing /\n", entries_of=list, context="/x",
                  platforms=[f"linux/{OWN}", f"linux/{FOREIGN}"], tags=["never:1"])
    assert built.end["type"] == "error" and engine.api("GET", "/images/never:1/json").status == 404
    # Only one of the plans is wrong.
    named = f"FROM scratch AS {OWN}\nCOPY a /\nFROM ${{TARGETARCH/{FOREIGN}/NO:NAME:X}}\n"
    built = build(engine, named, entries_of=list, context="/x", platforms=[f"linux/{OWN}", f"linux/{FOREIGN}"])
    assert built.error.startswith(f"linux/{FOREIGN}: Dockerfile:3: ") and built.end["first"] == 3, built.end


def test_a_program_for_another_machine_says_what_it_needs(engine):
    if os.path.isdir("/proc/sys/fs/binfmt_misc") and any(n.startswith("qemu-") for n in os.listdir("/proc/sys/fs/binfmt_misc")):
        pytest.skip("this machine runs programs for others")
    archive, _ = layout("test/bases:1", {OWN: base(OWN), FOREIGN: base(FOREIGN)})
    engine.load(archive)
    built = build(engine, "FROM test/bases:1\nRUN echo hello\n", entries_of=list, context="/x",
                  platforms=[f"linux/{OWN}", f"linux/{FOREIGN}"], tags=["never:1"])
    for part in (f"linux/{FOREIGN}: step ", "RUN echo hello", "binfmt_misc", "--platform=$BUILDPLATFORM", "exec format error"):
        assert part in built.error, built.end
    assert built.end["first"] == 2 and engine.api("GET", "/images/never:1/json").status == 404
    alone = build(engine, "FROM test/bases:1\nRUN echo hello\n", entries_of=list, context="/x", platforms=[f"linux/{FOREIGN}"])
    assert alone.error.startswith("step ") and f"is for linux/{FOREIGN}" in alone.error, alone.end


def test_platforms_are_checked(engine):
    def ends(*platforms):
        return build(engine, "FROM scratch\nCOPY a /\n", entries_of=list, context="/x", platforms=list(platforms))
    assert "is no platform" in ends(f"linux/{OWN}", "nowhere").error
    assert "only linux" in ends(f"linux/{OWN}", "windows/amd64").error
    assert "more than 32 platforms" in ends(*[f"linux/amd64/v{n}" for n in range(100, 133)]).error
    files = {"Dockerfile": f"FROM {IMAGE}\n"}
    for query in (BOTH, f"linux/{OWN}, linux/s390x"):
        done = classic(engine, files, platform=query)
        assert done.status == 400 and "builds for one platform" in done.error, done.raw
    assert classic(engine, files, platform=f"linux/{OWN},linux/{OWN}").status == 200
