// What a swarm's nodes answer to: this engine is outside of one and says so in Docker's words, which clients match on.
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/api.hpp"

namespace gantry::daemon {
namespace {

constexpr const char* no_manager =
    "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to "
    "swarm and try again.";
constexpr const char* no_member = "This node is not part of a swarm";
constexpr const char* no_swarm = "swarm mode is not supported";

struct SwarmOperation {
    const char *method, *pattern, *text;
};

constexpr SwarmOperation swarm_operations[] = {
    {"GET", "/swarm", no_manager},
    {"POST", "/swarm/init", no_swarm},
    {"POST", "/swarm/join", no_swarm},
    {"POST", "/swarm/leave", no_member},
    {"POST", "/swarm/update", no_manager},
    {"GET", "/swarm/unlockkey", no_manager},
    {"POST", "/swarm/unlock", no_manager},
    {"GET", "/nodes", no_manager},
    {"GET", "/nodes/{id}", no_manager},
    {"DELETE", "/nodes/{id}", no_manager},
    {"POST", "/nodes/{id}/update", no_manager},
    {"GET", "/services", no_manager},
    {"POST", "/services/create", no_manager},
    {"GET", "/services/{id}", no_manager},
    {"DELETE", "/services/{id}", no_manager},
    {"POST", "/services/{id}/update", no_manager},
    {"GET", "/services/{id}/logs", no_manager},
    {"GET", "/tasks", no_manager},
    {"GET", "/tasks/{id}", no_manager},
    {"GET", "/tasks/{id}/logs", no_manager},
    {"GET", "/secrets", no_manager},
    {"POST", "/secrets/create", no_manager},
    {"GET", "/secrets/{id}", no_manager},
    {"DELETE", "/secrets/{id}", no_manager},
    {"POST", "/secrets/{id}/update", no_manager},
    {"GET", "/configs", no_manager},
    {"POST", "/configs/create", no_manager},
    {"GET", "/configs/{id}", no_manager},
    {"DELETE", "/configs/{id}", no_manager},
    {"POST", "/configs/{id}/update", no_manager},
};

}  // namespace

void register_swarm(http::Router& router) {
    for (const SwarmOperation& operation : swarm_operations)
        router.add(
            operation.method, operation.pattern,
            [text = operation.text](http::Request, Reply reply) {
                reply->json(503, {{"message", text}});
            },
            http::Body::buffered, http::Run::reactor);
}

}  // namespace gantry::daemon
