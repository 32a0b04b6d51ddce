#include "core/build/dockerfile/platform.hpp"

#include "core/base/text.hpp"

namespace gantry::build::dockerfile {
namespace {

const std::vector<std::string>& architectures() {
    static const std::vector<std::string> names = {"386",     "amd64",   "arm",      "arm64",  "loong64",
                                                   "mips",    "mips64",  "mips64le", "mipsle", "ppc64",
                                                   "ppc64le", "riscv64", "s390x"};
    return names;
}

void normalise(Platform* platform) {
    static const std::map<std::string, std::pair<const char*, const char*>, std::less<>> others = {
        {"x86_64", {"amd64", ""}},  {"x86-64", {"amd64", ""}}, {"i386", {"386", ""}},   {"i686", {"386", ""}},
        {"aarch64", {"arm64", ""}}, {"armhf", {"arm", "v7"}},  {"armel", {"arm", "v6"}}};
    if (auto other = others.find(platform->architecture); other != others.end()) {
        platform->architecture = other->second.first;
        if (platform->variant.empty()) platform->variant = other->second.second;
    }
    std::string& variant = platform->variant;
    if (!variant.empty() && variant[0] >= '0' && variant[0] <= '9') variant = "v" + variant;
    if (platform->architecture == "arm" && variant.empty()) variant = "v7";
    if ((platform->architecture == "arm64" && variant == "v8") ||
        (platform->architecture == "amd64" && variant == "v1"))
        variant = "";
}

bool is_variant(std::string_view text) {
    return !text.empty() && text.size() <= 16 &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.") == std::string_view::npos;
}

}  // namespace

Result<Platform> parse_platform(std::string_view text, const Platform& standard) {
    static const std::vector<std::string> systems = {"linux",   "windows", "darwin",  "freebsd",   "netbsd",  "openbsd",
                                                     "solaris", "aix",     "android", "dragonfly", "illumos", "plan9"};
    auto is_system = [&](const std::string& word) {
        return std::find(systems.begin(), systems.end(), word) != systems.end();
    };
    std::vector<std::string> parts;
    const std::string lower = to_lower(text);
    for (std::string_view part : split(lower, '/')) parts.emplace_back(part);
    Platform platform;
    platform.os = standard.os;
    if (parts.size() == 1 && is_system(parts[0])) {
        platform = standard;
        platform.os = parts[0];
    } else {
        if (parts.size() > 1 || is_system(parts[0])) {
            platform.os = parts[0];
            parts.erase(parts.begin());
        }
        platform.architecture = parts[0];
        if (parts.size() > 1) platform.variant = parts[1];
        normalise(&platform);
    }
    const auto& known = architectures();
    bool good = is_system(platform.os) && parts.size() <= 2 &&
                (platform.variant.empty() || is_variant(platform.variant)) &&
                std::find(known.begin(), known.end(), platform.architecture) != known.end();
    if (!good) {
        std::string near = platform.architecture.size() < 3 ? "" : nearest(platform.architecture, known);
        return fail(
            Code::invalid,
            "invalid platform: found " + quote_json(text.substr(0, 100)) + ", allowed is os/architecture[/variant]" +
                (near.empty() || near == platform.architecture ? ": linux/amd64" : " (did you mean " + near + "?)"));
    }
    if (platform.os != "linux")
        return fail(Code::unsupported,
                    "the platform " + quote_json(platform.text()) + " is not supported: images are for linux");
    return platform;
}

bool same_platform(const Platform& a, const Platform& b) {
    Platform left = a, right = b;
    normalise(&left);
    normalise(&right);
    return left.text() == right.text();
}

}  // namespace gantry::build::dockerfile
