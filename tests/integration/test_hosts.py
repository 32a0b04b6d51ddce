"""Engines that are not behind a socket of this host: TCP with TLS, TCP on loopback, ssh; and what is refused."""
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess

import pytest

from conftest import IMAGE, make_engine
from harness.certificates import Authority
from harness.ssh_server import SshServer, find_sshd, free_port
from harness.terminal import Terminal
from harness.waiting import eventually


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(str(tmp_path_factory.mktemp("certificates")))


@pytest.fixture(scope="module")
def remote(authority):
    """An engine on TCP with TLS, and a second address of it by name."""
    certificate, key = authority.sign("engine", "IP:127.0.0.1,DNS:engine.test")
    port = free_port()
    engine = make_engine(config={"hosts": [f"tcp://127.0.0.1:{port}"], "tls": {"ca": authority.file, "cert": certificate, "key": key}})
    engine.port = port
    engine.certificates = authority.client_directory("me")
    yield engine
    problem = engine.destroy()
    assert not problem, problem


@pytest.fixture(scope="module")
def plain():
    port = free_port()
    engine = make_engine(config={"hosts": [f"tcp://127.0.0.1:{port}"], "plain_loopback": True})
    engine.port = port
    yield engine
    problem = engine.destroy()
    assert not problem, problem


@pytest.fixture(scope="module")
def ssh_server(remote, tmp_path_factory):
    sshd = find_sshd()
    if not sshd or not shutil.which("ssh"):
        pytest.skip("no sshd: openssh-server is neither installed nor to be had")
    server = SshServer(sshd, str(tmp_path_factory.mktemp("ssh")), remote.bin)
    yield server
    server.end()


class Way:
    """One way to an engine: the engine, and the environment with which the client takes it."""

    def __init__(self, engine, **environment):
        self.engine, self.environment = engine, {"GANTRY_HOST": "", "DOCKER_HOST": "", **environment}

    def __call__(self, *arguments, **more):
        more["env"] = {**self.environment, **more.get("env", {})}
        return self.engine(*arguments, **more)

    def ok(self, *arguments, **more):
        more["env"] = {**self.environment, **more.get("env", {})}
        return self.engine.ok(*arguments, **more)

    def popen(self, *arguments, **more):
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen([self.engine.program("gantry"), *arguments], env=self.engine.environment(**self.environment), **more)


@pytest.fixture(params=["tls", "plain", "ssh"])
def way(request):
    if request.param == "tls":
        engine = request.getfixturevalue("remote")
        found = Way(engine, DOCKER_HOST=f"tcp://127.0.0.1:{engine.port}", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=engine.certificates)
    elif request.param == "plain":
        engine = request.getfixturevalue("plain")
        found = Way(engine, GANTRY_HOST=f"tcp://127.0.0.1:{engine.port}")
    else:
        engine = request.getfixturevalue("remote")
        server = request.getfixturevalue("ssh_server")
        found = Way(engine, GANTRY_HOST=f"ssh://root@box{engine.socket}", PATH=server.path + ":" + os.environ["PATH"])
    yield found
    engine.remove_all()


def test_a_container_runs_and_its_output_and_exit_code_come_back(way):
    assert way.ok("run", "--rm", IMAGE, "echo", "hello") == "hello"
    assert way("run", "--rm", IMAGE, "sh", "-c", "echo odd >&2; exit 7").code == 7


def test_input_ends_and_output_goes_on(way):
    text = "line\n" * 100_000
    assert way("run", "--rm", "-i", IMAGE, "sh", "-c", "cat; echo end", input=text).out == text + "end\n"


def test_exec_on_a_terminal(way):
    way.ok("run", "-d", "--name", "c", IMAGE, "sleep", "100")
    terminal = Terminal(31, 97)
    process = way.popen("exec", "-it", "c", "sh", stdin=terminal.slave, stdout=terminal.slave, stderr=terminal.slave)
    terminal.begin()
    # A new size reaches the exec in a request of its own; the shell shows it when it is asked.
    os.write(terminal.master, b"stty size; echo do''ne\n")
    eventually(lambda: b"done" in b"".join(terminal.shown), timeout=20)
    os.write(terminal.master, b"exit 5\n")
    assert process.wait(20) == 5
    assert b"31 97" in terminal.end()


def test_attach_passes_a_signal_of_the_terminal_on_and_the_way_lives_on(way):
    container = way.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c", 'trap "echo got it; exit 3" INT; echo up; while :; do sleep 0.05; done')
    eventually(lambda: "up" in way.ok("logs", "c"))
    events = way.engine.popen("events", "--since", "0", "--filter", "event=attach", "--filter", "container=" + container, "--format", "{{.Action}}")
    attached = way.popen("attach", "c", start_new_session=True)
    assert events.stdout.readline() == b"attach\n"
    events.terminate()
    events.wait(20)
    # To the whole group, as Ctrl-C at a terminal does it.
    os.killpg(attached.pid, signal.SIGINT)
    out, err = attached.communicate(timeout=20)
    assert b"got it\n" in out, (attached.returncode, out, err)
    assert attached.wait(20) == 3


def test_logs_and_events_are_live(way):
    events = way.popen("events", "--format", "{{.Action}}", "--filter", "type=container", "--since", "0")
    way.ok("run", "-d", "--name", "c", IMAGE, "sh", "-c", "echo one")
    seen = []
    while "start" not in seen:
        line = events.stdout.readline().decode().strip()
        assert line
        seen.append(line)
    events.terminate()
    events.wait(20)
    logs = way.popen("logs", "-f", "c")
    assert logs.stdout.readline() == b"one\n"
    assert logs.wait(20) == 0


def test_files_and_images_go_both_ways(way, scratch):
    way.ok("create", "--name", "c", IMAGE)
    blob = os.urandom(3 << 20)
    with open(os.path.join(scratch, "blob"), "wb") as f:
        f.write(blob)
    way.ok("cp", os.path.join(scratch, "blob"), "c:/blob")
    way.ok("cp", "c:/blob", os.path.join(scratch, "back"))
    with open(os.path.join(scratch, "back"), "rb") as f:
        assert f.read() == blob
    archive = os.path.join(scratch, "image.tar")
    way.ok("save", "-o", archive, IMAGE)
    assert "Loaded image" in way.ok("load", "-i", archive)


def test_build(way, scratch):
    with open(os.path.join(scratch, "Dockerfile"), "w") as f:
        f.write(f"FROM {IMAGE}\nCOPY Dockerfile /there\nRUN test -s /there\n")
    name = f"built/{os.urandom(4).hex()}"
    way.ok("build", "-t", name, scratch)
    assert way.ok("run", "--rm", name, "head", "-n", "1", "/there") == f"FROM {IMAGE}"
    way.ok("rmi", name)


def test_aborted_clients_leave_nothing(way):
    engine = way.engine
    way.ok("run", "-d", "--name", "c", IMAGE, "sleep", "100")

    def descriptors():
        return len(os.listdir(f"/proc/{engine.pid}/fd"))

    way.ok("ps")
    eventually(lambda: not carriers(engine))
    # The next container's network and process are made ready behind the answer to the last one's start.
    seen = []
    eventually(lambda: seen.append(descriptors()) or len(seen) > 5 and len(set(seen[-5:])) == 1, interval=0.2, what="it stands still")
    before = descriptors()
    clients = [way.popen("events") for _ in range(4)] + [way.popen("logs", "-f", "c") for _ in range(4)]
    eventually(lambda: descriptors() >= before + 8, timeout=30, what="all clients are there")
    for client in clients:
        client.kill()
        client.wait(20)
    eventually(lambda: descriptors() <= before, timeout=30, what="their descriptors are gone")
    eventually(lambda: not carriers(engine), timeout=30, what="no carrier is left")


def carriers(engine):
    """Processes that carry a connection for a client of these tests."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"gantry-dial") or (b"dial-stdio" in words and engine.socket.encode() in b" ".join(words)):
            found.append((pid, words))
    return found


# --- TLS ---
def tls_options(engine, **other):
    files = {"tlscacert": "ca.pem", "tlscert": "cert.pem", "tlskey": "key.pem"}
    return [f"--{option}={other.get(option, os.path.join(engine.certificates, file))}" for option, file in files.items()]


def test_options_say_which_files(remote):
    host = f"tcp://127.0.0.1:{remote.port}"
    assert remote.ok("--host", host, "--tlsverify", *tls_options(remote), "ps", "-q") == ""
    # Without --tlsverify anybody may be at the other end; the engine still looks.
    assert remote.ok("--host", host, "--tls", *tls_options(remote), "ps", "-q") == ""


@pytest.mark.parametrize("case,match", [
    ("name", "certificate verification failed: .*mismatch"), ("other ca", "certificate verification failed"),
    ("no certificate", "certificate required"), ("other client", "unknown ca|certificate"), ("no tls", "ended without an answer|reset"),
    ("no file", 'TLS CA: .*"/no/such/ca.pem"'), ("no file, no engine", 'TLS CA: .*"/no/such/ca.pem"')])
def test_who_is_not_who_he_should_be_is_refused_in_one_line(remote, authority, tmp_path, case, match):
    host, options = f"tcp://127.0.0.1:{remote.port}", ["--tlsverify", *tls_options(remote)]
    empty = {"DOCKER_CERT_PATH": str(tmp_path)}
    if case == "name":
        host = f"tcp://localhost:{remote.port}"
    elif case == "other ca":
        options = ["--tlsverify", *tls_options(remote, tlscacert=Authority(str(tmp_path), "other").file)]
    elif case == "no certificate":
        options = ["--tlsverify", f"--tlscacert={authority.file}"]
    elif case == "other client":
        certificate, key = Authority(str(tmp_path), "other").sign("stranger")
        options = ["--tlsverify", *tls_options(remote, tlscert=certificate, tlskey=key)]
    elif case == "no tls":
        options = []
    else:
        options = ["--tlsverify", "--tlscacert=/no/such/ca.pem"]
        host = "tcp://127.0.0.1:1" if case == "no file, no engine" else host
    done = remote.fails("--host", host, *options, "ps", code=1, match=match, env=empty)
    assert done.err.startswith(f"gantry: Cannot connect to the Gantry daemon at {host}: ") and done.err.count("\n") == 1, done
    assert remote("--host", host, *options, "run", IMAGE, env=empty).code == 125


def test_a_client_with_a_certificate_may_name_the_engine_as_it_likes(remote):
    context = ssl.create_default_context(cafile=os.path.join(remote.certificates, "ca.pem"))
    context.load_cert_chain(os.path.join(remote.certificates, "cert.pem"), os.path.join(remote.certificates, "key.pem"))
    with socket.create_connection(("127.0.0.1", remote.port), timeout=20) as raw, context.wrap_socket(raw, server_hostname="engine.test") as s:
        assert s.version() in ("TLSv1.2", "TLSv1.3")
        s.sendall(b"GET /_ping HTTP/1.1\r\nHost: engine.test:2376\r\nConnection: close\r\n\r\n")
        assert s.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_old_tls_is_refused(remote):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", remote.port), timeout=20) as raw, pytest.raises(ssl.SSLError):
        context.wrap_socket(raw)


def test_plain_loopback_is_no_place_for_a_page_of_another_name(plain):
    with socket.create_connection(("127.0.0.1", plain.port), timeout=20) as s:
        s.sendall(b"GET /containers/json HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        assert s.recv(65536).startswith(b"HTTP/1.1 403 ")


def test_new_certificates_hold_after_sighup_and_bad_ones_do_not(fresh, tmp_path):
    authority = Authority(str(tmp_path))
    certificate, key = authority.sign("engine", "IP:127.0.0.1")
    port = free_port()
    engine = fresh(image=False, config={"hosts": [f"tcp://127.0.0.1:{port}"], "tls": {"ca": authority.file, "cert": certificate, "key": key}})
    engine.certificates = authority.client_directory("me")

    def served():
        return peer_certificate(engine, port)

    first = served()
    shutil.copy(key, key + ".good")
    with open(key, "w") as f:
        f.write("nonsense")
    os.kill(engine.pid, signal.SIGHUP)
    eventually(lambda: "the old one stays in force" in engine.log_text(), what="the bad key is told of")
    assert served() == first
    shutil.copy(key + ".good", key)
    authority.sign("engine", "IP:127.0.0.1")
    os.kill(engine.pid, signal.SIGHUP)
    eventually(lambda: served() != first, what="the new certificate is served")


def peer_certificate(engine, port):
    context = ssl.create_default_context(cafile=os.path.join(engine.certificates, "ca.pem"))
    context.load_cert_chain(os.path.join(engine.certificates, "cert.pem"), os.path.join(engine.certificates, "key.pem"))
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw, context.wrap_socket(raw, server_hostname="127.0.0.1") as s:
        return s.getpeercert(binary_form=True)


@pytest.mark.parametrize("config,arguments,match", [
    ({"hosts": ["tcp://0.0.0.0:2375"]}, [], "without TLS is refused"),
    ({"hosts": ["tcp://127.0.0.1:2375"]}, [], '"plain_loopback": true'),
    ({"hosts": ["tcp://0.0.0.0:2375"], "plain_loopback": True}, [], "without TLS is refused"),
    ({"hosts": ["tcp://localhost:2375"]}, [], "gantry.json:1:.*must be tcp://ADDRESS:PORT"),
    ({"tls": {"ca": "/no/such", "cert": "/no/such", "key": "/no/such"}}, [], 'open "/no/such"'),
    ({"tls": {"ca": "/etc/passwd"}}, [], '"cert" is missing'),
    ({}, ["--host", "tcp://127.0.0.1:2375"], '"plain_loopback": true'),
    ({}, ["--host", "unix:///x"], "must be tcp://ADDRESS:PORT"),
    ({}, ["-H", "tcp://0.0.0.0:2376", "--tlscacert", "/no/such", "--tlscert", "/no/such", "--tlskey", "/no/such"], 'open "/no/such"'),
])
def test_gantryd_says_what_is_wrong_with_its_hosts(remote, tmp_path, config, arguments, match):
    file = tmp_path / "gantry.json"
    file.write_text(json.dumps(config))
    done = subprocess.run([remote.program("gantryd"), "--config", str(file), "--validate", *arguments], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done
    assert re.search(match, done.stderr), done


def test_flags_of_gantryd_are_as_good_as_its_file(authority, fresh):
    certificate, key = authority.sign("flags", "IP:127.0.0.1")
    port = free_port()
    engine = fresh(image=False, start=False)
    engine.start(arguments=["--host", f"tcp://127.0.0.1:{port}", "--tlscacert", authority.file, "--tlscert", certificate, "--tlskey", key])
    engine.certificates = authority.client_directory("flags-client")
    assert engine.ok("-H", f"tcp://127.0.0.1:{port}", "--tlsverify", *tls_options(engine), "info", "--format", "{{.Name}}")


def test_a_context_keeps_its_own_files(remote, scratch):
    way = Way(remote, GANTRY_CONFIG=scratch)
    where = remote.certificates
    way.ok("context", "create", "box", "--docker", f"host=tcp://127.0.0.1:{remote.port},ca={where}/ca.pem,cert={where}/cert.pem,key={where}/key.pem")
    assert way.ok("--context", "box", "ps", "-q") == ""
    for name in ("meta.json", "ca.pem", "cert.pem", "key.pem"):
        assert os.stat(os.path.join(scratch, "contexts/box", name)).st_mode & 0o777 == 0o600
    assert way.ok("info", "--format", "{{.DockerRootDir}}", env={"DOCKER_CONTEXT": "box"}) == remote.root
    # And docker's clients find them there.
    lines = way.ok("--context", "box", "docker-env").splitlines()
    assert f"export DOCKER_CERT_PATH='{scratch}/contexts/box'" in lines and "export DOCKER_TLS_VERIFY='1'" in lines


def test_the_docker_command_comes_in_by_tls(remote):
    docker = shutil.which("docker")
    if not docker:
        pytest.skip("no docker command here")
    done = subprocess.run([docker, "ps", "-q"], capture_output=True, text=True, env=remote.environment(
        GANTRY_HOST="", DOCKER_HOST=f"tcp://127.0.0.1:{remote.port}", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=remote.certificates))
    assert done.returncode == 0, done


# --- ssh ---
@pytest.fixture
def fake_ssh(scratch):
    """An ssh that writes down how it was called and says why it cannot."""
    path = os.path.join(scratch, "ssh")
    with open(path, "w") as f:
        f.write(f'#!/bin/sh\nprintf "%s\\n" "$@" >{scratch}/called\necho "Warning: a banner" >&2\necho "ssh: no route" >&2\nexit 255\n')
    os.chmod(path, 0o755)
    return scratch


def test_ssh_is_called_as_documented_and_its_reason_is_told(remote, fake_ssh):
    path = {"PATH": fake_ssh + ":" + os.environ["PATH"]}
    done = remote.fails("-H", "ssh://me@box.example:2222/run/x.sock", "ps", code=1, env=path)
    assert done.err == "gantry: Cannot connect to the Gantry daemon at ssh://me@box.example:2222/run/x.sock: ssh: no route\n"
    with open(os.path.join(fake_ssh, "called")) as f:
        assert f.read().split("\n")[:-1] == ["-o", "ConnectTimeout=30", "-T", "-l", "me", "-p", "2222", "--", "box.example", "gantry", "--host",
                                             "unix:///run/x.sock", "system", "dial-stdio"]


@pytest.mark.parametrize("host", ["ssh://-oProxyCommand=touch%20x", "ssh://-l@h", "ssh://h;id", "ssh://u@h/$(id)", "ssh://`id`", "ssh://u:p@h"])
def test_what_could_be_more_than_a_name_never_reaches_ssh(remote, fake_ssh, host):
    done = remote.fails("-H", host, "ps", code=1, match="unable to parse host", env={"PATH": fake_ssh + ":" + os.environ["PATH"]})
    assert done.err.count("\n") == 1
    assert not os.path.exists(os.path.join(fake_ssh, "called"))


def test_no_ssh_is_told_of(remote, tmp_path):
    done = remote.fails("-H", "ssh://h", "ps", code=1, match="ssh: No such file", env={"PATH": str(tmp_path)})
    assert done.err.count("\n") == 1


def test_an_engine_that_is_not_there_is_told_of_over_ssh(remote, ssh_server):
    done = remote.fails("-H", "ssh://root@box/no/such.sock", "ps", code=1, match="Cannot connect to the Gantry daemon at unix:///no/such.sock",
                        env={"PATH": ssh_server.path + ":" + os.environ["PATH"]})
    assert done.err.count("\n") == 1
