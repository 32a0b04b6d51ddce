// Docker's config.json: credentials of registries and the programs that keep them. What else is in the file is left as it is.
#pragma once
#include <string>
#include <string_view>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::cli {

struct Credentials {
    std::string username, password, identity_token;
    bool empty() const { return username.empty() && password.empty() && identity_token.empty(); }
};

// $GANTRY_CONFIG, $DOCKER_CONFIG or ~/.docker. GANTRY_NOT_FOUND: none of them and no HOME.
Result<std::string> docker_config_directory();

class DockerConfig {
public:
    // $GANTRY_CONFIG/config.json, $DOCKER_CONFIG/config.json or ~/.docker/config.json; a file that is not there is an
    // empty one. GANTRY_CORRUPT: not a JSON object.
    static Result<DockerConfig> load();

    const std::string& path() const { return path_; }
    // The program that keeps this registry's credentials: NAME of docker-credential-NAME; "": the file itself.
    std::string helper(std::string_view registry) const;
    // What the file itself holds for the registry. GANTRY_CORRUPT: an "auth" that is not base64 of "user:password".
    Result<Credentials> find(std::string_view registry) const;

    // Both read the file again under a lock, change one entry and put it back in one step, mode 0600.
    // `credentials` empty: the entry says only that a helper has them.
    static Result<void> put(std::string_view registry, const Credentials& credentials);
    // False: there was no entry.
    static Result<bool> remove(std::string_view registry);

private:
    std::string path_;
    Json document_ = Json::object();
};

}  // namespace gantry::cli
