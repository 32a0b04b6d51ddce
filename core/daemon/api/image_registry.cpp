#include "core/daemon/api/image_registry.hpp"

#include <gantry/driver.hpp>

#include "core/base/text.hpp"
#include "core/daemon/api/body.hpp"
#include "core/daemon/api/json_stream.hpp"
#include "core/daemon/api/parameters.hpp"
#include "core/daemon/api/registry_request.hpp"
#include "core/image/digest.hpp"
#include "core/image/registry/service.hpp"

namespace gantry::daemon {
namespace {

namespace registry = image::registry;

Result<std::optional<registry::Platform>> platform_in(const std::string& text) {
    if (text.empty()) return std::optional<registry::Platform>();
    GANTRY_TRY(registry::Platform platform, registry::parse_platform(text));
    return std::optional(std::move(platform));
}

// "fromImage" may carry a tag or digest of its own; "tag" may be a digest. Docker: a tag beside it counts.
Result<registry::PullRequest> read_pull(const http::Request& request) {
    std::string name = request.query_value("fromImage");
    const std::string tag = request.query_value("tag");
    const bool bare = name.find('@') == std::string::npos &&
                      (name.rfind(':') == std::string::npos || name.find('/', name.rfind(':')) != std::string::npos);
    if (!tag.empty() && bare) name += (tag.find(':') != std::string::npos ? "@" : ":") + tag;
    GANTRY_TRY(image::Reference reference, image::parse_reference(name));
    registry::PullRequest pull;
    pull.name = reference.name;
    pull.digest = reference.digest;
    // A name alone is all its tags: clients that want one say "latest".
    if (!bare || !tag.empty()) pull.tag = reference.tag;
    GANTRY_TRY(pull.platform, platform_in(request.query_value("platform")));
    GANTRY_TRY(pull.credentials, credentials_of(request));
    return pull;
}

Result<registry::PushRequest> read_push(const http::Request& request) {
    GANTRY_TRY(image::Reference reference, image::parse_reference(request.parameter("name")));
    if (!reference.digest.empty()) return fail(Code::invalid, "cannot push a digest reference");
    registry::PushRequest push;
    push.name = reference.name;
    push.tag = request.query_value("tag");
    const bool tagged = request.parameter("name").ends_with(":" + reference.tag);
    if (push.tag.empty() && tagged) push.tag = reference.tag;
    if (!push.tag.empty()) {
        auto checked = image::parse_reference(push.name + ":" + push.tag);
        if (!checked || checked->tag != push.tag)
            return fail(Code::invalid, "invalid tag format: " + quote_json(push.tag.substr(0, 200)));
    }
    if (const std::string platform = request.query_value("platform"); !platform.empty()) {
        const Json json = Json::parse(platform, nullptr, false);
        if (!json.is_object())
            return fail(Code::invalid,
                        "\"platform\" is not an object such as {\"os\":\"linux\",\"architecture\":\"arm64\"}");
        push.platform = registry::platform_of(json);
    }
    GANTRY_TRY(push.credentials, credentials_of(request));
    return push;
}

void push_image(Deps& deps, const http::Request& request, const Reply& reply) {
    auto wanted = read_push(request);
    if (!wanted) return reply->error(wanted.error());
    const auto gone = watch(reply);
    JsonStream stream(reply);
    auto pushed = deps.registries->push(
        *wanted, [&](const Json& message) { stream.send(message); }, gone);
    if (!pushed) return stream.end(of_registry(pushed.error()));
    for (const registry::Pushed& one : *pushed)
        deps.events.publish("image", "push", wanted->name + ":" + one.tag, {{"name", wanted->name}});
    stream.end();
}

// The places where the client asks about its own right to be there: 401 rather than 403.
void refuse(const Reply& reply, const Error& error) {
    if (error.code == Code::denied) return reply->json(401, {{"message", error.text}});
    reply->error(of_registry(error));
}

void login(Deps& deps, const http::Request& request, const Reply& reply) {
    auto body = read_body(request, auth_shape());
    if (!body) return reply->error(body.error());
    auto credentials = registry::read_credentials(*body);
    if (!credentials) return reply->error(credentials.error());
    auto token = deps.registries->login(member<std::string>(*body, "serveraddress"), *credentials, watch(reply));
    if (token) return reply->json(200, {{"Status", "Login Succeeded"}, {"IdentityToken", *token}});
    refuse(reply, token.error());
}

Result<std::optional<bool>> truth_of(const std::map<std::string, std::vector<std::string>>& filters,
                                     const std::string& key) {
    auto found = filters.find(key);
    if (found == filters.end() || found->second.empty()) return std::optional<bool>();
    const std::string value = to_lower(found->second[0]);
    if (found->second.size() > 1 || (value != "true" && value != "false" && value != "1" && value != "0"))
        return fail(Code::invalid, "invalid filter '" + key + "=" + join(found->second, ",") + "'");
    return std::optional<bool>(value == "true" || value == "1");
}

Result<Json> search(Deps& deps, const http::Request& request, const registry::Cancelled& gone) {
    registry::SearchRequest wanted;
    wanted.term = request.query_value("term");
    GANTRY_TRY(auto limit, read_number(request, "limit"));
    if (limit && *limit != 0) wanted.limit = *limit;
    GANTRY_TRY(auto filters, read_filters(request));
    for (const auto& [key, values] : filters)
        if (key != "is-official" && key != "is-automated" && key != "stars")
            return fail(Code::invalid, "invalid filter '" + key + "'");
    GANTRY_TRY(wanted.official, truth_of(filters, "is-official"));
    GANTRY_TRY(wanted.automated, truth_of(filters, "is-automated"));
    if (auto stars = filters.find("stars"); stars != filters.end())
        for (const std::string& value : stars->second) {
            auto number = parse_int(value);
            if (!number || *number < 0 || *number > INT_MAX)
                return fail(Code::invalid, "invalid filter 'stars=" + value + "'");
            wanted.stars = std::max(wanted.stars, static_cast<int>(*number));
        }
    GANTRY_TRY(wanted.credentials, credentials_of(request));
    auto found = deps.registries->search(wanted, gone);
    if (!found) return of_registry(std::move(found).error());
    return found;
}

void inspect(Deps& deps, const http::Request& request, const Reply& reply) {
    auto credentials = credentials_of(request);
    if (!credentials) return reply->error(credentials.error());
    auto found = deps.registries->inspect(request.parameter("name"), *credentials, watch(reply));
    if (!found) return refuse(reply, found.error());
    reply->json(200, *found);
}

// The document as the registry has it. Whether a registry may be reached without TLS is the engine's configuration to say,
// not a client's.
void manifest(Deps& deps, const http::Request& request, const Reply& reply) {
    if (request.query_flag("insecure"))
        return reply->error(fail(
            Code::unsupported, "an insecure registry is not a client's choice: name it in the engine's configuration"));
    auto credentials = credentials_of(request);
    if (!credentials) return reply->error(credentials.error());
    auto found = deps.registries->manifest(request.parameter("name"), *credentials, watch(reply));
    if (!found) return reply->error(found.error());
    reply->text(200, "application/json", std::move(*found));
}

}  // namespace

void pull_image(Deps& deps, const http::Request& request, const Reply& reply) {
    auto wanted = read_pull(request);
    if (!wanted) return reply->error(wanted.error());
    const auto gone = watch(reply);
    JsonStream stream(reply);
    auto pulled = deps.registries->pull(
        *wanted, [&](const Json& message) { stream.send(message); }, gone);
    if (!pulled) return stream.end(of_registry(pulled.error()));
    for (const registry::Pulled& one : *pulled)
        deps.events.publish("image", "pull", one.reference, {{"name", wanted->name}});
    stream.end();
}

void register_registries(http::Router& router, Deps& deps) {
    router.add("POST", "/images/{name:*}/push",
               [&deps](http::Request request, Reply reply) { push_image(deps, request, reply); });
    router.add("POST", "/auth", [&deps](http::Request request, Reply reply) { login(deps, request, reply); });
    router.add(
        "GET", "/images/search",
        [&deps](http::Request request, Reply reply) { answer(reply, search(deps, request, watch(reply))); },
        http::Body::none);
    router.add(
        "GET", "/gantry/images/{name:*}/manifest",
        [&deps](http::Request request, Reply reply) { manifest(deps, request, reply); }, http::Body::none);
    router.add(
        "GET", "/distribution/{name:*}/json",
        [&deps](http::Request request, Reply reply) { inspect(deps, request, reply); }, http::Body::none);
}

}  // namespace gantry::daemon
