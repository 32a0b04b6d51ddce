// Platforms of images: "linux/arm64/v8" (OCI image-spec, image-index.md), and which of several fits best.
#pragma once
#include <string>
#include <string_view>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::image::registry {

struct Platform {
    std::string os, architecture, variant;  // normal form: "amd64", not "x86_64"; variant "" where it is the usual one
    std::string text() const;
    bool operator==(const Platform&) const = default;
};

// OS[/ARCHITECTURE[/VARIANT]] or ARCHITECTURE alone, also in the words of uname. GANTRY_INVALID with what is allowed.
Result<Platform> parse_platform(std::string_view text);
// {"os", "architecture", "variant"} of an index or a config.
Platform platform_of(const Json& object);
// This machine's.
Platform host_platform();

// How well an image for `offered` runs where `wanted` is asked for: 0 not at all, more is better. Of ARM variants and
// of the levels of amd64 ("v2"), lower ones run too.
int fitness(const Platform& wanted, const Platform& offered);

}  // namespace gantry::image::registry
