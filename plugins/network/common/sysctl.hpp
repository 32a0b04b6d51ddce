// Settings under /proc/sys/net of the calling thread's network namespace.
#pragma once
#include <string>

#include <gantry/result.hpp>

namespace gantry::netlink {

// "ipv4/conf/gantry0/route_localnet". A kernel without the setting: success when `optional`.
enum class Missing { is_an_error = 1, is_fine };
Result<void> write_sysctl(const std::string& name, const std::string& value, Missing missing = Missing::is_an_error);
Result<std::string> read_sysctl(const std::string& name);

}  // namespace gantry::netlink
