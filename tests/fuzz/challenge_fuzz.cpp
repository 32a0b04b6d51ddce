// WWW-Authenticate of a hostile registry, and the URLs that stand in it.
#include "core/image/registry/challenge.hpp"
#include "core/image/registry/url.hpp"
#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gantry;
    namespace registry = image::registry;
    static const auto base = registry::parse_url("https://registry.example/v2/");
    fuzz::require(bool(base), "a plain URL is refused");
    auto try_url = [](std::string_view text) {
        auto url = registry::parse_url(text, &*base);
        if (!url) return fuzz::require_told(url.error().text);
        fuzz::require(url->scheme == "http" || url->scheme == "https", "a scheme that is none: " + url->scheme);
        fuzz::require(url->port > 0 && url->port < 65536 && !url->host.empty() && url->target.starts_with("/"),
                      "a URL without one of its parts: " + url->text());
        for (char c : url->text())
            fuzz::require(static_cast<unsigned char>(c) > 0x20 && c != 0x7f, "a URL with a blank");
        fuzz::require(url->host.find_first_of("/@?#\\") == std::string::npos, "a host that is more: " + url->host);
        auto again = registry::parse_url(url->text());
        fuzz::require(again && again->text() == url->text(), "it reads differently when written out: " + url->text());
    };
    const std::string_view text = fuzz::text_of(data, size);
    try_url(text);
    for (const registry::Challenge& challenge : registry::parse_challenges(text)) {
        fuzz::require(!challenge.scheme.empty(), "a challenge without a scheme");
        for (char c : challenge.scheme) fuzz::require(!(c >= 'A' && c <= 'Z') && c > ' ', "a scheme in upper case");
        for (const auto& [name, value] : challenge.parameters) {
            fuzz::require(!name.empty(), "a parameter without a name");
            for (char c : name) fuzz::require(!(c >= 'A' && c <= 'Z') && c != '=', "a name in upper case");
            if (name == "realm") try_url(value);
        }
    }
    return 0;
}
