// Health checks: a probe run in the container at intervals, and what follows from its exit status.
// Semantics: Dockerfile reference, HEALTHCHECK; HealthConfig of the Engine API.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::container {

struct HealthCheck {
    std::vector<std::string> command;  // argv of the probe; empty: there is none
    std::int64_t interval_ns = 30'000'000'000, timeout_ns = 30'000'000'000, start_period_ns = 0,
                 start_interval_ns = 5'000'000'000;
    int retries = 3;
};

// Config.Healthcheck over the image's; `shell` is the image's SHELL or empty. GANTRY_INVALID for what is malformed.
Result<HealthCheck> read_health_check(const Json& config);

// How a container's health stands; a pure state machine.
struct Health {
    std::string status = "none";  // "none", "starting", "healthy", "unhealthy"
    int failing_streak = 0;
    struct Probe {
        std::int64_t start_ns = 0, end_ns = 0;
        int exit_code = 0;
        std::string output;  // 4096 bytes at most
    };
    std::vector<Probe> log;  // the newest five

    // Takes a probe's outcome in; `in_start_period`: failures do not count yet. True when the status changed.
    bool add(Probe probe, const HealthCheck& check, bool in_start_period);
    Json to_api() const;  // State.Health
};
void to_json(Json& j, const Health& h);

}  // namespace gantry::container
