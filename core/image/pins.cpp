#include "core/image/pins.hpp"

namespace gantry::image {

void Pins::Hold::add(const std::string& name) {
    if (std::find(names_.begin(), names_.end(), name) != names_.end()) return;
    std::unique_lock lock(pins_.mutex_);
    pins_.changed_.wait(lock, [&] { return !pins_.deleting_.contains(name); });
    pins_.held_.insert(name);
    names_.push_back(name);
}

Pins::Hold::~Hold() {
    std::lock_guard lock(pins_.mutex_);
    for (const std::string& name : names_) pins_.held_.erase(pins_.held_.find(name));
}

bool Pins::begin_delete(const std::string& name, std::size_t own) {
    std::lock_guard lock(mutex_);
    if (held_.count(name) > own) return false;
    return deleting_.insert(name).second;
}

void Pins::end_delete(const std::string& name) {
    {
        std::lock_guard lock(mutex_);
        deleting_.erase(name);
    }
    changed_.notify_all();
}

}  // namespace gantry::image
