// Programs that keep credentials, docker-credential-NAME: a verb as argument, words on standard input, an answer on standard
// output (github.com/docker/docker-credential-helpers).
#pragma once
#include <string>
#include <string_view>

#include <gantry/result.hpp>

#include "core/cli/docker_config.hpp"

namespace gantry::cli {

class CredentialHelper {
public:
    // `timeout_ms`: how long one call may take. GANTRY_INVALID: a name that is no program's name.
    static Result<CredentialHelper> create(std::string name, int timeout_ms = 60000);

    // Each is an error if the program is missing, hangs, fails or says what cannot be meant; nothing may be sent anywhere
    // then. get(): empty where the program knows nothing of the registry.
    Result<Credentials> get(std::string_view registry) const;
    Result<void> store(std::string_view registry, const Credentials& credentials) const;
    // Nothing to erase is success.
    Result<void> erase(std::string_view registry) const;
    const std::string& program() const { return program_; }

private:
    struct Answer {
        bool success = false;
        std::string text;
    };
    Result<Answer> run(const char* verb, std::string_view input) const;

    std::string program_;
    int timeout_ms_ = 0;
};

}  // namespace gantry::cli
