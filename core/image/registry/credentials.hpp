// What proves to a registry who asks, as clients of the Engine API send it.
#pragma once
#include <string>
#include <string_view>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::image::registry {

struct Credentials {
    std::string user, password;
    std::string identity_token;  // OAuth2 refresh token, in place of a password
    std::string registry_token;  // bearer token to show as it is
    bool empty() const { return password.empty() && identity_token.empty() && registry_token.empty(); }
};

// The body of POST /auth: username, password, auth (base64 of both), identitytoken, registrytoken. GANTRY_INVALID: a
// member is no text, or has a line break.
Result<Credentials> read_credentials(const Json& object);
// The header X-Registry-Auth: base64url of such an object; "" and an empty object are none.
Result<Credentials> parse_registry_auth(std::string_view header);

std::string encode_base64(std::string_view bytes);
// Both alphabets, with or without padding. GANTRY_INVALID for other characters.
Result<std::string> decode_base64(std::string_view text);

}  // namespace gantry::image::registry
