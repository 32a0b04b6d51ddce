"""login, logout, pull, push, search and manifest inspect against an engine that says what the test tells it to, with credentials
in config.json and in helper programs."""
import base64
import json
import os
import pty
import re
import stat
import subprocess
import time

import pytest

from harness.fake_engine import FakeEngine
from harness.terminal import Terminal

KEEPER = """#!/usr/bin/python3
import json, os, sys
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kept.json")
kept = json.load(open(path)) if os.path.exists(path) else {}
verb, given = sys.argv[1], sys.stdin.read()
with open(path + ".calls", "a") as f:
    f.write(verb + " " + given + "\\n")
if verb == "get":
    if given not in kept:
        print("credentials not found in native keychain")
        sys.exit(1)
    print(json.dumps(kept[given]))
elif verb == "store":
    entry = json.loads(given)
    kept[entry["ServerURL"]] = entry
elif verb == "erase":
    kept.pop(given, None)
json.dump(kept, open(path, "w"))
"""


@pytest.fixture
def fake():
    engine = FakeEngine()
    engine.on("POST", "/auth", (200, {"Status": "Login Succeeded", "IdentityToken": ""}))
    engine.on("POST", "/images/create", (200, b'{"status":"Done"}\n'))
    engine.on("POST", "/images/reg:5000/app/push", (200, b'{"status":"Pushed"}\n'))
    yield engine
    engine.close()


def config(fake, document=None):
    """config.json of the test's home: written, or read."""
    path = os.path.join(fake.base, ".docker/config.json")
    if document is None:
        with open(path) as f:
            return json.load(f)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(document if isinstance(document, str) else json.dumps(document))
    return path


def helper(fake, name, script):
    """A credential helper in a directory of the test's, and the environment in which it is found."""
    directory = os.path.join(fake.base, "bin")
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, "docker-credential-" + name)
    with open(path, "w") as f:
        f.write(script)
    os.chmod(path, 0o755)
    return {"PATH": directory + ":/usr/bin:/bin"}


def auth_of(request):
    header = request["headers"].get("x-registry-auth")
    return json.loads(base64.urlsafe_b64decode(header)) if header else None


def sent(fake, method, path):
    return [r for r in fake.requests if r["method"] == method and r["target"].split("?")[0] == path]


# --- login and logout ---

def test_login_keeps_credentials_and_leaves_the_rest_of_the_file(fake):
    path = config(fake, {"psFormat": "x", "auths": {"other:1": {"auth": "b3RoZXI6cA=="}}, "HttpHeaders": {"A": "b"}})
    os.chmod(path, 0o644)
    done = fake("login", "-u", "me", "--password-stdin", "https://reg:5000/v2/", input="pass:wörd\n")
    assert done.code == 0 and done.out == "Login Succeeded\n", done
    assert "stored unencrypted in '" + path + "'" in done.err
    assert json.loads(sent(fake, "POST", "/auth")[0]["body"]) == {"username": "me", "password": "pass:wörd", "serveraddress": "reg:5000"}
    assert config(fake) == {"psFormat": "x", "HttpHeaders": {"A": "b"}, "auths": {
        "other:1": {"auth": "b3RoZXI6cA=="}, "reg:5000": {"auth": base64.b64encode("me:pass:wörd".encode()).decode()}}}
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 and os.listdir(os.path.dirname(path)) == ["config.json"]
    again = fake("login", "reg:5000")
    assert again.code == 0 and "existing credentials... [Username: me]" in again.err
    assert json.loads(sent(fake, "POST", "/auth")[1]["body"])["password"] == "pass:wörd"
    assert fake("logout", "reg:5000").out == "Removing login credentials for reg:5000\n"
    assert list(config(fake)["auths"]) == ["other:1"]
    assert fake("logout", "reg:5000").out == "Not logged in to reg:5000\n"


def test_the_default_registry_has_its_long_key(fake):
    assert fake("login", "-u", "me", "--password-stdin", input="p").code == 0
    (key,) = config(fake)["auths"]
    assert key.startswith("https://") and key.endswith("/v1/")
    assert fake("pull", "-q", "alpine").code == 0
    assert auth_of(sent(fake, "POST", "/images/create")[0]) == {"username": "me", "password": "p", "serveraddress": key}
    assert fake("logout").code == 0 and config(fake)["auths"] == {}


def test_a_refused_login_keeps_nothing(fake):
    fake.on("POST", "/auth", (401, {"message": "unauthorized: incorrect username or password"}))
    done = fake("login", "-u", "me", "--password-stdin", "reg:5000", input="wrong")
    assert done.code == 1 and done.out == ""
    assert done.err == "Error response from daemon: unauthorized: incorrect username or password\n"
    assert not os.path.exists(os.path.join(fake.base, ".docker"))


def test_an_identity_token_takes_the_passwords_place(fake):
    fake.on("POST", "/auth", (200, {"Status": "Login Succeeded", "IdentityToken": "tok"}))
    done = fake("login", "-u", "me", "-p", "secret", "reg:5000")
    assert done.code == 0 and done.err.startswith("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n")
    assert config(fake)["auths"]["reg:5000"] == {"auth": base64.b64encode(b"me:").decode(), "identitytoken": "tok"}
    assert fake("pull", "-q", "reg:5000/app").code == 0
    assert auth_of(sent(fake, "POST", "/images/create")[0])["identitytoken"] == "tok"


def test_a_link_to_the_file_stays_one(fake):
    real = os.path.join(fake.base, "real.json")
    with open(real, "w") as f:
        f.write("{}")
    os.mkdir(os.path.join(fake.base, ".docker"))
    os.symlink(real, os.path.join(fake.base, ".docker/config.json"))
    assert fake("login", "-u", "a", "--password-stdin", "r:1", input="b").code == 0
    assert os.path.islink(os.path.join(fake.base, ".docker/config.json")) and "r:1" in json.load(open(real))["auths"]


@pytest.mark.parametrize("variable", ["DOCKER_CONFIG", "GANTRY_CONFIG"])
def test_the_directory_can_be_another(fake, scratch, variable):
    done = fake("login", "-u", "a", "--password-stdin", "r:1", input="b", env={variable: scratch + "/new"})
    assert done.code == 0 and "r:1" in json.load(open(scratch + "/new/config.json"))["auths"]
    assert not os.path.exists(os.path.join(fake.base, ".docker"))


@pytest.mark.parametrize("arguments,match", [
    (["-u", "me"], "non-TTY"), (["--password-stdin"], "--username with --password-stdin"), ([], "non-TTY"),
    (["-u", "me", "-p", "x", "--password-stdin"], "mutually exclusive"), (["a", "b"], "at most 1 argument"),
])
def test_login_mistakes(fake, arguments, match):
    done = fake("login", *arguments)
    assert done.code == 1 and re.search(match, done.err) and not fake.requests, done


def test_the_password_is_asked_for_and_not_shown(fake):
    master, slave = pty.openpty()
    process = subprocess.Popen(fake.program("login", "reg:5000"), stdin=slave, stdout=slave, stderr=slave, env=fake.environment(),
                               start_new_session=True)
    shown = b""

    def until(text):
        nonlocal shown
        end = time.monotonic() + 10
        while text not in shown and time.monotonic() < end:
            shown += os.read(master, 1000)
        assert text in shown, shown
    until(b"Username: ")
    os.write(master, b"me\n")
    until(b"Password: ")
    time.sleep(0.2)
    os.write(master, b"hidden\n")
    until(b"Login Succeeded")
    assert process.wait(5) == 0 and b"hidden" not in shown
    os.close(slave)
    os.close(master)
    assert json.loads(sent(fake, "POST", "/auth")[0]["body"])["password"] == "hidden"


@pytest.mark.parametrize("text,match", [("{", "not a JSON object"), ("[]", "not a JSON object"),
                                        ('{"auths":{"reg:5000":{"auth":"!!"}}}', "not base64"),
                                        ('{"auths":{"reg:5000":{"auth":"bm9jb2xvbg=="}}}', "not base64 of")])
def test_a_damaged_file_is_told_of_and_nothing_is_sent(fake, text, match):
    config(fake, text)
    done = fake("pull", "reg:5000/app:1")
    assert done.code == 1 and re.search(match, done.err) and done.err.count("\n") == 1 and not fake.requests, done


# --- helpers ---

def test_a_store_keeps_everything(fake):
    environment = helper(fake, "keeper", KEEPER)
    config(fake, {"credsStore": "keeper"})
    done = fake("login", "-u", "me", "--password-stdin", "reg:5000", input="pw", env=environment)
    assert done.code == 0 and "unencrypted" not in done.err, done
    assert config(fake) == {"credsStore": "keeper", "auths": {"reg:5000": {}}}
    assert json.load(open(fake.base + "/bin/kept.json")) == {"reg:5000": {"ServerURL": "reg:5000", "Username": "me", "Secret": "pw"}}
    assert fake("pull", "-q", "reg:5000/app", env=environment).code == 0
    assert fake("pull", "-q", "other:5000/app", env=environment).code == 0
    first, second = sent(fake, "POST", "/images/create")
    assert auth_of(first) == {"username": "me", "password": "pw", "serveraddress": "reg:5000"} and auth_of(second) is None
    assert fake("logout", "reg:5000", env=environment).code == 0
    assert json.load(open(fake.base + "/bin/kept.json")) == {} and config(fake)["auths"] == {}


def test_a_helper_serves_its_registry_alone(fake):
    environment = helper(fake, "mine", '#!/bin/sh\nread r; echo "{\\"ServerURL\\":\\"$r\\",\\"Username\\":\\"<token>\\",\\"Secret\\":\\"t\\"}"\n')
    config(fake, {"credHelpers": {"reg:5000": "mine"}, "auths": {"other:5000": {"auth": "YTpi"}}})
    for image in ("reg:5000/app", "other:5000/app", "third:5000/app"):
        assert fake("pull", "-q", image, env=environment).code == 0
    auths = [auth_of(r) for r in sent(fake, "POST", "/images/create")]
    assert auths == [{"identitytoken": "t", "serveraddress": "reg:5000"},
                     {"username": "a", "password": "b", "serveraddress": "other:5000"}, None]


@pytest.mark.parametrize("script,match", [
    (None, "no such program in PATH"),
    ("#!/bin/sh\nexit 3\n", "exit code 3"),
    ("#!/bin/sh\necho locked out; exit 1\n", "locked out"),
    ("#!/bin/sh\necho nonsense\n", "not a JSON object"),
    ('#!/bin/sh\necho \'{"ServerURL":"evil:5000","Username":"u","Secret":"s"}\'\n', "answers for \"evil:5000\""),
    ("#!/bin/sh\nyes | head -c 3000000\n", "more than 1 MiB"),
    ("#!/bin/sh\nkill -9 $$\n", "exit code 137"),
])
@pytest.mark.parametrize("command", [["pull", "reg:5000/app:1"], ["push", "reg:5000/app:1"], ["login", "-u", "me", "--password-stdin", "reg:5000"],
                                     ["run", "--pull=always", "reg:5000/app:1"]])
def test_a_bad_helper_is_an_error_and_nothing_is_sent(fake, command, script, match):
    environment = helper(fake, "bad", script) if script else {}
    config(fake, {"credHelpers": {"reg:5000": "bad"}, "auths": {"reg:5000": {"auth": "YTpi"}}})
    done = fake(*command, env=environment, input="canary")
    assert done.code == (125 if command[0] == "run" else 1) and match in done.err and done.err.count("\n") == 1, done
    assert not fake.requests and "canary" not in done.err


@pytest.mark.parametrize("name", ["../../bin/sh", "a/b"])
def test_a_helpers_name_is_no_path(fake, name):
    config(fake, {"credsStore": name})
    done = fake("pull", "reg:5000/app:1")
    assert done.code == 1 and "docker-credential-NAME" in done.err and not fake.requests


# --- pull and push ---

def test_pull_asks_for_what_was_named(fake):
    done = fake("pull", "reg:5000/a/b")
    assert done.out == "Using default tag: latest\nDone\nreg:5000/a/b:latest\n" and done.code == 0, done
    assert fake("pull", "-q", "--platform", "linux/arm64/v8", "alpine:3").out.endswith("/library/alpine:3\n")
    assert fake("pull", "-a", "reg:5000/a/b").code == 0
    digest = "sha256:" + "a" * 64
    assert fake("pull", "-q", f"reg:5000/b@{digest}").out == f"reg:5000/b@{digest}\n"
    assert [r["target"] for r in fake.requests] == [
        "/images/create?fromImage=reg:5000/a/b&tag=latest",
        "/images/create?fromImage=alpine&tag=3&platform=linux/arm64/v8",
        "/images/create?fromImage=reg:5000/a/b",
        f"/images/create?fromImage=reg:5000/b&tag={digest}"]
    done = fake("pull", "-a", "reg:5000/a:1")
    assert done.code == 1 and done.err == "gantry: tag can't be used with --all-tags/-a\n"


def test_push_asks_for_what_was_named(fake):
    assert fake("push", "reg:5000/app").out == "Using default tag: latest\nPushed\n"
    assert fake("push", "-q", "--platform", "linux/arm64", "reg:5000/app:1").out == "reg:5000/app:1\n"
    assert fake("push", "-a", "reg:5000/app").code == 0
    targets = [r["target"] for r in fake.requests]
    assert targets[0] == "/images/reg:5000/app/push?tag=latest" and targets[2] == "/images/reg:5000/app/push"
    assert targets[1] == "/images/reg:5000/app/push?tag=1&platform=%7B%22architecture%22:%22arm64%22,%22os%22:%22linux%22%7D"
    for arguments, match in ((["reg:5000/app@sha256:" + "a" * 64], "digest"), (["--platform", "a//b", "reg:5000/app"], "invalid platform"),
                             (["-a", "reg:5000/app:1"], "all-tags")):
        done = fake("push", *arguments)
        assert done.code == 1 and match in done.err and done.err.count("\n") == 1


def test_an_error_in_the_middle_is_the_commands(fake):
    fake.on("POST", "/images/create", (200, b'{"status":"Pulling fs layer","id":"ab"}\n{"errorDetail":{"message":"digest mismatch"},"error":"x"}\n'))
    done = fake("pull", "reg:5000/app:1")
    assert done.code == 1 and done.out == "ab: Pulling fs layer\n" and done.err == "gantry: digest mismatch\n"
    quiet = fake("pull", "-q", "reg:5000/app:1")
    assert quiet.code == 1 and quiet.out == "" and quiet.err == "gantry: digest mismatch\n"


def test_many_layers_on_a_terminal_have_a_row_each(fake):
    lines = [{"status": "Pulling from app", "id": "1"}]
    lines += [{"status": "Downloading", "id": f"layer{i}", "progressDetail": {"current": n * 1000000, "total": 3000000}}
              for n in range(1, 4) for i in range(30)]
    lines += [{"status": "Pull \x1b[2Jcomplete", "id": f"layer{i}"} for i in range(30)] + [{"status": "Status: done"}]
    fake.on("POST", "/images/create", (200, b"".join(json.dumps(line).encode() + b"\n" for line in lines)))
    terminal = Terminal(rows=20, columns=60)
    process = subprocess.Popen(fake.program("pull", "reg:5000/app:1"), stdin=subprocess.DEVNULL, stdout=terminal.slave,
                               stderr=terminal.slave, env=fake.environment())
    terminal.begin()
    assert process.wait(10) == 0
    text = terminal.end().decode()
    assert max(int(n) for n in re.findall(r"\x1b\[(\d+)A", text)) < 20
    assert re.search(r"layer29: Downloading \[=+> +\]  1MB/3MB", text) and "Pull \\x1b[2Jcomplete" in text
    for row in re.split(r"\x1b\[\d*[A-Z]|[\r\n]", text):
        assert len(row) < 60, row


def test_run_pulls_as_it_is_told(fake):
    created = []

    def create(request):
        created.append(request)
        pulled = sent(fake, "POST", "/images/create")
        return (201, {"Id": "c1", "Warnings": []}) if pulled else (404, {"message": "No such image: reg:5000/app:1"})
    fake.on("POST", "/containers/create", create)
    config(fake, {"auths": {"reg:5000": {"auth": "YTpi"}}})
    done = fake("create", "--pull", "never", "reg:5000/app:1")
    assert done.code == 1 and "No such image" in done.err and not sent(fake, "POST", "/images/create")
    done = fake("create", "reg:5000/app:1")
    assert done.code == 0 and done.out == "c1\n" and done.err == "Unable to find image 'reg:5000/app:1' locally\nDone\n", done
    assert auth_of(sent(fake, "POST", "/images/create")[0]) == {"username": "a", "password": "b", "serveraddress": "reg:5000"}
    done = fake("create", "--pull", "always", "-q", "reg:5000/app:1")
    assert done.code == 0 and done.err == "" and len(sent(fake, "POST", "/images/create")) == 2
    assert fake("create", "reg:5000/app:1").code == 0 and len(sent(fake, "POST", "/images/create")) == 2
    done = fake("create", "--pull", "sometimes", "reg:5000/app:1")
    assert done.code == 125 and "sometimes" in done.err


# --- the cache of builds ---

def test_the_build_cache_is_pruned(fake):
    fake.on("POST", "/build/prune", (200, {"CachesDeleted": ["abc", "def"], "SpaceReclaimed": 1500000}))
    done = fake("builder", "prune", "-af", "--keep-storage", "1k", "--filter", "until=24h")
    assert done.code == 0 and done.out == "Deleted build cache objects:\nabc\ndef\n\nTotal reclaimed space: 1.5MB\n", done
    assert fake.requests[0]["target"] == "/build/prune?all=1&keep-storage=1024&filters=%7B%22until%22:%5B%2224h%22%5D%7D"
    asked = fake("builder", "prune", input="n\n")
    assert asked.code == 0 and "dangling build cache" in asked.out and len(fake.requests) == 1


# --- what registries are asked ---

def test_search_is_a_table(fake):
    fake.on("GET", "/images/search", (200, [
        {"name": "debian", "description": "A Linux\ndistribution " + "x" * 60, "star_count": 12, "is_official": True, "is_automated": False},
        {"name": "me/\x1b[2J", "description": "", "star_count": 0, "is_official": False, "is_automated": False}]))
    done = fake("search", "--limit", "5", "-f", "is-official=true", "deb")
    assert done.code == 0 and done.out.splitlines()[0].split() == ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"], done
    assert re.match(r"debian +A Linux distribution x+… +12 +\[OK\]", done.out.splitlines()[1]) and "\x1b" not in done.out
    assert fake.requests[0]["target"] == "/images/search?term=deb&limit=5&filters=%7B%22is-official%22:%5B%22true%22%5D%7D"
    assert fake("search", "--no-trunc", "--format", "{{.Name}} {{.Description}}", "deb").out.startswith("debian A Linux distribution " + "x" * 60)
    assert fake("search", "--limit", "0", "x").code == 1 and fake("search", "--limit", "101", "x").code == 1


def test_a_manifest_is_shown_as_it_is(fake):
    manifest = b'{"schemaVersion": 2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[]}'
    index = b'{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:d","size":1}]}'
    fake.on("GET", "/gantry/images/reg:5000/app:1/manifest", (200, index))
    fake.on("GET", "/gantry/images/reg:5000/app@sha256:d/manifest", (200, manifest))
    fake.on("GET", "/gantry/images/reg:5000/one:latest/manifest", (200, manifest))
    fake.on("GET", "/distribution/reg:5000/one:latest/json", (200, {"Descriptor": {"digest": "sha256:e"}, "Platforms": []}))
    config(fake, {"auths": {"reg:5000": {"auth": "YTpi"}}})
    done = fake("manifest", "inspect", "reg:5000/app:1")
    assert done.code == 0 and json.loads(done.out) == json.loads(index) and auth_of(fake.requests[0])["username"] == "a"
    verbose = json.loads(fake("manifest", "inspect", "-v", "reg:5000/app:1").out)
    assert verbose[0]["Ref"] == "reg:5000/app@sha256:d" and verbose[0]["OCIManifest"] == json.loads(manifest)
    one = json.loads(fake("manifest", "inspect", "-v", "--insecure", "reg:5000/one").out)
    assert one["Descriptor"] == {"digest": "sha256:e"} and fake.requests[-1]["target"].endswith("?insecure=1")
    done = fake("manifest", "inspect", "reg:5000/none")
    assert done.code == 1 and done.err == "Error response from daemon: page not found\n"
