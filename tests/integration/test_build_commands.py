"""`gantry build` as users type it, with the engine itself."""
import json
import os
import subprocess
import tarfile
import time

import pytest

from conftest import IMAGE


@pytest.fixture
def context(scratch):
    def made(dockerfile, **files):
        for name, content in {"Dockerfile": dockerfile, **files}.items():
            path = os.path.join(scratch, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                f.write(content)
        return scratch
    return made


@pytest.fixture
def builder(engine):
    """Runs `gantry build`; the images that were made are gone afterwards."""
    before = set(engine.ok("images", "-aq", "--no-trunc").split())
    yield lambda *args, **more: engine("build", *args, env={"SOURCE_DATE_EPOCH": "1700000000"}, **more)
    for image in set(engine.ok("images", "-aq", "--no-trunc").split()) - before:
        engine("rmi", "-f", image)


def test_an_image_is_built_and_runs(engine, builder, context, scratch):
    where = context(f"FROM {IMAGE} AS base\nWORKDIR /app\nCOPY src/ ./src/\nARG WHO=world\nRUN echo hello $WHO > out && cat out\n"
                    "FROM base\nRUN --mount=type=secret,id=s wc -c < /run/secrets/s > /n\nLABEL from=file\nCMD [\"cat\", \"/app/out\", \"/n\"]\n",
                    **{"src/a.txt": "aaa\n", "src/node_modules/x": "x", ".dockerignore": "**/node_modules\n", "sec": "canary-42"})
    arguments = ["--progress", "plain", "-t", "app:1", "--secret", f"id=s,src={where}/sec", "--build-arg", "WHO=you", "--label", "by=option",
                 "--iidfile", f"{scratch}/iid", "--metadata-file", f"{scratch}/meta", where]
    done = builder(*arguments)
    assert done.code == 0 and done.out == "" and "hello you" in done.err and "canary" not in done.err, done
    image = engine.api("GET", "/images/app:1/json").json
    assert open(f"{scratch}/iid").read() == image["Id"]
    assert json.load(open(f"{scratch}/meta"))["containerimage.config.digest"] == image["Id"]
    assert image["Config"]["Labels"] == {"from": "file", "by": "option"} and "canary" not in json.dumps(image)
    assert engine.ok("run", "--rm", "app:1") == "hello you\n9"
    assert engine.ok("run", "--rm", "app:1", "ls", "/app/src") == "a.txt"
    again = builder(*arguments)
    assert again.code == 0 and again.err.count("CACHED") >= 5 and "hello you" not in again.err, again
    assert open(f"{scratch}/iid").read() == image["Id"]
    with open(f"{where}/src/a.txt", "a") as f:
        f.write("changed\n")
    changed = builder("-q", *arguments)
    assert changed.code == 0 and changed.out == open(f"{scratch}/iid").read() + "\n" != image["Id"] + "\n" and changed.err == ""


def test_what_goes_wrong_is_shown_with_its_lines(builder, context):
    where = context(f"FROM {IMAGE}\nRUN echo before; \\\n  echo oops >&2; \\\n  exit 3\n")
    done = builder(where)
    assert done.code == 1 and "   2 | >>> RUN echo before; \\\n   3 | >>>   echo oops >&2; \\\n   4 | >>>   exit 3\n" in done.err, done
    assert "before\noops\n------\nDockerfile:2\n" in done.err and done.err.splitlines()[-1].startswith("gantry: process")
    assert "exit code: 3" in done.err.splitlines()[-1]
    done = builder(context("FORM x\n"))
    assert done.code == 1 and "   1 | >>> FORM x\n" in done.err and "did you mean FROM" in done.err
    done = builder(context(f"FROM {IMAGE}\nCOPY nothing /\n"))
    assert done.code == 1 and "   2 | >>> COPY nothing /\n" in done.err and "nothing" in done.err.splitlines()[-1]
    done = builder("--check", context(f"FROM {IMAGE}\nCMD echo hi\n"))
    assert done.code == 1 and "JSONArgsRecommended" in done.out
    done = builder("--target", "nope", context(f"FROM {IMAGE}\n"))
    assert done.code in (1, 125) and "nope" in done.err and done.err.count("\n") == 1


def test_results_come_here(builder, context, scratch):
    where = context("FROM scratch\nCOPY a b/\n", a="content")
    assert builder("-o", f"{scratch}/out", where).code == 0
    assert open(f"{scratch}/out/b/a").read() == "content"
    assert builder("-o", f"type=tar,dest={scratch}/out.tar", where).code == 0
    with tarfile.open(f"{scratch}/out.tar") as archive:
        assert archive.extractfile("b/a").read() == b"content"
    done = builder("-o", "-", where, text=False)
    assert done.code == 0 and done.out == open(f"{scratch}/out.tar", "rb").read()


def test_contexts_come_by_standard_input_and_by_name(builder, context, scratch):
    done = builder("-", input=f"FROM {IMAGE}\nRUN echo from stdin\n")
    assert done.code == 0 and "from stdin" in done.err, done
    where = context(f"FROM {IMAGE}\nCOPY --from=more a /\nCOPY b /\nRUN cat /a /b\n", **{"more/a": "of more\n", "b": "of b\n"})
    done = builder("--build-context", f"more={where}/more", where)
    assert done.code == 0 and "of more" in done.err and "of b" in done.err, done
    archive = subprocess.run(["tar", "-cz", "-C", where, "Dockerfile", "b"], stdout=subprocess.PIPE, check=True).stdout
    done = builder("--build-context", f"more={where}/more", "--no-cache", "-", input=archive, text=False)
    assert done.code == 0 and b"of b" in done.err, done


def test_only_what_changed_is_sent(builder, context):
    where = context("FROM scratch\nCOPY . /\n", **{f"d/{i}": "x" * 1000 for i in range(200)})
    assert "200kB" in builder("--no-cache", where).err
    with open(f"{where}/d/7", "w") as f:
        f.write("y" * 10)
    done = builder(where)
    assert done.code == 0 and "10B / 10B" in done.err, done


def test_a_build_that_is_cancelled_leaves_nothing(engine, builder, context):
    where = context(f"FROM {IMAGE}\nRUN echo begun && sleep 300\n")
    process = engine.popen("build", where, text=True)
    for line in process.stderr:
        if "begun" in line and "RUN" not in line:
            break
    process.terminate()
    assert process.wait(10) == 143
    assert "the build was cancelled" in process.stderr.read()
    end = time.monotonic() + 10
    while any("sleep" in str(p) for p in engine.processes()) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any("sleep" in str(p) for p in engine.processes())
