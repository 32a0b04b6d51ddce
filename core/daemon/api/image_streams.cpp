#include "core/daemon/api/image_streams.hpp"

#include "core/daemon/api/host_facts.hpp"
#include "core/daemon/api/image_registry.hpp"
#include "core/daemon/api/json_stream.hpp"
#include "core/daemon/api/parameters.hpp"
#include "core/image/registry/platform.hpp"

namespace gantry::daemon {
namespace {

// Only this machine's own platform can be had yet.
Result<void> check_platform(const http::Request& request) {
    const std::string platform = request.query_value("platform");
    if (platform.empty()) return {};
    const std::string own = "linux/" + read_host_facts().architecture;
    if (platform == own || platform == "linux") return {};
    return fail(Code::unsupported,
                "platform \"" + platform.substr(0, 100) + "\" is not supported yet: this machine is \"" + own + "\"");
}

// An archive's image is taken where it is for this machine, so the machine's platform must be among those wanted.
Result<void> check_load_platforms(const std::vector<Json>& wanted) {
    namespace registry = image::registry;
    std::string named;
    for (const Json& one : wanted) {
        const registry::Platform platform = registry::platform_of(one);
        if (registry::fitness(platform, registry::host_platform()) != 0) return {};
        named += (named.empty() ? "" : ", ") + platform.text();
    }
    if (wanted.empty()) return {};
    return fail(Code::unsupported, "images of another platform (" + named + ") are not supported: this machine is " +
                                       registry::host_platform().text());
}

std::string reference_of(const http::Request& request) {
    const std::string repository = request.query_value("repo"), tag = request.query_value("tag");
    return repository.empty() || tag.empty() ? repository : repository + ":" + tag;
}

std::string without_credentials(const std::string& url) {
    const std::size_t begin = url.find("://");
    if (begin == std::string::npos) return url.substr(0, 200);
    const std::size_t path = url.find_first_of("/?#", begin + 3), at = url.substr(0, path).rfind('@');
    return (at == std::string::npos ? url : url.substr(0, begin + 3) + url.substr(at + 1)).substr(0, 200);
}

// Of the body ("-"), or of an address.
Result<std::string> import(Deps& deps, const http::Request& request, JsonStream& stream) {
    const std::string source = request.query_value("fromSrc");
    GANTRY_CHECK(check_platform(request));
    std::vector<std::string> changes;
    for (auto [at, end] = request.query.equal_range("changes"); at != end; ++at) changes.push_back(at->second);
    const image::Progress progress = [&stream](const Json& message) { stream.send(message); };
    std::string message = request.query_value("message");
    UniqueFd fetched;
    if (source != "-") {
        // A name or password in the address is nobody else's to know.
        const std::string shown = without_credentials(source);
        GANTRY_TRY(fetched, deps.fetch(source, progress, [&stream](std::function<void()> gone) {
            stream.on_client_gone(std::move(gone));
        }));
        stream.send({{"status", "Downloading from " + shown}});
        if (message.empty()) message = "Imported from " + shown;
    }
    return deps.images.import(fetched ? fetched.get() : request.body_stream.get(), reference_of(request), changes,
                              message, Json::object(), progress);
}

Result<image::BootstrapRequest> read_bootstrap(const Json& body) {
    image::BootstrapRequest wanted;
    auto text = [&](const char* key, std::string* out) -> Result<void> {
        auto found = body.find(key);
        if (found == body.end() || found->is_null()) return {};
        if (!found->is_string()) return fail(Code::invalid, "\"" + std::string(key) + "\" must be a text");
        if (!found->get_ref<const std::string&>().empty()) *out = found->get<std::string>();
        return {};
    };
    for (const auto& [key, value] : body.items())
        if (key != "reference" && key != "suite" && key != "include" && key != "mirror" && key != "variant")
            return fail(Code::invalid, "unknown key \"" + key.substr(0, 64) +
                                           "\"; known are reference, suite, include, mirror, variant");
    GANTRY_CHECK(text("reference", &wanted.reference));
    GANTRY_CHECK(text("suite", &wanted.suite));
    GANTRY_CHECK(text("mirror", &wanted.mirror));
    GANTRY_CHECK(text("variant", &wanted.variant));
    if (auto include = body.find("include"); include != body.end() && !include->is_null()) {
        if (!include->is_array()) return fail(Code::invalid, "\"include\" must be a list of packages");
        for (const Json& package : *include) {
            if (!package.is_string()) return fail(Code::invalid, "\"include\" must be a list of packages");
            wanted.include.push_back(package.get<std::string>());
        }
    }
    return wanted;
}

}  // namespace

void load_images(Deps& deps, http::Request request, const Reply& reply) {
    JsonStream stream(reply);
    // Of an index in the archive, the image that fits is taken; to ask for another one's is in vain.
    auto platforms = read_platforms(request);
    if (!platforms) return stream.end(platforms.error());
    if (auto here = check_load_platforms(*platforms); !here) return stream.end(here.error());
    const bool quiet = request.query_flag("quiet");
    auto loaded = deps.images.load(request.body_stream.get(), [&](const Json& message) {
        // Quiet leaves out how far it is, not what was loaded.
        if (!quiet || message.contains("stream")) stream.send(message);
    });
    if (!loaded) return stream.end(loaded.error());
    for (const std::string& reference : *loaded)
        if (auto image = deps.images.find(reference))
            deps.events.publish("image", "load", (*image)->id, {{"name", reference}});
    stream.end();
}

void create_image(Deps& deps, http::Request request, const Reply& reply) {
    if (request.query_value("fromSrc").empty()) {
        if (request.query_value("fromImage").empty())
            return reply->error(fail(Code::invalid, "neither \"fromImage\" nor \"fromSrc\" is given"));
        return pull_image(deps, request, reply);
    }
    JsonStream stream(reply);
    auto id = import(deps, request, stream);
    if (!id) return stream.end(id.error());
    deps.events.publish("image", "import", *id,
                        {{"name", reference_of(request).empty() ? *id : reference_of(request)}});
    stream.send({{"status", *id}});
    stream.end();
}

void bootstrap_image(Deps& deps, const http::Request& request, const Reply& reply) {
    JsonStream stream(reply);
    auto body = request.json();
    if (!body) return stream.end(body.error());
    auto wanted = read_bootstrap(*body);
    if (!wanted) return stream.end(wanted.error());
    auto id = image::bootstrap(deps.images, *wanted, deps.spawn, [&](const Json& message) { stream.send(message); });
    if (!id) return stream.end(id.error());
    deps.events.publish("image", "import", *id, {{"name", wanted->reference}});
    stream.send({{"status", *id}});
    stream.end();
}

}  // namespace gantry::daemon
