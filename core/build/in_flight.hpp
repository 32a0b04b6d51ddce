// The same step of several builds at one time is done once. Thread-safe.
#pragma once
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <gantry/result.hpp>

#include "core/build/cancel.hpp"
#include "core/build/value.hpp"

namespace gantry::build {

class InFlight {
public:
    // `work`, or the result that another build's work of the same key gives meanwhile; *shared says which. Where that one
    // fails or is cancelled, this build does it itself.
    Result<LayerRef> once(const std::string& key, Cancel& cancel, const std::function<Result<LayerRef>()>& work,
                          bool* shared);

private:
    struct Flight {
        bool ended = false;
        std::optional<LayerRef> layer;
    };
    std::mutex mutex_;  // all below
    std::condition_variable changed_;
    std::map<std::string, std::shared_ptr<Flight>> flights_;
};

}  // namespace gantry::build
