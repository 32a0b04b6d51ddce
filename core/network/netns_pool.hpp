// Network namespaces made ahead, so that a container's start does not wait for one.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::network {

// A new network namespace: loopback up, no IPv6 on what comes into it, ports below 1024 and ping open to every user.
// It lives as long as the descriptor or a process in it.
Result<UniqueFd> make_netns();

// One of the pool, with a bound NETLINK_ROUTE socket inside it: whoever configures it need not enter it.
struct ReadyNetns {
    UniqueFd netns, netlink;
};

// Keeps `size` of them ready on a thread of its own, which makes new ones when nobody takes any for a moment, or at once
// when few are left. Thread-safe.
class NetnsPool {
public:
    explicit NetnsPool(std::size_t size);
    ~NetnsPool();
    NetnsPool(const NetnsPool&) = delete;
    NetnsPool& operator=(const NetnsPool&) = delete;

    // One that is ready, or else one made now.
    Result<ReadyNetns> take();
    // Drops what is ready and makes no more; take() goes on to work.
    void stop();

private:
    void refill();
    const std::size_t size_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<ReadyNetns> ready_;
    std::uint64_t taken_ = 0;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace gantry::network
