"""login, push, pull, run --pull, search and manifest inspect as users type them, with the engine and a registry with passwords."""
import json
import os

import pytest

from conftest import IMAGE
from harness.registries import DockerRegistry


@pytest.fixture
def registry(tmp_path):
    registry = DockerRegistry(str(tmp_path), users={"user": "secret"}).start()
    yield registry
    registry.stop()


@pytest.fixture
def user(engine, scratch):
    """The client with a home of its own; what it pulled and tagged is gone afterwards."""
    before = set(engine.ok("images", "--format", "{{.Repository}}:{{.Tag}}").split())

    def run(*args, **more):
        return engine(*args, env={"HOME": scratch}, **more)
    yield run
    for name in set(engine.ok("images", "--format", "{{.Repository}}:{{.Tag}}").split()) - before:
        engine("rmi", "-f", name)


def test_a_day_with_a_registry(user, registry, engine, scratch):
    name = f"{registry.host}/team/app:1"
    assert user("tag", IMAGE, name).code == 0
    done = user("push", name)
    assert done.code == 1 and ("unauthorized" in done.err or "authentication required" in done.err), done

    done = user("login", "-u", "user", "--password-stdin", registry.host, input="wrong")
    assert done.code == 1 and "incorrect username or password" in done.err and done.err.count("\n") == 1, done
    done = user("login", "-u", "user", "--password-stdin", registry.host, input="secret\n")
    assert done.code == 0 and done.out == "Login Succeeded\n", done
    assert list(json.load(open(os.path.join(scratch, ".docker/config.json")))["auths"]) == [registry.host]

    done = user("push", name)
    assert done.code == 0 and "digest: sha256:" in done.out, done
    assert user("push", "-q", name).out == name + "\n"
    assert user("rmi", name).code == 0
    done = user("pull", name)
    assert done.code == 0 and done.out.endswith(f"\n{name}\n") and "Status: " in done.out, done
    assert user("rmi", name).code == 0
    assert user("pull", "-q", name).out == name + "\n"
    assert user("rmi", name).code == 0

    done = user("run", "--rm", "--pull", "never", name, "echo", "hello")
    assert done.code == 125 and "No such image" in done.err
    done = user("run", "--rm", name, "echo", "hello")
    assert done.code == 0 and done.out == "hello\n" and done.err.startswith(f"Unable to find image '{name}' locally\n"), done
    done = user("run", "--rm", "--pull", "always", "-q", name, "echo", "again")
    assert done.code == 0 and (done.out, done.err) == ("again\n", ""), done

    done = user("manifest", "inspect", name)
    assert done.code == 0, done
    manifest = json.loads(done.out)
    assert manifest["config"]["digest"] == engine.ok("images", "-q", "--no-trunc", name)
    verbose = json.loads(user("manifest", "inspect", "-v", name).out)
    assert verbose["Ref"] == name and verbose["Descriptor"]["digest"].startswith("sha256:")
    assert (verbose.get("OCIManifest") or verbose["SchemaV2Manifest"]) == manifest
    done = user("manifest", "inspect", f"{registry.host}/team/none:1")
    assert done.code == 1 and done.err.count("\n") == 1
    done = user("manifest", "inspect", "--insecure", name)
    assert done.code == 1 and "configuration" in done.err

    done = user("search", f"{registry.host}/team")
    assert done.code == 0 and "team/app" in done.out, done

    assert user("logout", registry.host).out == f"Removing login credentials for {registry.host}\n"
    assert user("rmi", name).code == 0
    done = user("pull", name)
    assert done.code == 1 and "pull access denied" in done.err, done
