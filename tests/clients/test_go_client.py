"""Docker's Go client, through a day: the tests of go/dockerclient."""
import shutil

import pytest

import go_tests
from conftest import IMAGE, integration
from harness.registries import DockerRegistry

MODULE = go_tests.Module("dockerclient")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    MODULE.compile(tmp_path_factory.mktemp("go"))
    registry = None
    if shutil.which("docker-registry"):
        registry = DockerRegistry(str(tmp_path_factory.mktemp("registry"))).start()
    e = integration.make_engine()
    yield e.environment(TEST_IMAGE=IMAGE, TEST_REGISTRY=registry.host if registry else "")
    left = e.api("GET", "/containers/json?all=1").json
    e.remove_all()
    problem = e.destroy()
    if registry:
        registry.stop()
    assert not problem and not left, (problem, left)


@pytest.mark.parametrize("name", MODULE.names())
def test_go_client(name, environment):
    MODULE.run(name, environment)
