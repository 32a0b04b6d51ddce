"""What each query parameter of volumes, networks, plugins, events and the engine does: PARAMETERS[operation][parameter]."""
import json
import time

from harness import plugins
from harness.registries import auth_header

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
    on, off = w.plugin(enabled=True), w.plugin(interface={"types": ["docker.authz/1.0"], "socket": "p.sock"})

    def names(text):
        return {one["Name"] for one in w.get("/plugins?" + filters(text)).json} & {on + ":latest", off + ":latest"}
    assert names("{}") == {on + ":latest", off + ":latest"}
    for word in ("enabled", "enable"):
        assert names('{"%s":["true"]}' % word) == {on + ":latest"} and names('{"%s":["false"]}' % word) == {off + ":latest"}
    assert names('{"capability":["authz"]}') == {off + ":latest"} and names('{"capability":["volumedriver"]}') == {on + ":latest"}
    assert not names('{"enabled":["true"],"capability":["authz"]}')
    for bad in ('{"enabled":["x"]}', '{"nonsense":["x"]}'):
        refused(w.get("/plugins?" + filters(bad)), 400, "invalid filter '")


def plugin_create_name(w):
    name = w.name("p")
    assert w.post(f"/plugins/create?name={name}", plugins.archive()).status == 204
    assert w.get(f"/plugins/{name}/json").json["Name"] == name + ":latest"
    refused(w.post(f"/plugins/create?name={name}", plugins.archive()), 409, "already exists")
    refused(w.post("/plugins/create", plugins.archive()), 400, '"name" is not given')


def plugin_remote(w):
    remote = w.plugin_remote(network={"type": "host"})
    assert [p["Name"] for p in w.get(f"/plugins/privileges?remote={remote}").json] == ["network"]
    refused(w.get("/plugins/privileges"), 400, '"remote" is not given')
    refused(w.get("/plugins/privileges?remote=UPPER"), 400, "reference")


def pulled_plugin(w, remote, more="", **headers):
    answer = w.post(f"/plugins/pull?remote={remote}{more}", [], **headers)
    assert answer.status == 200 and b'"error"' not in answer.body, answer


def plugin_pull_remote(w):
    remote = w.plugin_remote()
    pulled_plugin(w, remote)
    assert w.get(f"/plugins/{remote}/json").json["PluginReference"] == remote
    refused(w.post("/plugins/pull", []), 400, '"remote" is not given')


def plugin_pull_name(w):
    name = w.name("p")
    pulled_plugin(w, w.plugin_remote(), f"&name={name}")
    assert w.get(f"/plugins/{name}/json").json["Name"] == name + ":latest"
    refused(w.post(f"/plugins/pull?remote={w.plugin_remote()}&name=UPPER", []), 400, "reference")


def plugin_pull_auth(w):
    w.registry.closed.add("test/closed-plugin")
    remote = w.plugin_remote("test/closed-plugin")
    refused(w.post(f"/plugins/pull?remote={remote}", []), 403, "denied")
    refused(w.post(f"/plugins/pull?remote={remote}", [], headers={"X-Registry-Auth": "!"}), 400, "")
    pulled_plugin(w, remote, headers=auth_header("user", "right"))


def plugin_delete_force(w):
    name = w.plugin(enabled=True)
    refused(w.delete(f"/plugins/{name}"), 409, "is enabled")
    assert w.delete(f"/plugins/{name}?force=1").json["Name"] == name + ":latest"


def plugin_enable_timeout(w):
    name = w.plugin(way="silent")
    refused(w.post(f"/plugins/{name}/enable?timeout=1"), 500, "after 1 seconds")
    refused(w.post(f"/plugins/{name}/enable?timeout=-1"), 400, "timeout: found -1")
    refused(w.post(f"/plugins/{name}/enable?timeout=x"), 400, "timeout")


def plugin_disable_force(w):
    name = w.plugin(enabled=True, way="stubborn")
    begun = time.monotonic()
    assert w.post(f"/plugins/{name}/disable?force=1").status == 200
    assert time.monotonic() - begun < 8 and not w.get(f"/plugins/{name}/json").json["Enabled"]


def plugin_upgrade_remote(w):
    name = w.plugin()
    remote = w.plugin_remote(description="another")
    answer = w.post(f"/plugins/{name}/upgrade?remote={remote}", [])
    assert answer.status == 200 and b'"error"' not in answer.body, answer
    assert w.get(f"/plugins/{name}/json").json["Config"]["Description"] == "another"
    refused(w.post(f"/plugins/{name}/upgrade", []), 400, '"remote" is not given')


def plugin_upgrade_auth(w):
    w.registry.closed.add("test/closed-plugin")
    name, remote = w.plugin(), w.plugin_remote("test/closed-plugin")
    refused(w.post(f"/plugins/{name}/upgrade?remote={remote}", []), 403, "denied")
    assert w.post(f"/plugins/{name}/upgrade?remote={remote}", [], headers=auth_header("user", "right")).status == 200


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
    "GET /plugins/privileges": {"query:remote": plugin_remote},
    "POST /plugins/pull": {"query:remote": plugin_pull_remote, "query:name": plugin_pull_name, "header:X-Registry-Auth": plugin_pull_auth},
    "DELETE /plugins/{name}": {"query:force": plugin_delete_force},
    "POST /plugins/{name}/enable": {"query:timeout": plugin_enable_timeout},
    "POST /plugins/{name}/disable": {"query:force": plugin_disable_force},
    "POST /plugins/{name}/upgrade": {"query:remote": plugin_upgrade_remote, "header:X-Registry-Auth": plugin_upgrade_auth},
    "POST /plugins/create": {"query:name": plugin_create_name},
}
