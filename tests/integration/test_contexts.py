"""Named engines: made, listed, chosen, moved from one place to another; and those of docker, which are only read."""
import io
import json
import os
import re
import stat
import tarfile

import pytest

from conftest import IMAGE


@pytest.fixture
def cli(engine, scratch):
    """The client with a configuration of its own and no host from the environment; `cli.own`: its directory."""

    def run(*arguments, **more):
        more["env"] = {"GANTRY_HOST": "", "DOCKER_HOST": "", "GANTRY_CONFIG": scratch + "/gantry", "DOCKER_CONFIG": scratch + "/docker",
                       **more.get("env", {})}
        return engine(*arguments, **more)

    def ok(*arguments, **more):
        done = run(*arguments, **more)
        assert done.code == 0, done
        return done.out.rstrip("\n") if isinstance(done.out, str) else done.out

    run.ok, run.own, run.dockers = ok, scratch + "/gantry", scratch + "/docker"
    return run


def add_dockers(cli, name, host):
    directory = os.path.join(cli.dockers, "contexts/meta", "0" * 60 + name)
    os.makedirs(directory)
    with open(os.path.join(directory, "meta.json"), "w") as f:
        json.dump({"Name": name, "Metadata": {"Description": "of docker"}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}, f)


def test_made_used_and_removed(cli, engine):
    engine.ok("create", "--name", "c", IMAGE)
    assert cli.ok("context", "create", "mine", "--description", "the test's", "--docker", f"host=unix://{engine.socket}") == "mine"
    assert cli.ok("context", "show") == "default"
    done = cli("context", "use", "mine")
    assert (done.code, done.out, done.err) == (0, "mine\n", 'Current context is now "mine"\n')
    assert cli.ok("context", "show") == "mine"
    assert cli.ok("ps", "-a", "--format", "{{.Names}}") == "c"
    rows = [line.split() for line in cli.ok("context", "ls").splitlines()]
    assert rows[0] == ["NAME", "DESCRIPTION", "DOCKER", "ENDPOINT", "ERROR"]
    assert [row[0] for row in rows[1:]] == ["default", "mine"] and rows[2][1] == "*" and rows[2][-1] == f"unix://{engine.socket}"
    assert cli.ok("context", "ls", "-q") == "default\nmine"
    assert json.loads(cli.ok("context", "ls", "--format", "json").splitlines()[1]) == {
        "Name": "mine", "Description": "the test's", "DockerEndpoint": f"unix://{engine.socket}", "Error": "", "Current": True}
    done = cli("context", "rm", "mine")
    assert done.code == 1 and done.err == 'gantry: context "mine" is the current one: --force removes it all the same\n'
    assert cli.ok("context", "rm", "-f", "mine") == "mine"
    assert cli.ok("context", "show") == "default" and cli.ok("context", "ls", "-q") == "default"
    assert os.listdir(os.path.join(cli.own, "contexts")) == []


def test_files_are_for_their_owner_alone(cli, engine):
    cli.ok("context", "create", "mine", "--docker", f"host=unix://{engine.socket}")
    cli.ok("context", "use", "mine")
    for name in (".", "contexts", "contexts/mine", "contexts/mine/meta.json", "current-context"):
        mode = stat.S_IMODE(os.stat(os.path.join(cli.own, name)).st_mode)
        assert mode == (0o700 if os.path.isdir(os.path.join(cli.own, name)) else 0o600), name


def test_without_variables_they_are_below_home(cli, engine, scratch):
    home = {"GANTRY_CONFIG": "", "DOCKER_CONFIG": "", "XDG_CONFIG_HOME": "", "HOME": scratch}
    cli.ok("context", "create", "mine", "--docker", f"host=unix://{engine.socket}", env=home)
    assert os.path.exists(os.path.join(scratch, ".config/gantry/contexts/mine/meta.json"))
    assert cli.ok("context", "ls", "-q", env=home) == "default\nmine"


def test_update_and_inspect(cli, engine):
    cli.ok("context", "create", "mine", "--docker", "host=tcp://10.0.0.1:99,skip-tls-verify=true")
    cli.ok("context", "update", "mine", "--description", "new")
    shown, = json.loads(cli.ok("context", "inspect", "mine"))
    assert shown["Metadata"] == {"Description": "new"} and shown["TLSMaterial"] == {}
    assert shown["Endpoints"] == {"docker": {"Host": "tcp://10.0.0.1:99", "SkipTLSVerify": True}}
    assert shown["Storage"]["MetadataPath"] == os.path.join(cli.own, "contexts/mine")
    cli.ok("context", "update", "mine", "--docker", f"host=unix://{engine.socket}")
    assert cli.ok("context", "inspect", "-f", "{{.Endpoints.docker.Host}} {{.Metadata.Description}}", "mine") == f"unix://{engine.socket} new"
    assert cli.ok("context", "create", "copy", "--from", "mine") == "copy"
    assert cli.ok("--context", "copy", "ps", "-q") == ""
    assert cli.ok("context", "inspect", "--format", "{{.Name}}") == "default"


def test_the_order_in_which_they_count(cli, engine):
    cli.ok("context", "create", "here", "--docker", f"host=unix://{engine.socket}")
    cli.ok("context", "create", "nowhere", "--docker", "host=unix:///no/such/socket")
    here, nowhere = f"unix://{engine.socket}", "unix:///no/such/socket"
    cli.ok("context", "use", "nowhere")
    assert cli("ps").code == 1
    for better, worse in (({"DOCKER_CONTEXT": "here"}, {}),
                          ({"DOCKER_HOST": here}, {"DOCKER_CONTEXT": "nowhere"}),
                          ({"GANTRY_CONTEXT": "here"}, {"DOCKER_HOST": nowhere, "DOCKER_CONTEXT": "nowhere"}),
                          ({"GANTRY_HOST": here}, {"GANTRY_CONTEXT": "nowhere", "DOCKER_HOST": nowhere})):
        assert cli.ok("ps", "-q", env={**worse, **better}) == ""
    everything = {name: nowhere if name.endswith("HOST") else "nowhere"
                  for name in ("GANTRY_HOST", "GANTRY_CONTEXT", "DOCKER_HOST", "DOCKER_CONTEXT")}
    assert cli.ok("--context", "here", "ps", "-q", env=everything) == ""
    assert cli.ok("-H", here, "ps", "-q", env=everything) == ""
    done = cli("context", "use", "here", env={"DOCKER_HOST": nowhere})
    assert done.code == 0 and done.err == ('Current context is now "here"\nWarning: the environment\'s DOCKER_HOST overrides the current '
                                           "context. To use it, give --context or unset DOCKER_HOST.\n")
    assert "DOCKER_HOST overrides" in cli("context", "ls", env={"DOCKER_HOST": nowhere}).err
    assert cli("context", "ls").err == ""


def test_export_and_import(cli, engine, scratch):
    material = {name: f"-----BEGIN {name}-----\n" for name in ("ca", "cert", "key")}
    for name, text in material.items():
        with open(os.path.join(scratch, name), "w") as f:
            f.write(text)
    files = ",".join(f"{name}={scratch}/{name}" for name in material)
    cli.ok("context", "create", "mine", "--description", "d", "--docker", f"host=tcp://10.0.0.1:2376,{files}")
    archive = os.path.join(scratch, "mine.tar")
    cli.ok("context", "export", "mine", archive)
    assert stat.S_IMODE(os.stat(archive).st_mode) == 0o600
    assert cli("context", "export", "mine", archive).code == 1  # it is there
    with tarfile.open(archive) as tar:
        assert {m.name.rstrip("/") for m in tar} == {"meta.json", "tls", "tls/docker", "tls/docker/ca.pem", "tls/docker/cert.pem", "tls/docker/key.pem"}
        assert tar.extractfile("tls/docker/key.pem").read().decode() == material["key"]
    assert cli.ok("context", "import", "again", archive) == "again"
    shown, = json.loads(cli.ok("context", "inspect", "again"))
    assert shown["Metadata"] == {"Description": "d"} and shown["TLSMaterial"] == {"docker": ["ca.pem", "cert.pem", "key.pem"]}
    stream = cli.ok("context", "export", "mine", "-", text=False)
    assert cli.ok("context", "import", "third", "-", input=stream, text=False) == b"third\n"
    with open(os.path.join(cli.own, "contexts/third/key.pem")) as f:
        assert f.read() == material["key"]


def hostile(name, content=b"{}", kind=tarfile.REGTYPE, link=""):
    meta = json.dumps({"Name": "x", "Metadata": {}, "Endpoints": {"docker": {"Host": "unix:///x"}}}).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member, data, type_, target in (("meta.json", meta, tarfile.REGTYPE, ""), (name, content, kind, link)):
            info = tarfile.TarInfo(member)
            info.size, info.type, info.linkname = len(data) if type_ == tarfile.REGTYPE else 0, type_, target
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize("archive,match", [
    (hostile("../../escape"), "is not part of a context"), (hostile("/etc/passwd"), "is not part of a context"),
    (hostile("tls/docker/ca.pem", kind=tarfile.SYMTYPE, link="/etc/passwd"), "is not part of a context"),
    (hostile("tls/docker/ca.pem", kind=tarfile.LNKTYPE, link="meta.json"), "is not part of a context"),
    (hostile("tls/docker/ca.pem", b"x" * (2 << 20)), "is larger than 1 MiB"), (hostile("meta.json", b"[]"), "not the description of a context"),
    (b"no tar at all" * 100, "standard input"), (b"", "no meta.json|standard input")],
    ids=["above", "absolute", "link", "hard link", "large", "another document", "no archive", "nothing"])
def test_a_hostile_archive_leaves_nothing(cli, scratch, archive, match):
    done = cli("context", "import", "evil", "-", input=archive, text=False)
    error = done.err.decode()
    assert done.code == 1 and error.count("\n") == 1 and re.search(match, error), done
    assert not os.path.exists(os.path.join(cli.own, "contexts/evil"))
    assert not os.path.exists(os.path.join(os.path.dirname(scratch), "escape"))


def test_dockers_are_read_and_never_written(cli, engine):
    add_dockers(cli, "theirs", f"unix://{engine.socket}")
    assert cli.ok("context", "ls", "-q") == "default\ntheirs"
    assert cli.ok("--context", "theirs", "ps", "-q") == ""
    cli.ok("context", "use", "theirs")
    assert cli.ok("ps", "-q") == "" and not os.path.exists(os.path.join(cli.dockers, "config.json"))
    for command in (["rm", "-f"], ["update", "--description", "x"]):
        done = cli("context", *command, "theirs")
        assert done.code == 1 and "is docker's" in done.err and done.err.count("\n") == 1, done
    assert cli.ok("context", "create", "copy", "--from", "theirs") == "copy"


@pytest.mark.parametrize("arguments,code,match", [
    (["-c", "none", "ps"], 1, r'context "none" not found \(there are default\)'),
    (["-c", "none", "run", IMAGE], 125, 'context "none" not found'),
    (["-c", "x", "-H", "unix:///y", "ps"], 1, "cannot specify both --host and --context"),
    (["context", "use", "none"], 1, 'context "none" not found'),
    (["context", "create", "mine"], 1, "--docker host="),
    (["context", "create", "../x", "--docker", "host=unix:///x"], 1, "context name .* is invalid"),
    (["context", "create", "default", "--docker", "host=unix:///x"], 1, "already exists"),
    (["context", "create", "mine", "--docker", "hots=unix:///x"], 1, '"hots" is unknown: want host, ca'),
    (["context", "create", "mine", "--docker", "host=what://x"], 1, "unable to parse host"),
    (["context", "create", "mine", "--docker", "host=unix:///x,skip-tls-verify=true"], 1, "TLS is for tcp:// hosts"),
    (["context", "create", "mine", "--docker", "host=tcp://x,ca=/etc/hostname"], 1, "is not a PEM file"),
    (["context", "create", "mine", "--docker", "host=tcp://x,cert=/no/such"], 1, "/no/such"),
    (["context", "create", "mine", "--dcoker", "x"], 125, "did you mean --docker"),
    (["context", "rm", "default"], 1, "cannot be changed"),
    (["context", "export", "default"], 1, "cannot be exported"),
    (["context", "import", "mine", "/no/such"], 1, "/no/such"),
    (["context", "usee"], 1, "did you mean 'use'"),
])
def test_mistakes_are_one_line(cli, arguments, code, match):
    done = cli(*arguments)
    assert done.code == code and re.search(match, done.err) and done.err.count("\n") == 1, done
    assert done.out == "" and not os.path.exists(os.path.join(cli.own, "contexts/mine"))


def test_what_needs_no_engine_works_with_a_context_that_is_gone(cli):
    cli.ok("context", "create", "mine", "--docker", "host=unix:///x")
    cli.ok("context", "use", "mine")
    for name in os.listdir(os.path.join(cli.own, "contexts/mine")):
        os.remove(os.path.join(cli.own, "contexts/mine", name))
    done = cli("ps")
    assert done.code == 1 and 'context "mine" not found' in done.err
    assert "context not found" in cli.ok("context", "ls")
    assert cli.ok("version", "--client")
    cli.ok("context", "use", "default")
    assert cli.ok("context", "show") == "default"
