"""The configuration: every mistake told at once and by its place; what SIGHUP changes, and what it leaves."""
import json
import os
import signal
import subprocess
import time
import urllib.parse

from conftest import IMAGE
from harness.waiting import eventually


def validate(engine, text, *arguments):
    """`gantryd --validate` of a file with that text: its exit code, what it printed, and its lines on standard error."""
    path = os.path.join(engine.base, "candidate.json")
    with open(path, "w") as f:
        f.write(text)
    command = [engine.program("gantryd"), "--config", path, "--root", engine.root, "--run", engine.run_dir, "--validate"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr.replace(path, "FILE").splitlines()


def test_a_sound_file(engine):
    assert validate(engine, "") == (0, "configuration is valid\n", [])
    text = '{"drivers": {"fast": {"use": "native", "options": {"trace": true}}, "local": {}}, // both are there\n"default": {"runtime": "fast"}}'
    assert validate(engine, text) == (0, "configuration is valid\n", [])


def test_every_mistake_has_its_line(engine):
    text = """{
  "stop_timout": 5,
  "log_level": "wran",
  "default": {"network": "brigde", "volume": "overlayfs"},
  "drivers": {
    "local": {"options": {"rooot": "/x"}},
    "nfs": {},
    "gvisor": {"use": "natve"},
    "fast": {"use": "native", "options": {"trace": "perhaps", "tarce": 1}}
  },
  "dns": ["10.0.0.1", "nowhere", 7],
  "pids_limit": "many"
}
"""
    code, out, lines = validate(engine, text)
    assert code == 1 and out == ""
    expected = [
        ('2:3', '"stop_timout"', "unknown key", "known are", 'did you mean "stop_timeout"?'),
        ('3:3', '"log_level"', '"wran"', "error, warn, info, debug", 'did you mean "warn"?'),
        ('4:15', '"default.network"', '"brigde"', '"bridge"', 'did you mean "bridge"?'),
        ('4:36', '"default.volume"', '"overlayfs"', "is a layer driver", '"local"'),
        ('6:27', '"drivers.local.options.rooot"', "unknown option"),
        ('7:5', '"drivers.nfs"', 'found "nfs"', '"local"'),
        ('8:16', '"drivers.gvisor.use"', '"natve"', 'did you mean "native"?'),
        ('9:43', '"drivers.fast.options.trace"', '"perhaps"', "true or false"),
        ('9:63', '"drivers.fast.options.tarce"', "unknown option", 'did you mean "trace"?'),
        ('11:23', '"dns.1"', '"nowhere"', "must be an IP address"),
        ('11:34', '"dns.2"', "the number 7", "must be a text"),
        ('12:3', '"pids_limit"', '"many"', "whole number from -1"),
    ]
    assert len(lines) == len(expected), "\n".join(lines)
    for line, (place, *parts) in zip(lines, expected):
        assert line.startswith(f"gantryd: FILE:{place}: "), line
        assert all(part in line for part in parts), (line, parts)


def test_a_start_says_the_same_and_begins_nothing(fresh):
    e = fresh(config={"stop_timeout": -1, "default": {"layer": "overlay"}}, start=False)
    done = subprocess.run(e.daemon_command(), capture_output=True, text=True, timeout=30)
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and len(lines) == 2 and done.stdout == ""
    assert '"stop_timeout"' in lines[0] and "from 0 to 3600" in lines[0]
    assert '"default.layer"' in lines[1] and 'did you mean "overlayfs"?' in lines[1]
    assert not os.path.exists(e.root) and not os.path.exists(e.socket)
    assert validate(e, "{}", "--log-level", "loud")[0] == 1


def test_a_refused_driver_file_is_a_mistake_for_validate_alone(engine, scratch):
    path = os.path.join(scratch, "network-broken.so")
    with open(path, "w") as f:
        f.write("nonsense")
    os.chmod(path, 0o755)
    code, _, lines = validate(engine, json.dumps({"drivers": {"path": [scratch], "broken": {}}}))
    assert code == 1 and len(lines) == 1 and '"drivers.broken"' in lines[0] and "network-broken.so" in lines[0]


def reload(e, **config):
    """Changes the file, sends SIGHUP, and gives what the log says of it once it is done."""
    e.config = {"name": e.name, **config}
    e.write_config()
    return hang_up(e)


def hang_up(e):
    mark = len(e.log_text())
    e.process.send_signal(signal.SIGHUP)

    def records():
        said = [json.loads(line) for line in e.log_text()[mark:].splitlines() if line.startswith("{")]
        said = [one for one in said if "configuration" in one["message"]]
        return said if said and "reloaded" in said[-1]["message"] else None
    return eventually(records, what="the log tells of the reload")


def reload_events(e):
    """The events "reload" since the engine's start."""
    filters = urllib.parse.quote('{"type":["daemon"],"event":["reload"]}')
    answer = e.api("GET", f"/events?since=1&until={time.time():.3f}&filters={filters}")
    return [json.loads(line) for line in answer.body.decode().splitlines()]


def test_hang_up_applies_what_can_change(fresh):
    e = fresh(config={"log_level": "info"})
    info = e.api("GET", "/info").json
    assert info["Debug"] is False and info["LoggingDriver"] == "json-file"
    said = reload(e, log_level="debug", stop_timeout=1, pids_limit=77, dns=["10.9.8.7"],
                  log={"driver": "local", "max-size": "1m", "max-file": 2})
    assert [one["level"] for one in said] == ["info"]
    assert said[0]["changed"] == "log_level, log.driver, log.max-size, log.max-file, dns, stop_timeout, pids_limit"
    info = e.api("GET", "/info").json
    assert info["Debug"] is True and info["LoggingDriver"] == "local"
    e.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c", "trap '' TERM; cat /etc/resolv.conf; sleep 1000")
    host = e.inspect("c")["HostConfig"]
    assert host["PidsLimit"] == 77
    assert host["LogConfig"] == {"Type": "local", "Config": {"max-size": "1048576", "max-file": "2"}}
    eventually(lambda: "nameserver 10.9.8.7" in e.ok("logs", "c"), what="the container has the new name server")
    begun = time.monotonic()
    e.ok("stop", "c")
    assert time.monotonic() - begun < 8, "the old timeout of ten seconds"
    event, = reload_events(e)
    assert event["Type"] == "daemon" and event["Action"] == "reload" and event["Actor"]["ID"] == info["ID"]
    attributes = event["Actor"]["Attributes"]
    assert attributes["log_level"] == "debug" and attributes["pids_limit"] == "77" and attributes["name"] == info["Name"]
    e.ok("rm", "c")


def test_hang_up_with_a_bad_file_keeps_the_old_configuration(fresh):
    e = fresh(config={"stop_timeout": 3})
    said = reload(e, stop_timeout=-3, pids_limit=88, default={"network": "brigde"}, log_level="debug")
    assert [one["level"] for one in said] == ["error"] * 3
    assert '"stop_timeout"' in said[0]["problem"] and '"default.network"' in said[1]["problem"]
    with open(e.config_file, "w") as f:
        f.write('{"name": ')
    said = hang_up(e)
    assert len(said) == 2 and said[0]["problem"].startswith(e.config_file + ":1:")
    os.unlink(e.config_file)
    said = hang_up(e)
    assert len(said) == 2 and e.config_file in said[0]["problem"]
    assert e.api("GET", "/info").json["Debug"] is False and reload_events(e) == []
    e.ok("create", "--name", "c", IMAGE)
    assert e.inspect("c")["HostConfig"]["PidsLimit"] == 4096
    e.ok("rm", "c")


def test_hang_up_names_what_needs_a_new_start(fresh):
    e = fresh()
    wanted = {"socket_group": "root", "address_pools": [{"base": "10.99.0.0/16", "size": 24}], "stop_timeout": 7,
              "drivers": {"fast": {"use": "native"}}, "default": {"runtime": "fast"}}
    keys = ["drivers.fast", "default.runtime", "address_pools", "socket_group"]
    for changed in ("stop_timeout", ""):
        said = reload(e, **wanted)
        assert said[-1]["level"] == "info" and said[-1]["changed"] == changed
        assert [one["level"] for one in said[:-1]] == ["warn"] * len(keys)
        assert [one["key"] for one in said[:-1]] == keys
    info = e.api("GET", "/info").json
    assert info["DefaultRuntime"] == "native" and {"Base": "10.99.0.0/16", "Size": 24} not in info["DefaultAddressPools"]
    e.kill(signal.SIGTERM)
    e.start()
    info = e.api("GET", "/info").json
    assert info["DefaultRuntime"] == "fast" and info["DefaultAddressPools"] == [{"Base": "10.99.0.0/16", "Size": 24}]


def test_the_command_line_outranks_the_file(fresh):
    e = fresh(start=False)
    e.start(arguments=["--log-level", "warn"])
    e.config["log_level"] = "debug"
    e.write_config()
    e.process.send_signal(signal.SIGHUP)
    eventually(lambda: reload_events(e), what="the reload is done")
    assert reload_events(e)[0]["Actor"]["Attributes"]["log_level"] == "warn"
    assert '"level":"debug"' not in e.log_text() and '"level":"info"' not in e.log_text()


def test_only_runtimes_are_the_launchers(fresh):
    e = fresh(config={"drivers": {"local": {}, "bridge": {}, "fast": {"use": "native"}}})
    assert set(e.api("GET", "/info").json["Runtimes"]) == {"native", "fast"}
    kinds = {}
    for one in e.api("GET", "/gantry/drivers").json:
        kinds.setdefault(one["name"], set()).add(one["kind"])
        assert not one["problem"], one
    assert kinds["local"] == {"volume"} and kinds["bridge"] == {"network"} and kinds["fast"] == {"runtime"}


def test_the_whole_engines_end_waits_no_longer_than_it_may(fresh):
    e = fresh(config={"shutdown_timeout": 1})
    e.ok("run", "-d", "--stop-timeout", "60", IMAGE, "sh", "-c", "trap '' TERM; sleep 1000")
    begun = time.monotonic()
    assert e.shutdown() == ""
    assert time.monotonic() - begun < 15
