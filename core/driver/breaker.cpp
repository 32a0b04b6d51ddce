#include "core/driver/breaker.hpp"

#include "core/base/clock.hpp"

namespace gantry::driver {

Result<void> Breaker::admit(const std::string& driver, const std::function<Result<void>()>& probe) {
    std::unique_lock lock(mutex_);
    if (stuck_ - forgiven_ < limit_) return {};
    auto unavailable = [&](const std::string& why) {
        return fail(Code::retry_later, "driver \"" + driver + "\" is unavailable: " + std::to_string(stuck_) +
                                           " calls passed their deadline and were never answered" + why);
    };
    if (probing_ || monotonic_ns() < next_probe_ns_) return unavailable("");
    probing_ = true;
    lock.unlock();
    Result<void> health = probe();
    lock.lock();
    probing_ = false;
    next_probe_ns_ = monotonic_ns() + 1'000'000'000;
    if (!health) return unavailable("; its health: " + health.error().text);
    forgiven_ = stuck_;
    return {};
}

void Breaker::stuck() {
    std::lock_guard lock(mutex_);
    ++stuck_;
}

void Breaker::answered() {
    std::lock_guard lock(mutex_);
    --stuck_;
    if (forgiven_ > 0) --forgiven_;
}

}  // namespace gantry::driver
