#include "plugins/network/common/bridge/watcher.hpp"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>

namespace gantry::bridge {
namespace {

constexpr std::chrono::milliseconds pause{100};  // a reload takes a table away and brings its own in several steps
constexpr int table_attribute = 1;               // NFTA_TABLE_NAME, and _TABLE of chains, rules, sets and elements

// Threads of this process make the driver's own changes.
bool is_own_thread(std::uint32_t id) { return ::access(("/proc/self/task/" + std::to_string(id)).c_str(), F_OK) == 0; }

bool is_removal(int message) {
    return message == NFT_MSG_DELTABLE || message == NFT_MSG_DELCHAIN || message == NFT_MSG_DELRULE ||
           message == NFT_MSG_DELSET || message == NFT_MSG_DELSETELEM;
}

}  // namespace

Result<std::unique_ptr<Watcher>> Watcher::create(std::string table, std::function<void()> lost) {
    UniqueFd events(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER));
    if (!events) return fail_errno("open a socket for the notes of nftables");
    // Without an address of its own a socket is passed over by every broadcast.
    sockaddr_nl any{};
    any.nl_family = AF_NETLINK;
    if (::bind(events.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0)
        return fail_errno("bind the socket for the notes of nftables");
    const int group = NFNLGRP_NFTABLES;
    if (::setsockopt(events.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
        return fail_errno("listen to the notes of nftables");
    UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
    if (!stop) return fail_errno("make an eventfd");
    return std::unique_ptr<Watcher>(new Watcher(std::move(table), std::move(lost), std::move(events), std::move(stop)));
}

Watcher::Watcher(std::string table, std::function<void()> lost, UniqueFd events, UniqueFd stop)
    : table_(std::move(table)),
      lost_(std::move(lost)),
      events_(std::move(events)),
      stop_(std::move(stop)),
      thread_([this] { run(); }) {}

Watcher::~Watcher() {
    const std::uint64_t one = 1;
    (void)!::write(stop_.get(), &one, sizeof one);
    thread_.join();
}

void Watcher::run() {
    // Signals are the engine's, not this thread's.
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    using Clock = std::chrono::steady_clock;
    bool loss = false;
    Clock::time_point due;
    for (;;) {
        pollfd both[] = {{events_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - Clock::now()).count();
        const int ready = ::poll(both, 2, !loss ? -1 : left > 0 ? static_cast<int>(left) : 0);
        if (ready < 0 && errno != EINTR) return;
        if (both[1].revents != 0) return;
        if (ready > 0 && both[0].revents != 0 && read_events() && !loss) {
            loss = true;
            due = Clock::now() + pause;
        }
        if (loss && Clock::now() >= due) {
            loss = false;
            lost_();
        }
    }
}

bool Watcher::read_events() {
    bool loss = false;
    alignas(nlmsghdr) char buffer[32768];
    for (;;) {
        const ssize_t length = ::recv(events_.get(), buffer, sizeof buffer, 0);
        if (length < 0 && errno == EINTR) continue;
        // More notes than the socket holds: some are lost, and a removal may be among them.
        if (length < 0 && errno == ENOBUFS) return true;
        if (length <= 0) return loss;
        int left = static_cast<int>(length);
        for (auto* header = reinterpret_cast<nlmsghdr*>(buffer); nlmsg_ok(header, left);
             header = nlmsg_next(header, &left)) {
            if (NFNL_SUBSYS_ID(header->nlmsg_type) != NFNL_SUBSYS_NFTABLES) continue;
            const int message = NFNL_MSG_TYPE(header->nlmsg_type);
            if (is_removal(message)) {
                const nlattr* table = nlmsg_find_attr(header, sizeof(nfgenmsg), table_attribute);
                taken_out_ = taken_out_ || (table && nla_strcmp(table, table_.c_str()) == 0);
            } else if (message == NFT_MSG_NEWGEN) {  // the end of a transaction, with its author
                nlattr* author = nlmsg_find_attr(header, sizeof(nfgenmsg), NFTA_GEN_PROC_PID);
                if (taken_out_ && (!author || !is_own_thread(ntohl(nla_get_u32(author))))) loss = true;
                taken_out_ = false;
            }
        }
    }
}

}  // namespace gantry::bridge
