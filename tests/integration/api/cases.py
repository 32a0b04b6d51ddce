"""A request for each status code that the API's description documents: CASES[operation][status], a function of a World.

500 has none of its own: test_api_walk.py has every operation fail by a failpoint."""
from conftest import IMAGE
from harness import archives, plugins
from harness.registries import auth_header

from .world import H2C, UPGRADE, WEBSOCKET, filters, tar

ABSENT = "no-such-thing"
BAD_FILTER = filters("{")


def context(text):
    return archives.Tar().add("Dockerfile", text.encode()).bytes()


def missing(method, url, body=None):
    return lambda w: w.request(method, url.replace("{}", ABSENT), body)


def twice(w, url, make):
    name = make()
    assert w.post(url.replace("{}", name)).status == 204
    return w.post(url.replace("{}", name))


def commit_target(w):
    return w.post(f"/commit?container=exited&repo={w.name('test/commit')}")


CONTAINERS = {
    "GET /containers/json": {200: lambda w: w.get("/containers/json?all=1&size=1&limit=2&" + filters('{"status":["running"]}')),
                             400: lambda w: w.get("/containers/json?" + BAD_FILTER)},
    "POST /containers/create": {
        201: lambda w: w.post(f"/containers/create?name={w.name()}&platform=linux/amd64", {"Image": IMAGE}),
        400: lambda w: w.post("/containers/create?name=%2Fslash%2F", {"Image": IMAGE}),
        404: lambda w: w.post("/containers/create", {"Image": "test/none:1"}),
        409: lambda w: w.post("/containers/create?name=running", {"Image": IMAGE})},
    "GET /containers/{id}/json": {200: lambda w: w.get("/containers/running/json?size=1"), 404: missing("GET", "/containers/{}/json")},
    "GET /containers/{id}/top": {200: lambda w: w.get("/containers/running/top?ps_args=aux"), 404: missing("GET", "/containers/{}/top")},
    "GET /containers/{id}/logs": {200: lambda w: w.get("/containers/exited/logs?stdout=1&stderr=1&timestamps=1&tail=5&since=1"),
                                  404: missing("GET", "/containers/{}/logs?stdout=1")},
    "GET /containers/{id}/changes": {200: lambda w: w.get("/containers/running/changes"), 404: missing("GET", "/containers/{}/changes")},
    "GET /containers/{id}/export": {200: lambda w: w.get("/containers/exited/export"), 404: missing("GET", "/containers/{}/export")},
    "GET /containers/{id}/stats": {200: lambda w: w.get("/containers/running/stats?stream=0&one-shot=1"),
                                   404: missing("GET", "/containers/{}/stats?stream=0")},
    "POST /containers/{id}/resize": {200: lambda w: w.post(f"/containers/{w.run(None, 'sleep', '1000', Tty=True)}/resize?h=24&w=80"),
                                     404: missing("POST", "/containers/{}/resize?h=1&w=1")},
    "POST /containers/{id}/start": {204: lambda w: w.post(f"/containers/{w.create()}/start?detachKeys=ctrl-p"),
                                    304: lambda w: w.post("/containers/running/start"),
                                    400: lambda w: w.post("/containers/created/start?checkpoint=one"),
                                    404: missing("POST", "/containers/{}/start")},
    "POST /containers/{id}/stop": {204: lambda w: w.post(f"/containers/{w.run()}/stop?t=0&signal=KILL"),
                                   304: lambda w: w.post("/containers/exited/stop"), 404: missing("POST", "/containers/{}/stop")},
    "POST /containers/{id}/restart": {204: lambda w: w.post(f"/containers/{w.run()}/restart?t=0&signal=KILL"),
                                      404: missing("POST", "/containers/{}/restart")},
    "POST /containers/{id}/kill": {204: lambda w: w.post(f"/containers/{w.run()}/kill?signal=KILL"),
                                   404: missing("POST", "/containers/{}/kill"), 409: lambda w: w.post("/containers/exited/kill")},
    "POST /containers/{id}/update": {200: lambda w: w.post("/containers/running/update", {"RestartPolicy": {"Name": "no"}}),
                                     404: missing("POST", "/containers/{}/update", {})},
    "POST /containers/{id}/rename": {204: lambda w: w.post(f"/containers/{w.create()}/rename?name={w.name()}"),
                                     404: missing("POST", "/containers/{}/rename?name=x"),
                                     409: lambda w: w.post("/containers/exited/rename?name=running")},
    "POST /containers/{id}/pause": {204: lambda w: w.post(f"/containers/{w.run()}/pause"), 404: missing("POST", "/containers/{}/pause")},
    "POST /containers/{id}/unpause": {204: lambda w: twice(w, "/containers/{}/pause", w.run) and w.post("/containers/paused/unpause"),
                                      404: missing("POST", "/containers/{}/unpause")},
    "POST /containers/{id}/attach": {
        101: lambda w: w.first("POST", "/containers/running/attach?stream=1&stdout=1&stderr=1&logs=1", headers=UPGRADE),
        200: lambda w: w.first("POST", "/containers/running/attach?stream=1&stdout=1&stdin=1"),
        400: lambda w: w.post("/containers/running/attach?stream=1&detachKeys=nonsense"),
        404: missing("POST", "/containers/{}/attach?stream=1")},
    "GET /containers/{id}/attach/ws": {
        101: lambda w: w.first("GET", "/containers/running/attach/ws?stream=1&stdout=1", headers=WEBSOCKET),
        400: lambda w: w.get("/containers/running/attach/ws?stream=1&stdout=1"),
        404: lambda w: w.request("GET", f"/containers/{ABSENT}/attach/ws?stream=1", headers=WEBSOCKET)},
    "POST /containers/{id}/wait": {200: lambda w: w.post("/containers/exited/wait?condition=not-running"),
                                   400: lambda w: w.post("/containers/exited/wait?condition=sometimes"),
                                   404: missing("POST", "/containers/{}/wait")},
    "DELETE /containers/{id}": {204: lambda w: w.delete(f"/containers/{w.run()}?force=1&v=1"),
                                400: lambda w: w.delete("/containers/exited?link=1"),
                                404: missing("DELETE", "/containers/{}"), 409: lambda w: w.delete("/containers/running")},
    "HEAD /containers/{id}/archive": {200: lambda w: w.head("/containers/running/archive?path=/etc/passwd"),
                                      400: lambda w: w.head("/containers/running/archive"),
                                      404: lambda w: w.head("/containers/running/archive?path=/none")},
    "GET /containers/{id}/archive": {200: lambda w: w.get("/containers/running/archive?path=/etc/passwd"),
                                     400: lambda w: w.get("/containers/running/archive"),
                                     404: lambda w: w.get("/containers/running/archive?path=/none")},
    "PUT /containers/{id}/archive": {
        200: lambda w: w.put("/containers/running/archive?path=/tmp&noOverwriteDirNonDir=1&copyUIDGID=1", tar()),
        400: lambda w: w.put("/containers/running/archive?path=/etc/passwd", tar()),
        403: lambda w: w.put("/containers/writable_off/archive?path=/tmp", tar()),
        404: lambda w: w.put("/containers/running/archive?path=/none", tar())},
    "POST /containers/prune": {200: lambda w: w.post("/containers/prune?" + filters('{"label":["none"]}'))},
    "POST /containers/{id}/exec": {201: lambda w: w.post("/containers/running/exec", {"Cmd": ["true"]}),
                                   404: missing("POST", "/containers/{}/exec", {"Cmd": ["true"]}),
                                   409: lambda w: w.post(f"/containers/{w.run('still') and w.post('/containers/still/pause') and 'still'}/exec",
                                                         {"Cmd": ["true"]})},
    "POST /exec/{id}/start": {200: lambda w: w.post(f"/exec/{w.exec()}/start", {"Detach": True}),
                              404: missing("POST", "/exec/{}/start", {}), 409: lambda w: exec_of_one_that_ended(w)},
    "POST /exec/{id}/resize": {200: lambda w: w.post(f"/exec/{running_exec(w)}/resize?h=24&w=80"),
                               400: lambda w: w.post(f"/exec/{running_exec(w)}/resize?h=x&w=80"),
                               404: missing("POST", "/exec/{}/resize?h=1&w=1")},
    "GET /exec/{id}/json": {200: lambda w: w.get(f"/exec/{w.exec()}/json"), 404: missing("GET", "/exec/{}/json")},
}


def running_exec(w):
    number = w.exec("running", "sleep", "1000", Tty=True)
    assert w.post(f"/exec/{number}/start", {"Detach": True, "Tty": True}).status == 200
    return number


def exec_of_one_that_ended(w):
    name = w.run()
    number = w.exec(name)
    assert w.post(f"/containers/{name}/stop?t=0").status == 204
    return w.post(f"/exec/{number}/start", {"Detach": True})


IMAGES = {
    "GET /images/json": {200: lambda w: w.get("/images/json?all=1&shared-size=1&digests=1&manifests=1&" + filters('{"dangling":["false"]}'))},
    "POST /build": {200: lambda w: w.post(f"/build?t={w.name('test/built')}&rm=1", context(f"FROM {IMAGE}\nENV a=b\n")),
                    400: lambda w: w.post("/build?buildargs=nonsense", context(f"FROM {IMAGE}\n"))},
    "POST /build/prune": {200: lambda w: w.post("/build/prune?all=1")},
    "POST /images/create": {200: lambda w: w.post(f"/images/create?fromImage={w.registry.host}/test/app&tag=1&platform=linux/amd64"),
                            404: lambda w: w.post(f"/images/create?fromImage={w.registry.host}/test/none&tag=1")},
    "GET /images/{name}/json": {200: lambda w: w.get(f"/images/{IMAGE}/json?manifests=1"), 404: missing("GET", "/images/{}/json")},
    "GET /images/{name}/attestations": {200: lambda w: w.get(f"/images/{IMAGE}/attestations"),
                                        400: lambda w: w.get(f"/images/{IMAGE}/attestations?platform=%7B"),
                                        404: missing("GET", "/images/{}/attestations")},
    "GET /images/{name}/history": {200: lambda w: w.get(f"/images/{IMAGE}/history"), 404: missing("GET", "/images/{}/history")},
    "POST /images/{name}/push": {200: lambda w: w.post(f"/images/{w.pulled()}/push", headers={"X-Registry-Auth": ""}),
                                 404: lambda w: w.post(f"/images/{ABSENT}/push", headers={"X-Registry-Auth": ""})},
    "POST /images/{name}/tag": {201: lambda w: w.post(f"/images/{IMAGE}/tag?repo={w.name('test/x')}&tag=1"),
                                400: lambda w: w.post(f"/images/{IMAGE}/tag?repo=UPPER"),
                                404: missing("POST", "/images/{}/tag?repo=x")},
    "DELETE /images/{name}": {200: lambda w: w.delete(f"/images/{w.tag()}?noprune=1"), 404: missing("DELETE", "/images/{}"),
                              409: lambda w: w.delete("/images/" + w.get(f"/images/{IMAGE}/json").json["Id"] + "?force=0")},
    "GET /images/search": {200: lambda w: w.get(f"/images/search?term={w.registry.host}/found&limit=5")},
    "POST /images/prune": {200: lambda w: w.post("/images/prune?" + filters('{"label":["none"]}'))},
    "POST /commit": {201: commit_target, 404: lambda w: w.post(f"/commit?container={ABSENT}")},
    "GET /images/{name}/get": {200: lambda w: w.get(f"/images/{IMAGE}/get")},
    "GET /images/get": {200: lambda w: w.get(f"/images/get?names={IMAGE}")},
    "POST /images/load": {200: lambda w: w.post("/images/load?quiet=1", archives.make_busybox_image("test/loaded:1"))},
    "GET /distribution/{name}/json": {200: lambda w: w.get(f"/distribution/{w.registry.host}/test/app:1/json"),
                                      401: lambda w: w.get(f"/distribution/{w.registry.host}/test/secret:1/json",
                                                           headers=auth_header("user", "wrong"))},
}

def pushed_plugin(w):
    """One that the registry has wholly already, but for its manifest."""
    remote = w.plugin_remote()
    answer = w.post(f"/plugins/pull?remote={remote}", [])
    assert answer.status == 200 and b'"error"' not in answer.body, answer
    return remote


OTHERS = {
    "POST /session": {101: lambda w: w.first("POST", "/session", headers={**H2C, "X-Docker-Expose-Session-Uuid": w.name()}),
                      400: lambda w: w.first("POST", "/session", headers=H2C)},
    "POST /auth": {200: lambda w: w.post("/auth", {"serveraddress": w.registry.host, "username": "user", "password": "right"}),
                   401: lambda w: w.post("/auth", {"serveraddress": w.registry.host, "username": "user", "password": "wrong"})},
    "GET /info": {200: lambda w: w.get("/info")},
    "GET /version": {200: lambda w: w.get("/version")},
    "GET /_ping": {200: lambda w: w.get("/_ping")},
    "HEAD /_ping": {200: lambda w: w.head("/_ping")},
    "GET /events": {200: lambda w: w.get("/events?since=1&until=2&" + filters('{"type":["container"]}')),
                    400: lambda w: w.get("/events?since=2&until=1")},
    "GET /system/df": {200: lambda w: w.get("/system/df?type=volume&verbose=1")},
    "GET /volumes": {200: lambda w: w.get("/volumes?" + filters('{"dangling":["true"]}'))},
    "POST /volumes/create": {201: lambda w: w.post("/volumes/create", {"Name": w.name()})},
    "GET /volumes/{name}": {200: lambda w: w.get("/volumes/used"), 404: missing("GET", "/volumes/{}")},
    "PUT /volumes/{name}": {400: lambda w: w.put("/volumes/used?version=x", {}), 404: missing("PUT", "/volumes/{}?version=1", {}),
                            503: lambda w: w.put("/volumes/used?version=1", {"Spec": {"Availability": "active"}})},
    "DELETE /volumes/{name}": {204: lambda w: w.delete(f"/volumes/{w.volume()}?force=1"), 404: missing("DELETE", "/volumes/{}"),
                               409: lambda w: w.delete("/volumes/used")},
    "POST /volumes/prune": {200: lambda w: w.post("/volumes/prune?" + filters('{"label":["none"]}'))},
    "GET /networks": {200: lambda w: w.get("/networks?" + filters('{"driver":["bridge"]}'))},
    "GET /networks/{id}": {200: lambda w: w.get("/networks/net?verbose=1&scope=local"), 404: missing("GET", "/networks/{}")},
    "DELETE /networks/{id}": {204: lambda w: w.delete(f"/networks/{w.network()}"), 403: lambda w: w.delete("/networks/bridge"),
                              404: missing("DELETE", "/networks/{}")},
    "POST /networks/create": {201: lambda w: w.post("/networks/create", {"Name": w.name(), "Driver": "bridge"}),
                              400: lambda w: w.post("/networks/create", {"Name": w.name(), "IPAM": {"Config": [{"Subnet": "x"}]}}),
                              403: lambda w: w.post("/networks/create", {"Name": "host"}),
                              404: lambda w: w.post("/networks/create", {"Name": w.name(), "Driver": ABSENT})},
    "POST /networks/{id}/connect": {200: lambda w: w.post("/networks/net/connect", {"Container": w.run()}),
                                    400: lambda w: w.post("/networks/net/connect", {"Container": "running", "EndpointConfig": {
                                        "IPAMConfig": {"IPv4Address": "nonsense"}}}),
                                    403: lambda w: w.post("/networks/net/connect", {"Container": w.run(HostConfig={"NetworkMode": "host"})}),
                                    404: missing("POST", "/networks/{}/connect", {"Container": "running"})},
    "POST /networks/{id}/disconnect": {200: lambda w: w.post("/networks/net/disconnect", {
                                           "Container": w.run(HostConfig={"NetworkMode": "net"}), "Force": True}),
                                       403: lambda w: w.post("/networks/net/disconnect", {"Container": "running"}),
                                       404: missing("POST", "/networks/{}/disconnect", {"Container": "running"})},
    "POST /networks/prune": {200: lambda w: w.post("/networks/prune?" + filters('{"label":["none"]}'))},
    "GET /plugins": {200: lambda w: w.get("/plugins?" + filters('{"enabled":["true"]}'))},
    "GET /plugins/privileges": {200: lambda w: w.get(f"/plugins/privileges?remote={w.plugin_remote(network={'type': 'host'})}")},
    "GET /plugins/{name}/json": {200: lambda w: w.get(f"/plugins/{w.plugin()}/json"), 404: missing("GET", "/plugins/{}/json")},
    "DELETE /plugins/{name}": {200: lambda w: w.delete(f"/plugins/{w.plugin()}"), 404: missing("DELETE", "/plugins/{}?force=1")},
    "POST /plugins/create": {204: lambda w: w.post(f"/plugins/create?name={w.name('p')}", plugins.archive())},
    "POST /plugins/{name}/enable": {200: lambda w: w.post(f"/plugins/{w.plugin()}/enable?timeout=20"), 404: missing("POST", "/plugins/{}/enable?timeout=1")},
    "POST /plugins/{name}/disable": {200: lambda w: w.post(f"/plugins/{w.plugin(enabled=True)}/disable?force=1"),
                                     404: missing("POST", "/plugins/{}/disable?force=1")},
    "POST /plugins/{name}/upgrade": {404: missing("POST", "/plugins/{}/upgrade?remote=x", [])},
    "POST /plugins/{name}/push": {200: lambda w: w.post(f"/plugins/{pushed_plugin(w)}/push"), 404: missing("POST", "/plugins/{}/push")},
    "POST /plugins/{name}/set": {204: lambda w: w.post(f"/plugins/{w.plugin()}/set", ["DEBUG=1"]), 404: missing("POST", "/plugins/{}/set", ["A=b"])},
}

CASES = {**CONTAINERS, **IMAGES, **OTHERS}

PROGRESS = "what goes on is told line by line with 200, as Docker's own engine does and its client expects"
# What an answer of this engine cannot be, and why.
IMPOSSIBLE = {
    ("GET /images/{name}/attestations", 501): "this image store keeps attestations",
    ("POST /images/{name}/tag", 409): "a tag that is there is moved, as in Docker",
    ("POST /auth", 204): "the answer always says what became of the login, as Docker's does",
    ("PUT /volumes/{name}", 200): "only a swarm has cluster volumes",
    ("GET /containers/{id}/attach/ws", 200): "the answer to a websocket's handshake is 101",
    ("POST /plugins/pull", 204): PROGRESS, ("POST /plugins/{name}/upgrade", 204): PROGRESS,
}
