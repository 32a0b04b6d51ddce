// Images that a build stands on and that are not here: from their registry, with the client's credentials.
#include "core/daemon/api/build.hpp"
#include "core/image/registry/names.hpp"
#include "core/image/registry/service.hpp"

namespace gantry::daemon {

build::PullImage registry_pull(Deps& deps) {
    return [&deps](const std::string& text, const build::Platform& platform, build::Client& client,
                   build::Cancel& cancel) -> Result<std::string> {
        GANTRY_TRY(image::Reference reference, image::parse_reference(text));
        image::registry::PullRequest request;
        request.name = reference.name;
        request.digest = reference.digest;
        request.tag = reference.tag.empty() && reference.digest.empty() ? "latest" : reference.tag;
        GANTRY_TRY(request.platform, image::registry::parse_platform(platform.text()));
        request.spare_others = true;
        GANTRY_TRY(build::RegistryLogin login, client.login(image::registry::location_of(reference.name).host));
        request.credentials.user = login.username;
        request.credentials.password = login.password;
        request.credentials.identity_token = login.identity_token;
        GANTRY_TRY(auto pulled, deps.registries->pull(
                                    request, [](const Json&) {}, [&cancel] { return cancel.cancelled(); }));
        return pulled.front().id;
    };
}

}  // namespace gantry::daemon
