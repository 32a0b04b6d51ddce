// Pulling and pushing images, for `pull`, `push`, `run`, `create` and `build`.
#pragma once
#include <string>

#include <gantry/result.hpp>

#include "core/cli/client.hpp"
#include "core/cli/progress.hpp"

namespace gantry::cli {

struct PullWish {
    std::string reference;  // without a tag or digest: "latest", or every tag
    std::string platform;   // "": the engine's own
    int to = 1;             // where progress goes
    Verbosity verbosity = Verbosity::normal;
    bool all_tags = false;
};
// POST /images/create with the credentials that the user has for the registry.
Result<void> pull_image(Client& client, const PullWish& wish);
// POST /images/NAME/push with the credentials for its registry. `reference` without a tag: every tag.
struct PushWish {
    std::string reference, platform;  // platform "": as the image is
    int to = 1;
    Verbosity verbosity = Verbosity::normal;
};
Result<void> push_image(Client& client, const PushWish& wish);
// "nginx" -> "nginx:latest"; a tag or digest stays.
std::string with_tag(const std::string& reference);
// {"os":..,"architecture":..,"variant":..} of "linux/arm64/v8", as text. GANTRY_INVALID: not a platform.
Result<std::string> platform_json(const std::string& platform);

}  // namespace gantry::cli
