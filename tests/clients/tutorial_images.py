"""The two images of the tutorial's Compose files, made of the distribution's packages and put into a registry on loopback, from
which an engine pulls them by the names that the files have."""
import hashlib
import os
import shutil
import subprocess

from harness.engine import REPOSITORY

PYTHON, POSTGRES = "python:3.9-slim-buster", "postgres:latest"
TUTORIAL = os.path.join(REPOSITORY, "tests/tutorial")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# What the host trusts, pip in a container shall trust; and it refuses to install beside the distribution's packages otherwise.
PYTHON_DOCKERFILE = """\
FROM tutorial/python-packages
COPY --from=host ca-certificates.crt /etc/ssl/certs/
ENV PIP_BREAK_SYSTEM_PACKAGES=1
"""
PACKAGES = {
    "tutorial/python-packages": "python3,python3-pip,python-is-python3,ca-certificates",
    "tutorial/postgresql-packages": "postgresql,locales",
}


def archive():
    """The archive with both images: in the cache, by what they are made of."""
    made_of = hashlib.sha256(repr((PYTHON_DOCKERFILE, PACKAGES)).encode())
    for name in ("Dockerfile", "docker-entrypoint.sh"):
        with open(os.path.join(TUTORIAL, "postgres", name), "rb") as f:
            made_of.update(f.read())
    top = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(top, "gantry-clients", f"tutorial-images-{made_of.hexdigest()[:16]}.tar")


def make(engine):
    """Makes both images in this engine and keeps them in the cache: takes minutes, and Debian's packages."""
    for image, packages in PACKAGES.items():
        engine.ok("image", "bootstrap", image, "--suite", "bookworm", "--include", packages, timeout=900)
    engine.ok("build", "-q", "-t", PYTHON, "--build-context", f"host={os.path.dirname(CERTIFICATES)}", "-", input=PYTHON_DOCKERFILE, timeout=300)
    engine.ok("build", "-q", "-t", POSTGRES, os.path.join(TUTORIAL, "postgres"), timeout=300)
    target = archive()
    os.makedirs(os.path.dirname(target), exist_ok=True)
    engine.ok("save", "-o", target + ".new", PYTHON, POSTGRES, timeout=300)
    os.rename(target + ".new", target)


def publish(engine, registry):
    """Both images are in `registry` afterwards, and no longer in the engine."""
    if os.path.exists(archive()):
        engine.ok("load", "-i", archive(), timeout=300)
    else:
        make(engine)
    for image in (PYTHON, POSTGRES):
        there = f"{registry.host}/library/{image}"
        engine.ok("tag", image, there)
        engine.ok("push", "-q", there, timeout=300)
        engine.ok("rmi", there, image)


def missing():
    """Why the images cannot be made on this machine, or None."""
    if os.path.exists(archive()):
        return None
    if not shutil.which("mmdebstrap"):
        return "the tutorial's images: mmdebstrap is not installed"
    if not os.path.exists(CERTIFICATES):
        return f"the tutorial's images: this host has no {CERTIFICATES}"
    answer = subprocess.run(["apt-get", "-qq", "--print-uris", "download", "postgresql"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                            text=True, cwd="/tmp")
    return None if answer.returncode == 0 else "the tutorial's images: no package postgresql is known here"
