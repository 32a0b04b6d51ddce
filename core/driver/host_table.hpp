// What this process lends its drivers: the members of gantry_host.
#pragma once
#include <gantry/abi/driver.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::driver {

// A program that a driver wants run (gantry_host.spawn), checked.
struct SpawnRequest {
    std::vector<std::string> argv;         // argv[0] absolute
    std::vector<std::string> environment;  // "KEY=value"
    int timeout_ms = 0;
};
Result<SpawnRequest> parse_spawn(const Json& spec, int timeout_ms);

// Where the requests of drivers go. Each member may be empty: then the driver is told "unsupported", or nothing happens.
struct HostServices {
    std::function<void(const std::string& driver, std::int32_t level, std::string_view text)> log;
    std::function<void(const std::string& driver, const Json& event)> event;
    std::function<Result<int>(const SpawnRequest&, const int fds[3])> spawn;
    bool threads = true;  // false: this process must stay single-threaded
};

// One driver's gantry_host. Must outlive the driver's close().
class HostTable {
public:
    HostTable(std::string driver, std::shared_ptr<const HostServices> services);
    HostTable(const HostTable&) = delete;
    HostTable& operator=(const HostTable&) = delete;
    const gantry_host* get() const { return &table_; }

private:
    static void log(void* ctx, gantry_call* call, std::int32_t level, gantry_str text) noexcept;
    static gantry_status in_netns(void* ctx, int netns, std::int32_t (*fn)(void*), void* arg,
                                  std::int32_t* result) noexcept;
    static gantry_status spawn(void* ctx, gantry_call* call, gantry_str spec, const int fds[3],
                               std::int32_t* exit_status) noexcept;
    static void event(void* ctx, gantry_str json) noexcept;

    std::string driver_;
    std::shared_ptr<const HostServices> services_;
    gantry_host table_;
};

// Writes a driver's line to the engine's log (core/base/log).
void log_for_driver(const std::string& driver, std::int32_t level, std::string_view text);

}  // namespace gantry::driver
