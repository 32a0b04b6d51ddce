#include "plugins/storage/common/spares.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <vector>

#include "plugins/storage/common/tree.hpp"

namespace gantry::storage {
namespace {

constexpr std::size_t wanted_spares = 16;
// Longer than the end of a container takes: what is in the trash is in nobody's way.
constexpr std::chrono::milliseconds calm{20};
constexpr std::int64_t step = 256;  // entries deleted between two looks at stop_

}  // namespace

Spares::Spares(int directory, int trash) : directory_(directory), trash_(trash), thread_([this] { run(); }) {}

Spares::~Spares() {
    {
        std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake_.notify_all();
    thread_.join();
    for (const std::string& name : ready_) (void)remove_entry(directory_, name);
}

std::string Spares::take() {
    std::string name;
    {
        std::lock_guard lock(mutex_);
        if (!ready_.empty()) {
            name = std::move(ready_.front());
            ready_.pop_front();
        }
        if (ready_.size() > wanted_spares / 2) return name;
    }
    wake_.notify_one();
    return name;
}

void Spares::deleted() {
    {
        std::lock_guard lock(mutex_);
        dirty_ = true;
    }
    wake_.notify_one();
}

Result<void> Spares::make_one() {
    std::string name;
    {
        std::lock_guard lock(mutex_);
        name = std::to_string(serial_++);
    }
    if (::mkdirat(directory_, name.c_str(), 0700) != 0) return fail_errno("make a spare layer");
    // umask may take bits away here, as for any layer; whoever takes it sets the mode.
    if (::mkdirat(directory_, (name + "/fs").c_str(), 0755) != 0 ||
        ::mkdirat(directory_, (name + "/work").c_str(), 0700) != 0) {
        Error error = fail_errno("make a spare layer");
        (void)remove_entry(directory_, name);
        return error;
    }
    std::lock_guard lock(mutex_);
    ready_.push_back(std::move(name));
    return {};
}

Result<bool> Spares::delete_some() {
    std::lock_guard alone(deleting_);
    GANTRY_TRY(auto graves, names_in(trash_));
    if (graves.empty()) return false;
    std::int64_t left = step;
    for (const std::string& grave : graves) {
        GANTRY_TRY(auto removed, remove_entry(trash_, grave, left));
        {
            std::lock_guard lock(mutex_);
            freed_ += removed.bytes;
        }
        if (!removed.complete) return true;
        if ((left -= 4) <= 0) return true;
    }
    return true;
}

Result<std::int64_t> Spares::empty_trash() {
    for (bool more = true; more;) {
        GANTRY_TRY(more, delete_some());
    }
    std::lock_guard lock(mutex_);
    return std::exchange(freed_, 0);
}

void Spares::run() {
    // Signals are the engine's, not this thread's.
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    if (auto left = names_in(directory_))
        for (const std::string& name : *left) (void)remove_entry(directory_, name);
    std::unique_lock lock(mutex_);
    bool failing = false;  // a full disk, say: then prepare tells, and this waits to be asked again
    while (!stop_) {
        const bool make = ready_.size() < wanted_spares && !failing, clean = dirty_;
        if (!make && !clean) {
            wake_.wait(lock);
            failing = false;
            continue;
        }
        if (!make && wake_.wait_for(lock, calm, [this] { return stop_; })) break;
        dirty_ = clean && make;  // spares first
        lock.unlock();
        bool more = false;
        if (make) {
            failing = !make_one();
        } else {
            auto result = delete_some();
            more = result && *result;
        }
        lock.lock();
        dirty_ = dirty_ || more;
    }
}

}  // namespace gantry::storage
