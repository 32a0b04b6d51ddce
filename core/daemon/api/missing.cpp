// What clients may ask for and this engine does not have: said so, never guessed at.
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/api.hpp"

namespace gantry::daemon {
namespace {

struct Operation {
    const char *method, *pattern, *text;
};

constexpr Operation operations[] = {
    {"POST", "/session", "a BuildKit session is not supported: build with DOCKER_BUILDKIT=0, or with gantry build"},
    {"POST", "/grpc", "BuildKit is not supported: build with DOCKER_BUILDKIT=0, or with gantry build"},
};

}  // namespace

void register_missing(http::Router& router) {
    for (const Operation& operation : operations)
        router.add(
            operation.method, operation.pattern,
            [text = operation.text](http::Request, Reply reply) { reply->error(fail(Code::unsupported, text)); },
            http::Body::streamed, http::Run::reactor);
}

}  // namespace gantry::daemon
