#include "core/cli/stream.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/files.hpp"
#include "core/cli/terminal.hpp"

namespace gantry::cli {
namespace {

constexpr std::pair<int, const char*> proxied_signals[] = {
    {SIGHUP, "HUP"},   {SIGINT, "INT"},   {SIGQUIT, "QUIT"},    {SIGABRT, "ABRT"}, {SIGUSR1, "USR1"},
    {SIGUSR2, "USR2"}, {SIGALRM, "ALRM"}, {SIGTERM, "TERM"},    {SIGCONT, "CONT"}, {SIGTSTP, "TSTP"},
    {SIGIO, "IO"},     {SIGPWR, "PWR"},   {SIGVTALRM, "VTALRM"}};

}  // namespace

std::string signal_name(int number) {
    for (const auto& [signal, name] : proxied_signals)
        if (signal == number) return name;
    return {};
}

Result<void> write_out(int fd, std::string_view data) {
    auto done = write_all(fd, data);
    if (!done && done.error().system_errno == EPIPE) return fail(Code::cancelled, "nobody reads our output any more");
    return done;
}

Result<void> Demultiplexer::push(std::string_view data) {
    while (!data.empty()) {
        if (left_ == 0) {
            std::size_t take = std::min(8 - head_.size(), data.size());
            head_.append(data.substr(0, take));
            data.remove_prefix(take);
            if (head_.size() < 8) return {};
            stream_ = static_cast<unsigned char>(head_[0]);
            if (stream_ > 3) return fail(Code::corrupt, "unrecognized input header: " + std::to_string(stream_));
            for (std::size_t i = 4; i < 8; ++i) left_ = (left_ << 8) | static_cast<unsigned char>(head_[i]);
            head_.clear();
            continue;
        }
        std::size_t take = std::min<std::size_t>(left_, data.size());
        if (stream_ == 3)
            message_.append(data.substr(0, take));
        else
            GANTRY_CHECK(write_(stream_ == 2 ? 2 : 1, data.substr(0, take)));
        left_ -= static_cast<std::uint32_t>(take);
        data.remove_prefix(take);
        if (stream_ == 3 && left_ == 0) return fail(Code::internal, "error from daemon in stream: " + message_);
    }
    return {};
}

SignalCatcher::~SignalCatcher() = default;

Result<void> SignalCatcher::start(bool proxy) {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGWINCH);
    if (proxy)
        for (const auto& [signal, name] : proxied_signals) ::sigaddset(&set, signal);
    if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return fail_errno("block signals");
    fd_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd_) return fail_errno("signalfd");
    return {};
}

int SignalCatcher::next() {
    signalfd_siginfo info{};
    if (::read(fd_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return 0;
    return static_cast<int>(info.ssi_signo);
}

namespace {

class Pump {
public:
    Pump(Client& client, const StreamWish& wish, SignalCatcher& signals, DetachKeys keys)
        : client_(client), wish_(wish), signals_(signals), keys_(std::move(keys)), demultiplexer_(write_out) {}

    Result<StreamEnd> run() {
        reading_input_ = wish_.input && wish_.stdio;
        output_open_ = wish_.stdio != nullptr;
        waiting_ = wish_.end != nullptr;
        if (wish_.tty && wish_.input && is_terminal(0)) GANTRY_CHECK(raw_.enter());
        if (wish_.tty) resize();
        if (output_open_) GANTRY_CHECK(output(wish_.stdio->take_early()));
        while (output_open_ || waiting_) {
            GANTRY_CHECK(turn());
            if (keys_.detached()) return StreamEnd::detached;
            if (lost_) return StreamEnd::connection_lost;
        }
        return StreamEnd::finished;
    }

private:
    Result<void> turn() {
        enum { input, out, end, signal, count };
        pollfd ready[count] = {{reading_input_ && to_send_.empty() ? 0 : -1, POLLIN, 0},
                               {output_open_ ? wish_.stdio->fd() : -1,
                                static_cast<short>(to_send_.empty() ? POLLIN : POLLIN | POLLOUT), 0},
                               {waiting_ ? wish_.end->fd() : -1, POLLIN, 0},
                               {signals_.fd(), POLLIN, 0}};
        if (waiting_ && wish_.end->answer().done()) {
            waiting_ = false;
            return {};
        }
        if (::poll(ready, count, -1) < 0) return errno == EINTR ? Result<void>() : fail_errno("poll");
        if (ready[signal].revents) handle_signals();
        if (ready[out].revents & (POLLIN | POLLHUP | POLLERR)) GANTRY_CHECK(read_output());
        if (output_open_ && (ready[out].revents & POLLOUT)) flush_input();
        if (ready[input].revents) read_input();
        // The loop goes on until both are through, so that no output is lost behind the end.
        if (ready[end].revents) {
            auto more = wish_.end->receive_ready();
            if (!more)
                lost_ = true;
            else
                waiting_ = *more;
        }
        return {};
    }

    Result<void> output(std::string_view data) {
        if (data.empty()) return {};
        return wish_.tty ? write_out(1, data) : demultiplexer_.push(data);
    }

    Result<void> read_output() {
        char block[65536];
        ssize_t n = ::recv(wish_.stdio->fd(), block, sizeof block, MSG_DONTWAIT);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) return {};
        if (n <= 0) {
            output_open_ = false;
            reading_input_ = false;
            return {};
        }
        return output(std::string_view(block, static_cast<std::size_t>(n)));
    }

    void read_input() {
        char block[32768];
        ssize_t n = ::read(0, block, sizeof block);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
        if (n <= 0) {
            reading_input_ = false;
            ::shutdown(wish_.stdio->fd(), SHUT_WR);
            return;
        }
        std::string_view data(block, static_cast<std::size_t>(n));
        to_send_ = wish_.tty ? keys_.filter(data) : std::string(data);
        flush_input();
    }

    void flush_input() {
        while (!to_send_.empty()) {
            ssize_t n = ::send(wish_.stdio->fd(), to_send_.data(), to_send_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0 && errno == EAGAIN) return;
            if (n < 0) {
                reading_input_ = false;
                to_send_.clear();
                return;
            }
            to_send_.erase(0, static_cast<std::size_t>(n));
        }
    }

    void handle_signals() {
        while (int number = signals_.next()) {
            if (number == SIGWINCH) {
                resize();
                continue;
            }
            std::string name = signal_name(number);
            if (name.empty() || wish_.kill_target.empty() || !wish_.proxy_signals) continue;
            // A container that has just ended cannot be signalled: its end is what follows anyway.
            (void)client_.post(wish_.kill_target + query({{"signal", name}}));
        }
    }

    void resize() {
        auto size = terminal_size();
        if (!wish_.tty || !size || wish_.resize_target.empty()) return;
        // Best effort as in Docker: the container may have ended, or be about to start.
        (void)client_.post(wish_.resize_target +
                           query({{"h", std::to_string(size->rows)}, {"w", std::to_string(size->columns)}}));
    }

    Client& client_;
    const StreamWish& wish_;
    SignalCatcher& signals_;
    DetachKeys keys_;
    Demultiplexer demultiplexer_;
    RawMode raw_;
    std::string to_send_;
    bool reading_input_ = false, output_open_ = false, waiting_ = false, lost_ = false;
};

}  // namespace

Result<StreamEnd> run_stream(Client& client, const StreamWish& wish, SignalCatcher& signals) {
    GANTRY_TRY(DetachKeys keys, DetachKeys::parse(wish.detach_keys));
    return Pump(client, wish, signals, std::move(keys)).run();
}

Result<void> copy_logs(Connection& answer) {
    bool raw = answer.answer().header("content-type") == "application/vnd.docker.raw-stream";
    Demultiplexer demultiplexer(write_out);
    for (;;) {
        GANTRY_TRY(std::string piece, answer.receive_some());
        if (piece.empty()) return {};
        GANTRY_CHECK(raw ? write_out(1, piece) : demultiplexer.push(piece));
    }
}

}  // namespace gantry::cli
