// -v, --mount, --tmpfs and --device.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::cli {

// -v: a bind ("source:target[:mode]", a relative source made absolute), or an anonymous volume ("target").
struct VolumeArgument {
    bool anonymous = false;
    std::string text;
};
Result<VolumeArgument> parse_volume(std::string_view specification);
// --mount type=...,source=...,target=...: a Mount of the API.
Result<Json> parse_mount(std::string_view specification);
// --device host[:container[:rwm]]: a DeviceMapping.
Result<Json> parse_device(std::string_view specification);
// vendor/class=name is the name of a CDI device and not a path.
bool is_cdi_device(std::string_view specification);
// Splits a line of comma-separated values with double quotes (RFC 4180).
Result<std::vector<std::string>> split_csv(std::string_view text);
// "./x" and ".." against the working directory; others as they are.
std::string absolute_path(std::string_view path);

}  // namespace gantry::cli
