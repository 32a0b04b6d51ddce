"""`docker build` as it is since BuildKit: the docker CLI with docker buildx, whose builder is the engine (driver docker)."""
import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from conftest import IMAGE
from harness import archives
from harness.buildkit import helpers
from harness.waiting import eventually
from installed import installed

DOCKER = shutil.which("docker")
if not DOCKER:
    pytest.skip("docker CLI: not installed on this machine", allow_module_level=True)
BUILDX = os.path.join(installed("go/buildx"), "docker-buildx")


class Docker:
    """`docker(*args)` runs a command that must end with `code`, and gives its standard output; `errors` is the other."""

    def __init__(self, engine, home):
        plugins = home / ".docker" / "cli-plugins"
        plugins.mkdir(parents=True)
        (plugins / "docker-buildx").symlink_to(BUILDX)
        self.home = home
        self.environment = {k: v for k, v in engine.environment(HOME=str(home)).items() if k not in ("DOCKER_BUILDKIT", "BUILDX_BUILDER")}

    def __call__(self, *args, code=0, timeout=120, input=None, **environment):
        given = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        done = subprocess.run([DOCKER, *args], **given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout,
                              env={**self.environment, **environment}, cwd=self.home)
        assert done.returncode == code, (args, done.returncode, done.stdout[-3000:], done.stderr[-6000:])
        self.errors = done.stderr
        return done.stdout.strip()

    def refused(self, *args, **more):
        """The one line with which a command that must fail ends."""
        self(*args, code=1, **more)
        return [line for line in self.errors.splitlines() if line.startswith("ERROR: ")][-1]

    def build(self, *args, **more):
        return self("build", "--progress=plain", *args, **more)


@pytest.fixture
def docker(engine, tmp_path):
    (tmp_path / "home").mkdir()
    yield Docker(engine, tmp_path / "home")
    for container in engine.ok("ps", "-aq").split():
        engine("rm", "-f", container)
    for image in engine.ok("images", "-aq", "--no-trunc").split():
        if image != engine.api("GET", f"/images/{IMAGE}/json").json["Id"]:
            engine("rmi", "-f", image)


@pytest.fixture
def context(tmp_path):
    """Fills a directory with files by their names, and gives it."""
    def make(files, name="context"):
        top = tmp_path / name
        for path, text in files.items():
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_text(text)
        return str(top)
    return make


def test_build_and_run(docker, context):
    top = context({"Dockerfile": f"FROM {IMAGE}\nARG WHO=nobody\nENV WHO=$WHO\nWORKDIR /srv\nCOPY a.txt sub/ .\nRUN echo built by $WHO > made\n"
                                 'CMD ["cat", "made"]\n',
                   "a.txt": "a", "sub/b.txt": "b" * 300_000, "sub/deep/c.txt": "c"})
    os.symlink("a.txt", top + "/sub/link")
    docker.build("-t", "day/app:1", "-t", "day/app:latest", "--build-arg", "WHO=me", "--label", "part=web", top)
    assert "load build definition from Dockerfile" in docker.errors and "RUN echo built by" in docker.errors, docker.errors
    assert docker("run", "--rm", "day/app:1") == "built by me"
    assert docker("run", "--rm", "day/app", "sh", "-c", "cat a.txt deep/c.txt; wc -c < b.txt; readlink link") == "ac300000\na.txt"
    assert docker("image", "inspect", "-f", "{{.Config.Labels.part}}", "day/app:1") == "web"
    docker.build("-t", "day/app:2", "--build-arg", "WHO=me", top)
    assert re.search(r"#\d+ CACHED", docker.errors), docker.errors
    docker.build("-t", "day/app:2", "--no-cache", "--build-arg", "WHO=me", top)
    assert len(re.findall(r"#\d+ CACHED", docker.errors)) == 1, "the base image alone: " + docker.errors


def test_what_a_build_gives(docker, context, tmp_path):
    top = context({"Dockerfile": f"FROM {IMAGE} AS first\nRUN echo first > /stage\nFROM {IMAGE} AS second\nRUN echo second > /stage\n"})
    docker("buildx", "build", "--iidfile", str(tmp_path / "id"), "--metadata-file", str(tmp_path / "meta"), "-t", "day/target", "--target", "first", top)
    image = docker("image", "inspect", "-f", "{{.Id}}", "day/target")
    assert (tmp_path / "id").read_text() == image
    meta = json.loads((tmp_path / "meta").read_text())
    assert meta["containerimage.config.digest"] == image and meta["image.name"].endswith("/day/target:latest")
    assert docker("run", "--rm", "day/target", "cat", "/stage") == "first"
    quiet = docker("build", "-q", top)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", quiet) and docker("run", "--rm", quiet, "cat", "/stage") == "second"


def test_a_step_that_fails_is_shown_with_its_lines(docker, context):
    top = context({"Dockerfile": f"FROM {IMAGE}\nRUN echo before; echo told >&2; exit 3\nRUN echo never\n"})
    assert "exit code: 3" in docker.refused("build", "--progress=plain", "-t", "day/bad", top)
    assert "before" in docker.errors and "told" in docker.errors and "Dockerfile:2" in docker.errors
    assert ">>> RUN echo before" in docker.errors and "never" not in docker.errors.split("Dockerfile:2")[0]
    docker("image", "inspect", "day/bad", code=1)


@pytest.mark.parametrize("text,words", [
    ("FROM busybox\nRUNN true\n", "RUNN"), ("RUN true\n", "FROM"), (f"FROM {IMAGE}\nCOPY nothing /\n", "nothing")],
    ids=["unknown", "no-from", "no-file"])
def test_a_dockerfile_that_is_wrong(docker, context, text, words):
    assert words in docker.refused("build", context({"Dockerfile": text}))


def test_no_dockerfile(docker, context):
    top = context({"a": ""})
    assert "failed to read dockerfile: open Dockerfile: no such file or directory" in docker.refused("build", top)
    assert "Other" in docker.refused("build", "-f", top + "/Other", top)


def test_ignored_files_do_not_come(docker, context):
    files = {"Dockerfile": f"FROM {IMAGE}\nCOPY . /all\n", ".dockerignore": "# no\n*.log\n!keep.log\nsecret\n", "a.log": "x", "keep.log": "x",
             "secret/key": "x", "b\u00e9ta.txt": "x"}
    docker.build("-t", "day/some", context(files))
    listing = docker("run", "--rm", "day/some", "sh", "-c", "cd /all; find . -type f | sort").splitlines()
    assert listing == ["./.dockerignore", "./Dockerfile", "./b\u00e9ta.txt", "./keep.log"]
    docker.build("-t", "day/some", context({**files, "Dockerfile.dockerignore": "b*\n*.log\n"}, "own"))
    listing = docker("run", "--rm", "day/some", "sh", "-c", "cd /all; find . -type f | sort").splitlines()
    assert "./secret/key" in listing and "./b\u00e9ta.txt" not in listing and "./keep.log" not in listing


def test_only_what_changed_is_sent_again(docker, context):
    top = context({"Dockerfile": f"FROM {IMAGE}\nCOPY . /all\n", **{f"f{n}": str(n) for n in range(500)}})
    docker.build("-t", "day/many", top)
    with open(top + "/f7", "w") as f:
        f.write("changed")
    os.unlink(top + "/f8")
    docker.build("-t", "day/many", top)
    assert docker("run", "--rm", "day/many", "sh", "-c", "cat /all/f7 /all/f499; echo; ls /all | wc -l") == "changed499\n500"


def test_a_dockerfile_of_the_standard_input(docker, context):
    top = context({"a": "from the context"})
    docker.build("-t", "day/stdin", "-f", "-", top, input=f"FROM {IMAGE}\nCOPY a /a\n")
    assert docker("run", "--rm", "day/stdin", "cat", "/a") == "from the context"
    docker.build("-t", "day/stdin2", "-", input=f"FROM {IMAGE}\nRUN echo alone > /a\n")
    assert docker("run", "--rm", "day/stdin2", "cat", "/a") == "alone"


def test_secrets(docker, context, tmp_path):
    (tmp_path / "key").write_text("of the file")
    top = context({"Dockerfile": f"FROM {IMAGE}\nRUN --mount=type=secret,id=file --mount=type=secret,id=word,env=WORD "
                                 "--mount=type=secret,id=none cat /run/secrets/file > /seen; echo \" $WORD\" >> /seen; ls /run/secrets >> /seen\n"})
    docker.build("-t", "day/secret", "--secret", f"id=file,src={tmp_path}/key", "--secret", "id=word,env=MY_WORD", top, MY_WORD="of the variable")
    assert docker("run", "--rm", "day/secret", "cat", "/seen") == "of the file of the variable\nfile"
    top = context({"Dockerfile": f"FROM {IMAGE}\nRUN --mount=type=secret,id=gone,required=true true\n"}, "required")
    assert "gone" in docker.refused("build", top)


def test_further_contexts(docker, context):
    other = context({"x": "of the other"}, "other")
    top = context({"Dockerfile": "FROM base\nCOPY --from=other x /x\nCOPY here /here\n", "here": "here"})
    docker.build("-t", "day/contexts", "--build-context", f"other={other}", "--build-context", f"base=docker-image://{IMAGE}", top)
    assert docker("run", "--rm", "day/contexts", "cat", "/x", "/here") == "of the otherhere"


def test_settings_of_the_steps(docker, context):
    top = context({"Dockerfile": f"FROM {IMAGE}\nRUN cat /etc/hosts > /hosts; ulimit -n > /files; df -k /dev/shm | tail -n 1 > /shm\n"})
    docker.build("-t", "day/set", "--add-host", "db:10.1.2.3", "--ulimit", "nofile=100:200", "--shm-size", "8m", top)
    out = docker("run", "--rm", "day/set", "cat", "/hosts", "/files", "/shm")
    assert re.search(r"10\.1\.2\.3\s+db", out) and "\n100\n" in out and "8192" in out, out


def test_warnings_of_the_dockerfile(docker, context):
    docker.build("-t", "day/warn", context({"Dockerfile": f"FROM {IMAGE} as low\nRUN true\n"}))
    assert "FromAsCasing" in docker.errors and "(line 1)" in docker.errors, docker.errors


def test_who_leaves_cancels_the_build(docker, engine, context):
    top = context({"Dockerfile": f"FROM {IMAGE}\nRUN echo is running; sleep 1000\n"})
    build = subprocess.Popen([DOCKER, "build", "--progress=plain", "-t", "day/long", top], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, env=docker.environment)
    for line in build.stdout:
        if re.search(r"\d is running$", line.strip()):
            break
    running = "sleep\0001000"

    def sleeping():
        return [p for p in filter(str.isdigit, os.listdir("/proc")) if running in _cmdline(p)]
    assert sleeping()
    build.send_signal(signal.SIGINT)
    rest = build.communicate(timeout=30)[0]
    assert build.returncode != 0, rest
    eventually(lambda: not sleeping(), timeout=20)
    docker("image", "inspect", "day/long", code=1)


def _cmdline(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as f:
            return f.read()
    except OSError:
        return ""


@pytest.mark.parametrize("args,words", [
    (["--output", "type=local,dest=out"], "local"), (["--output", "type=tar,dest=out.tar"], "tar"), (["--output", "type=cacheonly"], "output"),
    (["--cache-to", "type=local,dest=c"], "Cache export"), (["--platform", "linux/amd64,linux/arm64"], "Multi-platform"),
    (["--sbom=true"], "ttestation"), (["--call", "outline"], "--call"), (["--check"], "--check"),
    (["--build-arg", "BUILDKIT_SYNTAX=docker/dockerfile:1"], "BUILDKIT_SYNTAX")],
    ids=["local", "tar", "cacheonly", "cache-to", "platforms", "sbom", "call", "check", "syntax"])
def test_what_is_not_there_is_said_in_one_line(docker, context, args, words):
    assert words in docker.refused("build", *args, context({"Dockerfile": f"FROM {IMAGE}\nRUN true\n"}))


def test_bake_builds_its_targets(docker, context):
    top = context({"Dockerfile": f"FROM {IMAGE}\nARG WORD=none\nRUN echo $WORD > /word\n",
                   "docker-bake.hcl": 'group "default" { targets = ["one", "two"] }\ntarget "one" {\n  args = { WORD = "1" }\n  tags = ["day/one"]\n}\n'
                                      'target "two" {\n  args = { WORD = "2" }\n  tags = ["day/two"]\n}\n'
                                      'target "linked" {\n  contexts = { base = "target:one" }\n  tags = ["day/linked"]\n}\n'})
    bake = ["buildx", "bake", "--progress=plain", "--allow", f"fs.read={top}", "-f", top + "/docker-bake.hcl", "--set", f"*.context={top}"]
    docker(*bake)
    assert [docker("run", "--rm", f"day/{name}", "cat", "/word") for name in ("one", "two")] == ["1", "2"]
    assert "not supported" in docker.refused(*bake, "linked")
    docker("image", "inspect", "day/linked", code=1)


def test_builds_side_by_side(docker, context):
    tops = [context({"Dockerfile": f"FROM {IMAGE}\nCOPY f /f\nRUN sleep 0.2; echo {n} >> /f\n", "f": f"{n}\n" * 1000}, f"c{n}/same") for n in range(8)]
    builds = [subprocess.Popen([DOCKER, "build", "-q", "-t", f"day/side:{n}", top], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, env=docker.environment) for n, top in enumerate(tops)]
    assert [(b.communicate(timeout=120)[0][:7], b.returncode) for b in builds] == [("sha256:", 0)] * 8
    for n in range(8):
        assert docker("run", "--rm", f"day/side:{n}", "sh", "-c", "sort -u /f; wc -l < /f") == f"{n}\n1001"


def test_the_cache_is_shown_and_pruned(docker, context):
    docker.build("-t", "day/cache", context({"Dockerfile": f"FROM {IMAGE}\nRUN echo cached > /cached\n"}))
    assert "RUN echo cached" in docker("buildx", "du", "--verbose")
    docker("rmi", "day/cache")
    shown = docker("buildx", "prune", "-af")
    assert re.search(r"Total:\s+\S+", shown) and "RUN echo cached" not in docker("buildx", "du", "--verbose"), shown
    assert "not supported" in docker.refused("buildx", "prune", "-f", "--filter", "shared=true")
    docker("builder", "prune", "-f", "--filter", "until=24h")


def test_a_context_of_the_standard_input_is_refused(docker):
    data = archives.Tar().add("Dockerfile", f"FROM {IMAGE}\n".encode()).bytes()
    done = subprocess.run([DOCKER, "build", "-"], input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=docker.environment, timeout=60)
    assert done.returncode == 1 and b"from the standard input is not supported over BuildKit" in done.stdout, done.stdout


def test_the_old_builder_is_there_too(docker, context):
    top = context({"Dockerfile": f"FROM {IMAGE}\nRUN echo old > /a\n"})
    assert "Successfully built" in docker("build", "-t", "day/old", top, DOCKER_BUILDKIT="0")
    assert docker("run", "--rm", "day/old", "cat", "/a") == "old"


def test_the_helper_ends_when_nobody_needs_it(docker, engine, context):
    docker.build("-t", "day/one", context({"Dockerfile": f"FROM {IMAGE}\nRUN echo one > /a\n"}))
    for pid in helpers(engine):
        with open(f"/proc/{pid}/status") as f:
            told = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
        assert told["Uid"].split() == ["65534"] * 4 and told["CapEff"] == told["CapBnd"] == "0" * 16 and told["NoNewPrivs"] == "1"
    eventually(lambda: not helpers(engine), timeout=20)
    docker.build("-t", "day/one", context({"Dockerfile": f"FROM {IMAGE}\nRUN echo two > /a\n"}))
    assert docker("run", "--rm", "day/one", "cat", "/a") == "two"


def test_ssh_agents(docker, context, tmp_path):
    agent = str(tmp_path / "agent")
    started = subprocess.run(["ssh-agent", "-a", agent], stdout=subprocess.PIPE, text=True, check=True).stdout
    pid = int(re.search(r"SSH_AGENT_PID=(\d+)", started)[1])
    try:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "day", "-f", str(tmp_path / "key")], check=True)
        subprocess.run(["ssh-add", "-q", str(tmp_path / "key")], env={**os.environ, "SSH_AUTH_SOCK": agent}, check=True)
        # The question which keys there are; the answer's length, its kind, and how many.
        ask = r"printf '\000\000\000\001\013' | probe ask $SSH_AUTH_SOCK"
        top = context({"Dockerfile": f"FROM {IMAGE}\nRUN --mount=type=ssh {ask} > /keys\nRUN --mount=type=ssh,id=none test -z \"$SSH_AUTH_SOCK\"\n"})
        docker.build("-t", "day/ssh", "--ssh", f"default={agent}", top)
        assert docker("run", "--rm", "day/ssh", "cat", "/keys")[8:18] == "0c00000001"
    finally:
        os.kill(pid, signal.SIGTERM)
    top = context({"Dockerfile": f"FROM {IMAGE}\nRUN --mount=type=ssh,required true\n"}, "required")
    assert "SSH agent" in docker.refused("build", top)
