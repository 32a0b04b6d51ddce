"""Real clients against an engine of their own: fixtures. A client that is not installed is skipped, with the reason, and
counted as every other skip (GANTRY_SKIPS)."""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
INTEGRATION = os.path.join(os.path.dirname(HERE), "integration")
sys.path.insert(0, INTEGRATION)

import importlib.util  # noqa: E402

# The engine's fixtures are those of the integration tests.
_spec = importlib.util.spec_from_file_location("integration_conftest", os.path.join(INTEGRATION, "conftest.py"))
integration = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(integration)
pytest_configure = integration.pytest_configure
pytest_runtest_logreport = integration.pytest_runtest_logreport
pytest_runtest_makereport = integration.pytest_runtest_makereport
_clean_host, scratch = integration._clean_host, integration.scratch
IMAGE = integration.IMAGE


@pytest.fixture(scope="module")
def engine():
    """An engine with the test image; a client may leave nothing of its own behind, so the end of it is checked."""
    e = integration.make_engine()
    yield e
    e.remove_all()
    problem = e.destroy()
    assert not problem, problem
