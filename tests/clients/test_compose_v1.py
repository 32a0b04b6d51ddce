"""docker-compose 1.29 of the distribution: a web service in front of a database, up, looked at, down, and up again."""
import shutil
import subprocess
import time
import urllib.request

import pytest

from conftest import IMAGE

COMPOSE = shutil.which("docker-compose")
pytestmark = pytest.mark.skipif(COMPOSE is None, reason="docker-compose 1.29: package docker-compose is not installed")

# The database is a file that nc serves and the web server shows: what matters is names, order, health and the volume.
FILE = """\
version: "3.8"
services:
  web:
    build:
      context: ./web
      args: {GREETING: hello}
    depends_on:
      - db
    environment:
      DATABASE: db
    networks: [front, back]
    ports:
      - "127.0.0.1:24871:8080"
    restart: on-failure
  db:
    image: IMAGE
    command: ["sh", "-c", "touch /data/rows; echo database ready; while :; do nc -l -p 5432 < /data/rows; done"]
    healthcheck:
      test: ["CMD", "test", "-f", "/data/rows"]
      interval: 1s
    networks:
      back:
        aliases: [database]
    volumes:
      - rows:/data
networks:
  front:
  back:
    internal: true
volumes:
  rows:
"""
DOCKERFILE = """\
FROM IMAGE
ARG GREETING
WORKDIR /www
RUN mkdir cgi-bin && echo $GREETING > greeting
COPY rows cgi-bin/rows
CMD ["sh", "-c", "echo serving; exec httpd -f -p 8080 -h /www"]
"""
CGI = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
cat /www/greeting
nc $DATABASE 5432 < /dev/null
"""


@pytest.fixture
def project(engine, tmp_path):
    directory = tmp_path / "shop"
    (directory / "web").mkdir(parents=True)
    (directory / "docker-compose.yml").write_text(FILE.replace("IMAGE", IMAGE))
    (directory / "web" / "Dockerfile").write_text(DOCKERFILE.replace("IMAGE", IMAGE))
    (directory / "web" / "rows").write_text(CGI)
    (directory / "web" / "rows").chmod(0o755)

    def compose(*args, code=0, timeout=120):
        done = subprocess.run([COMPOSE, *args], cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=timeout, env=engine.environment(HOME=str(tmp_path), DOCKER_BUILDKIT="0", COMPOSE_DOCKER_CLI_BUILD="0"))
        assert done.returncode == code, (args, done.returncode, done.stdout[-3000:])
        return done.stdout
    compose.directory = directory
    yield compose
    compose("down", "-v", "-t", "0", "--rmi", "local")


def page(timeout=30):
    """What the web service shows, once it and its database answer."""
    end = time.monotonic() + timeout
    while True:
        try:
            with urllib.request.urlopen("http://127.0.0.1:24871/cgi-bin/rows", timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.1)


def shows(text):
    end = time.monotonic() + 30
    while (seen := page()) != text:
        assert time.monotonic() < end, seen
        time.sleep(0.1)


def test_a_day_with_compose(project, engine):
    assert "services:" in project("config")
    out = project("up", "-d", "--build")
    assert "Successfully built" in out and "Creating shop_db_1" in out and "Creating shop_web_1" in out
    shows("hello\n")
    listed = project("ps")
    assert "shop_db_1" in listed and "127.0.0.1:24871->8080/tcp" in listed and "Up" in listed
    project("exec", "-T", "db", "sh", "-c", "echo one >> /data/rows; echo two >> /data/rows")
    shows("hello\none\ntwo\n")
    assert "database ready" in project("logs", "db") and "serving" in project("logs", "--tail=5", "web")
    assert "sleep" not in project("top") and "httpd" in project("top", "web")
    assert project("port", "web", "8080").strip() == "127.0.0.1:24871"
    assert "is up-to-date" in project("up", "-d")
    project("pause", "web")
    project("unpause", "web")
    project("restart", "-t", "0")
    shows("hello\none\ntwo\n")
    project("down", "-t", "0")
    assert engine.api("GET", "/containers/json?all=1").json == []
    assert [n["Name"] for n in engine.api("GET", "/networks").json if n["Name"].startswith("shop")] == []
    project("up", "-d")
    shows("hello\none\ntwo\n")


def test_up_in_the_foreground_interleaves_logs(project, engine):
    up = subprocess.Popen([COMPOSE, "up", "--no-color", "--scale", "web=1"], cwd=project.directory, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=engine.environment(HOME="/nonexistent", DOCKER_BUILDKIT="0", COMPOSE_DOCKER_CLI_BUILD="0", PYTHONUNBUFFERED="1"))
    shows("hello\n")
    up.send_signal(2)
    out = up.communicate(timeout=60)[0]
    assert "db_1   | database ready" in out and "web_1  | serving" in out and "Gracefully stopping" in out, out
