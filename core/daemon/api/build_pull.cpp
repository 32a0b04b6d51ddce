// Images that a build stands on and that are not here: from their registry, with the client's credentials.
#include "core/daemon/api/build.hpp"
#include "core/image/registry/service.hpp"

namespace gantry::daemon {
namespace {

// The first part of a name is a host where it could not be anything else.
std::string registry_of(const std::string& name) {
    const std::size_t slash = name.find('/');
    const std::string first = name.substr(0, slash);
    const bool host =
        slash != std::string::npos && (first == "localhost" || first.find_first_of(".:") != std::string::npos);
    return host ? first : "docker.io";
}

}  // namespace

build::PullImage registry_pull(Deps& deps) {
    return [&deps](const std::string& text, const build::Platform& platform, build::Client& client,
                   build::Cancel& cancel) -> Result<void> {
        GANTRY_TRY(image::Reference reference, image::parse_reference(text));
        image::registry::PullRequest request;
        request.name = reference.name;
        request.digest = reference.digest;
        request.tag = reference.tag.empty() && reference.digest.empty() ? "latest" : reference.tag;
        request.platform = image::registry::Platform{platform.os, platform.architecture, platform.variant};
        GANTRY_TRY(build::RegistryLogin login, client.login(registry_of(reference.name)));
        request.credentials.user = login.username;
        request.credentials.password = login.password;
        request.credentials.identity_token = login.identity_token;
        GANTRY_CHECK(deps.registries->pull(
            request, [](const Json&) {}, [&cancel] { return cancel.cancelled(); }));
        return {};
    };
}

}  // namespace gantry::daemon
