"""docker-py, as the distribution has it: what programs and test suites written in Python do with an engine."""
import io
import json
import socket
import struct
import tarfile
import threading
import time

import pytest

from conftest import IMAGE

docker = pytest.importorskip("docker", reason="docker-py: python3-docker is not installed for this interpreter")


@pytest.fixture
def client(engine):
    c = docker.DockerClient(base_url="unix://" + engine.socket, version="auto", timeout=60)
    yield c
    for container in c.containers.list(all=True):
        container.remove(force=True, v=True)
    c.networks.prune()
    for volume in c.volumes.list():
        volume.remove()
    c.close()


def test_versions(client, engine):
    assert client.ping() and client.version()["ApiVersion"] == client.api.version()["ApiVersion"]
    oldest = docker.DockerClient(base_url="unix://" + engine.socket, version="1.24")
    assert oldest.containers.list(all=True) == [] and oldest.images.list()
    with pytest.raises(docker.errors.APIError, match="too new"):
        docker.DockerClient(base_url="unix://" + engine.socket, version="1.99").version()
    # The library itself refuses what is too old since its version 7.
    with pytest.raises((docker.errors.APIError, docker.errors.DockerException), match="too old|no longer supported"):
        docker.DockerClient(base_url="unix://" + engine.socket, version="1.21").version()
    assert client.info()["Swarm"]["LocalNodeState"] == "inactive"


def test_run_and_its_failures(client):
    assert client.containers.run(IMAGE, ["echo", "hello"], remove=True) == b"hello\n"
    with pytest.raises(docker.errors.ContainerError) as failed:
        client.containers.run(IMAGE, ["sh", "-c", "echo why >&2; exit 3"], remove=True)
    assert failed.value.exit_status == 3 and failed.value.stderr == b"why\n"
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.get("test/none:1")
    with pytest.raises(docker.errors.NotFound):
        client.containers.get("nobody")


def test_a_container_and_what_is_asked_of_it(client):
    c = client.containers.run(IMAGE, ["sleep", "1000"], detach=True, name="c", labels={"k": "v"}, ports={"80/tcp": ("127.0.0.1", None)},
                              environment={"A": "b"}, mem_limit="64m", healthcheck={"test": ["CMD", "true"], "interval": 500_000_000})
    assert c.status == "created" and client.containers.get("c").status == "running"
    assert [x.name for x in client.containers.list(filters={"label": "k=v", "status": "running"})] == ["c"]
    c.reload()
    assert c.ports["80/tcp"][0]["HostIp"] == "127.0.0.1"
    assert c.exec_run(["sh", "-c", "echo $A; echo e >&2; exit 4"], demux=True) == (4, (b"b\n", b"e\n"))
    assert c.top()["Titles"][0] == "UID" and c.diff() is None or isinstance(c.diff(), list)
    assert c.update(mem_limit="96m", memswap_limit="192m")["Warnings"] == []
    assert c.stats(stream=False)["memory_stats"]["limit"] == 96 << 20
    figures = c.stats(decode=True)
    assert next(figures)["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    figures.close()
    c.pause()
    c.unpause()
    c.rename("d")
    c.restart(timeout=0)
    c.kill("SIGKILL")
    assert c.wait()["StatusCode"] == 137
    c.remove()


def test_streams(client):
    c = client.containers.run(IMAGE, ["sh", "-c", "echo early; read line; echo got $line"], detach=True, stdin_open=True, name="c")
    out = c.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1, "logs": 1})
    out._sock.sendall(b"typed\n")
    data = b""
    while b"got typed\n" not in data:
        piece = out._sock.recv(4096)
        assert piece, data
        data += piece
    kind, length = struct.unpack(">BxxxI", data[:8])
    assert (kind, data[8:8 + length]) == (1, b"early\n")
    out.close()
    assert c.wait()["StatusCode"] == 0
    assert c.logs() == b"early\ngot typed\n" and list(c.logs(stream=True, follow=True)) == [b"early\n", b"got typed\n"]
    assert c.attach(stdout=True, logs=True, stream=False) == b"early\ngot typed\n"


def test_exec_with_a_terminal(client):
    c = client.containers.run(IMAGE, ["sleep", "1000"], detach=True)
    number = client.api.exec_create(c.id, "sh", stdin=True, tty=True)["Id"]
    s = client.api.exec_start(number, tty=True, socket=True)
    client.api.exec_resize(number, height=33, width=99)
    s._sock.settimeout(20)
    s._sock.sendall(b"stty size; exit 6\n")
    data = b""
    try:
        while piece := s._sock.recv(4096):
            data += piece
    except socket.timeout:
        pytest.fail(repr(data))
    assert b"33 99" in data
    assert client.api.exec_inspect(number)["ExitCode"] == 6
    s.close()


def test_archives_and_images(client):
    c = client.containers.create(IMAGE, ["cat", "/tmp/one"])
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("one")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"data"))
    assert c.put_archive("/tmp", out.getvalue())
    stream, stat = c.get_archive("/tmp/one")
    assert stat["name"] == "one" and stat["size"] == 4
    assert tarfile.open(fileobj=io.BytesIO(b"".join(stream))).extractfile("one").read() == b"data"
    c.start()
    c.wait()
    assert c.logs() == b"data"
    image = c.commit("py/committed", "1", message="m", author="a")
    assert image.attrs["Comment"] == "m" and image.history()[0]["Comment"] == "m"
    exported = b"".join(c.export())
    assert "tmp/one" in tarfile.open(fileobj=io.BytesIO(exported)).getnames()
    assert image.tag("py/second", "1")
    saved = b"".join(image.save(named=True))
    client.images.remove("py/committed:1")
    client.images.remove("py/second:1")
    assert client.images.load(saved)[0].tags == ["py/committed:1"]
    client.images.remove("py/committed:1")
    imported = json.loads(client.api.import_image_from_data(exported, repository="py/flat", tag="1").splitlines()[-1])
    assert imported["status"].startswith("sha256:")
    client.images.remove("py/flat:1")


def test_build(client):
    image, log = client.images.build(fileobj=io.BytesIO(f"FROM {IMAGE}\nLABEL a=b\nRUN echo made > /made\n".encode()), tag="py/built:1", rm=True)
    assert image.labels == {"a": "b"} and any("Successfully built" in x.get("stream", "") for x in log)
    assert client.containers.run("py/built:1", ["cat", "/made"], remove=True) == b"made\n"
    with pytest.raises(docker.errors.BuildError):
        client.images.build(fileobj=io.BytesIO(f"FROM {IMAGE}\nRUN exit 9\n".encode()), rm=True)
    client.images.remove("py/built:1")


def test_networks_and_volumes(client):
    pool = docker.types.IPAMPool(subnet="10.88.9.0/24", gateway="10.88.9.1")
    net = client.networks.create("n", driver="bridge", ipam=docker.types.IPAMConfig(pool_configs=[pool]), labels={"a": "b"})
    volume = client.volumes.create("v", labels={"a": "b"})
    one = client.containers.run(IMAGE, ["sleep", "1000"], detach=True, name="one", network="n", volumes={"v": {"bind": "/mnt", "mode": "rw"}})
    two = client.containers.run(IMAGE, ["sleep", "1000"], detach=True, name="two")
    net.connect(two, aliases=["second"], ipv4_address="10.88.9.50")
    assert one.exec_run(["probe", "resolve", "second"]).output.strip() == b"10.88.9.50"
    net.reload()
    assert {c.name for c in net.containers} == {"one", "two"}
    net.disconnect(two, force=True)
    with pytest.raises(docker.errors.APIError, match="volume is in use"):
        volume.remove()
    assert [v.name for v in client.volumes.list(filters={"label": "a=b"})] == ["v"]
    assert [n.name for n in client.networks.list(filters={"label": ["a=b"]})] == ["n"]


def test_events_and_pruning(client):
    since = time.time() - 1
    told = []
    stream = client.events(since=since, filters={"container": "seen"}, decode=True)
    reader = threading.Thread(target=lambda: [told.append(e["Action"]) for e in stream])
    reader.start()
    client.containers.run(IMAGE, ["true"], name="seen", remove=False)
    client.containers.get("seen").remove()
    end = time.monotonic() + 20
    while "destroy" not in told:
        assert time.monotonic() < end, told
        time.sleep(0.05)
    stream.close()
    reader.join(20)
    assert [x for x in told if x in ("create", "start", "die", "destroy")] == ["create", "start", "die", "destroy"]
    c = client.containers.create(IMAGE, ["true"])
    assert c.id in client.containers.prune()["ContainersDeleted"]
    assert client.df().get("Images") or client.df()["ImageUsage"]["TotalCount"]  # the lists have gone with API 1.53
    assert isinstance(client.images.prune()["SpaceReclaimed"], int)


def test_outside_a_swarm(client):
    with pytest.raises(docker.errors.APIError, match="not a swarm manager"):
        client.services.list()
    assert client.plugins.list() == []
