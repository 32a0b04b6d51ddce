#include "core/build/source_auth.hpp"

#include <algorithm>

#include "core/base/base64.hpp"
#include "core/base/text.hpp"

namespace gantry::build {
namespace {

// The first of the secrets that there is, as one line; "" for none.
Result<std::string> first_secret(const std::vector<std::string>& ids, const AskSecret& secret) {
    if (!secret) return std::string();
    for (const std::string& id : ids) {
        GANTRY_TRY(auto found, secret(id));
        if (!found) continue;
        // Files end with a newline.
        const std::string value(trim(*found));
        const bool printable =
            std::all_of(value.begin(), value.end(), [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
        if (value.empty() || !printable || value.size() > 16384)
            return fail(Code::invalid, "secret " + quote_json(id) + ": want one line of text, 16 KiB at most");
        return value;
    }
    return std::string();
}

}  // namespace

std::string origin_of(const std::string& url) {
    const std::string lower = to_lower(url);
    if (!lower.starts_with("http://") && !lower.starts_with("https://")) return {};
    const std::size_t begin = lower.find("://") + 3;
    std::string authority = lower.substr(begin, lower.find_first_of("/?#", begin) - begin);
    authority.erase(0, authority.rfind('@') + 1);
    return authority.empty() ? std::string() : lower.substr(0, begin) + authority;
}

Result<std::string> git_authorization(const std::string& url, const AskSecret& secret) {
    const std::string origin = origin_of(url);
    if (origin.empty()) return std::string();
    const std::string host = origin.substr(origin.find("://") + 3);
    // Each host's own first, and the header before the token: it says more.
    for (const std::string& of : {"." + host, std::string()}) {
        GANTRY_TRY(std::string header, first_secret({"GIT_AUTH_HEADER" + of}, secret));
        if (!header.empty()) return header;
        GANTRY_TRY(std::string token, first_secret({"GIT_AUTH_TOKEN" + of}, secret));
        if (!token.empty()) return "Basic " + to_base64("x-access-token:" + token);
    }
    return std::string();
}

Result<std::string> http_authorization(const std::string& url, const AskSecret& secret) {
    const std::string origin = origin_of(url);
    if (origin.empty()) return std::string();
    const std::string host = origin.substr(origin.find("://") + 3);
    GANTRY_TRY(std::string header, first_secret({"HTTP_AUTH_HEADER_" + host}, secret));
    if (!header.empty()) return header;
    GANTRY_TRY(std::string token, first_secret({"HTTP_AUTH_TOKEN_" + host}, secret));
    return token.empty() ? token : "Bearer " + token;
}

}  // namespace gantry::build
