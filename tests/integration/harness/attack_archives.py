"""Image archives whose documents attack whoever reads them (SECURITY-CATALOGUE S46 to S50, S55): docker-archives and OCI layouts
with manifests, indexes and configs of any shape."""
import hashlib
import json
import tarfile

from .archives import Tar, config_of, digest

TAG = "test/evil:1"
OCI = "application/vnd.oci.image.{}.v1+json"
LAYER = Tar().dir("etc").add("etc/hello", b"hello\n").bytes()


def dumps(value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def descriptor(data, kind, **more):
    return {"mediaType": OCI.format(kind), "digest": "sha256:" + digest(data), "size": len(data), **more}


def layout(index, *blobs):
    tar = Tar().add("oci-layout", b'{"imageLayoutVersion": "1.0.0"}').add("index.json", dumps(index))
    for blob in blobs:
        tar.add("blobs/sha256/" + digest(blob), blob)
    return tar.bytes()


def oci(config=None, manifest=None, top=None, index=None, layer_more=None, config_more=None):
    """An OCI layout of one image; each argument changes one part: a dict that is laid over it, or the bytes in its place."""
    config = config if config is not None else config_of([LAYER], Cmd=["true"])
    whole = {"schemaVersion": 2, "mediaType": OCI.format("manifest"), "config": {**descriptor(config, "config"), **(config_more or {})},
             "layers": [{**descriptor(LAYER, "layer"), "mediaType": "application/vnd.oci.image.layer.v1.tar", **(layer_more or {})}]}
    document = manifest if isinstance(manifest, bytes) else dumps({**whole, **(manifest or {})})
    entry = {**descriptor(document, "manifest", annotations={"org.opencontainers.image.ref.name": TAG}), **(top or {})}
    return layout(index if isinstance(index, bytes) else {"schemaVersion": 2, "manifests": [entry], **(index or {})}, LAYER, config, document)


def docker(item=None, config=None, document=None):
    config = config if config is not None else config_of([LAYER], Cmd=["true"])
    entry = {"Config": "c.json", "RepoTags": [TAG], "Layers": ["l.tar"], **(item or {})}
    return Tar().add("l.tar", LAYER).add("c.json", config).add("manifest.json", document if document is not None else dumps([entry])).bytes()


def changed_config(**more):
    return dumps({**json.loads(config_of([LAYER], Cmd=["true"])), **more})


def two_meanings():
    """S46"""
    good = config_of([LAYER], Cmd=["true"])
    yield "index with layers", oci(index={"layers": []})
    yield "index with a config", oci(index={"config": {}})
    yield "index that calls itself a manifest", oci(index={"mediaType": OCI.format("manifest")})
    yield "manifest with manifests", oci(manifest={"manifests": []})
    yield "manifest of schema 1", oci(manifest={"fsLayers": []})
    yield "manifest that calls itself an index", oci(manifest={"mediaType": OCI.format("index")})
    yield "manifest that calls itself Docker's", oci(manifest={"mediaType": "application/vnd.docker.distribution.manifest.v2+json"})
    yield "descriptor without a type", oci(top={"mediaType": ""})
    yield "config that is a manifest", oci(config=changed_config(layers=[]))
    yield "config that is an index", docker(config=changed_config(manifests=[]))
    for where, build in (("config", lambda x: docker(config=x)), ("manifest", lambda x: oci(manifest=x)), ("index", lambda x: oci(index=x)),
                         ("manifest.json", lambda x: docker(document=x))):
        yield f"{where} with a member twice", build(b'{"config": {}, "layers": [], "a": 1, "a": 2}')
        yield f"{where} with a member in two cases", build(b'{"config": {}, "layers": [], "Layers": []}')
        yield f"{where} behind a byte order mark", build(b"\xef\xbb\xbf" + good)
        yield f"{where} with bytes behind it", build(good + b"{}")
        yield f"{where} is not UTF-8", build(b'{"a": "\xff\xfe"}')
        yield f"{where} is a text", build(b'"text"')
        yield f"{where} is null", build(b"null")
        yield f"{where} is empty", build(b"")
        yield f"{where} is deep", build(b'{"a":' * 5000 + b"1" + b"}" * 5000)
        yield f"{where} is larger than 4 MiB", build(b'{"a": "' + b"x" * (4 << 20) + b'"}')


def wrong_digests():
    """S47, S55"""
    wrong = {"short": "sha256:" + "0" * 63, "long": "sha256:" + "0" * 65, "upper case": "sha256:" + digest(LAYER).upper(), "climbs": "sha256:../../../../etc/passwd",
             "other algorithm": "sha512:" + hashlib.sha512(LAYER).hexdigest(), "no algorithm": digest(LAYER), "unknown algorithm": "../x:" + digest(LAYER),
             "slash": "sha256:" + "0" * 31 + "/" + "0" * 32, "line break": "sha256:" + digest(LAYER) + "\n", "NUL": "sha256:\0" + "0" * 63, "empty": "", "absent blob": "sha256:" + "0" * 64,
             "number": 5, "null": None, "list": ["sha256:" + digest(LAYER)]}
    for name, value in wrong.items():
        yield f"digest of a layer: {name}", oci(layer_more={"digest": value})
        yield f"digest of a config: {name}", oci(config_more={"digest": value})
        yield f"digest of a manifest: {name}", oci(top={"digest": value})
        if name != "absent blob":
            yield f"diff id: {name}", docker(config=changed_config(rootfs={"type": "layers", "diff_ids": [value]}))
    yield "diff id of another layer", docker(config=changed_config(rootfs={"type": "layers", "diff_ids": ["sha256:" + "1" * 64]}))
    for name, size in (("one more", len(LAYER) + 1), ("one less", len(LAYER) - 1), ("negative", -1), ("2^63", 2 ** 63), ("2^64", 2 ** 64), ("fraction", 1.5), ("text", "5"),
                       ("list", [])):
        yield f"size of a layer: {name}", oci(layer_more={"size": size})
    yield "size of a manifest", oci(top={"size": 1})
    yield "size of a config", oci(config_more={"size": 1 << 40})
    yield "layer under a name that is not its digest", Tar().add("blobs/sha256/" + "0" * 64, LAYER).add("index.json", b"{}").bytes()
    yield "blob outside of the directory of its kind", Tar().add("blobs/sha256/../../x", LAYER).bytes()


def malformed():
    """S48"""
    for key in ("rootfs", "history", "config", "created", "os", "architecture"):
        yield f"config: {key} is a number", docker(config=changed_config(**{key: 5}))
    yield "config: no root file system", docker(config=b"{}")
    yield "config: root file system without layers", docker(config=changed_config(rootfs={}))
    yield "config: diff ids are null", docker(config=changed_config(rootfs={"type": "layers", "diff_ids": None}))
    yield "config: one diff id is null", docker(config=changed_config(rootfs={"diff_ids": [None]}))
    yield "config: for another system", docker(config=changed_config(os="windows"))
    yield "config: 501 layers", docker(item={"Layers": ["l.tar"] * 501}, config=changed_config(rootfs={"diff_ids": ["sha256:" + digest(LAYER)] * 501}))
    for key, value in (("Env", [1]), ("Env", "A=B"), ("Cmd", {}), ("Entrypoint", 5), ("Labels", ["a"]), ("Labels", {"a": 1}), ("Volumes", "x"), ("ExposedPorts", []), ("User", 0),
                       ("WorkingDir", []), ("StopSignal", 9), ("Healthcheck", "x"), ("Shell", "sh"), ("OnBuild", [None])):
        yield f"config: {key} is {json.dumps(value)}", docker(config=changed_config(config={key: value}))
    yield "manifest: layers are null", oci(manifest={"layers": None})
    yield "manifest: a layer is null", oci(manifest={"layers": [None]})
    yield "manifest: config is null", oci(manifest={"config": None})
    yield "manifest: config is a list", oci(manifest={"config": []})
    yield "manifest: no layers, but the config has one", oci(manifest={"layers": []})
    yield "manifest: a layer twice, but the config has one", docker(item={"Layers": ["l.tar", "l.tar"]})
    yield "index: manifests are null", oci(index={"manifests": None})
    yield "index: a manifest is null", oci(index={"manifests": [None]})
    yield "index: no manifests", oci(index={"manifests": []})
    yield "index: is a list", oci(index=b"[]")
    for key, value in (("Config", None), ("Config", 5), ("Config", ""), ("Config", "none.json"), ("Config", "../../../../etc/passwd"), ("Config", "/etc/passwd"), ("Layers", None),
                       ("Layers", "l.tar"), ("Layers", [None]), ("Layers", ["../../../../etc/passwd"]), ("Layers", ["/etc/passwd"]), ("Layers", ["l.tar\0x"]), ("RepoTags", ["x" * 300 + ":1"]),
                       ("RepoTags", ["../../evil:1"]), ("RepoTags", ["/evil:1"]), ("RepoTags", ["a\n:1"]), ("RepoTags", ["a:../../x"]), ("RepoTags", ["A:1"]), ("RepoTags", [""]),
                       ("RepoTags", ["sha256:" + "0" * 64]), ("RepoTags", ["0" * 64])):
        yield f"manifest.json: {key} is {json.dumps(value)[:40]}", docker(item={key: value})
    yield "manifest.json: 1,001 images", docker(document=dumps([{"Config": "c.json", "RepoTags": [], "Layers": ["l.tar"]}] * 1001))
    yield "manifest.json: is an object", docker(document=b"{}")
    yield "manifest.json: no images", docker(document=b"[]")


def members():
    """The archive itself."""
    manifest = dumps([{"Config": "c.json", "RepoTags": [TAG], "Layers": ["l.tar"]}])
    good = config_of([LAYER], Cmd=["true"])
    base = Tar().add("c.json", good).add("manifest.json", manifest)
    yield "layer is a link out", Tar().add("c.json", good).link("l.tar", "/etc/passwd").add("manifest.json", manifest).bytes()
    yield "layer is a link that climbs", Tar().add("c.json", good).link("l.tar", "../../../../etc/passwd").add("manifest.json", manifest).bytes()
    yield "layer is a hard link out", Tar().add("c.json", good).hardlink("l.tar", "/etc/passwd").add("manifest.json", manifest).bytes()
    yield "links in a circle", Tar().add("c.json", good).link("l.tar", "m.tar").link("m.tar", "l.tar").add("manifest.json", manifest).bytes()
    yield "layer is a device", Tar().add("c.json", good).add("l.tar", kind=tarfile.CHRTYPE, device=(1, 5)).add("manifest.json", manifest).bytes()
    yield "layer is a FIFO", Tar().add("c.json", good).add("l.tar", kind=tarfile.FIFOTYPE).add("manifest.json", manifest).bytes()
    yield "member that climbs", base.add("../../x", b"x").bytes()
    many = Tar()
    for n in range(20_001):
        many.add(f"f{n}")
    yield "20,001 members", many.bytes()
    yield "member of a long name", Tar().add("n/" * 600 + "x", b"x").bytes()


def indexes():
    """S49: indexes of indexes."""
    config = config_of([LAYER], Cmd=["true"])
    manifest = dumps({"schemaVersion": 2, "mediaType": OCI.format("manifest"), "config": descriptor(config, "config"), "layers": [descriptor(LAYER, "layer")]})
    blobs, below = [LAYER, config, manifest], descriptor(manifest, "manifest")
    for _ in range(100):
        blobs.append(dumps({"schemaVersion": 2, "manifests": [below]}))
        below = descriptor(blobs[-1], "index")
    yield "indexes 100 deep", layout({"schemaVersion": 2, "manifests": [below]}, *blobs)
    wide, kept = descriptor(manifest, "manifest"), [LAYER, config, manifest]
    for n in range(3):
        kept.append(dumps({"schemaVersion": 2, "manifests": [{**wide, "annotations": {"n": str(n * 1000 + m)}} for m in range(900)]}))
        wide = descriptor(kept[-1], "index")
    yield "diamond of 900 by 900 by 900", layout({"schemaVersion": 2, "manifests": [wide] * 900}, *kept)
    yield "index of 10,000", layout({"schemaVersion": 2, "manifests": [descriptor(manifest, "manifest")] * 10_000}, LAYER, config, manifest)
    tagged = [descriptor(manifest, "manifest", annotations={"org.opencontainers.image.ref.name": f"test/evil:{n}", "platform": "x" * 1000}) for n in range(1001)]
    yield "1,001 tags", layout({"schemaVersion": 2, "manifests": tagged}, LAYER, config, manifest)


def refused():
    """(name, archive): every one must be refused whole."""
    for group in (two_meanings, wrong_digests, malformed, members, indexes):
        yield from group()


def taken():
    """(name, archive): odd, but an image; what the API says of it must be said."""
    yield "no tags", docker(item={"RepoTags": None})
    yield "history shorter than the layers", docker(config=changed_config(history=[]))
    yield "history longer than the layers", docker(config=changed_config(history=[{"created_by": "x"}] * 50))
    yield "history of wrong types", docker(config=changed_config(history=[None, 5, {"created": 5, "created_by": [], "empty_layer": "yes", "comment": {}}]))
    yield "no date that is a date", docker(config=changed_config(created="yesterday"))
    yield "a date before all others", docker(config=changed_config(created="0001-01-01T00:00:00Z"))
    yield "members that nobody knows", docker(config=changed_config(container_config={"Cmd": 5}, id=[], parent="../x", throwaway=2 ** 63))
    yield "annotations with bad digests", oci(top={"annotations": {"org.opencontainers.image.base.digest": "sha256:../../x", "org.opencontainers.image.ref.name": TAG}})
    yield "control characters in texts", docker(config=changed_config(author="\x1b[2J\n\0\u202e", config={"Labels": {"a\n": "\x1b[2J"}, "Cmd": ["true"]}))
    yield "surrogates and odd numbers", docker(config=config_of([LAYER], Cmd=["true"])[:-1] + b', "x": "\\ud83d\\ude00", "n": [1e308, -0.0, 18446744073709551615]}')
    yield "foreign layer urls", oci(layer_more={"urls": ["http://192.0.2.1/x", "file:///etc/passwd"]})
    yield "docker archive by links", Tar().add("a/layer.tar", LAYER).link("b/layer.tar", "../a/layer.tar").add("c.json", config_of([LAYER, LAYER])).add(
        "manifest.json", dumps([{"Config": "c.json", "RepoTags": [TAG], "Layers": ["a/layer.tar", "b/layer.tar"]}])).bytes()
