#include "core/base/coalesced_text.hpp"

#include <condition_variable>

namespace gantry {

struct CoalescedText::Making {
    std::condition_variable changed;
    bool begun = false, done = false;
    Text text;
    std::exception_ptr thrown;
};

CoalescedText::Text CoalescedText::get(const std::function<std::string()>& make) {
    std::unique_lock lock(mutex_);
    // What is being made may have been begun before something that the caller has seen.
    std::shared_ptr<Making> mine = now_ && now_->begun ? next_ : now_;
    if (mine) {
        mine->changed.wait(lock, [&] { return mine->done; });
    } else {
        mine = std::make_shared<Making>();
        if (now_) {
            next_ = mine;
            mine->changed.wait(lock, [&] { return now_ == mine; });
        }
        now_ = mine;
        mine->begun = true;
        lock.unlock();
        try {
            mine->text = std::make_shared<const std::string>(make());
        } catch (...) {
            mine->thrown = std::current_exception();
        }
        lock.lock();
        mine->done = true;
        now_ = std::move(next_);
        next_.reset();
        if (now_) now_->changed.notify_all();
        mine->changed.notify_all();
    }
    if (mine->thrown) std::rethrow_exception(mine->thrown);
    return mine->text;
}

}  // namespace gantry
