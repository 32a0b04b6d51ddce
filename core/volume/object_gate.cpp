#include "core/volume/object_gate.hpp"

namespace gantry::volume {

ObjectGate::Pass::~Pass() {
    if (gate_ == nullptr) return;
    {
        std::lock_guard lock(gate_->mutex_);
        gate_->inside_.erase(name_);
    }
    gate_->left_.notify_all();
}

Result<ObjectGate::Pass> ObjectGate::enter(const std::string& name) {
    std::unique_lock lock(mutex_);
    if (!left_.wait_for(lock, std::chrono::minutes(5), [&] { return !inside_.contains(name); }))
        return fail(Code::retry_later, "volume \"" + name + "\" is busy with another operation");
    inside_.insert(name);
    return Pass(this, name);
}

}  // namespace gantry::volume
