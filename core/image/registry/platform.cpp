#include "core/image/registry/platform.hpp"

#include <gantry/driver.hpp>

#include "core/base/text.hpp"
#include "core/image/archive_plan.hpp"

namespace gantry::image::registry {
namespace {

void normalise(Platform& platform) {
    platform.os = to_lower(platform.os);
    std::string& architecture = platform.architecture;
    architecture = to_lower(architecture);
    platform.variant = to_lower(platform.variant);
    if (platform.os == "macos") platform.os = "darwin";
    if (architecture == "x86_64" || architecture == "x86-64") architecture = "amd64";
    if (architecture == "aarch64") architecture = "arm64";
    if (architecture == "i386" || architecture == "i686") architecture = "386";
    if (architecture == "armhf") architecture = "arm", platform.variant = "v7";
    if (architecture == "armel") architecture = "arm", platform.variant = "v6";
    if (platform.variant == "8" || platform.variant == "7" || platform.variant == "6" || platform.variant == "5")
        platform.variant.insert(0, "v");
    // The usual variant is not written.
    if (architecture == "arm64" && platform.variant == "v8") platform.variant.clear();
    if (architecture == "arm" && platform.variant.empty()) platform.variant = "v7";
    if (architecture == "amd64" && platform.variant == "v1") platform.variant.clear();
}

// "v7" of arm: 7; the usual variant of the others as its number.
int level_of(const Platform& platform) {
    if (platform.variant.empty()) return platform.architecture == "arm64" ? 8 : 1;
    auto number = platform.variant.starts_with('v') ? parse_int(platform.variant.substr(1)) : std::nullopt;
    return number && *number > 0 && *number < 100 ? static_cast<int>(*number) : 0;
}

bool is_word(std::string_view text) {
    return !text.empty() && text.size() <= 64 && text.front() != '.' &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                      c == '-' || c == '.';
           });
}

bool is_os(std::string_view text) {
    static constexpr std::string_view known[] = {"linux",   "windows", "darwin",    "macos",   "freebsd",
                                                 "openbsd", "netbsd",  "dragonfly", "illumos", "solaris",
                                                 "aix",     "android", "plan9",     "js",      "wasip1"};
    const std::string lower = to_lower(text);
    return std::find(std::begin(known), std::end(known), lower) != std::end(known);
}

}  // namespace

std::string Platform::text() const {
    std::string all = os + "/" + architecture;
    if (!variant.empty() && !(architecture == "arm" && variant == "v7")) all += "/" + variant;
    return all;
}

Result<Platform> parse_platform(std::string_view text) {
    const auto parts = split(text, '/');
    if (parts.size() > 3 || !std::all_of(parts.begin(), parts.end(), is_word))
        return fail(Code::invalid, "platform " + quote_json(text.substr(0, 100)) +
                                       " is not of the form OS[/ARCHITECTURE[/VARIANT]], such as \"linux/arm64\"");
    Platform platform{"linux", host_architecture(), ""};
    if (parts.size() == 1)
        (is_os(parts[0]) ? platform.os : platform.architecture) = parts[0];
    else
        platform = {std::string(parts[0]), std::string(parts[1]), parts.size() == 3 ? std::string(parts[2]) : ""};
    normalise(platform);
    return platform;
}

Platform platform_of(const Json& object) {
    if (!object.is_object()) return {};
    Platform platform{member<std::string>(object, "os"), member<std::string>(object, "architecture"),
                      member<std::string>(object, "variant")};
    if (!platform.architecture.empty()) normalise(platform);
    return platform;
}

Platform host_platform() {
    Platform platform{"linux", host_architecture(), ""};
    normalise(platform);
    return platform;
}

int fitness(const Platform& wanted, const Platform& offered) {
    if (wanted.os != offered.os || wanted.architecture != offered.architecture) return 0;
    if (wanted.variant == offered.variant) return 100;
    const int want = level_of(wanted), offer = level_of(offered);
    if (offer == 0 || offer > want) return 0;
    return offer;
}

}  // namespace gantry::image::registry
