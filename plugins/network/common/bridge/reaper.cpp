#include "plugins/network/common/bridge/reaper.hpp"

#include <chrono>

#include "plugins/network/common/bridge/link.hpp"

namespace gantry::bridge {
namespace {
constexpr std::chrono::milliseconds grace{200};
}

Reaper::~Reaper() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void Reaper::expect_gone(std::string link) {
    std::lock_guard lock(mutex_);
    links_.push_back(std::move(link));
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    changed_.notify_all();
}

void Reaper::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        if (links_.empty()) {
            changed_.wait(lock);
            continue;
        }
        changed_.wait_for(lock, grace, [this] { return stopping_; });
        std::deque<std::string> links = std::exchange(links_, {});
        lock.unlock();
        if (auto host = netlink::Socket::open()) {
            for (const std::string& link : links) {
                auto found = host->find(link);
                if (found && *found) (void)detach_veth(*host, link);
            }
        }
        lock.lock();
    }
}

}  // namespace gantry::bridge
