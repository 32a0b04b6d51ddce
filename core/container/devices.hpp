// Device nodes and device rules of a container, from HostConfig.
#pragma once
#include <optional>
#include <string>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::container {

struct DeviceNumber {
    char type = 'c';
    unsigned major = 0, minor = 0, mode = 0, uid = 0, gid = 0;
};
// The device node at `path` of the host; nullopt: none there.
std::optional<DeviceNumber> device_number(const std::string& path);
// Devices, DeviceCgroupRules of HostConfig are well-formed and name devices that exist.
Result<void> check_devices(const Json& host_config);
// linux.devices: what is made beside the runtime's own set; every device of the host when privileged.
Json device_nodes(const Json& host_config, bool privileged);
// linux.resources.devices: deny all, then what is allowed.
Json device_rules(const Json& host_config, bool privileged);

}  // namespace gantry::container
