// What clients may ask for and this engine does not have: said so, never guessed at.
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/api.hpp"

namespace gantry::daemon {
namespace {

struct Operation {
    const char *method, *pattern, *what;
};

constexpr Operation operations[] = {
    {"GET", "/containers/{id}/attach/ws", "attach over a websocket"},
    {"POST", "/build/cancel", "cancel of a build"},
    {"GET", "/images/{name:*}/attestations", "attestations of an image"},
    {"PUT", "/volumes/{name}", "update of a volume"},
    {"POST", "/session", "a BuildKit session"},
    {"POST", "/grpc", "BuildKit"},
    {"GET", "/plugins", "managed plugins"},
    {"GET", "/plugins/privileges", "managed plugins"},
    {"POST", "/plugins/pull", "managed plugins"},
    {"POST", "/plugins/create", "managed plugins"},
    {"GET", "/plugins/{name:*}/json", "managed plugins"},
    {"DELETE", "/plugins/{name:*}", "managed plugins"},
    {"POST", "/plugins/{name:*}/enable", "managed plugins"},
    {"POST", "/plugins/{name:*}/disable", "managed plugins"},
    {"POST", "/plugins/{name:*}/upgrade", "managed plugins"},
    {"POST", "/plugins/{name:*}/push", "managed plugins"},
    {"POST", "/plugins/{name:*}/set", "managed plugins"},
};

constexpr const char* swarm_text =
    "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to "
    "swarm and try again.";

constexpr Operation swarm_operations[] = {
    {"GET", "/swarm", ""},
    {"POST", "/swarm/leave", ""},
    {"POST", "/swarm/update", ""},
    {"GET", "/swarm/unlockkey", ""},
    {"POST", "/swarm/unlock", ""},
    {"GET", "/nodes", ""},
    {"GET", "/nodes/{id}", ""},
    {"DELETE", "/nodes/{id}", ""},
    {"POST", "/nodes/{id}/update", ""},
    {"GET", "/services", ""},
    {"POST", "/services/create", ""},
    {"GET", "/services/{id}", ""},
    {"DELETE", "/services/{id}", ""},
    {"POST", "/services/{id}/update", ""},
    {"GET", "/services/{id}/logs", ""},
    {"GET", "/tasks", ""},
    {"GET", "/tasks/{id}", ""},
    {"GET", "/tasks/{id}/logs", ""},
    {"GET", "/secrets", ""},
    {"POST", "/secrets/create", ""},
    {"GET", "/secrets/{id}", ""},
    {"DELETE", "/secrets/{id}", ""},
    {"POST", "/secrets/{id}/update", ""},
    {"GET", "/configs", ""},
    {"POST", "/configs/create", ""},
    {"GET", "/configs/{id}", ""},
    {"DELETE", "/configs/{id}", ""},
    {"POST", "/configs/{id}/update", ""},
};

}  // namespace

void register_missing(http::Router& router) {
    for (const Operation& operation : operations)
        router.add(
            operation.method, operation.pattern,
            [what = operation.what](http::Request, Reply reply) {
                reply->error(fail(Code::unsupported, std::string(what) + " is not supported yet"));
            },
            http::Body::streamed, http::Run::reactor);
    for (const char* pattern : {"/swarm/init", "/swarm/join"})
        router.add(
            "POST", pattern,
            [](http::Request, Reply reply) { reply->error(fail(Code::unsupported, "swarm mode is not supported")); },
            http::Body::buffered, http::Run::reactor);
    for (const Operation& operation : swarm_operations)
        router.add(
            operation.method, operation.pattern,
            [](http::Request, Reply reply) {
                reply->json(503, {{"message", swarm_text}});
            },
            http::Body::buffered, http::Run::reactor);
}

}  // namespace gantry::daemon
