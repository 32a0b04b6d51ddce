#include "core/build/in_flight.hpp"

namespace gantry::build {

Result<LayerRef> InFlight::once(const std::string& key, Cancel& cancel, const std::function<Result<LayerRef>()>& work,
                                bool* shared) {
    *shared = false;
    Cancel::Watch watch(cancel, [this] {
        std::lock_guard lock(mutex_);
        changed_.notify_all();
    });
    auto own = std::make_shared<Flight>();
    {
        std::unique_lock lock(mutex_);
        for (;;) {
            GANTRY_CHECK(cancel.check());
            auto [found, fresh] = flights_.emplace(key, own);
            if (fresh) break;
            const std::shared_ptr<Flight> other = found->second;
            changed_.wait(lock, [&] { return other->ended || cancel.cancelled(); });
            if (other->layer) {
                *shared = true;
                return *other->layer;
            }
        }
    }
    auto layer = work();
    {
        std::lock_guard lock(mutex_);
        own->ended = true;
        if (layer) own->layer = *layer;
        flights_.erase(key);
    }
    changed_.notify_all();
    return layer;
}

}  // namespace gantry::build
