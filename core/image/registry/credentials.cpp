#include "core/image/registry/credentials.hpp"

#include "core/base/base64.hpp"
#include "core/base/text.hpp"

namespace gantry::image::registry {

std::string encode_base64(std::string_view bytes) { return to_base64(bytes); }

Result<std::string> decode_base64(std::string_view text) {
    auto bytes = from_base64(text);
    if (!bytes) return fail(Code::invalid, "not base64");
    return *bytes;
}

Result<Credentials> read_credentials(const Json& object) {
    Credentials credentials;
    std::string both;
    for (auto [key, to] : {std::pair{"username", &credentials.user},
                           {"password", &credentials.password},
                           {"auth", &both},
                           {"identitytoken", &credentials.identity_token},
                           {"registrytoken", &credentials.registry_token}}) {
        auto found = object.find(key);
        if (found == object.end() || found->is_null()) continue;
        if (!found->is_string())
            return fail(Code::invalid, std::string("\"") + key + "\" of the credentials is no text");
        *to = found->get<std::string>();
        // They become lines of a request.
        if (to->find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
            return fail(Code::invalid, std::string("\"") + key + "\" of the credentials has a line break in it");
        if (to->size() > 64u << 10)
            return fail(Code::invalid, std::string("\"") + key + "\" of the credentials is longer than 64 KiB");
    }
    if (!both.empty() && credentials.user.empty() && credentials.password.empty()) {
        auto plain = decode_base64(both);
        const std::size_t colon = plain ? plain->find(':') : std::string::npos;
        if (colon == std::string::npos)
            return fail(Code::invalid, "\"auth\" of the credentials is not base64 of USER:PASSWORD");
        credentials.user = plain->substr(0, colon);
        credentials.password = plain->substr(colon + 1);
    }
    return credentials;
}

Result<Credentials> parse_registry_auth(std::string_view header) {
    if (header.empty()) return Credentials{};
    auto bad = [] { return fail(Code::invalid, "invalid X-Registry-Auth header: must be base64url of a JSON object"); };
    auto text = decode_base64(header);
    if (!text) return bad();
    const Json json = Json::parse(*text, nullptr, false);
    if (json.is_null()) return Credentials{};
    if (!json.is_object()) return bad();
    return read_credentials(json).context("invalid X-Registry-Auth header");
}

}  // namespace gantry::image::registry
