// GET /images/{name}/attestations.
#include <set>

#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/api.hpp"
#include "core/daemon/api/image_platforms.hpp"
#include "core/daemon/api/parameters.hpp"
#include "core/image/registry/platform.hpp"

namespace gantry::daemon {
namespace {

// Without a platform, this machine's: what is attested of another one's image is not said of the one that runs here.
Result<std::vector<Json>> attested_platform(const http::Request& request) {
    GANTRY_TRY(std::vector<Json> platforms, read_platforms(request));
    if (platforms.size() > 1)
        return fail(Code::invalid, "only one platform may be given, not " + std::to_string(platforms.size()));
    if (!platforms.empty()) return platforms;
    const auto own = image::registry::host_platform();
    return std::vector<Json>{{{"os", own.os}, {"architecture", own.architecture}, {"variant", own.variant}}};
}

// As text, because a statement goes out as it is, byte for byte.
Result<std::string> attestations(Deps& deps, const http::Request& request) {
    const std::string name = request.parameter("name");
    // Its name is told before its platform.
    GANTRY_CHECK(deps.images.find(name));
    GANTRY_TRY(std::vector<Json> platform, attested_platform(request));
    GANTRY_TRY(auto found, find_for_platforms(deps.images, name, platform));
    GANTRY_TRY(auto statements, deps.images.statements_of(found.front()->id));
    std::set<std::string> types;
    for (auto [at, end] = request.query.equal_range("type"); at != end; ++at)
        if (!at->second.empty()) types.insert(at->second);
    std::string all;
    for (const auto& statement : statements) {
        if (!types.empty() && !types.contains(statement.predicate_type)) continue;
        std::string one =
            Json{{"Descriptor", statement.descriptor}, {"PredicateType", statement.predicate_type}}.dump();
        if (request.query_flag("statement")) {
            GANTRY_TRY(std::string text, deps.images.statement(statement));
            one.replace(one.size() - 1, 1, ",\"Statement\":" + text + "}");
        }
        all += (all.empty() ? "" : ",") + one;
    }
    return "[" + all + "]\n";
}

}  // namespace

void register_image_attestations(http::Router& router, Deps& deps) {
    router.add(
        "GET", "/images/{name:*}/attestations",
        [&deps](http::Request request, Reply reply) {
            auto all = attestations(deps, request);
            if (!all) return reply->error(all.error());
            reply->text(200, "application/json", std::move(*all));
        },
        http::Body::none);
}

}  // namespace gantry::daemon
