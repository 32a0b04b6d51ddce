"""Mistakes at the command line: one line that says what was wrong and what was perhaps meant; the right exit code."""
import json
import re

import pytest

from conftest import IMAGE


@pytest.mark.parametrize("arguments,code,match", [
    (["rnu"], 1, "run"),
    (["frobnicate"], 1, "frobnicate"),
    (["network", "creat"], 1, "create"),
    (["run", "--nmae", "x", IMAGE], 125, "--name"),
    (["run", "--memory"], 125, "memory"),
    (["run", "-d", "--rm", "--xyzzy=1", IMAGE], 125, "xyzzy"),
    (["run", "-Q", IMAGE], 125, "Q"),
    (["run"], 125, "requires at least 1 argument"),
    (["ps", "--bogus"], 125, "bogus"),
    (["ps", "extra"], 1, "no arguments|accepts no"),
    (["stop"], 1, "requires at least 1 argument"),
    (["rename", "one"], 1, "requires.* 2 arguments"),
    (["inspect", "nothing-here"], 1, "nothing-here"),
    (["start", "nothing-here"], 1, "No such container: nothing-here"),
    (["rmi", "nothing-here"], 1, "No such image: nothing-here"),
    (["volume", "rm", "nothing-here"], 1, "nothing-here"),
    (["network", "rm", "nothing-here"], 1, "nothing-here"),
    (["stop", "-t", "x", "c"], 125, "x"),
    (["ps", "--filter", "nonsense"], 1, "nonsense"),
    (["ps", "--filter", "no-such-filter=1"], 1, "no-such-filter"),
    (["ps", "-a", "--format", "{{.Nope}}"], 1, "Nope"),
    (["ps", "--format", "{{"], 1, "template|unclosed|action"),
    (["load", "-i", "/no/such/file"], 1, "gantry: .*/no/such/file"),
    (["import", "/no/such/file"], 1, "gantry: .*/no/such/file"),
    (["create", "--volme", "/x", IMAGE], 125, r"unknown flag: --volme \(did you mean --volume\?\)"),
    (["start", "--atach", "c"], 125, r"unknown flag: --atach \(did you mean --attach\?\)"),
    (["exec", "--interactiv", "c", "true"], 125, "--interactive"),
    (["network", "create", "--sbunet", "10.0.0.0/8", "n"], 125, "--subnet"),
    (["--hots", "unix:///x", "ps"], 125, "--host"),
    (["run", "-T", IMAGE], 125, r"'T' in -T \(did you mean -t\?\)"),
    (["create"], 1, r"requires at least 1 argument \(usage: gantry create \[OPTIONS\] IMAGE"),
    (["port", "nothing-here"], 1, "No such container"),
])
def test_mistakes(engine, arguments, code, match):
    if "--format" in arguments:
        engine.ok("create", IMAGE)
    done = engine.fails(*arguments, match=match)
    assert done.out in ("", "[]\n")  # inspect prints what it found, as docker does
    assert done.code == code, done
    assert done.err.endswith("\n") and done.err.count("\n") == 1, done
    assert done.err.startswith(("gantry: ", "Error: ", "Error response from daemon: ")), done


@pytest.mark.parametrize("close,meant", [("we", "web"), ("webb", "web"), ("wbe", "web")])
def test_the_nearest_container_is_named(engine, close, meant):
    engine.ok("create", "--name", "web", IMAGE)
    engine.fails("start", close, match=f'"?{meant}"?')


def test_exit_codes_of_the_client(engine):
    assert engine("run", "--bad").code == 125
    assert engine("run", "--rm", IMAGE, "false").code == 1
    assert engine("ps").code == 0


def test_version_and_info(engine):
    assert re.search(r"\d+\.\d+", engine.ok("version"))
    version = engine.api("GET", "/version").json
    assert version["ApiVersion"] and version["Os"] == "linux" and version["Arch"] == "amd64"
    engine.ok("run", "-d", IMAGE, "sleep", "100")
    info = engine.api("GET", "/info").json
    assert info["Containers"] == info["ContainersRunning"] == 1 and info["Images"] == 1
    assert "Containers: 1" in engine.ok("info")
    assert json.loads(engine.ok("version", "--format", "json"))


@pytest.mark.parametrize("command", [["--help"], ["run", "--help"], ["network", "--help"], ["help"], ["help", "run"]])
def test_help(engine, command):
    assert "sage" in engine.ok(*command)


def test_no_daemon(engine):
    done = engine.fails("-H", "unix:///no/such/socket", "ps", code=1, match="/no/such/socket")
    assert done.err.strip().count("\n") == 0
    engine.fails("-H", "nonsense://x", "ps", match="nonsense")


def test_names_cannot_forge_the_terminal(engine):
    engine.ok("create", "--name", "c", "-l", "x=\x1b[2J\x1b]0;evil\x07", IMAGE, "sh", "-c", "\x1b[31mred\x1b[0m")
    for command in (["ps", "-a", "--no-trunc"], ["ps", "-a", "--no-trunc", "--format", "table {{.Labels}}\t{{.Command}}"]):
        assert "\x1b" not in engine.ok(*command)
