// /gantry/shutdown: the engine ends.
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/api.hpp"

namespace gantry::daemon {

void register_engine(http::Router& router, Deps& deps) {
    router.add("POST", "/gantry/shutdown", [&deps](http::Request request, Reply reply) {
        auto body = request.json();
        if (!body) return reply->error(body.error());
        bool containers = false;
        if (auto found = body->find("containers"); found != body->end()) {
            if (!found->is_boolean()) return reply->error(fail(Code::invalid, "\"containers\" must be true or false"));
            containers = found->get<bool>();
        }
        // The answer goes first: the end may take the connection with it. The client waits for the process itself.
        reply->empty(202);
        deps.shut_down(containers);
    });
}

}  // namespace gantry::daemon
