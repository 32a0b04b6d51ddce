#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include <gantry/abi/runtime.h>
#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/monitor/monitor_types.hpp"
#include "core/monitor/process_title.hpp"

namespace gantry::monitor {
namespace {

constexpr std::size_t remembered_execs = 64;
constexpr std::int64_t output_after_end_ns = 2'000'000'000, acknowledgement_ns = 2'000'000'000;

}  // namespace

std::uint64_t Monitor::exec_ended(const std::string& exec_id, int exit_code) {
    Finished finished{exec_id, exit_code, wall_clock_ns(), ++events_told_};
    tell_all(exec_event(finished));
    finished_.push_back(std::move(finished));
    if (finished_.size() > remembered_execs) finished_.pop_front();
    return events_told_;
}

bool Monitor::seen_by_all(std::uint64_t number) const {
    return std::all_of(controls_.begin(), controls_.end(), [&](const auto& control) {
        return control->dead || !control->acknowledges || control->seen >= number;
    });
}

// A client asks the engine for the exit code as soon as its stream ends: the engine must know it before.
void Monitor::release_ended_execs() {
    for (auto& exec : ended_execs_) {
        if (exec->released || !seen_by_all(exec->told)) continue;
        exec->released = true;
        exec->io->finish();
        exec->io->sweep();
    }
}

// An engine that hangs must not hold the end of the container for ever.
void Monitor::await_acknowledgements() {
    const std::int64_t until = monotonic_ns() + acknowledgement_ns;
    while (!ended_execs_.empty() && !seen_by_all(events_told_)) {
        const std::int64_t left_ms = (until - monotonic_ns()) / 1'000'000;
        if (left_ms <= 0 || !loop_.run_once(static_cast<int>(left_ms))) break;
    }
    for (auto& exec : ended_execs_) exec->io->finish();
}

bool Monitor::was_out_of_memory() {
    if (!driver_->offers(GANTRY_RUNTIME_STATS)) return false;
    auto answer = call(GANTRY_RUNTIME_STATS, "stats", {{"id", spec_.id}});
    if (!answer) return false;
    const Json memory = member<Json>(answer->result, "memory", Json::object());
    if (!memory.is_object()) return false;
    const Json named = member<Json>(memory, "stats", Json::object());
    return member<std::int64_t>(memory, "oom_kill") > 0 ||
           (named.is_object() && member<std::int64_t>(named, "oom_kill") > 0);
}

Result<void> Monitor::write_exit_record() {
    GANTRY_FAILPOINT("monitor.before_exit_record");
    Json record{{"exit_code", exit_code_},
                {"started_ns", started_ns_},
                {"finished_ns", finished_ns_},
                {"oom_killed", out_of_memory_}};
    auto written = write_file_atomic(spec_.exit_file, record.dump(), 0600);
    // A full disk: the run directory is another one, and lasts until the engine has taken the record over.
    if (!written && write_file_atomic(spec_.run_dir + "/exit.json", record.dump(), 0600)) return {};
    return written;
}

void Monitor::remove_container() {
    GANTRY_FAILPOINT_VOID("monitor.before_remove");
    if (auto removed = call(GANTRY_RUNTIME, "remove", {{"id", spec_.id}}); !removed)
        log::error("the runtime driver could not remove the container",
                   {{"container", spec_.id}, {"error", removed.error().text}});
    GANTRY_FAILPOINT_VOID("monitor.after_remove");
}

// Never started, and nobody is there who could start it: as if it had not been launched.
void Monitor::abandon() {
    remove_container();
    io_->finish();
    hand_over_clients();
    ::unlinkat(run_dir_.get(), "monitor.sock", 0);
}

void Monitor::end_container() {
    finished_ns_ = wall_clock_ns();
    if (!started_) return abandon();
    io_->drain();
    out_of_memory_ = out_of_memory_ || (exit_code_ == 128 + SIGKILL && was_out_of_memory());
    bool removed = false;
    // Processes that escaped from the first one hold its pipes; they are killed first, so that no output is lost.
    if (!io_->at_end() || !execs_.empty()) {
        remove_container();
        removed = true;
        for (std::int64_t until = monotonic_ns() + output_after_end_ns; !io_->at_end() && monotonic_ns() < until;) {
            io_->drain();
            if (!io_->at_end()) ::poll(nullptr, 0, 5);
        }
        io_->drain();
        reap();
        for (auto& [pid, exec] : execs_) {
            if (exec->io) {
                exec->io->drain();
                exec->io->settle();
            }
            exec->told = exec_ended(exec->id, 128 + SIGKILL);
            if (exec->io) ended_execs_.push_back(std::move(exec));
        }
        execs_.clear();
    }
    // The log is complete before the record says that the container has ended, and the record is there before anybody
    // is told.
    io_->flush_log();
    if (auto written = write_exit_record(); !written)
        log::error("the exit record could not be written",
                   {{"container", spec_.id}, {"file", spec_.exit_file}, {"error", written.error().text}});
    GANTRY_FAILPOINT_VOID("monitor.after_exit_record");
    tell_all(
        {{"event", "exited"}, {"exit_code", exit_code_}, {"time_ns", finished_ns_}, {"oom_killed", out_of_memory_}});
    io_->finish();
    if (!removed) remove_container();
    ::unlinkat(run_dir_.get(), "monitor.sock", 0);
    reap();
    await_acknowledgements();
    hand_over_clients();
}

// Clients that have not read all of their output get the rest from a process that holds nothing else, so that the
// end of the container does not wait for them.
void Monitor::hand_over_clients() {
    auto left = io_->release_clients();
    for (auto& exec : ended_execs_)
        for (auto& client : exec->io->release_clients()) left.push_back(std::move(client));
    if (left.empty()) return;
    if (pid_t child = ::fork(); child != 0) return;
    std::vector<pollfd> waiting;
    for (const auto& [fd, bytes] : left) waiting.push_back({fd.get(), POLLOUT, 0});
    set_process_title("gantry-output", "gantry-output " + spec_.id);
    for (int fd = 3; fd < 1024; ++fd) {
        bool ours = false;
        for (const auto& entry : waiting) ours = ours || entry.fd == fd;
        if (!ours) ::close(fd);
    }
    ::close_range(1024, ~0u, 0);
    std::int64_t until = monotonic_ns() + std::int64_t{3600} * 1'000'000'000;
    std::size_t open = left.size();
    while (open > 0 && monotonic_ns() < until) {
        if (::poll(waiting.data(), waiting.size(), 60'000) < 0 && errno != EINTR) break;
        for (std::size_t i = 0; i < waiting.size(); ++i) {
            if (waiting[i].fd < 0 || waiting[i].revents == 0) continue;
            std::string& bytes = left[i].second;
            ssize_t n = ::send(waiting[i].fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n < 0 && errno == ENOTSOCK) n = ::write(waiting[i].fd, bytes.data(), bytes.size());
            if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            if (n > 0) bytes.erase(0, static_cast<std::size_t>(n));
            if (n > 0 && !bytes.empty()) continue;
            left[i].first.reset();
            waiting[i].fd = -1;
            --open;
        }
    }
    ::_exit(0);
}

}  // namespace gantry::monitor
