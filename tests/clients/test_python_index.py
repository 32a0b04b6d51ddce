"""The Python index's docker-py and testcontainers, as they are today, in a virtual environment: the whole day of test_docker_py.py,
and python/day_with_testcontainers.py. Each runs as a pytest of its own in that environment, with an engine of its own."""
import os
import subprocess

import pytest

from installed import HERE, installed


@pytest.mark.parametrize("file", ("test_docker_py.py", "python/day_with_testcontainers.py"))
def test_day(file):
    python = os.path.join(installed("python"), "venv", "bin", "python")
    done = subprocess.run([python, "-B", "-m", "pytest", "-q", "-rs", "--tb=short", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", HERE,
                           os.path.join(HERE, file)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=600)
    assert done.returncode == 0 and "skipped" not in done.stdout, done.stdout[-6000:]
