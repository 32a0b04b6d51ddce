#include "core/image/registry/credentials.hpp"

#include "core/base/text.hpp"

namespace gantry::image::registry {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string encode_base64(std::string_view bytes) {
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t bits = 0;
        for (std::size_t k = 0; k < 3; ++k)
            bits = bits << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
        for (std::size_t k = 0; k < 4; ++k) out += i + k > bytes.size() ? '=' : alphabet[bits >> (18 - 6 * k) & 63u];
    }
    return out;
}

Result<std::string> decode_base64(std::string_view text) {
    while (text.ends_with('=')) text.remove_suffix(1);
    std::string out;
    std::uint32_t bits = 0;
    int filled = 0;
    for (char c : text) {
        if (c == '-') c = '+';
        if (c == '_') c = '/';
        const std::size_t value = alphabet.find(c);
        if (value == alphabet.npos) return fail(Code::invalid, "not base64");
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        filled += 6;
        if (filled >= 8) {
            filled -= 8;
            out += static_cast<char>(bits >> filled & 0xffu);
        }
    }
    return out;
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
