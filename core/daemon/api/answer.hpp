// How a Result becomes a reply.
#pragma once
#include <memory>

#include "core/daemon/http/http.hpp"

namespace gantry::daemon {

using Reply = std::shared_ptr<http::Responder>;

inline void answer(const Reply& reply, const Result<Json>& result, int status = 200) {
    if (!result) return reply->error(result.error());
    reply->json(status, *result);
}
inline void answer(const Reply& reply, const Result<void>& result, int status = 204) {
    if (!result) return reply->error(result.error());
    reply->empty(status);
}

}  // namespace gantry::daemon
