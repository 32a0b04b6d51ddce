"""testcontainers for Python: what a test suite does with it. Started by test_python_index.py in the clients' environment."""
import os
import sys
import urllib.request

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import conftest  # noqa: E402
from conftest import IMAGE, _clean_host, engine  # noqa: E402, F401

# Its reaper's image is in a registry that is not reached; where a host is in a container it would look for another way to it.
SETTINGS = {"TESTCONTAINERS_RYUK_DISABLED": "true", "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1"}
PAGE = "mkdir -p /www && echo hello > /www/index.html && echo serving && exec httpd -f -p 8080 -h /www"


@pytest.fixture(scope="module")
def containers(engine):  # noqa: F811
    os.environ.update(SETTINGS, DOCKER_HOST="unix://" + engine.socket)
    import testcontainers.core.container as module
    return module


def test_a_web_server(containers):
    from testcontainers.core.wait_strategies import HttpWaitStrategy, LogMessageWaitStrategy
    with containers.DockerContainer(IMAGE).with_command(["sh", "-c", PAGE]).with_exposed_ports(8080) \
            .waiting_for(LogMessageWaitStrategy("serving")) as c:
        url = f"http://{c.get_container_host_ip()}:{c.get_exposed_port(8080)}/index.html"
        with urllib.request.urlopen(url, timeout=20) as answer:
            assert answer.read() == b"hello\n"
        out, err = c.get_logs()
        assert (out, err) == (b"serving\n", b"")
    with containers.DockerContainer(IMAGE).with_command(["sh", "-c", PAGE]).with_exposed_ports(8080) \
            .waiting_for(HttpWaitStrategy(8080, "/index.html").for_status_code(200)) as c:
        assert c.get_wrapped_container().status in ("created", "running")


def test_waits_for_health_and_for_ports(containers, engine):  # noqa: F811
    from testcontainers.core.wait_strategies import HealthcheckWaitStrategy, PortWaitStrategy
    healthcheck = {"test": ["CMD", "test", "-f", "/www/index.html"], "interval": 500_000_000}
    with containers.DockerContainer(IMAGE).with_command(["sh", "-c", "sleep 1;" + PAGE]).with_kwargs(healthcheck=healthcheck) \
            .waiting_for(HealthcheckWaitStrategy()) as c:
        assert engine.state(c.get_wrapped_container().id)["Health"]["Status"] == "healthy"
    with containers.DockerContainer(IMAGE).with_command(["sh", "-c", PAGE]).with_exposed_ports(8080).waiting_for(PortWaitStrategy(8080)):
        pass


def test_exec_environment_volumes_and_files(containers, tmp_path):
    (tmp_path / "given").write_text("of the host")
    with containers.DockerContainer(IMAGE).with_command(["sleep", "1000"]).with_env("A", "b") \
            .with_volume_mapping(str(tmp_path), "/mnt", "ro") as c:
        assert c.exec(["sh", "-c", "echo $A; cat /mnt/given"]) == (0, b"b\nof the host")
        assert c.exec(["sh", "-c", "exit 7"]).exit_code == 7
    with containers.DockerContainer(IMAGE).with_command(["sleep", "1000"]).with_copy_into_container(b"copied", "/tmp/copied") as c:
        assert c.exec(["cat", "/tmp/copied"]).output == b"copied"


def test_a_network_with_aliases(containers, engine):  # noqa: F811
    from testcontainers.core.network import Network
    with Network() as network:
        with containers.DockerContainer(IMAGE).with_command(["sleep", "1000"]).with_network(network).with_network_aliases("database"), \
                containers.DockerContainer(IMAGE).with_command(["sleep", "1000"]).with_network(network) as web:
            assert web.exec(["probe", "resolve", "database"]).exit_code == 0
        name = network.name
    assert name not in [n["Name"] for n in engine.api("GET", "/networks").json]


def test_an_image_that_is_built(containers, tmp_path):
    from testcontainers.core.image import DockerImage
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nARG WHO\nRUN echo $WHO > /who\nCMD [\"cat\", \"/who\"]\n")
    with DockerImage(path=str(tmp_path), tag="python/built:1", buildargs={"WHO": "me"}) as image:
        with containers.DockerContainer(str(image)) as c:
            c.get_wrapped_container().wait()
            assert c.get_logs()[0] == b"me\n"


def test_nothing_is_left(engine):  # noqa: F811
    assert engine.api("GET", "/containers/json?all=1").json == []
    assert conftest.integration is not None
