// Bridges of removed networks. The kernel takes 20 to 45 ms to remove one (it waits for every processor, with the lock that all
// changes of links need), and renames one in less than a millisecond: a bridge is put away, down and without an address, the
// next network takes it again, and what nobody takes is removed on a thread of its own when there is quiet. Whoever is killed in
// between leaves bridges that are known by their names.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "plugins/network/common/netlink.hpp"

namespace gantry::bridge {

class PutAway {
public:
    // `told`: what went wrong where nobody needed it; from any thread.
    explicit PutAway(std::function<void(const Error&)> told) : told_(std::move(told)) {}
    ~PutAway();
    PutAway(const PutAway&) = delete;
    PutAway& operator=(const PutAway&) = delete;

    // Whether a link's name is that of a bridge that is put away.
    static bool is_name(const std::string& name);

    // A bridge without ports; its name is free when this succeeds.
    Result<void> add(netlink::Socket& host, const netlink::Link& bridge);
    // One that a new network may have, under that name and with that mark; down. None: none is there, or the kernel did not
    // give it the name.
    Result<std::optional<netlink::Link>> take(netlink::Socket& host, const std::string& name, const std::string& mac,
                                              int mtu, const std::string& mark);
    // Removes all; returns when the kernel has none.
    Result<void> finish();

private:
    void run();
    Result<void> remove_one(netlink::Socket& host, const std::string& name);

    const std::function<void(const Error&)> told_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::string> names_;
    bool touched_ = false;   // since the thread last looked
    bool removing_ = false;  // the thread is at one that is no longer in names_
    bool stopping_ = false;
    std::thread thread_;  // started with the first bridge
};

}  // namespace gantry::bridge
