// Keeps callers away from a driver whose calls do not come back.
#pragma once
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include <gantry/result.hpp>

namespace gantry::driver {

// Counts calls that passed their deadline and have not been answered since. With `limit` of them the driver is
// unavailable: calls fail at once, until some are answered or the driver's health says otherwise. Thread-safe.
class Breaker {
public:
    explicit Breaker(int limit) : limit_(limit) {}
    // Whether a call may be made. `probe` asks the driver's health; it runs with no lock held, on one thread at a time and
    // once a second at most.
    Result<void> admit(const std::string& driver, const std::function<Result<void>()>& probe);
    void stuck();
    void answered();

private:
    std::mutex mutex_;
    int limit_;
    int stuck_ = 0;
    int forgiven_ = 0;  // stuck ones that a good health report made up for
    bool probing_ = false;
    std::int64_t next_probe_ns_ = 0;
};

}  // namespace gantry::driver
