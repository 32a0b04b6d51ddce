#include "core/daemon/api/image_streams.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/daemon/api/image_registry.hpp"
#include "core/daemon/api/json_stream.hpp"
#include "core/daemon/api/parameters.hpp"
#include "core/image/registry/platform.hpp"

namespace gantry::daemon {
namespace {

namespace registry = image::registry;

// Of an archive of files; nothing where none is asked for.
Result<Json> import_platform(const http::Request& request) {
    const std::string text = request.query_value("platform");
    if (text.empty()) return Json();
    GANTRY_TRY(registry::Platform platform, registry::parse_platform(text));
    if (platform.os != "linux")
        return fail(Code::unsupported, "platform " + quote_json(text.substr(0, 100)) +
                                           ": images of another system than linux are not supported");
    return Json{{"architecture", platform.architecture}, {"variant", platform.variant}};
}

image::ImageStore::Wanted wanted_of(const std::vector<Json>& platforms) {
    if (platforms.empty()) return {};
    std::vector<registry::Platform> wanted;
    image::ImageStore::Wanted all;
    for (const Json& one : platforms) {
        registry::Platform platform = registry::platform_of(one);
        if (platform.os.empty()) platform.os = "linux";
        if (platform.architecture.empty()) platform.architecture = registry::host_platform().architecture;
        wanted.push_back(std::move(platform));
        all.text += (all.text.empty() ? "" : ", ") + wanted.back().text();
    }
    all.fits = [wanted = std::move(wanted)](const Json& offered) {
        const registry::Platform platform = registry::platform_of(offered);
        return std::any_of(wanted.begin(), wanted.end(),
                           [&](const auto& one) { return registry::fitness(one, platform) > 0; });
    };
    return all;
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
    GANTRY_TRY(Json platform, import_platform(request));
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
                              message, Json::object(), progress, platform);
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
    auto platforms = read_platforms(request);
    if (!platforms) return stream.end(platforms.error());
    const bool quiet = request.query_flag("quiet");
    auto loaded = deps.images.load(
        request.body_stream.get(),
        [&](const Json& message) {
            // Quiet leaves out how far it is, not what was loaded.
            if (!quiet || message.contains("stream")) stream.send(message);
        },
        wanted_of(*platforms));
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
