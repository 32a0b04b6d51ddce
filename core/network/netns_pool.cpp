#include "core/network/netns_pool.hpp"

#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <chrono>
#include <cstring>
#include <optional>

#include "core/base/files.hpp"
#include "core/base/log.hpp"

namespace gantry::network {
namespace {

constexpr std::chrono::seconds pause_after_failure{1};
// Longer than a start takes: making a namespace costs as much as all else in it, on a processor that it may need.
constexpr std::chrono::milliseconds calm{20};

struct Setting {
    const char* name;
    const char* value;
};
constexpr Setting settings[] = {
    {"ipv4/ip_unprivileged_port_start", "0"},
    {"ipv4/ping_group_range", "0 2147483647"},
    // The loopback interface keeps ::1; everything that comes later has IPv4 only.
    {"ipv6/conf/default/disable_ipv6", "1"},
    {"ipv6/conf/default/accept_ra", "0"},
    {"ipv6/conf/all/accept_ra", "0"},
};

Result<void> write_setting(const Setting& setting) {
    const std::string path = std::string("/proc/sys/net/") + setting.name;
    auto fd = open_file(path, O_WRONLY);
    if (!fd)
        return fd.error().code == Code::not_found ? Result<void>()
                                                  : Result<void>(std::move(fd).error());  // a kernel without it
    return write_all(fd->get(), setting.value).context("set \"" + path + "\"");
}

Result<void> start_loopback() {
    UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return fail_errno("open a socket");
    ifreq request{};
    std::memcpy(request.ifr_name, "lo", 3);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) return fail_errno("set the loopback interface up");
    return {};
}

Result<UniqueFd> open_netlink() {
    UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!socket) return fail_errno("open a netlink socket");
    sockaddr_nl any{};
    any.nl_family = AF_NETLINK;
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0)
        return fail_errno("bind a netlink socket");
    return socket;
}

// On a thread that may be thrown away: afterwards it is inside the new namespace.
Result<ReadyNetns> make_here() {
    if (::unshare(CLONE_NEWNET) != 0) return fail_errno("make a network namespace");
    ReadyNetns made;
    GANTRY_TRY(made.netns, open_file("/proc/thread-self/ns/net", O_RDONLY));
    for (const Setting& setting : settings) GANTRY_CHECK(write_setting(setting));
    GANTRY_CHECK(start_loopback());
    GANTRY_TRY(made.netlink, open_netlink());
    return made;
}

Result<ReadyNetns> make_ready() {
    std::optional<Result<ReadyNetns>> made;
    std::thread([&made] { made.emplace(make_here()); }).join();
    return std::move(*made);
}

}  // namespace

Result<UniqueFd> make_netns() {
    GANTRY_TRY(ReadyNetns made, make_ready());
    return std::move(made.netns);
}

NetnsPool::NetnsPool(std::size_t size) : size_(size), thread_([this] { refill(); }) {}

NetnsPool::~NetnsPool() { stop(); }

Result<ReadyNetns> NetnsPool::take() {
    {
        std::lock_guard lock(mutex_);
        if (!ready_.empty()) {
            ReadyNetns netns = std::move(ready_.front());
            ready_.pop_front();
            ++taken_;
            changed_.notify_one();
            return netns;
        }
    }
    return make_ready();
}

void NetnsPool::stop() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
    ready_.clear();
}

void NetnsPool::refill() {
    auto host = open_file("/proc/thread-self/ns/net", O_RDONLY);
    if (!host) {
        log::warn("no network namespaces are made ahead", {{"reason", host.error().text}});
        return;
    }
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        if (ready_.size() >= size_) {
            changed_.wait(lock);
            continue;
        }
        const bool many = ready_.size() > size_ / 2;
        const std::uint64_t before = taken_;
        if (many && changed_.wait_for(lock, calm, [&] { return stopping_ || taken_ != before; })) continue;
        lock.unlock();
        auto made = make_here();
        // Back again, or this thread would keep alive the namespace of a container that has ended.
        if (::setns(host->get(), CLONE_NEWNET) != 0)
            log::warn("cannot leave a network namespace", {{"reason", std::strerror(errno)}});
        if (!made) log::warn("cannot make a network namespace ahead", {{"reason", made.error().text}});
        lock.lock();
        if (made)
            ready_.push_back(std::move(made).value());
        else
            changed_.wait_for(lock, pause_after_failure, [this] { return stopping_; });
    }
}

}  // namespace gantry::network
