"""Build caches outside of the engine: directories, registries, images; what is believed of them, and what they save."""
import hashlib
import json
import os
import re
import shutil

import pytest

from conftest import IMAGE
from harness.build_session import build, classic
from harness.registries import OCI_MANIFEST, DockerRegistry

CONFIG = "application/vnd.gantry.build.cache.v1+json"
STAGES = f"""FROM {IMAGE} AS tools
RUN echo tools > /tools && head -c 100000 /dev/urandom > /noise
FROM {IMAGE} AS made
COPY --from=tools /tools /tools
RUN cat /tools > /made && head -c 16 /dev/urandom | md5sum > /once
FROM {IMAGE}
COPY --from=made /made /once /app/
COPY file /app/file
RUN cat /app/made > /app/end
"""


@pytest.fixture
def context(scratch):
    directory = f"{scratch}/context"
    os.mkdir(directory)
    with open(f"{directory}/Dockerfile", "w") as f:
        f.write(STAGES)
    with open(f"{directory}/file", "w") as f:
        f.write("of the context\n")
    return directory


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    if not shutil.which("docker-registry"):
        pytest.skip("docker-registry is needed")
    r = DockerRegistry(str(tmp_path_factory.mktemp("registry"))).start()
    yield r
    r.stop()


def run_build(engine, context, *args):
    """Builds with the client, and gives the image's id and the names of the steps that were not cached."""
    done = engine("build", "--progress", "rawjson", "--iidfile", f"{context}/../iid", *args, context, timeout=120)
    assert done.code == 0, done
    frames = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    last = {}
    for f in frames:
        if f.get("type") == "step":
            last[f["step"]] = f
    with open(f"{context}/../iid") as f:
        iid = f.read()
    warnings = [f["message"] for f in frames if f.get("type") == "warning"]
    beside = ("[internal] load build context", "importing cache from ", "exporting cache to ", "fetching layer ")
    ran = [f["name"] for f in last.values() if f["state"] != "cached" and not f["name"].startswith(beside)]
    return iid, ran, warnings


def blobs(directory):
    return {n: os.path.getsize(f"{directory}/blobs/sha256/{n}") for n in os.listdir(f"{directory}/blobs/sha256")}


def document(directory):
    """The cache's manifest and config in a directory."""
    def blob(digest):
        with open(f"{directory}/blobs/sha256/{digest.removeprefix('sha256:')}", "rb") as f:
            data = f.read()
        assert "sha256:" + hashlib.sha256(data).hexdigest() == digest
        return json.loads(data)
    with open(f"{directory}/index.json") as f:
        index = json.load(f)
    manifest = blob(index["manifests"][0]["digest"])
    assert manifest["mediaType"] == OCI_MANIFEST and manifest["config"]["mediaType"] == CONFIG
    return manifest, blob(manifest["config"]["digest"])


def test_a_fresh_engine_runs_nothing_that_a_directory_tells_of(fresh, context, scratch):
    one, two = fresh(), fresh()
    cache = f"{scratch}/cache"
    made, ran, _ = run_build(one, context, "--cache-to", f"type=local,dest={cache},mode=max")
    assert any("RUN" in r for r in ran)
    manifest, config = document(cache)
    assert len(config["layers"]) == 6 and len(manifest["layers"]) <= 6
    again, ran, warnings = run_build(two, context, "--cache-from", f"type=local,src={cache}")
    assert not ran and not warnings and again == made
    assert two.ok("run", "--rm", again, "cat", "/app/end", "/app/file") == "tools\nof the context"
    # What was fetched is this engine's own from now on: the cache's layers are asked for by nobody.
    for layer in manifest["layers"]:
        os.unlink(f"{cache}/blobs/sha256/{layer['digest'].removeprefix('sha256:')}")
    once_more, ran, warnings = run_build(two, context, "--cache-from", f"type=local,src={cache}")
    assert not ran and not warnings and once_more == made


def test_what_a_cache_told_of_is_known_without_it(fresh, context, scratch):
    """A second build without the cache runs nothing, though layers that nothing needed never came."""
    one, two = fresh(), fresh()
    cache = f"{scratch}/cache"
    made, _, _ = run_build(one, context, "--cache-to", f"type=local,dest={cache},mode=max")
    run_build(two, context, "--cache-from", f"type=local,src={cache}")
    shutil.rmtree(cache)
    told = [r for r in two.api("GET", "/v1.51/system/df?type=build-cache").json["BuildCache"] if r["Type"] == "regular"]
    assert any(r["Size"] == 0 and "RUN echo tools" in r["Description"] for r in told), told
    for _ in range(2):
        again, ran, warnings = run_build(two, context)
        assert again == made and not ran and not warnings
        two.restart()
    # What needs a layer that never came makes it, and what it stands on, anew; the rest stays as it is known.
    with open(f"{context}/Dockerfile", "w") as f:
        f.write(STAGES.replace("RUN cat /tools > /made", "RUN cat /tools /tools > /made"))
    changed, ran, warnings = run_build(two, context)
    assert not warnings and changed != made
    assert any("RUN cat /tools /tools" in r for r in ran) and any("RUN echo tools" in r for r in ran), ran
    assert two.ok("run", "--rm", changed, "cat", "/app/end", "/app/file") == "tools\ntools\nof the context"
    # A whole cache that is written has what it tells of.
    with open(f"{context}/Dockerfile", "w") as f:
        f.write(STAGES)
    run_build(two, context, "--cache-to", f"type=local,dest={scratch}/whole,mode=max")
    three = fresh()
    _, ran, warnings = run_build(three, context, "--cache-from", f"type=local,src={scratch}/whole", "--target", "made")
    assert not ran and not warnings


def test_layers_come_only_where_they_are_needed(fresh, context, scratch):
    one, two = fresh(), fresh()
    cache = f"{scratch}/cache"
    run_build(one, context, "--cache-to", f"type=local,dest={cache},mode=max")
    _, config = document(cache)
    # The stages that the result only copies from are asked for by nobody: their blobs need not even be there.
    of_result = {x["diff_id"] for x in config["layers"][3:]}
    for layer in config["layers"]:
        if layer["diff_id"] not in of_result:
            os.unlink(f"{cache}/blobs/sha256/{layer['blob'].removeprefix('sha256:')}")
    _, ran, warnings = run_build(two, context, "--cache-from", f"type=local,src={cache}")
    assert not ran and not warnings
    # A step that changed needs what it stands on, and nothing else.
    with open(f"{context}/file", "w") as f:
        f.write("changed\n")
    _, ran, warnings = run_build(two, context, "--cache-from", f"type=local,src={cache}")
    assert not warnings and len(ran) == 2 and any("COPY file" in r for r in ran)


def test_mode_min_has_the_results_steps_alone(fresh, context, scratch):
    one = fresh()
    made, _, _ = run_build(one, context, "--cache-to", f"type=local,dest={scratch}/min", "--cache-to",
                           f"type=local,dest={scratch}/max,mode=max")
    small, large = document(f"{scratch}/min")[1], document(f"{scratch}/max")[1]
    assert len(small["layers"]) == 3 and len(large["layers"]) == 6
    assert {r["key"] for r in small["records"]} < {r["key"] for r in large["records"]}
    assert len(blobs(f"{scratch}/min")) < len(blobs(f"{scratch}/max"))
    two = fresh()
    _, ran, _ = run_build(two, context, "--cache-from", f"type=local,src={scratch}/min", "--target", "tools")
    assert any("RUN echo tools" in r for r in ran)


def test_a_cache_is_handed_on_without_its_layers(fresh, context, scratch):
    """What is imported and exported again goes from place to place as it is, what is there already not at all."""
    one, two = fresh(), fresh()
    run_build(one, context, "--cache-to", f"type=local,dest={scratch}/a,mode=max")
    _, ran, _ = run_build(two, context, "--cache-from", f"type=local,src={scratch}/a", "--cache-to",
                          f"type=local,dest={scratch}/b,mode=max", "--cache-to", f"type=local,dest={scratch}/a,mode=max")
    assert not ran
    assert document(f"{scratch}/a")[1]["records"] and blobs(f"{scratch}/b") == {
        n: s for n, s in blobs(f"{scratch}/a").items() if n in blobs(f"{scratch}/b")}
    three = fresh()
    _, ran, warnings = run_build(three, context, "--cache-from", f"type=local,src={scratch}/b")
    assert not ran and not warnings


def test_registry(fresh, context, registry):
    one, two = fresh(), fresh()
    ref = f"{registry.host}/app/cache:main"
    made, _, _ = run_build(one, context, "--cache-to", f"type=registry,ref={ref},mode=max")
    _, text = registry.get("/v2/app/cache/manifests/main", OCI_MANIFEST)
    assert json.loads(text)["config"]["mediaType"] == CONFIG
    again, ran, warnings = run_build(two, context, "--cache-from", f"type=registry,ref={ref}")
    assert not ran and not warnings and again == made
    # The short form is a reference, too; what the registry has is not sent again.
    sent = len([r for r in registry.requests() if r.startswith(("PUT", "PATCH"))])
    _, ran, _ = run_build(two, context, "--cache-from", ref, "--cache-to", ref + "")
    assert not ran
    uploads = [r for r in registry.requests() if r.startswith(("PUT", "PATCH"))][sent:]
    assert len([r for r in uploads if "/blobs/" in r]) <= 2 and uploads[-1].startswith("PUT /v2/app/cache/manifests/main"), uploads


def moved(text):
    """From the client's JSON: of each step that moved bytes its name, how it ended, and what was told last of each thing."""
    names, states, bytes_of = {}, {}, {}
    for frame in (json.loads(line) for line in text.splitlines() if line.startswith("{")):
        if frame["type"] == "step":
            names[frame["step"]], states[frame["step"]] = frame["name"], frame["state"]
        elif frame["type"] == "progress":
            bytes_of.setdefault(frame["step"], {})[frame["what"]] = (frame["current"], frame["total"])
    return [(names[n], states[n], b) for n, b in bytes_of.items() if "load build context" not in names[n]]


def test_caches_are_shown_while_they_move(fresh, context, scratch, registry):
    one = fresh()
    ref = f"{registry.host}/app/shown:main"
    places = f"type=registry,ref={ref},mode=max", f"type=local,dest={scratch}/cache,mode=max"
    done = one("build", "--progress", "rawjson", "--cache-to", places[0], "--cache-to", places[1], context, timeout=120)
    assert done.code == 0, done
    exports = moved(done.err)
    assert len(exports) == 2 and ref in exports[0][0] and f"{scratch}/cache" in exports[1][0], exports
    for name, state, layers in exports:
        assert name.startswith("exporting cache to ") and state == "done"
        assert len(layers) >= 5 and all(w.startswith("layer ") and 0 < c == t for w, (c, t) in layers.items()), layers
    for source in (f"type=registry,ref={ref}", f"type=local,src={scratch}/cache"):
        engine = fresh()
        done = engine("build", "--progress", "rawjson", "--cache-from", source, context, timeout=120)
        fetched = moved(done.err)
        assert done.code == 0 and '"name":"importing cache from ' in done.err and len(fetched) == 3, done
        for name, state, layers in fetched:
            assert name.startswith("fetching layer ") and state == "done"
            (what, (current, total)), = layers.items()
            assert name.startswith(f"fetching {what} of cache ") and current == total > 0
    plain = fresh()("build", "--progress", "plain", "--cache-from", f"type=local,src={scratch}/cache", "--cache-to",
                    f"type=local,dest={scratch}/again", context, timeout=120)
    assert plain.code == 0, plain
    for pattern in (r"^#\d+ importing cache from \S+$", r"^#\d+ fetching layer [0-9a-f]{12} of cache \S+$",
                    r"^#\d+ layer [0-9a-f]{12} \S+ / \S+ \S+ done$", r"^#\d+ exporting cache to \S+$"):
        assert re.search(pattern, plain.err, re.M), (pattern, plain.err)


def test_a_cache_that_is_not_there_is_warned_of_once(fresh, context, scratch):
    e = fresh()
    for quiet in (True, False):
        done = e("build", *(["-q"] if quiet else ["--progress", "plain"]), "--cache-from", f"type=local,src={scratch}/none", context)
        assert done.code == 0
        lines = [line for line in done.err.splitlines() if line.startswith("WARNING: ")]
        assert len(lines) == 1 and "cache-from" in lines[0] and f"{scratch}/none" in lines[0] and "is not used" in lines[0], done
        if quiet:
            assert done.err.splitlines() == lines and done.out.startswith("sha256:") and done.out.count("\n") == 1
        else:
            assert "ERROR: " in done.err and "importing cache from" in done.err


def test_a_registry_that_has_no_cache_is_told_of(fresh, context, registry):
    e = fresh()
    _, ran, warnings = run_build(e, context, "--cache-from", f"type=registry,ref={registry.host}/none:x")
    assert ran and len(warnings) == 1 and "cache-from" in warnings[0] and "none" in warnings[0], warnings
    gone = f"type=registry,ref=127.0.0.1:1/none:x"
    failed = e("build", "--cache-to", gone, context, timeout=60)
    assert failed.code == 1 and "cache-to" in failed.err, failed
    _, _, warnings = run_build(e, context, "--cache-to", gone + ",ignore-error=true")
    assert len(warnings) == 1 and "not written" in warnings[0]


def damage_index(d, manifest, config):
    with open(f"{d}/index.json", "w") as f:
        f.write("{")


def damage_manifest(d, manifest, config):
    with open(f"{d}/index.json") as f:
        name = json.load(f)["manifests"][0]["digest"].removeprefix("sha256:")
    with open(f"{d}/blobs/sha256/{name}", "r+b") as f:
        f.write(b"[")


def damage_config(d, manifest, config):
    os.unlink(f"{d}/blobs/sha256/{manifest['config']['digest'].removeprefix('sha256:')}")


def damage_layer(d, manifest, config):
    for layer in manifest["layers"]:
        with open(f"{d}/blobs/sha256/{layer['digest'].removeprefix('sha256:')}", "r+b") as f:
            f.seek(layer["size"] // 2)
            f.write(b"\0\1\2")


def shorten_layer(d, manifest, config):
    for layer in manifest["layers"]:
        os.truncate(f"{d}/blobs/sha256/{layer['digest'].removeprefix('sha256:')}", layer["size"] - 1)


def replace_by_link(d, manifest, config):
    for layer in manifest["layers"]:
        path = f"{d}/blobs/sha256/{layer['digest'].removeprefix('sha256:')}"
        os.unlink(path)
        os.symlink("/etc/shadow", path)


@pytest.mark.parametrize("damage", [damage_index, damage_manifest, damage_config, damage_layer, shorten_layer, replace_by_link])
def test_a_damaged_directory_is_warned_of_and_not_used(fresh, context, scratch, damage):
    one, two = fresh(), fresh()
    cache = f"{scratch}/cache"
    run_build(one, context, "--cache-to", f"type=local,dest={cache},mode=max")
    damage(cache, *document(cache))
    iid, ran, warnings = run_build(two, context, "--cache-from", f"type=local,src={cache}", "--cache-to",
                                   f"type=local,dest={cache},mode=max")
    assert any("RUN" in r for r in ran) and len(warnings) == 1 and "\n" not in warnings[0], (ran, warnings)
    assert two.ok("run", "--rm", iid, "cat", "/app/end") == "tools"
    # What was written over it is whole.
    three = fresh()
    again, ran, warnings = run_build(three, context, "--cache-from", f"type=local,src={cache}")
    assert not ran and not warnings and again == iid


def write_cache(directory, config, layers=(), **manifest):
    """A cache of these documents, its digests true."""
    os.makedirs(f"{directory}/blobs/sha256")

    def put(data):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        name = hashlib.sha256(data).hexdigest()
        with open(f"{directory}/blobs/sha256/{name}", "wb") as f:
            f.write(data)
        return {"digest": "sha256:" + name, "size": len(data)}
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {"mediaType": CONFIG, **put(config)},
                "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **put(x)} for x in layers], **manifest}
    with open(f"{directory}/index.json", "w") as f:
        json.dump({"schemaVersion": 2, "manifests": [{"mediaType": OCI_MANIFEST, **put(document)}]}, f)


A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.mark.parametrize("config, match", [
    (b"not json", "config of the cache"), (b'{"version":1,"version":1}', "config of the cache"), ({"version": 2}, "version 2"),
    ({"version": 1, "layers": {}, "records": []}, "layers"),
    ({"version": 1, "layers": [{"parent": "", "diff_id": A, "size": 1, "blob": B}], "records": []}, "not in the manifest"),
    ({"version": 1, "layers": [{"parent": "../..", "diff_id": A, "size": 1, "blob": B}], "records": []}, "digest"),
    ({"version": 1, "layers": [], "records": [{"key": A, "layer": 0, "description": "", "created": 0}]}, "layer 0"),
    ({"version": 1, "layers": [], "records": [{"key": "x", "layer": 0, "description": "", "created": 0}]}, "key"),
    ({"version": 1, "layers": [], "records": [{}] * 20001}, "more than")])
def test_hostile_caches_are_told_of_in_one_line(engine, context, scratch, config, match):
    write_cache(f"{scratch}/cache", config)
    _, ran, warnings = run_build(engine, context, "--no-cache", "--cache-from", f"type=local,src={scratch}/cache")
    assert ran and len(warnings) == 1 and match in warnings[0] and "\n" not in warnings[0], warnings


def test_caches_of_another_builder_are_not_misread(engine, context, scratch):
    os.makedirs(f"{scratch}/cache/blobs/sha256")
    data = json.dumps({"schemaVersion": 2, "manifests": [
        {"mediaType": "application/vnd.buildkit.cacheconfig.v0", "digest": A, "size": 1}]}).encode()
    name = hashlib.sha256(data).hexdigest()
    with open(f"{scratch}/cache/blobs/sha256/{name}", "wb") as f:
        f.write(data)
    with open(f"{scratch}/cache/index.json", "w") as f:
        json.dump({"schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.index.v1+json",
                                                      "digest": "sha256:" + name, "size": len(data)}]}, f)
    _, _, warnings = run_build(engine, context, "--cache-from", f"type=local,src={scratch}/cache")
    assert len(warnings) == 1 and "BuildKit" in warnings[0], warnings


@pytest.mark.parametrize("option, value, match", [
    ("--cache-to", "type=local", "dest"), ("--cache-from", "type=local,dest=/x", "src"), ("--cache-to", "type=registry", "ref"),
    ("--cache-to", "type=local,dest=/x,mode=most", "min, max"), ("--cache-to", "type=local,dest=/x,ignore-error=perhaps", "ignore-error"),
    ("--cache-to", "type=registry,ref=x,dset=/x", "dset"), ("--cache-from", "type=registry,ref=x,mode=max", "mode"),
    ("--cache-to", "type=inline,mode=max", "mode=min"), ("--cache-to", "type=s3,bucket=x", "not supported")])
def test_wrong_attributes_are_one_line(engine, context, option, value, match):
    failed = engine("build", option, value, context)
    assert failed.code == 1 and match in failed.err and len(failed.err.strip().splitlines()) == 1, failed


@pytest.mark.parametrize("member, value, match", [
    ("cache_to", {"type": "registry"}, "ref"), ("cache_to", {"type": "gha"}, "allowed: registry, local, inline"),
    ("cache_from", {"type": "gha"}, "allowed: registry, local"), ("cache_to", {"type": "local", "dest": "/x", "mode": "x"}, "mode"),
    ("cache_from", {"type": "registry", "ref": "UPPER"}, "lowercase"), ("cache_from", {"type": "local", "src": 1}, "text"),
    ("cache_to", {"type": "local", "dest": "/x", "speed": "x"}, "speed"), ("cache_to", "x", "object")])
def test_the_engine_checks_for_itself(engine, member, value, match):
    assert match in build(engine, f"FROM {IMAGE}\n", entries_of=list, context="/x", **{member: [value]}).error


def test_classic_cachefrom(fresh):
    """Images that are here serve as a cache; one that is not is told of, and no registry is asked."""
    text = f"FROM {IMAGE}\nRUN echo 1 > /a\n"
    one, two = fresh(), fresh()
    built = build(one, text, entries_of=list, context="/x", tags=["test/cached:1"], cache_to=[{"type": "inline"}],
                  outputs=[{"type": "image"}, {"type": "oci", "dest": "x"}])
    two.load(list(built.outputs.values())[0])
    done = classic(two, {"Dockerfile": text}, cachefrom=["none/such:1", "test/cached:1"])
    assert "Using cache" in done.text and "none/such:1" in done.text and not done.error, done.raw
