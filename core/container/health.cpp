#include "core/container/health.hpp"

#include <algorithm>

#include "core/base/clock.hpp"

namespace gantry::container {

namespace {

Result<void> check_types(const Json& given) {
    auto is_there = [&](const char* key) { return given.contains(key) && !given[key].is_null(); };
    for (const char* key : {"Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"})
        if (is_there(key) && !given[key].is_number_integer())
            return fail(Code::invalid, std::string(key) + " in Healthcheck is not a whole number");
    if (!is_there("Test")) return {};
    const Json& test = given["Test"];
    if (!test.is_array() || !std::all_of(test.begin(), test.end(), [](const Json& word) { return word.is_string(); }))
        return fail(Code::invalid, "Test in Healthcheck is not a list of strings");
    return {};
}

}  // namespace

Result<HealthCheck> read_health_check(const Json& config) {
    HealthCheck check;
    if (!config.contains("Healthcheck") || !config["Healthcheck"].is_object()) return check;
    const Json& given = config["Healthcheck"];
    GANTRY_CHECK(check_types(given));
    try {
        auto duration = [&](const char* key, std::int64_t& value) -> Result<void> {
            std::int64_t asked = given.contains(key) && !given[key].is_null() ? given[key].get<std::int64_t>() : 0;
            if (asked != 0 && asked < 1'000'000)
                return fail(Code::invalid, std::string(key) + " in Healthcheck cannot be less than 1ms");
            if (asked > 0) value = asked;
            return {};
        };
        GANTRY_CHECK(duration("Interval", check.interval_ns));
        GANTRY_CHECK(duration("Timeout", check.timeout_ns));
        GANTRY_CHECK(duration("StartPeriod", check.start_period_ns));
        GANTRY_CHECK(duration("StartInterval", check.start_interval_ns));
        int retries = given.contains("Retries") && !given["Retries"].is_null() ? given["Retries"].get<int>() : 0;
        if (retries < 0) return fail(Code::invalid, "Retries in Healthcheck cannot be negative");
        if (retries > 0) check.retries = retries;
        std::vector<std::string> test = given.contains("Test") && given["Test"].is_array()
                                            ? given["Test"].get<std::vector<std::string>>()
                                            : std::vector<std::string>{};
        if (test.empty() || test[0] == "NONE") return check;
        if (test.size() < 2) return fail(Code::invalid, "Test in Healthcheck has no command");
        if (test[0] == "CMD") {
            check.command.assign(test.begin() + 1, test.end());
        } else if (test[0] == "CMD-SHELL") {
            if (auto shell = config.find("Shell"); shell != config.end() && shell->is_array() && !shell->empty())
                check.command = shell->get<std::vector<std::string>>();
            else
                check.command = {"/bin/sh", "-c"};
            check.command.push_back(test[1]);
        } else {
            return fail(Code::invalid,
                        "Unknown probe type '" + test[0] + "' in Healthcheck, allowed: NONE, CMD, CMD-SHELL");
        }
        return check;
    } catch (const Json::exception& e) {
        return fail(Code::invalid, std::string("Healthcheck: ") + e.what());
    }
}

bool Health::add(Probe probe, const HealthCheck& check, bool in_start_period) {
    std::string before = status;
    if (probe.exit_code == 0) {
        failing_streak = 0;
        status = "healthy";
    } else if (!(in_start_period && status == "starting")) {
        ++failing_streak;
        if (failing_streak >= check.retries) status = "unhealthy";
    }
    log.push_back(std::move(probe));
    if (log.size() > 5) log.erase(log.begin());
    return status != before;
}

Json Health::to_api() const {
    Json probes = Json::array();
    for (const Probe& probe : log)
        probes.push_back({{"Start", rfc3339(probe.start_ns)},
                          {"End", rfc3339(probe.end_ns)},
                          {"ExitCode", probe.exit_code},
                          {"Output", probe.output}});
    return {{"Status", status}, {"FailingStreak", failing_streak}, {"Log", probes}};
}

void to_json(Json& j, const Health& h) { j = {{"status", h.status}, {"failing_streak", h.failing_streak}}; }

}  // namespace gantry::container
