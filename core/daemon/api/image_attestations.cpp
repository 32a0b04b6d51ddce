// GET /images/{name}/attestations. The store keeps the images of an index and nothing beside them, so what an
// index says of its images is not there to be read.
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/api.hpp"
#include "core/daemon/api/parameters.hpp"

namespace gantry::daemon {

void register_image_attestations(http::Router& router, Deps& deps) {
    router.add(
        "GET", "/images/{name:*}/attestations",
        [&deps](http::Request request, Reply reply) {
            if (auto image = deps.images.find(request.parameter("name")); !image) return reply->error(image.error());
            auto platforms = read_platforms(request);
            if (!platforms) return reply->error(platforms.error());
            if (platforms->size() > 1)
                return reply->error(
                    fail(Code::invalid, "only one platform may be given, not " + std::to_string(platforms->size())));
            reply->error(
                fail(Code::unsupported, "attestations are not supported: this image store does not keep them"));
        },
        http::Body::none);
}

}  // namespace gantry::daemon
