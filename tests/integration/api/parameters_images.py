"""What each query parameter and header of the images' and builds' operations does: PARAMETERS[operation][parameter]."""
import base64
import io
import json
import tarfile
import time
from urllib.parse import quote

from conftest import IMAGE
from harness import archives
from harness.attested import SPDX, Attested
from harness.registries import RegistryImage, auth_header

from .parameters_containers import refused
from .world import filters

ARM = json.dumps({"os": "linux", "architecture": "arm64"})
AMD = json.dumps({"os": "linux", "architecture": "amd64"})


def listed(w, **given):
    """The tags of the images that a filter finds."""
    answer = w.get("/images/json?" + filters(json.dumps({k: [v] for k, v in given.items()})))
    assert answer.status == 200, answer
    return {tag for one in answer.json for tag in one["RepoTags"] or ["-"]}


def messages(answer):
    assert answer.status == 200, answer
    return [json.loads(line) for line in answer.body.decode().splitlines() if line]


def build(w, dockerfile, query="", files=(), headers=None):
    """(what was said, the id or "", the error or "")."""
    tar = archives.Tar().add("Dockerfile", dockerfile.encode())
    for name, data in dict(files).items():
        tar.add(name, data.encode())
    answer = w.post(f"/build?{query}", tar.bytes(), headers={"Content-Type": "application/x-tar", **(headers or {})})
    if answer.status != 200:
        return "", "", answer.message
    told = messages(answer)
    text = "".join(m.get("stream", "") for m in told)
    return text, next((m["aux"]["ID"] for m in told if "aux" in m), ""), next((m["error"] for m in told if "error" in m), "")


def config(w, image):
    return w.get(f"/images/{image}/json").json["Config"]


# --- GET /images/json ---
def untagged(w):
    """An image without a name."""
    answer = w.post("/images/create?fromSrc=-", archives.Tar().add("f", w.name().encode()).bytes())
    return messages(answer)[-1]["status"]


def images_all(w):
    """Nothing is hidden without it: no image here is another's intermediate one."""
    number = untagged(w)
    everything = {i["Id"] for i in w.get("/images/json?all=1").json}
    assert number in everything and everything == {i["Id"] for i in w.get("/images/json").json}


def images_filters(w):
    untagged(w)
    text, _, error = build(w, f"FROM {IMAGE}\nLABEL kind=listed\nRUN echo > /listed\n", "nocache=1&t=test/listed:1")
    assert not error, text
    assert listed(w, label="kind=listed") == listed(w, label="kind") == listed(w, reference="test/listed") == {"test/listed:1"}
    assert listed(w, label="kind=other") == set() and listed(w, reference="test/list*:1") == {"test/listed:1"}
    assert listed(w, dangling="true") == {"-"} and "-" not in listed(w, dangling="false")
    assert f"{IMAGE}:latest" in listed(w, before="test/listed:1") and "test/listed:1" in listed(w, since=IMAGE)
    assert listed(w, until="2023-01-01T00:00:00Z") == set() and f"{IMAGE}:latest" in listed(w, until="2024-01-01T00:00:00Z")
    for key, value, status, words in (("dangling", "maybe", 400, "invalid filter 'dangling=maybe'"), ("nonsense", "x", 400, "invalid filter 'nonsense'"),
                                      ("before", "test/none", 404, "No such image"), ("until", "x", 400, '"x"')):
        refused(w.get("/images/json?" + filters(json.dumps({key: [value]}))), status, words)


def images_shared_size(w):
    build(w, f"FROM {IMAGE}\nENV a=shared\n", "t=test/shared:1")
    assert {i["SharedSize"] for i in w.get("/images/json").json} == {-1}
    assert any(i["SharedSize"] > 0 for i in w.get("/images/json?shared-size=1").json)


def images_digests(w):
    """They are always told."""
    name = w.pulled()
    for given in ("", "?digests=1"):
        one, = [i for i in w.get("/images/json" + given).json if name in i["RepoTags"]]
        assert one["RepoDigests"] == [f"{w.registry.host}/test/app@{w.image.digest}"]


def images_manifests(parameter):
    def check(w):
        """Of a pulled image the manifest is here, of one that was loaded none."""
        name = w.pulled()
        assert all("Manifests" not in i for i in w.get("/images/json").json)
        one, = [i for i in w.get(f"/images/json?{parameter}=1").json if name in i["RepoTags"]]
        manifest, = one["Manifests"]
        assert manifest["Descriptor"]["digest"] == manifest["ID"] == w.image.digest and manifest["Kind"] == "image"
        assert manifest["Available"] is True and manifest["ImageData"]["Platform"] == {"os": "linux", "architecture": "amd64"}
    return check


def inspect_manifests(w):
    name = w.pulled()
    assert "Manifests" not in w.get(f"/images/{name}/json").json
    assert w.get(f"/images/{name}/json?manifests=1").json["Manifests"][0]["ID"] == w.image.digest
    refused(w.get(f"/images/{name}/json?manifests=1&platform={quote(AMD)}"), 400, "conflicting options")


def platform(url, method="GET", parameter="platform"):
    """The platform of an image that is here, and another one."""
    def check(w):
        start = url.format(w.tag()) + ("&" if "?" in url else "?") + parameter + "="
        refused(w.request(method, start + quote(ARM)), 404, "does not provide the specified platform")
        refused(w.request(method, start + "linux/amd64"), 400, "platform")
        assert w.request(method, start + quote(AMD)).status == 200
    return check


# --- POST /build ---
def build_dockerfile(w):
    assert build(w, "nonsense", "dockerfile=other/File&t=test/other:1", {"other/File": f"FROM {IMAGE}\nENV other=yes\n"})[2] == ""
    assert "other=yes" in config(w, "test/other:1")["Env"]
    assert "Cannot locate specified Dockerfile: none" in build(w, "FROM scratch\n", "dockerfile=none")[2]


def build_t(w):
    assert build(w, f"FROM {IMAGE}\nENV b=t\n", "t=test/t:1&t=test/t:2")[2] == ""
    assert listed(w, reference="test/t") == {"test/t:1", "test/t:2"}
    assert "invalid reference format" in build(w, f"FROM {IMAGE}\n", "t=UPPER")[2]


def build_extrahosts(w):
    hosts = quote(json.dumps(["there.example:10.1.2.3"]))
    assert "10.1.2.3" in build(w, f"FROM {IMAGE}\nRUN cat /etc/hosts\n", f"nocache=1&extrahosts={hosts}")[0]
    assert '"extrahosts"' in build(w, f"FROM {IMAGE}\n", "extrahosts=%22x%22")[2]


def build_remote(w):
    """A context of an address; loopback is fetched from where it is said in so many words."""
    w.registry.extra["/context.tar"] = archives.Tar().add("Dockerfile", f"FROM {IMAGE}\nENV from=afar\n".encode()).bytes()
    answer = w.post(f"/build?t=test/remote:1&remote=http://{w.registry.host}/context.tar", b"")
    assert '"error"' not in answer.body.decode() and "from=afar" in config(w, "test/remote:1")["Env"], answer
    refused(w.post("/build?remote=http://169.254.169.254/x", b""), 403, "link-local")


def build_q(w):
    text, number, error = build(w, f"FROM {IMAGE}\nENV b=q\n", "q=1")
    assert text == number + "\n" and not error
    assert text != build(w, f"FROM {IMAGE}\nENV b=q\n")[0]


def build_nocache(w):
    file = f"FROM {IMAGE}\nRUN cat /proc/sys/kernel/random/uuid > /u\n"
    first = build(w, file)[1]
    assert build(w, file)[1] == first and build(w, file, "nocache=1")[1] != first


def build_cachefrom(w):
    places = quote(json.dumps(["test/no-such-cache"]))
    assert build(w, f"FROM {IMAGE}\nENV b=c\n", f"cachefrom={places}")[2] == "", "one that is not here is passed over"
    for bad in ('"x"', "[1]", '["UPPER"]'):
        assert "cachefrom" in build(w, f"FROM {IMAGE}\n", f"cachefrom={quote(bad)}")[2], bad


def build_pull(w):
    name = f"{w.registry.host}/test/app:1"
    w.pulled()
    asked = len(w.registry.paths(part="manifests"))
    assert build(w, f"FROM {name}\nENV b=p\n")[2] == "" and len(w.registry.paths(part="manifests")) == asked
    assert build(w, f"FROM {name}\nENV b=p\n", "pull=1")[2] == "" and len(w.registry.paths(part="manifests")) > asked


def build_rm(query):
    def check(w):
        """Steps run in no container that could be left: with it and without it."""
        before = {c["Id"] for c in w.get("/containers/json?all=1").json}
        for value in "01":
            assert build(w, f"FROM {IMAGE}\nRUN echo {value} > /rm\n", f"{query}={value}&nocache=1")[2] == ""
            assert build(w, f"FROM {IMAGE}\nRUN false\n", f"{query}={value}")[2]
        assert {c["Id"] for c in w.get("/containers/json?all=1").json} == before
    return check


def build_refuses(name, value, harmless=""):
    def check(w):
        answer = w.post(f"/build?{name}={value}", archives.Tar().add("Dockerfile", f"FROM {IMAGE}\n".encode()).bytes())
        refused(answer, 501, f'"{name}" of a build is not supported')
        assert build(w, f"FROM {IMAGE}\n", f"{name}={harmless}")[2] == ""
    return check


def build_buildargs(w):
    given = quote(json.dumps({"A": "given", "N": None}))
    assert "A=given N=" in build(w, f"FROM {IMAGE}\nARG A\nARG N\nRUN echo A=$A N=$N\n", f"nocache=1&buildargs={given}")[0]
    assert "buildargs" in build(w, f"FROM {IMAGE}\n", "buildargs=[]")[2]


def build_shmsize(w):
    assert "8388608" in build(w, f"FROM {IMAGE}\nRUN stat -f -c '%S %b' /dev/shm | awk '{{print $1*$2}}'\n", "nocache=1&shmsize=8388608")[0]
    assert "shmsize" in build(w, f"FROM {IMAGE}\n", "shmsize=x")[2] and "shmsize" in build(w, f"FROM {IMAGE}\n", "shmsize=-1")[2]


def build_labels(w):
    assert build(w, f"FROM {IMAGE}\n", f"t=test/labels:1&labels={quote(json.dumps({'a': 'b'}))}")[2] == ""
    assert config(w, "test/labels:1")["Labels"]["a"] == "b"
    assert "labels" in build(w, f"FROM {IMAGE}\n", "labels=[]")[2]


def build_networkmode(w):
    assert "eth0" not in build(w, f"FROM {IMAGE}\nRUN ls /sys/class/net\n", "nocache=1&networkmode=none")[0]
    assert "eth0" in build(w, f"FROM {IMAGE}\nRUN ls /sys/class/net\n", "nocache=1&networkmode=default")[0]
    assert 'networkmode "other"' in build(w, f"FROM {IMAGE}\n", "networkmode=other")[2]


def build_content_type(w):
    """Docker takes an archive under any name, and compressed."""
    import gzip
    tar = gzip.compress(archives.Tar().add("Dockerfile", f"FROM {IMAGE}\nENV b=g\n".encode()).bytes())
    for kind in ("application/x-tar", "application/tar", "application/octet-stream"):
        assert messages(w.post("/build?q=1", tar, headers={"Content-Type": kind}))[-1]["stream"].startswith("sha256:")


def build_registry_config(w):
    logins = {w.registry.host: {"username": "user", "password": "right"}}
    w.registry.closed.add("test/closed")
    w.registry.add(w.image, "test/closed", "1")
    name = f"{w.registry.host}/test/closed:1"
    header = {"X-Registry-Config": base64.urlsafe_b64encode(json.dumps(logins).encode()).decode()}
    assert build(w, f"FROM {name}\n")[2]
    assert build(w, f"FROM {name}\n", headers=header)[2] == ""
    assert "X-Registry-Config" in build(w, f"FROM {name}\n", headers={"X-Registry-Config": base64.urlsafe_b64encode(b"[]").decode()})[2]


def build_platform(w):
    assert build(w, f"FROM {IMAGE}\nENV b=pl\n", "platform=linux/amd64")[2] == ""
    assert build(w, f"FROM {IMAGE}\nRUN true\n", "platform=linux/arm64")[2], "the image here is not for it"
    assert "a/b/c/d" in build(w, f"FROM {IMAGE}\n", "platform=a/b/c/d")[2]


def build_target(w):
    file = f"FROM {IMAGE} AS one\nENV stage=one\nFROM {IMAGE} AS two\nENV stage=two\n"
    assert build(w, file, "target=one&t=test/target:1")[2] == "" and "stage=one" in config(w, "test/target:1")["Env"]
    assert "none" in build(w, file, "target=none")[2]


def build_version(w):
    assert build(w, f"FROM {IMAGE}\n", "version=1")[2] == ""
    assert "version=2" in build(w, f"FROM {IMAGE}\n", "version=2")[2] and 'version "3"' in build(w, f"FROM {IMAGE}\n", "version=3")[2]


# --- POST /build/prune ---
def cached(w):
    build(w, f"FROM {IMAGE}\nRUN echo {w.name()} > /cached\n")
    return sum(e["Size"] for e in w.get("/v1.51/system/df?type=build-cache").json["BuildCache"])


def prune_keeps(name):
    def check(w):
        assert cached(w) > 0
        assert w.post(f"/build/prune?all=1&{name}=1000000000").json["CachesDeleted"] in (None, [])
        assert w.post(f"/build/prune?all=1&{name}=0").json["CachesDeleted"]
        refused(w.post(f"/build/prune?{name}=x"), 400, name)
    return check


def prune_frees(w):
    """No more goes than it takes until so much is free: nothing where it is, all where it never can be."""
    assert cached(w) > 0
    assert w.post("/build/prune?all=1&min-free-space=1").json["CachesDeleted"] == []
    assert w.post("/build/prune?all=1&min-free-space=1000000000000000").json["CachesDeleted"]
    refused(w.post("/build/prune?min-free-space=x"), 400, "min-free-space")


def prune_all(w):
    assert cached(w) > 0
    assert w.post("/build/prune?all=1").json["CachesDeleted"]
    assert w.get("/v1.51/system/df?type=build-cache").json["BuildCache"] == []


def prune_build_filters(w):
    assert cached(w) > 0
    assert not w.post("/build/prune?all=1&" + filters('{"until":["24h"]}')).json["CachesDeleted"]
    assert not w.post("/build/prune?all=1&" + filters('{"id":["no-such"]}')).json["CachesDeleted"]
    refused(w.post("/build/prune?" + filters('{"nonsense":["x"]}')), 400, "invalid filter")


# --- POST /images/create ---
def create_from_image(w):
    assert any("Status: " in m.get("status", "") for m in messages(w.post(f"/images/create?fromImage={w.registry.host}/test/app&tag=1")))
    refused(w.post("/images/create"), 400, "fromImage")


def imported(w, query="", data=None):
    return messages(w.post(f"/images/create?fromSrc=-&{query}", data or archives.Tar().add("f", w.name().encode()).bytes()))[-1]["status"]


def create_from_source(w):
    assert imported(w).startswith("sha256:")


def create_repo(w):
    number = imported(w, "repo=test/imported")
    assert w.get("/images/test/imported:latest/json").json["Id"] == number


def create_tag(w):
    number = imported(w, "repo=test/imported&tag=two")
    assert w.get("/images/test/imported:two/json").json["Id"] == number
    w.registry.add(w.image, "test/tags", "one")
    messages(w.post(f"/images/create?fromImage={w.registry.host}/test/tags&tag=one"))
    assert listed(w, reference=f"{w.registry.host}/test/tags") == {f"{w.registry.host}/test/tags:one"}


def create_message(w):
    assert w.get(f"/images/{imported(w, 'message=said')}/history").json[0]["Comment"] == "said"


def create_changes(w):
    made = config(w, imported(w, "changes=ENV+A%3Db&changes=CMD+x"))
    assert made["Env"] == ["A=b"] and made["Cmd"] == ["/bin/sh", "-c", "x"]
    refused(w.post("/images/create?fromSrc=-&changes=RUN+x", archives.Tar().bytes()), 400, "RUN")


def create_platform(w):
    refused(w.post(f"/images/create?fromImage={w.registry.host}/test/app&tag=1&platform=a/b/c/d"), 400, "a/b/c/d")
    arm = RegistryImage([archives.Tar().add("f", b"arm\n").bytes()], architecture="arm64", Cmd=["true"])
    w.registry.add(arm, "test/arm", "1")
    assert '"error"' not in w.post(f"/images/create?fromImage={w.registry.host}/test/arm&tag=1&platform=linux/arm64").body.decode()
    assert w.get(f"/images/{w.registry.host}/test/arm:1/json").json["Architecture"] == "arm64"


def create_auth(w):
    w.registry.closed.add("test/private")
    w.registry.add(w.image, "test/private", "1")
    url = f"/images/create?fromImage={w.registry.host}/test/private&tag=1"
    assert w.post(url).status != 200
    assert w.post(url, headers=auth_header("user", "right")).status == 200
    refused(w.post(url, headers={"X-Registry-Auth": "!"}), 400, "")


# --- push, tag, delete ---
def push_tag(w):
    w.pulled()
    name = f"{w.registry.host}/test/app"
    w.post(f"/images/{name}:1/tag?repo={name}&tag=pushed")
    before = len(w.registry.paths("PUT", "manifests/pushed"))
    assert w.post(f"/images/{name}/push?tag=pushed", headers={"X-Registry-Auth": ""}).status == 200
    assert len(w.registry.paths("PUT", "manifests/pushed")) == before + 1
    refused(w.post(f"/images/{name}/push?tag=a+b", headers={"X-Registry-Auth": ""}), 400, "invalid tag format")


def push_platform(w):
    name = w.pulled()
    for given, fine in ((AMD, True), (ARM, False)):
        answer = w.post(f"/images/{name}/push?platform={quote(given)}", headers={"X-Registry-Auth": ""})
        assert (answer.status == 200 and "error" not in answer.body.decode()) == fine, answer
    refused(w.post(f"/images/{name}/push?platform=linux/amd64", headers={"X-Registry-Auth": ""}), 400, '"platform"')


def push_auth(w):
    name = w.pulled()
    assert w.post(f"/images/{name}/push", headers=auth_header("user", "right")).status == 200
    refused(w.post(f"/images/{name}/push", headers={"X-Registry-Auth": "!"}), 400, "")


def tag_repo(w):
    assert w.post(f"/images/{IMAGE}/tag?repo=test/tagged").status == 201
    assert listed(w, reference="test/tagged") == {"test/tagged:latest"}
    refused(w.post(f"/images/{IMAGE}/tag"), 400, '"repo" is empty')


def tag_tag(w):
    assert w.post(f"/images/{IMAGE}/tag?repo=test/tagged2&tag=x").status == 201
    assert listed(w, reference="test/tagged2") == {"test/tagged2:x"}
    refused(w.post(f"/images/{IMAGE}/tag?repo=test/tagged2&tag=a+b"), 400, "invalid")


def delete_force(w):
    build(w, f"FROM {IMAGE}\nENV b=force\n", "t=test/force:1")
    number = w.get("/images/test/force:1/json").json["Id"]
    w.post("/images/test/force:1/tag?repo=test/force&tag=2")
    refused(w.delete(f"/images/{number}"), 409, "must be forced")
    assert w.delete(f"/images/{number}?force=1").status == 200 and w.get(f"/images/{number}/json").status == 404


def delete_noprune(w):
    """No image here has an untagged parent that could be left: the answer is the same."""
    for given in "01":
        build(w, f"FROM {IMAGE}\nENV noprune={given}\n", "t=test/noprune:1")
        gone = w.delete(f"/images/test/noprune:1?noprune={given}").json
        assert [list(g) for g in gone] == [["Untagged"], ["Deleted"]]


# --- search, prune, commit ---
def search_term(w):
    assert [r["name"] for r in w.get(f"/images/search?term={w.registry.host}/found").json] == ["found"]
    refused(w.get("/images/search"), 400, "term")


def search_limit(w):
    w.get(f"/images/search?term={w.registry.host}/found&limit=7")
    assert "n=7" in w.registry.paths(part="/v1/search")[-1]
    for bad in ("101", "-1", "x"):
        assert w.get(f"/images/search?term={w.registry.host}/found&limit={bad}").status == 400


def search_filters(w):
    def found(text):
        return len(w.get(f"/images/search?term={w.registry.host}/found&" + filters(text)).json)
    assert found('{"stars":["1"]}') == 1 and found('{"stars":["2"]}') == 0
    assert found('{"is-official":["true"]}') == 0 and found('{"is-official":["false"]}') == 1
    for bad in ('{"stars":["x"]}', '{"is-official":["x"]}', '{"nonsense":["x"]}'):
        refused(w.get("/images/search?term=x&" + filters(bad)), 400, "invalid filter")


def prune_images_filters(w):
    build(w, f"FROM {IMAGE}\nLABEL prune=me\n", "t=test/prune:1")
    assert not w.post("/images/prune?" + filters('{"label":["prune=me"]}')).json["ImagesDeleted"], "it has a name"
    assert w.post("/images/prune?" + filters('{"label":["prune=me"],"dangling":["false"]}')).json["ImagesDeleted"]
    refused(w.post("/images/prune?" + filters('{"dangling":["x"]}')), 400, "invalid filter 'dangling")
    refused(w.post("/images/prune?" + filters('{"nonsense":["x"]}')), 400, "invalid filter 'nonsense'")


def commit(w, query, container="exited"):
    answer = w.post(f"/commit?container={container}&{query}")
    assert answer.status == 201, answer
    return w.get(f"/images/{answer.json['Id']}/json").json


def committed(query, made_so):
    def check(w):
        made = commit(w, query)
        assert made_so(made), made
    return check


def commit_container(w):
    assert commit(w, "")["Os"] == "linux"
    refused(w.post("/commit"), 400, '"container" is not given')


def commit_pause(w):
    name = w.run()
    since = time.time()
    for query, pauses in (("pause=0", 0), ("pause=1", 1), ("pause=", 2), ("", 3)):
        commit(w, query, name)
        got = w.get(f"/events?since={since:.6f}&until={time.time() + 0.001:.6f}&" + filters(json.dumps({"container": [name], "event": ["pause"]})))
        assert got.body.count(b'"pause"') in (pauses, pauses * 2), (query, got)


# --- save and load ---
def names_in(answer):
    assert answer.status == 200, answer
    tar = tarfile.open(fileobj=io.BytesIO(answer.body))
    return [m["RepoTags"] for m in json.load(tar.extractfile("manifest.json"))]


def get_names(w):
    one, two = w.tag(), w.tag()
    assert names_in(w.get(f"/images/get?names={one}&names={two}"))[0] == sorted([one, two])
    assert w.get("/images/get?names=test/none").status == 404


def load_quiet(w):
    archive = archives.make_busybox_image("test/quiet:1")
    loud, quiet = (messages(w.post(f"/images/load?quiet={q}", archive)) for q in "01")
    assert all("stream" in m for m in quiet) and any("Loaded image" in m["stream"] for m in quiet)
    assert len(loud) >= len(quiet)


def load_platform(w):
    archive = archives.make_busybox_image("test/platform:1")
    assert w.post(f"/images/load?platform={quote(AMD)}", archive).status == 200
    refused(w.post(f"/images/load?platform={quote(ARM)}", archive), 404, "the archive has no image for linux/arm64, but for linux/amd64")
    refused(w.post("/images/load?platform=linux/amd64", archive), 400, "platform")


def attestations(query, number, statement=False):
    def check(w):
        assert w.post("/images/load", Attested().archive("test/attested:1")).status == 200
        assert len(w.get("/images/test/attested:1/attestations").json) == 2
        found = w.get(f"/images/test/attested:1/attestations?{query}")
        assert found.status == 200 and len(found.json) == number and all(("Statement" in one) == statement for one in found.json), found
    return check


def attestations_platform(w):
    attestations(f"platform={quote(AMD)}", 2)(w)
    refused(w.get(f"/images/test/attested:1/attestations?platform={quote(ARM)}"), 404, "does not provide the specified platform")


PARAMETERS = {
    "GET /images/json": {
        "query:all": images_all, "query:filters": images_filters, "query:shared-size": images_shared_size, "query:digests": images_digests,
        "query:manifests": images_manifests("manifests"), "query:identity": images_manifests("identity")},
    "POST /build": {
        "query:dockerfile": build_dockerfile, "query:t": build_t, "query:extrahosts": build_extrahosts, "query:remote": build_remote,
        "query:q": build_q, "query:nocache": build_nocache, "query:cachefrom": build_cachefrom, "query:pull": build_pull,
        "query:rm": build_rm("rm"), "query:forcerm": build_rm("forcerm"), "query:memory": build_refuses("memory", "1000000", "0"),
        "query:memswap": build_refuses("memswap", "1000000", "0"), "query:cpushares": build_refuses("cpushares", "5", "0"),
        "query:cpusetcpus": build_refuses("cpusetcpus", "0-1"), "query:cpuperiod": build_refuses("cpuperiod", "1000", "0"),
        "query:cpuquota": build_refuses("cpuquota", "1000", "0"), "query:buildargs": build_buildargs, "query:shmsize": build_shmsize,
        "query:squash": build_refuses("squash", "1", "0"), "query:labels": build_labels, "query:networkmode": build_networkmode,
        "header:Content-type": build_content_type, "header:X-Registry-Config": build_registry_config, "query:platform": build_platform,
        "query:target": build_target, "query:outputs": build_refuses("outputs", "x"), "query:version": build_version},
    "POST /build/prune": {
        "query:reserved-space": prune_keeps("reserved-space"), "query:max-used-space": prune_keeps("max-used-space"),
        "query:min-free-space": prune_frees,
        "query:all": prune_all, "query:filters": prune_build_filters},
    "POST /images/create": {
        "query:fromImage": create_from_image, "query:fromSrc": create_from_source, "query:repo": create_repo, "query:tag": create_tag,
        "query:message": create_message, "header:X-Registry-Auth": create_auth, "query:changes": create_changes, "query:platform": create_platform},
    "GET /images/{name}/json": {"query:manifests": inspect_manifests, "query:platform": platform("/images/{}/json")},
    "GET /images/{name}/attestations": {"query:platform": attestations_platform, "query:type": attestations(f"type={quote(SPDX)}", 1),
                                        "query:statement": attestations("statement=1", 2, True)},
    "GET /images/{name}/history": {"query:platform": platform("/images/{}/history")},
    "POST /images/{name}/push": {"query:tag": push_tag, "query:platform": push_platform, "header:X-Registry-Auth": push_auth},
    "POST /images/{name}/tag": {"query:repo": tag_repo, "query:tag": tag_tag},
    "DELETE /images/{name}": {"query:force": delete_force, "query:noprune": delete_noprune, "query:platforms": platform("/images/{}", "DELETE", "platforms")},
    "GET /images/search": {"query:term": search_term, "query:limit": search_limit, "query:filters": search_filters},
    "POST /images/prune": {"query:filters": prune_images_filters},
    "POST /commit": {
        "query:container": commit_container, "query:pause": commit_pause,
        "query:repo": committed("repo=test/committed", lambda i: i["RepoTags"] == ["test/committed:latest"]),
        "query:tag": committed("repo=test/committed&tag=two", lambda i: i["RepoTags"] == ["test/committed:two"]),
        "query:comment": committed("comment=said", lambda i: i["Comment"] == "said"),
        "query:author": committed("author=who", lambda i: i["Author"] == "who"),
        "query:changes": committed("changes=ENV+B%3Dc", lambda i: i["Config"]["Env"][-1] == "B=c")},
    "GET /images/{name}/get": {"query:platform": platform("/images/{}/get")},
    "GET /images/get": {"query:names": get_names, "query:platform": platform("/images/get?names={}")},
    "POST /images/load": {"query:quiet": load_quiet, "query:platform": load_platform},
}
