"""load and import with --platform: what is taken of an archive for several platforms, and what an imported image is said to be for."""
import json
from urllib.parse import quote

import pytest

from conftest import IMAGE
from harness import archives
from harness.attested import Attested
from harness.registries import RegistryImage

ARM = json.dumps({"os": "linux", "architecture": "arm64"})


def many(tag="test/many:1", missing=False):
    made = Attested(attest=False)
    for architecture in ("arm64", "riscv64"):
        made.add_image(RegistryImage([archives.Tar().add("which", architecture.encode()).bytes()], architecture=architecture, Cmd=["x"]), architecture)
    made.add(made.entries[1]["digest"])
    return made.archive(tag, without=(made.image.digest,) if missing else ())


@pytest.fixture(autouse=True)
def no_images_but_the_first(engine):
    yield
    for image in engine.api("GET", "/images/json").json:
        if f"{IMAGE}:latest" not in image["RepoTags"]:
            engine.ok("rmi", "-f", image["Id"])


def architectures(engine, name):
    found = engine.api("GET", f"/images/{name}/json?manifests=1").json["Manifests"]
    return [one["ImageData"]["Platform"]["architecture"] for one in found if one["Kind"] == "image"]


def load(engine, archive, *platforms):
    return engine("load", *[f"--platform={p}" for p in platforms], input=archive, text=False)


@pytest.mark.parametrize("platforms,there", [((), ["amd64", "arm64", "riscv64"]), (("linux/arm64",), ["arm64"]), (("linux/riscv64", "linux/arm64"), ["arm64", "riscv64"]),
                                             (("linux",), ["amd64"]), (("linux/arm64/v8",), ["arm64"]), (("linux/s390x", "linux/riscv64"), ["riscv64"])])
def test_of_an_index_those_that_are_asked_for_are_taken(engine, platforms, there):
    done = load(engine, many(), *platforms)
    assert done.code == 0 and b"Loaded image: test/many:1" in done.out, done
    assert architectures(engine, "test/many:1") == there
    # What is attested of one comes with it.
    wanted = engine.api("GET", f"/images/test/many:1/attestations?platform={quote(ARM)}")
    assert (wanted.status, len(wanted.json) if wanted.status == 200 else 0) == ((200, 2) if "arm64" in there else (404, 0))


def test_one_that_the_index_names_and_the_archive_lacks_is_told_of(engine):
    done = load(engine, many(missing=True), "linux/amd64")
    assert done.code == 1 and b"the image archive has no blob" in done.err, done
    assert load(engine, many(missing=True), "linux/arm64").code == 0


def test_of_a_docker_archive(engine):
    archive = archives.make_busybox_image("test/platform:1")
    done = load(engine, archive, "linux/arm64")
    assert done.code == 1 and b"the archive has no image for linux/arm64, but for linux/amd64" in done.err and done.err.count(b"\n") == 1, done
    assert engine.api("GET", "/images/test/platform:1/json").status == 404
    assert load(engine, archive, "linux/amd64").code == 0


def test_of_what_was_saved_here(engine):
    assert load(engine, many()).code == 0
    archive = engine("save", "test/many:1", text=False).out
    engine.ok("rmi", "test/many:1")
    assert load(engine, archive, "linux/riscv64").code == 0
    assert architectures(engine, "test/many:1") == ["riscv64"]


@pytest.mark.parametrize("platform", ["linux/arm64/v8/x", "", "linux/ä"])
def test_a_platform_that_is_none(engine, platform):
    done = load(engine, many(), platform)
    assert done.code != 0 and b"platform" in done.err and done.err.count(b"\n") == 1, done


@pytest.mark.parametrize("given,architecture,variant", [("", "amd64", ""), ("linux/arm64", "arm64", ""), ("linux/arm/v6", "arm", "v6"), ("aarch64", "arm64", ""), ("linux", "amd64", "")])
def test_import(engine, given, architecture, variant):
    tar = archives.Tar().add("file", b"content\n").bytes()
    number = engine("import", *([f"--platform={given}"] if given else []), "-", "test/imported:1", input=tar, text=False).out.decode().strip()
    image = engine.api("GET", "/images/test/imported:1/json").json
    assert image["Id"] == number and (image["Os"], image["Architecture"], image.get("Variant", "")) == ("linux", architecture, variant)


@pytest.mark.parametrize("given,words", [("windows/amd64", "images of another system than linux are not supported"), ("a/b/c/d", "is not of the form OS")])
def test_import_for_what_is_none(engine, given, words):
    done = engine("import", f"--platform={given}", "-", "test/imported:1", input=archives.Tar().add("f", b"x").bytes(), text=False)
    assert done.code != 0 and words in done.err.decode() and done.err.count(b"\n") == 1, done
    assert engine.api("GET", "/images/test/imported:1/json").status == 404
