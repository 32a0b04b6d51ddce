"""What each query parameter of volumes, networks, plugins, events and the engine does: PARAMETERS[operation][parameter]."""
import json
import time

from .parameters_containers import refused
from .world import filters


def events(w, query):
    answer = w.get("/events?" + query)
    assert answer.status == 200, answer
    return [json.loads(line) for line in answer.body.splitlines()]


def moment(w):
    """Two containers are made, one before the time that is given and one after it."""
    first = w.create()
    time.sleep(0.002)
    at = f"{time.time():.9f}"
    time.sleep(0.002)
    second = w.create()
    w.get("/containers/json")
    return first, at, second


def until_now():
    return f"until={time.time() + 0.001:.9f}"


def created(found):
    return [e["Actor"]["Attributes"]["name"] for e in found if e["Type"] == "container" and e["Action"] == "create"]


def events_since(w):
    first, at, second = moment(w)
    assert created(events(w, f"since={at}&{until_now()}")) == [second]
    refused(w.get("/events?since=x"), 400, '"x"')


def events_until(w):
    first, at, second = moment(w)
    assert created(events(w, f"since=1&until={at}"))[-1] == first
    refused(w.get("/events?until=x"), 400, '"x"')
    refused(w.get("/events?since=2&until=1"), 400, "cannot be after")


def events_filters(w):
    name = w.create(Labels={"said": "yes"})
    assert [e["Action"] for e in events(w, "since=1&" + until_now() + "&" + filters(json.dumps({"container": [name], "event": ["create"]})))] == ["create"]
    assert created(events(w, "since=1&" + until_now() + "&" + filters('{"label":["said=yes"]}'))) == [name]
    assert {e["Type"] for e in events(w, "since=1&" + until_now() + "&" + filters('{"type":["network"]}'))} == {"network"}
    assert {e["Actor"]["ID"] for e in events(w, "since=1&" + until_now() + "&" + filters('{"volume":["used"],"event":["create"]}'))} == {"used"}
    refused(w.get("/events?" + filters('{"nonsense":["x"]}')), 400, "invalid filter 'nonsense'")


def df_type(w):
    keys = {"container": "ContainerUsage", "image": "ImageUsage", "volume": "VolumeUsage", "build-cache": "BuildCacheUsage"}
    for kind, key in keys.items():
        assert set(w.get(f"/system/df?type={kind}").json) == {key}
    assert set(w.get("/system/df?type=image&type=volume").json) == {"ImageUsage", "VolumeUsage"}
    assert set(w.get("/system/df").json) == set(keys.values())
    refused(w.get("/system/df?type=swap"), 400, "unknown object type: swap")


def df_verbose(w):
    assert "Items" not in w.get("/system/df?type=volume").json["VolumeUsage"]
    assert "used" in [v["Name"] for v in w.get("/system/df?type=volume&verbose=1").json["VolumeUsage"]["Items"]]


def volumes_filters(w):
    w.post("/volumes/create", {"Name": "labelled", "Labels": {"kind": "one"}})

    def listed(**given):
        answer = w.get("/volumes?" + filters(json.dumps({k: [v] for k, v in given.items()})))
        assert answer.status == 200, answer
        return {v["Name"] for v in answer.json["Volumes"]}
    assert listed(label="kind=one") == listed(label="kind") == listed(name="labell") == {"labelled"} and listed(label="kind=two") == set()
    assert "used" in listed(dangling="false") and "used" not in listed(dangling="true") and "labelled" in listed(dangling="True")
    assert listed(driver="local") >= {"used", "labelled"} and listed(driver="none") == set()
    for bad in ('{"dangling":["x"]}', '{"nonsense":["x"]}'):
        refused(w.get("/volumes?" + filters(bad)), 400, "invalid filter '")


def volume_force(w):
    refused(w.delete("/volumes/no-such"), 404, "no-such")
    assert w.delete("/volumes/no-such?force=1").status == 204, "with force there is nothing to complain of"
    refused(w.delete("/volumes/used?force=1"), 409, "in use")


def volumes_prune_filters(w):
    for name, value in (("p1", "one"), ("p2", "two")):
        w.post("/volumes/create", {"Name": name, "Labels": {"prune": value}})
    assert w.post("/volumes/prune?" + filters('{"label":["prune=one"]}')).json["VolumesDeleted"] in (None, []), "they are not anonymous"
    assert w.post("/volumes/prune?" + filters('{"all":["1"],"label":["prune=one"]}')).json["VolumesDeleted"] == ["p1"]
    assert w.post("/volumes/prune?" + filters('{"all":["1"],"label":["prune"],"label!":["prune=two"]}')).json["VolumesDeleted"] in (None, [])
    for bad in ('{"all":["x"]}', '{"nonsense":["x"]}'):
        refused(w.post("/volumes/prune?" + filters(bad)), 400, "invalid filter '")


def networks_filters(w):
    w.post("/networks/create", {"Name": "labelled", "Labels": {"kind": "one"}})
    number = w.get("/networks/labelled").json["Id"]

    def listed(**given):
        answer = w.get("/networks?" + filters(json.dumps({k: [v] for k, v in given.items()})))
        assert answer.status == 200, answer
        return {n["Name"] for n in answer.json}
    everyone = listed()
    assert listed(label="kind=one") == listed(name="labell") == listed(id=number[:20]) == {"labelled"} and listed(label="kind=two") == set()
    assert listed(driver="host") == {"host"} and listed(type="builtin") == {"bridge", "host", "none"} and listed(type="custom") == everyone - {"bridge", "host", "none"}
    assert listed(scope="local") == everyone and listed(scope="swarm") == set()
    assert "labelled" in listed(dangling="true") and "labelled" not in listed(dangling="0") and "bridge" in listed(dangling="false")
    for bad in ('{"type":["x"]}', '{"dangling":["x"]}', '{"scope":["x"]}', '{"nonsense":["x"]}'):
        refused(w.get("/networks?" + filters(bad)), 400, "invalid filter '")


def network_verbose(w):
    """What it adds is a swarm's."""
    assert w.get("/networks/net?verbose=true").json == w.get("/networks/net").json
    refused(w.get("/networks/net?verbose=maybe"), 400, 'invalid value for verbose: "maybe" (must be boolean)')


def network_scope(w):
    assert w.get("/networks/net?scope=local").status == 200
    refused(w.get("/networks/net?scope=swarm"), 404, "network net not found")


def networks_prune_filters(w):
    for name, value in (("q1", "one"), ("q2", "two")):
        w.post("/networks/create", {"Name": name, "Labels": {"prune": value}})
    assert w.post("/networks/prune?" + filters('{"label":["prune=one"]}')).json["NetworksDeleted"] == ["q1"]
    assert w.post("/networks/prune?" + filters('{"label":["prune"],"until":["2000-01-01"]}')).json["NetworksDeleted"] in (None, [])
    refused(w.post("/networks/prune?" + filters('{"until":["x"]}')), 400, '"x"')
    refused(w.post("/networks/prune?" + filters('{"nonsense":["x"]}')), 400, "invalid filter '")


def plugins_filters(w):
    assert w.get("/plugins?" + filters('{"enabled":["true"],"capability":["volumedriver"]}')).json == []
    for bad in ('{"enabled":["x"]}', '{"nonsense":["x"]}'):
        refused(w.get("/plugins?" + filters(bad)), 400, "invalid filter '")


def no_plugins(method, url, body=None):
    """There are no managed plugins to do it to."""
    return lambda w: refused(w.request(method, url, body), 501, "managed plugins are not supported")


def no_plugin(method, url, body=None):
    return lambda w: refused(w.request(method, url, body), 404, "plugin \"p\" not found")


def no_plugin_with_auth(w):
    refused(w.request("POST", "/plugins/p/upgrade?remote=x", [], headers={"X-Registry-Auth": "e30="}), 404, "plugin \"p\" not found")


PARAMETERS = {
    "GET /events": {"query:since": events_since, "query:until": events_until, "query:filters": events_filters},
    "GET /system/df": {"query:type": df_type, "query:verbose": df_verbose},
    "GET /volumes": {"query:filters": volumes_filters},
    "PUT /volumes/{name}": {"query:version": lambda w: refused(w.put("/volumes/used?version=x", {}), 400, "invalid swarm object version")},
    "DELETE /volumes/{name}": {"query:force": volume_force},
    "POST /volumes/prune": {"query:filters": volumes_prune_filters},
    "GET /networks": {"query:filters": networks_filters},
    "GET /networks/{id}": {"query:verbose": network_verbose, "query:scope": network_scope},
    "POST /networks/prune": {"query:filters": networks_prune_filters},
    "GET /plugins": {"query:filters": plugins_filters},
    "GET /plugins/privileges": {"query:remote": no_plugins("GET", "/plugins/privileges?remote=x")},
    "POST /plugins/pull": {"query:remote": no_plugins("POST", "/plugins/pull?remote=x", []), "query:name": no_plugins("POST", "/plugins/pull?remote=x&name=y", []),
                           "header:X-Registry-Auth": no_plugins("POST", "/plugins/pull?remote=x", [])},
    "DELETE /plugins/{name}": {"query:force": no_plugin("DELETE", "/plugins/p?force=1")},
    "POST /plugins/{name}/enable": {"query:timeout": no_plugin("POST", "/plugins/p/enable?timeout=1")},
    "POST /plugins/{name}/disable": {"query:force": no_plugin("POST", "/plugins/p/disable?force=1")},
    "POST /plugins/{name}/upgrade": {"query:remote": no_plugin("POST", "/plugins/p/upgrade?remote=x", []), "header:X-Registry-Auth": no_plugin_with_auth},
    "POST /plugins/create": {"query:name": no_plugins("POST", "/plugins/create?name=x", b"")},
}
