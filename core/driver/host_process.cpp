#include "core/driver/host_process.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/log.hpp"
#include "core/driver/reply.hpp"
#include "core/driver/signals.hpp"

namespace gantry::driver {
namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;
// A process that lived this long starts the pauses anew.
constexpr std::int64_t steady_ns = 10'000 * ns_per_ms;
constexpr int close_timeout_ms = 2'000;

void signal_event(int fd) {
    const std::uint64_t one = 1;
    [[maybe_unused]] ssize_t written = ::write(fd, &one, sizeof one);
}

}  // namespace

HostProcess::HostProcess(Wanted wanted) : wanted_(std::move(wanted)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

HostProcess::~HostProcess() {
    {
        std::lock_guard lock(mutex_);
        stop_ = true;
        changed_.notify_all();
    }
    signal_event(wake_.get());
    if (thread_.joinable()) thread_.join();
}

Result<HostProcess::Opened> HostProcess::start() {
    if (!wake_) return fail_errno("make an event descriptor");
    try {
        SignalsBlocked blocked;
        thread_ = std::thread([this] { supervise(); });
    } catch (const std::system_error& e) {
        return fail_errno("make a thread for driver \"" + wanted_.name + "\"", e.code().value());
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return first_.has_value(); });
    return std::move(*first_);
}

int HostProcess::pid() const {
    std::lock_guard lock(mutex_);
    return pid_;
}

// The supervising thread. It lives as long as any process it starts: PR_SET_PDEATHSIG looks at the parent's thread.
void HostProcess::supervise() {
    std::int64_t wait_ms = wanted_.settings.restart_pause_ms;
    for (bool first = true;; first = false) {
        const std::int64_t started = monotonic_ns();
        Result<Opened> opened = open_child();
        if (opened) {
            {
                std::lock_guard lock(mutex_);
                socket_ = child_->shared_socket();
                pid_ = child_->pid();
                ++generation_;
                if (first) first_ = std::move(opened);
                changed_.notify_all();
            }
            serve();
        } else {
            std::lock_guard lock(mutex_);
            down_because_ = opened.error().text;
            if (first) first_ = std::move(opened);
            changed_.notify_all();
        }
        child_.reset();
        {
            std::lock_guard lock(mutex_);
            // Refused at the very start: the caller is told, and asks again when it wants to.
            if (stop_ || generation_ == 0) return;
        }
        if (monotonic_ns() - started >= steady_ns) wait_ms = wanted_.settings.restart_pause_ms;
        if (!pause(wait_ms)) return;
        wait_ms = std::min<std::int64_t>(wait_ms * 2, wanted_.settings.longest_restart_pause_ms);
    }
}

Result<HostProcess::Opened> HostProcess::open_child() {
    killed_because_.clear();
    const std::string where = "driver \"" + wanted_.name + "\"";
    auto started = HostChild::start(wanted_.settings, wanted_.name);
    if (!started) return std::move(started).error().context(where);
    child_ = std::move(*started);
    child_->on_frame = [this](Message message) { handle(std::move(message)); };
    Opened opened;
    auto described = child_->load(wanted_.file, wanted_.name);
    if (!described) return std::move(described).error().context(where);
    opened.described = std::move(*described);
    GANTRY_TRY(Json config, wanted_.configure(opened.described.description));
    auto tables = child_->open(config);
    if (!tables) {
        // What the driver itself says names it already.
        if (tables.error().text.starts_with("driver ")) return std::move(tables).error();
        return std::move(tables).error().context(where);
    }
    opened.tables = std::move(*tables);
    return opened;
}

// The time until the next cancelled call's grace ends; `overdue`: the operation of one whose has ended.
int HostProcess::next_timeout_ms(std::string& overdue) {
    std::lock_guard lock(mutex_);
    std::int64_t next = 0;
    for (const auto& [id, call] : calls_) {
        if (call.kill_at_ns == 0) continue;
        if (monotonic_ns() >= call.kill_at_ns) overdue = call.pending->operation;
        if (next == 0 || call.kill_at_ns < next) next = call.kill_at_ns;
    }
    if (next == 0) return -1;
    return static_cast<int>(std::max<std::int64_t>(0, (next - monotonic_ns()) / ns_per_ms + 1));
}

void HostProcess::serve() {
    for (;;) {
        std::string overdue;
        const int timeout = next_timeout_ms(overdue);
        if (!overdue.empty()) {
            killed_because_ = "was killed (\"" + overdue + "\" passed its deadline and did not end within " +
                              std::to_string(wanted_.settings.cancel_grace_ms) + " ms of being cancelled)";
            break;
        }
        // The process itself is watched too: its end of the socket may live on in something that the driver forked.
        pollfd waiting[3] = {{child_->socket(), POLLIN, 0}, {wake_.get(), POLLIN, 0}, {child_->pidfd(), POLLIN, 0}};
        if (::poll(waiting, 3, timeout) < 0 && errno != EINTR) break;
        if (waiting[1].revents) {
            std::uint64_t count = 0;
            [[maybe_unused]] ssize_t read = ::read(wake_.get(), &count, sizeof count);
            std::lock_guard lock(mutex_);
            if (stop_) break;
        }
        if (!waiting[0].revents && waiting[2].revents) break;
        if (!waiting[0].revents) continue;
        auto message = receive_frame(child_->socket());
        if (message) {
            handle(std::move(*message));
            continue;
        }
        if (message.error().code != Code::not_found)
            killed_because_ = "was killed (it sent what it must not: " + message.error().text + ")";
        break;
    }
    bool stopping = false;
    {
        std::lock_guard lock(mutex_);
        stopping = stop_;
        socket_ = nullptr;
        pid_ = 0;
    }
    std::string how = stopping ? child_->end(close_timeout_ms) : child_->collect();
    child_ended(killed_because_.empty() ? how : killed_because_);
}

void HostProcess::child_ended(const std::string& how) {
    std::map<std::uint64_t, Call> broken;
    bool stopping = false;
    {
        std::lock_guard lock(mutex_);
        broken.swap(calls_);
        down_because_ = "its process " + how;
        stopping = stop_;
        changed_.notify_all();
    }
    if (!stopping) log::error("a driver's process ended", {{"driver", wanted_.name}, {"reason", how}});
    for (auto& [id, call] : broken)
        call.pending->finish(fail(Code::internal, "driver \"" + wanted_.name + "\": its process " + how + " during \"" +
                                                      call.pending->operation + "\""));
}

bool HostProcess::pause(std::int64_t milliseconds) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, std::chrono::milliseconds(milliseconds), [&] { return stop_; });
}

void HostProcess::handle(Message message) {
    const auto type = member<std::string>(message.body, "type");
    const HostServices& services = *wanted_.services;
    if (type == "reply") return handle_reply(std::move(message));
    if (type == "spawn") return handle_spawn(std::move(message));
    if (type == "log" && services.log)
        services.log(wanted_.name, member<int>(message.body, "level", GANTRY_LOG_INFO),
                     member<std::string>(message.body, "text"));
    if (type == "event" && services.event)
        services.event(wanted_.name, member<Json>(message.body, "event", Json::object()));
}

void HostProcess::handle_reply(Message message) {
    std::shared_ptr<Pending> pending;
    {
        std::lock_guard lock(mutex_);
        auto found = calls_.find(member<std::uint64_t>(message.body, "call"));
        if (found == calls_.end()) return;
        pending = std::move(found->second.pending);
        calls_.erase(found);
    }
    pending->status = member<gantry_status>(message.body, "status", GANTRY_INTERNAL);
    pending->defect = member<std::string>(message.body, "defect");
    pending->reply_fds = std::move(message.fds);
    pending->body = member<Json>(message.body, "result", Json::object());
    pending->finish();
}

void HostProcess::handle_spawn(Message message) {
    auto shared = std::make_shared<Message>(std::move(message));
    auto work = [shared, socket = child_->shared_socket(), services = wanted_.services] {
        const Json& body = shared->body;
        Result<int> ended = fail(Code::unsupported, "nothing here runs programs for drivers");
        auto request =
            parse_spawn(member<Json>(body, "spec", Json::object()), std::max(0, member<int>(body, "timeout_ms")));
        int fds[3] = {-1, -1, -1};
        const Json given = member<Json>(body, "given", Json::array());
        for (std::size_t i = 0, next = 0; i < 3 && i < given.size() && next < shared->fds.size(); ++i)
            if (given[i] == true) fds[i] = shared->fds[next++].get();
        if (!request)
            ended = request.error();
        else if (services->spawn)
            ended = services->spawn(*request, fds);
        Json answer{{"type", "spawned"}, {"id", body.value("id", Json(0))}, {"status", 0}};
        if (ended)
            answer["exit"] = *ended;
        else
            answer.update({{"status", static_cast<int>(ended.error().code)}, {"message", ended.error().text}});
        if (auto sent = send_frame(socket->get(), answer); !sent)
            log::debug("a driver's process did not wait for a program's end");
    };
    helpers_.submit([work]() noexcept {
        try {
            work();
        } catch (const std::exception& e) {
            log::error("running a program for a driver failed", {{"reason", e.what()}});
        }
    });
}

// The socket of a process that is ready and newer than `after_generation`.
Result<HostProcess::Socket> HostProcess::wait_ready(std::int64_t until_ns, std::uint64_t after_generation,
                                                    std::uint64_t& generation) {
    std::unique_lock lock(mutex_);
    const std::chrono::steady_clock::time_point until{std::chrono::nanoseconds(until_ns)};
    bool ready = changed_.wait_until(lock, until, [&] { return stop_ || (socket_ && generation_ > after_generation); });
    if (!ready || stop_)
        return fail(Code::retry_later, "driver \"" + wanted_.name + "\" is not running: " +
                                           (stop_                   ? "the engine is ending"
                                            : down_because_.empty() ? "its process does not answer"
                                                                    : down_because_));
    generation = generation_;
    return socket_;
}

void HostProcess::give_up(std::uint64_t id, const Socket& socket) {
    {
        std::lock_guard lock(mutex_);
        auto found = calls_.find(id);
        if (found == calls_.end()) return;
        found->second.kill_at_ns = monotonic_ns() + wanted_.settings.cancel_grace_ms * ns_per_ms;
    }
    // Whether it arrives or not, the grace runs.
    if (auto sent = send_frame(socket->get(), {{"type", "cancel"}, {"call", id}}); !sent)
        log::debug("a cancellation could not be sent", {{"driver", wanted_.name}});
    signal_event(wake_.get());
}

Result<Reply> HostProcess::call(std::string_view table, std::string_view operation, Json request,
                                const std::vector<NamedFd>& fds, Deadline deadline) {
    if (!request.is_object())
        return fail(Code::invalid, "the request of \"" + std::string(operation) + "\" is not a JSON object");
    const std::int64_t period = static_cast<std::int64_t>(deadline) * ns_per_ms;
    const std::int64_t until = monotonic_ns() + period;
    std::vector<int> borrowed;
    for (const NamedFd& fd : fds) {
        request["fds"].push_back(fd.name);
        borrowed.push_back(fd.fd);
    }
    Json frame{{"type", "call"}, {"table", table}, {"operation", operation}, {"request", std::move(request)}};
    std::shared_ptr<Pending> pending;
    std::uint64_t generation = 0, id = 0;
    Socket socket;
    // A process that was gone before the call went out has not seen it: the next one gets it.
    for (;;) {
        GANTRY_TRY(socket, wait_ready(until, generation, generation));
        pending = std::make_shared<Pending>();
        pending->operation = operation;
        pending->deadline_ns = until;
        {
            std::lock_guard lock(mutex_);
            if (generation_ != generation || !socket_) continue;
            id = ++last_call_;
            calls_[id] = {pending, 0};
        }
        frame["call"] = id;
        frame["deadline_ms"] = std::max<std::int64_t>(0, (until - monotonic_ns()) / ns_per_ms) + 1;
        auto sent = send_frame(socket->get(), frame, borrowed);
        if (sent) break;
        {
            std::lock_guard lock(mutex_);
            calls_.erase(id);
        }
        const int error = sent.error().system_errno;
        if (error != EPIPE && error != ECONNRESET && error != ENOTCONN)
            return std::move(sent).error().context("driver \"" + wanted_.name + "\" takes no calls");
    }
    std::function<std::optional<std::uint64_t>()> bytes_moved;
    if (deadline == Deadline::longer)
        bytes_moved = [this] { return bytes_moved_by("/proc/" + std::to_string(pid()) + "/io"); };
    auto extended = [&](std::int64_t until_ns) {
        if (auto sent = send_frame(
                socket->get(),
                {{"type", "extend"}, {"call", id}, {"deadline_ms", (until_ns - monotonic_ns()) / ns_per_ms}});
            !sent)
            log::debug("more time could not be told", {{"driver", wanted_.name}});
    };
    const bool answered = pending->wait(period, bytes_moved, extended) == Pending::Outcome::answered;
    if (!answered) give_up(id, socket);
    if (!answered || pending->cancelled_by_deadline()) {
        return fail(Code::deadline, "driver \"" + wanted_.name + "\" did not answer \"" + std::string(operation) +
                                        "\" in " + std::to_string(static_cast<int>(deadline)) + " ms");
    }
    if (pending->failure) return std::move(*pending->failure);
    return finish_reply(wanted_.name, operation, pending->status, std::move(pending->body),
                        std::move(pending->reply_fds), pending->defect);
}

}  // namespace gantry::driver
