#include "core/cli/docker_config.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>

#include <memory>

#include "core/base/files.hpp"
#include "core/base/base64.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/registry_host.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t config_limit = 4u << 20;

Result<Json> read_document(const std::string& path) {
    auto text = read_file(path, config_limit);
    if (!text && text.error().code == Code::not_found) return Json::object();
    if (!text) return text.error();
    if (text->find_first_not_of(" \t\r\n") == std::string::npos) return Json::object();
    Json document = parse_json(*text);
    if (!document.is_object()) return fail(Code::corrupt, "\"" + path + "\" is not a JSON object");
    return document;
}

// The entry of `auths` for the registry: its own key, or one that names the same host.
std::string find_key(const Json& auths, std::string_view registry) {
    if (!auths.is_object()) return {};
    if (auths.contains(registry)) return std::string(registry);
    for (const auto& [key, entry] : auths.items())
        if (registry_of_server(key) == registry) return key;
    return {};
}

// Reads, lets `change` work on `auths` and writes: nobody else's change in between is lost.
template <typename Change>
Result<bool> update(Change change) {
    GANTRY_TRY(std::string directory, docker_config_directory());
    GANTRY_CHECK(make_directories(directory));
    GANTRY_TRY(UniqueFd lock, open_file(directory, O_RDONLY | O_DIRECTORY));
    if (::flock(lock.get(), LOCK_EX) != 0) return fail_errno("lock \"" + directory + "\"");
    std::string path = directory + "/config.json";
    // A link stays one: the file behind it is replaced.
    if (std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free); real)
        path = real.get();
    GANTRY_TRY(Json document, read_document(path));
    Json& auths = document["auths"];
    if (!auths.is_object() && !auths.is_null())
        return fail(Code::corrupt, "\"auths\" in \"" + path + "\" is not an object");
    if (auths.is_null()) auths = Json::object();
    if (!change(auths)) return false;
    std::string text = document.dump(1, '\t', false, Json::error_handler_t::replace);
    GANTRY_CHECK(write_file_atomic(path, text + "\n", 0600));
    return true;
}

}  // namespace

Result<std::string> docker_config_directory() {
    for (const char* name : {"GANTRY_CONFIG", "DOCKER_CONFIG"})
        if (const char* value = std::getenv(name); value && *value) return std::string(value);
    const char* home = std::getenv("HOME");
    if (!home || !*home)
        return fail(Code::not_found, "no place for config.json: none of GANTRY_CONFIG, DOCKER_CONFIG and HOME is set");
    return std::string(home) + "/.docker";
}

Result<DockerConfig> DockerConfig::load() {
    DockerConfig config;
    auto directory = docker_config_directory();
    // Nowhere to look: nothing is known, and nothing is wrong.
    if (!directory) return config;
    config.path_ = *directory + "/config.json";
    GANTRY_TRY(config.document_, read_document(config.path_));
    return config;
}

std::string DockerConfig::helper(std::string_view registry) const {
    const Json& helpers = member(document_, "credHelpers");
    if (helpers.is_object())
        for (const auto& [key, name] : helpers.items())
            if (registry_of_server(key) == registry) return as_text(name);
    return text_at(document_, "credsStore");
}

Result<Credentials> DockerConfig::find(std::string_view registry) const {
    const Json& auths = member(document_, "auths");
    const std::string key = find_key(auths, registry);
    if (key.empty()) return Credentials{};
    const Json& entry = member(auths, key);
    Credentials found{text_at(entry, "username"), text_at(entry, "password"), text_at(entry, "identitytoken")};
    std::string auth = text_at(entry, "auth");
    if (auth.empty()) return found;
    auto pair = from_base64(auth);
    std::size_t colon = pair ? pair->find(':') : std::string::npos;
    if (colon == std::string::npos)
        return fail(Code::corrupt,
                    "\"auth\" of \"" + key + "\" in \"" + path_ + "\" is not base64 of \"user:password\"");
    found.username = pair->substr(0, colon);
    found.password = pair->substr(colon + 1);
    while (found.password.ends_with('\0')) found.password.pop_back();
    return found;
}

Result<void> DockerConfig::put(std::string_view registry, const Credentials& credentials) {
    auto done = update([&](Json& auths) {
        const std::string key = find_key(auths, registry);
        Json entry = Json::object();
        if (!credentials.empty()) entry["auth"] = to_base64(credentials.username + ":" + credentials.password);
        if (!credentials.identity_token.empty()) entry["identitytoken"] = credentials.identity_token;
        auths[key.empty() ? std::string(registry) : key] = std::move(entry);
        return true;
    });
    return done ? Result<void>() : std::move(done).error();
}

Result<bool> DockerConfig::remove(std::string_view registry) {
    return update([&](Json& auths) {
        bool found = false;
        for (std::string key; !(key = find_key(auths, registry)).empty(); found = true) auths.erase(key);
        return found;
    });
}

}  // namespace gantry::cli
