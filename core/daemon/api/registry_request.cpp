#include "core/daemon/api/registry_request.hpp"

#include <atomic>

namespace gantry::daemon {

namespace registry = image::registry;

Result<registry::Credentials> credentials_of(const http::Request& request) {
    auto found = request.headers.find("x-registry-auth");
    return registry::parse_registry_auth(found == request.headers.end() ? std::string_view() : found->second);
}

registry::Cancelled watch(const Reply& reply) {
    auto gone = std::make_shared<std::atomic<bool>>(false);
    reply->on_client_gone([gone] { *gone = true; });
    return [gone] { return gone->load(); };
}

Error of_registry(Error error) {
    if (error.code == Code::retry_later || error.code == Code::deadline) error.code = Code::internal;
    return error;
}

}  // namespace gantry::daemon
