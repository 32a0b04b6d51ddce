// The configuration in force. It is exchanged whole, so that who asks sees the one before a reload or the one after.
#pragma once
#include <memory>
#include <mutex>

#include "core/config/config.hpp"

namespace gantry::config {

// Thread-safe.
class Live {
public:
    explicit Live(Config config) : config_(std::make_shared<const Config>(std::move(config))) {}
    std::shared_ptr<const Config> get() const {
        std::lock_guard lock(mutex_);
        return config_;
    }
    void set(Config config) {
        auto next = std::make_shared<const Config>(std::move(config));
        std::lock_guard lock(mutex_);
        config_ = std::move(next);
    }

private:
    mutable std::mutex mutex_;
    std::shared_ptr<const Config> config_;
};

}  // namespace gantry::config
