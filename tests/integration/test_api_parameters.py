"""Every query parameter and header of Docker's description of the Engine API, one by one: each is read, with an effect that its case
shows, or refused with a clear message; none is taken and ignored."""
import pytest

from api import parameters_containers, parameters_images, parameters_others
from api.world import World, filters
from conftest import make_engine
from test_api_walk import OPERATIONS

PARAMETERS = {**parameters_containers.PARAMETERS, **parameters_images.PARAMETERS, **parameters_others.PARAMETERS}
DOCUMENTED = [(operation, one) for operation, swarm, _, parameters in OPERATIONS if not swarm for one in parameters
              if one.startswith(("query:", "header:"))]
WITH_FILTERS = [operation for operation, one in DOCUMENTED if one == "query:filters"]


@pytest.fixture(scope="module")
def world():
    engine = make_engine()
    w = World(engine)
    yield w
    w.close()
    problem = engine.destroy()
    assert not problem, problem


CASES = [(operation, one) for operation, one in DOCUMENTED if one in PARAMETERS.get(operation, {})]


@pytest.mark.parametrize("operation,parameter", CASES, ids=[f"{o} {p}" for o, p in CASES])
def test_documented_parameter(world, operation, parameter):
    PARAMETERS[operation][parameter](world)


@pytest.mark.parametrize("operation", WITH_FILTERS)
def test_filters_that_are_none(world, operation):
    method, url = operation.split()
    url += "?term=x&" if url == "/images/search" else "?"
    for text in ("{", "[]", "5", '"x"', '{"label": "x"}', '{"label": [5]}', '{"label": 5}', '{"no-such-filter": ["x"]}'):
        answer = world.request(method, url + filters(text))
        assert answer.status == 400 and "invalid filter" in answer.message, (text, answer)
    for text in ("", "{}", '{"label": []}', '{"label": {}}', '{"label": {"x": false}}'):
        if "label" in text and url.split("?")[0] in ("/images/search", "/plugins", "/build/prune"):
            continue
        assert world.request(method, url + "until=1&" + filters(text) if url == "/events?" else url + filters(text)).status == 200 \
            or url.startswith("/images/search"), text


def test_every_documented_parameter_has_a_case(capsys):
    without = [f"{operation} {one}" for operation, one in DOCUMENTED if one not in PARAMETERS.get(operation, {})]
    unknown = [f"{operation} {one}" for operation, cases in PARAMETERS.items() for one in cases if (operation, one) not in DOCUMENTED]
    with capsys.disabled():
        print(f"\n{len(DOCUMENTED)} parameters of the API: {len(DOCUMENTED) - len(without)} with a case, {len(without)} without")
    assert not without and not unknown
