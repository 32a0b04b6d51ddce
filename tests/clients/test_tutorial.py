"""The tutorial's Compose files with docker-compose 1.29 and the current docker compose: a page in front of PostgreSQL, and a service
that registers names. The images come from a registry; the rows outlive the containers."""
import json
import os
import re
import shutil
import socket
import time
import urllib.error
import urllib.request

import pytest

import composing
import tutorial_images
from conftest import integration
from harness.registries import DockerRegistry
from interactive import Terminal

DEFAULT = "docker" ".io"  # the registry of names without one
ROWS = [{"id": n, "username": f"user{n}", "email": f"user{n}@example.com"} for n in (1, 2)]
# The tutorial's own statements, with the table's name in quotes: it is a reserved word.
STATEMENTS = [
    ('CREATE TABLE "user" (id SERIAL PRIMARY KEY, username TEXT, email TEXT);', "CREATE TABLE"),
    ("INSERT INTO \"user\" (username, email) VALUES ('user1', 'user1@example.com');", "INSERT 0 1"),
    ("INSERT INTO \"user\" (username, email) VALUES ('user2', 'user2@example.com');", "INSERT 0 1"),
]

if not shutil.which("docker-registry"):
    pytest.skip("the tutorial's Compose files: docker-registry is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    problem = tutorial_images.missing()
    if problem:
        pytest.skip(problem)
    registry = DockerRegistry(str(tmp_path_factory.mktemp("registry"))).start()
    e = integration.make_engine(config={"registries": {DEFAULT: {"mirrors": [f"http://{registry.host}"]}}}, image=False)
    try:
        tutorial_images.publish(e, registry)
        yield e
    finally:
        e.remove_all()
        problem = e.destroy()
        registry.stop()
    assert not problem, problem


@pytest.fixture(params=[composing.V1, composing.V5])
def compose(request, engine, tmp_path):
    """compose(directory): that directory of the tutorial, copied, and the version of compose to run there."""
    problem = composing.why_not(request.param)
    if problem:
        pytest.skip(problem)
    made = []

    def open_project(name, port):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("0.0.0.0", port))
            except OSError:
                pytest.skip(f"the tutorial's Compose files: port {port} is taken on this machine")
        directory = tmp_path / name
        shutil.copytree(os.path.join(tutorial_images.TUTORIAL, name), directory)
        made.append(composing.Compose(request.param, engine, directory, tmp_path))
        return made[-1]
    yield open_project
    for project in made:
        project("down", "-v", "-t", "0", "--rmi", "local")
        for kind in ("/containers/json?all=1", "/volumes"):
            left = engine.api("GET", kind).json
            assert not (left["Volumes"] if kind == "/volumes" else left), left
        assert not [n for n in engine.api("GET", "/networks").json if n["Name"].startswith(project.project)]


def ask(url, body=None):
    """Status and answer, once there is one: a server that just started may not listen yet, or not reach its database."""
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), {"Content-Type": "application/json"})
    end = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            if e.code != 500:
                return e.code, ""
            problem = e
        except OSError as e:
            problem = e
        assert time.monotonic() < end, problem
        time.sleep(0.1)


def test_a_page_in_front_of_a_database(compose, engine):
    project = compose("compose", 4000)
    up = composing.Shown(project.start("up"))
    up.until("Successfully tagged", "Running on all addresses", "PostgreSQL init process complete", "database system is ready to accept connections")
    assert ask("http://localhost:4000") == (200, "[]\n")

    shell = Terminal([*project.command, "exec", "db", "psql", "-U", "postgres"], project.environment, project.directory)
    shell.until(r"postgres=# ")
    for statement, answer in STATEMENTS:
        shell.type(statement + "\n")
        shell.until(rf"\r{answer}\r?\n.*postgres=# ")
    shell.type("\\q\n")
    assert shell.end() == 0
    status, rows = ask("http://localhost:4000")
    assert status == 200 and json.loads(rows) == ROWS
    assert rows.strip() == '[{"id":1,"username":"user1","email":"user1@example.com"},{"id":2,"username":"user2","email":"user2@example.com"}]'

    # Each line of each service has its name before it, and those of both stand between each other.
    text = re.sub(r"\x1b\[[0-9;]*m", "", up.interrupt())
    assert not re.search("^(Traceback|Exception)", text, re.M), text
    for service, line in (("db", "The files belonging to this database system will be owned by user \"postgres\"."),
                          ("web", ".*Running on all addresses")):
        assert re.search(project.prefix(service) + line, text), text[-3000:]
    project("down")
    assert engine.api("GET", "/containers/json?all=1").json == []
    assert [v["Name"] for v in engine.api("GET", "/volumes").json["Volumes"]] == ["compose_postgres_data"]

    project("up", "-d")
    assert json.loads(ask("http://localhost:4000")[1]) == ROWS
    assert "Skipping initialization" in project("logs", "db")


def test_a_service_that_registers_names(compose):
    project = compose("microservices", 5000)
    project("up", "-d")
    url, user = "http://localhost:5000", {"username": "user1", "password": "secret"}
    assert ask(url + "/register", user)[0] == 201
    assert ask(url + "/register", user)[0] == 409
    assert ask(url + "/login", {**user, "password": "other"})[0] == 401
    assert json.loads(ask(url + "/login", user)[1]) == {"username": "user1"}
    assert "1\n" in project("exec", "-T", "db", "psql", "-U", "postgres", "-d", "auth", "-At", "-c", "SELECT count(*) FROM account")
    project("restart", "-t", "5")
    assert ask(url + "/login", user)[0] == 200
    project("stop")
    project("start")
    assert ask(url + "/login", user)[0] == 200
