// GET /images/get and /images/{name}/get.
#include "core/daemon/api/api.hpp"
#include "core/daemon/api/archive_reply.hpp"
#include "core/daemon/api/parameters.hpp"

namespace gantry::daemon {
namespace {

void save(Deps& deps, const http::Request& request, const std::vector<std::string>& names,
          const std::shared_ptr<http::Responder>& reply) {
    auto platforms = read_platforms(request);
    if (!platforms) return reply->error(platforms.error());
    ArchiveReply archive(reply);
    auto saved = deps.images.save(names, *platforms, [&] {
        for (const std::string& name : names)
            if (auto image = deps.images.find(name))
                deps.events.publish("image", "save", (*image)->id, {{"name", name}});
        return archive.begin();
    });
    archive.end(saved);
}

}  // namespace

void register_image_save(http::Router& router, Deps& deps) {
    router.add(
        "GET", "/images/get",
        [&deps](http::Request request, std::shared_ptr<http::Responder> reply) {
            std::vector<std::string> names;
            for (auto [at, end] = request.query.equal_range("names"); at != end; ++at) names.push_back(at->second);
            save(deps, request, names, reply);
        },
        http::Body::none);
    router.add(
        "GET", "/images/{name:*}/get",
        [&deps](http::Request request, std::shared_ptr<http::Responder> reply) {
            save(deps, request, {request.parameter("name")}, reply);
        },
        http::Body::none);
}

}  // namespace gantry::daemon
