"""What clients of Docker look for in words and statuses: the commands of execs in events, a build's failure, a registry that is away."""
import io
import json
import tarfile
import time
from urllib.parse import quote

from conftest import IMAGE
from harness.waiting import eventually


def actions(engine, name):
    lines = engine.api("GET", f"/events?since=1&until={time.time():.6f}&filters=" + quote(json.dumps({"container": [name]}))).body
    return [json.loads(line)["Action"] for line in lines.decode().splitlines()]


def build(engine, dockerfile, query=""):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as t:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(dockerfile)
        t.addfile(info, io.BytesIO(dockerfile.encode()))
    answer = engine.api("POST", "/build?version=1" + query, tar.getvalue(), headers={"Content-Type": "application/x-tar"})
    return [json.loads(line) for line in answer.body.decode().splitlines() if line]


def test_events_of_execs_have_their_commands(engine):
    engine.ok("run", "-d", "--name", "box", "--health-cmd", "echo well", "--health-interval", "200ms", IMAGE, "sleep", "1000")
    engine.ok("exec", "box", "echo", "two words")
    seen = eventually(lambda: "exec_start: /bin/sh -c echo well" in (a := actions(engine, "box")) and a, what="the probe is told of")
    assert {"exec_create: echo two words", "exec_start: echo two words", "exec_create: /bin/sh -c echo well", "exec_die"} <= set(seen)
    assert seen.index("exec_create: echo two words") < seen.index("exec_start: echo two words")


def test_a_build_that_fails_says_with_what_code(store):
    last = build(store, f"FROM {IMAGE}\nRUN echo why; exit 7\n")[-1]
    words = "The command '/bin/sh -c echo why; exit 7' returned a non-zero code: 7"
    assert last == {"errorDetail": {"code": 7, "message": words}, "error": words}


def test_a_tag_is_told_whole(store):
    said = "".join(m.get("stream", "") for m in build(store, f"FROM {IMAGE}\nLABEL a=b\n", "&t=words&t=words:2"))
    assert said.endswith("Successfully tagged words:latest\nSuccessfully tagged words:2\n")


def test_a_registry_that_is_away_is_an_error_of_the_engine(engine):
    for method, url in (("POST", "/images/create?fromImage=127.0.0.1:1/none&tag=1"), ("GET", "/distribution/127.0.0.1:1/none:1/json")):
        answer = engine.api(method, url)
        assert answer.status == 500 and "127.0.0.1:1" in answer.message, answer
