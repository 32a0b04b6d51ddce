#include "core/daemon/tcp_gate.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/clock.hpp"
#include "core/base/log.hpp"
#include "core/tls/tcp.hpp"
#include "core/tls/tunnel.hpp"

namespace gantry::daemon {
namespace {

std::int64_t gate_now_ms() { return monotonic_ns() / 1'000'000; }

}  // namespace

Result<std::shared_ptr<SSL_CTX>> gate_context(const config::Listen& listen) {
    if (std::string wrong = config::wrong_listen(listen); !wrong.empty()) return fail(Code::invalid, wrong);
    if (!listen.has_tls()) return std::shared_ptr<SSL_CTX>();
    GANTRY_TRY(tls::Context context, tls::server_context({listen.ca, listen.certificate, listen.key}));
    return std::shared_ptr<SSL_CTX>(std::move(context));
}

// All connections, on one thread.
class TcpGate::Loop {
public:
    explicit Loop(TcpGate& gate) : gate_(gate) {}

    void run() {
        while (turn()) {
        }
    }

private:
    struct Entry {
        tls::Tunnel tunnel;
        UniqueFd for_server;  // until the client is let in
        std::int64_t deadline_ms;
        bool certified;
        std::size_t place = 0;  // in the list of what is polled
    };

    bool turn() {
        std::vector<pollfd> waiting{{gate_.stop_.get(), POLLIN, 0}};
        const bool full = entries_.size() >= gate_.limits_.connections || resting_;
        for (const UniqueFd& listener : gate_.listeners_) waiting.push_back({full ? -1 : listener.get(), POLLIN, 0});
        std::int64_t next_ms = resting_ ? gate_now_ms() + 100 : -1;
        for (auto& entry : entries_) {
            entry->place = waiting.size();
            waiting.push_back({entry->tunnel.inner_poll(), entry->tunnel.inner_events(), 0});
            waiting.push_back({entry->tunnel.outer_poll(), entry->tunnel.outer_events(), 0});
            if (entry->for_server) next_ms = next_ms < 0 ? entry->deadline_ms : std::min(next_ms, entry->deadline_ms);
        }
        const std::int64_t wait_ms = next_ms < 0 ? -1 : std::max<std::int64_t>(0, next_ms - gate_now_ms());
        if (::poll(waiting.data(), waiting.size(), static_cast<int>(wait_ms)) < 0 && errno != EINTR) {
            log::error("the TCP connections cannot be watched", {{"error", std::strerror(errno)}});
            return false;
        }
        if (waiting[0].revents) return false;
        resting_ = false;
        for (auto& entry : entries_) carry(*entry, waiting[entry->place].revents, waiting[entry->place + 1].revents);
        std::erase_if(entries_, [](const auto& entry) { return entry->place == 0; });
        for (std::size_t i = 0; i < gate_.listeners_.size(); ++i)
            if (waiting[i + 1].revents) accept_from(gate_.listeners_[i].get());
        return true;
    }

    // Marks what is over with place 0.
    void carry(Entry& entry, short inner, short outer) {
        const bool late = entry.for_server && gate_now_ms() >= entry.deadline_ms;
        if (!inner && !outer && !late) return;
        if (inner & (POLLHUP | POLLERR)) entry.tunnel.inner_gone();
        const bool goes_on = !late && entry.tunnel.advance();
        if (entry.for_server && entry.tunnel.established())
            gate_.adopt_(std::move(entry.for_server), entry.certified ? http::Peer::certified : http::Peer::local);
        if (goes_on) return;
        entry.place = 0;
        if (entry.for_server)
            refused(entry.tunnel.reason().empty() ? "the handshake takes too long" : entry.tunnel.reason());
    }

    // Whoever scans the port shall not fill the log.
    void refused(const std::string& why) {
        const std::int64_t now = gate_now_ms();
        if (now < quiet_until_ms_) return;
        quiet_until_ms_ = now + 1000;
        log::warn("a TCP connection was refused", {{"reason", why}});
    }

    void accept_from(int listener) {
        while (entries_.size() < gate_.limits_.connections) {
            UniqueFd outer(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
            if (!outer) {
                if (errno == EINTR || errno == ECONNABORTED) continue;
                // Out of descriptors: what is open must end first.
                resting_ = errno != EAGAIN;
                return;
            }
            take(std::move(outer));
        }
    }

    void take(UniqueFd outer) {
        int ends[2] = {-1, -1};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
            resting_ = true;
            return;
        }
        UniqueFd ours(ends[0]), servers(ends[1]);
        tls::settle_tcp(outer.get());
        std::shared_ptr<SSL_CTX> context;
        {
            std::lock_guard lock(gate_.mutex_);
            context = gate_.context_;
        }
        tls::Session session;
        if (context) {
            auto begun = tls::accepting(context.get(), outer.get());
            if (!begun) return refused(begun.error().text);
            session = std::move(*begun);
        }
        const std::int64_t deadline = gate_now_ms() + gate_.limits_.handshake_ms;
        auto entry = std::make_unique<Entry>(Entry{tls::Tunnel(std::move(ours), std::move(outer), std::move(session)),
                                                   std::move(servers), deadline, context != nullptr});
        entry->place = 1;
        carry(*entry, 0, POLLIN);
        if (entry->place != 0) entries_.push_back(std::move(entry));
    }

    TcpGate& gate_;
    std::vector<std::unique_ptr<Entry>> entries_;
    bool resting_ = false;
    std::int64_t quiet_until_ms_ = 0;
};

TcpGate::TcpGate(config::Listen listen, Adopt adopt, GateLimits limits)
    : listen_(std::move(listen)), adopt_(std::move(adopt)), limits_(limits), stop_(::eventfd(0, EFD_CLOEXEC)) {}

Result<std::unique_ptr<TcpGate>> TcpGate::open(const config::Listen& listen, Adopt adopt, GateLimits limits) {
    std::unique_ptr<TcpGate> gate(new TcpGate(listen, std::move(adopt), limits));
    if (!gate->stop_) return fail_errno("eventfd");
    GANTRY_TRY(gate->context_, gate_context(listen));
    for (const config::Host& host : listen.hosts) {
        GANTRY_TRY(UniqueFd listener, tls::listen_tcp(host.address, host.port));
        gate->listeners_.push_back(std::move(listener));
    }
    return gate;
}

TcpGate::~TcpGate() {
    std::uint64_t one = 1;
    (void)!::write(stop_.get(), &one, sizeof one);
    if (thread_.joinable()) thread_.join();
}

void TcpGate::start() {
    for (const config::Host& host : listen_.hosts) {
        log::info("gantryd serves", {{"host", host.url()}, {"tls", listen_.has_tls() ? "yes" : "no"}});
        if (!listen_.has_tls())
            log::warn("whoever reaches this host of the engine is root on this machine", {{"host", host.url()}});
    }
    thread_ = std::thread([this] { Loop(*this).run(); });
}

Result<void> TcpGate::renew() {
    GANTRY_TRY(auto context, gate_context(listen_));
    std::lock_guard lock(mutex_);
    context_ = std::move(context);
    return {};
}

}  // namespace gantry::daemon
