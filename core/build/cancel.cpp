#include "core/build/cancel.hpp"

namespace gantry::build {

void Cancel::cancel() {
    std::lock_guard lock(mutex_);
    if (cancelled_.exchange(true, std::memory_order_acq_rel)) return;
    for (auto& [number, act] : waiting_) act();
}

Result<void> Cancel::check() const {
    if (cancelled()) return fail(Code::cancelled, "the build was canceled");
    return {};
}

Cancel::Watch::Watch(Cancel& cancel, std::function<void()> act) : cancel_(cancel) {
    std::lock_guard lock(cancel.mutex_);
    if (cancel.cancelled()) {
        act();
        return;
    }
    number_ = cancel.next_++;
    cancel.waiting_.emplace(number_, std::move(act));
}

Cancel::Watch::~Watch() {
    std::lock_guard lock(cancel_.mutex_);
    if (number_ != 0) cancel_.waiting_.erase(number_);
}

}  // namespace gantry::build
