#include "core/cli/credentials.hpp"

#include "core/base/base64.hpp"
#include "core/cli/credential_helper.hpp"
#include "core/cli/registry_host.hpp"

namespace gantry::cli {

Result<Credentials> find_credentials(std::string_view registry) {
    GANTRY_TRY(DockerConfig config, DockerConfig::load());
    std::string name = config.helper(registry);
    if (name.empty()) return config.find(registry);
    GANTRY_TRY(CredentialHelper helper, CredentialHelper::create(name));
    return helper.get(registry);
}

Result<std::string> store_credentials(std::string_view registry, const Credentials& credentials) {
    GANTRY_TRY(DockerConfig config, DockerConfig::load());
    std::string name = config.helper(registry);
    if (name.empty()) {
        GANTRY_CHECK(DockerConfig::put(registry, credentials).context("keep the credentials"));
        GANTRY_TRY(config, DockerConfig::load());
        return config.path();
    }
    GANTRY_TRY(CredentialHelper helper, CredentialHelper::create(name));
    GANTRY_CHECK(helper.store(registry, credentials));
    GANTRY_CHECK(DockerConfig::put(registry, {}));
    return std::string();
}

Result<bool> erase_credentials(std::string_view registry) {
    GANTRY_TRY(DockerConfig config, DockerConfig::load());
    std::string name = config.helper(registry);
    GANTRY_TRY(bool found, DockerConfig::remove(registry));
    if (name.empty()) return found;
    GANTRY_TRY(CredentialHelper helper, CredentialHelper::create(name));
    GANTRY_CHECK(helper.erase(registry));
    return found;
}

Result<std::string> registry_auth_header(std::string_view image) {
    const std::string registry = registry_of_image(image);
    GANTRY_TRY(Credentials found, find_credentials(registry));
    if (found.empty()) return std::string();
    Json document{{"serveraddress", registry}};
    if (!found.username.empty()) document["username"] = found.username;
    if (!found.password.empty()) document["password"] = found.password;
    if (!found.identity_token.empty()) document["identitytoken"] = found.identity_token;
    return "X-Registry-Auth: " + to_base64(document.dump(-1, ' ', false, Json::error_handler_t::replace), Base64::url) +
           "\r\n";
}

}  // namespace gantry::cli
