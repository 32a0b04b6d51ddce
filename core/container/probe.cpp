// Running the probes of health checks: one in flight for a container, on a thread of its own that lives as long as the
// probe does.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <future>

#include "core/base/clock.hpp"
#include "core/base/ids.hpp"
#include "core/container/capabilities.hpp"
#include "core/container/executions.hpp"
#include "core/container/spec.hpp"

namespace gantry::container {
namespace {

constexpr std::size_t output_limit = 4096;

// What the probe writes until its end or the deadline; what is beyond the limit is read and dropped, so that it never
// waits for us.
std::string drain(int fd, std::int64_t deadline_ns) {
    std::string output;
    char block[4096];
    for (;;) {
        std::int64_t left_ms = (deadline_ns - monotonic_ns()) / 1'000'000;
        if (left_ms <= 0) return output;
        pollfd waiting{fd, POLLIN, 0};
        if (::poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(left_ms, 60'000))) <= 0) continue;
        ssize_t n = ::read(fd, block, sizeof block);
        if (n <= 0) return output;
        if (output.size() < output_limit)
            output.append(block, std::min(static_cast<std::size_t>(n), output_limit - output.size()));
    }
}

}  // namespace

void ContainerService::begin_health(const EntryPtr& entry) {
    auto check = read_health_check(entry->record.config);
    if (!check || check->command.empty()) return;
    std::uint64_t number = 0;
    {
        std::lock_guard lock(entry->mutex);
        if (entry->record.health.status == "none" || entry->record.health.status.empty())
            entry->record.health.status = "starting";
        number = entry->start_number;
    }
    bool starting = check->start_period_ns > 0;
    timers_->after(static_cast<int>((starting ? check->start_interval_ns : check->interval_ns) / 1'000'000),
                   [this, entry, number, c = *check] { probe_soon(entry, number, c); });
}

void ContainerService::probe_soon(const EntryPtr& entry, std::uint64_t number, const HealthCheck& check) {
    {
        std::lock_guard lock(entry->mutex);
        if (entry->start_number != number || !entry->record.active()) return;
    }
    run_beside([this, entry, number, check] {
        std::int64_t next_ns = probe(entry, number, check);
        if (next_ns > 0)
            timers_->after(static_cast<int>(next_ns / 1'000'000),
                           [this, entry, number, check] { probe_soon(entry, number, check); });
    });
}

// Gives the nanoseconds until the next one; 0: no more of this start.
std::int64_t ContainerService::probe(const EntryPtr& entry, std::uint64_t number, const HealthCheck& check) {
    std::shared_ptr<Monitor> monitor;
    Container c;
    {
        std::lock_guard lock(entry->mutex);
        c = entry->record;
        monitor = entry->monitor;
    }
    if (!monitor || c.state.status != Status::running) return check.interval_ns;  // paused: nothing can answer
    auto identity = identity_of(*entry, *monitor, "", false);
    int ends[2];
    if (!identity || ::pipe2(ends, O_CLOEXEC) != 0) return check.interval_ns;
    UniqueFd reading(ends[0]), writing(ends[1]);
    Monitor::Attachment stdio;
    stdio.raw.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    stdio.raw.emplace_back(::fcntl(writing.get(), F_DUPFD_CLOEXEC, 3));
    stdio.raw.push_back(std::move(writing));

    auto execution = std::make_shared<Execution>();
    execution->id = new_id();
    execution->container_id = c.id;
    execution->config = {{"Cmd", check.command}};
    execution->running = execution->started = true;
    auto ended = execution->ended.get_future();
    executions_->hold(execution);
    publish(*entry, "exec_create: " + command_of(execution->config), {{"execID", execution->id}});
    ScopeGuard forget([&] { executions_->erase(execution->id); });
    Health::Probe outcome;
    outcome.start_ns = wall_clock_ns();
    std::int64_t deadline = monotonic_ns() + check.timeout_ns;
    auto pid = monitor->exec(execution->id, exec_process(c, execution->config, identity->user, identity->capabilities),
                             false, identity->seccomp, std::move(stdio));
    if (!pid) {
        outcome.exit_code = -1;
        outcome.output = pid.error().text;
    } else {
        UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0)));
        publish(*entry, "exec_start: " + command_of(execution->config), {{"execID", execution->id}});
        outcome.output = drain(reading.get(), deadline);
        std::int64_t left = std::max<std::int64_t>(deadline - monotonic_ns(), 0);
        if (ended.wait_for(std::chrono::nanoseconds(left)) == std::future_status::ready) {
            outcome.exit_code = ended.get();
        } else {
            if (process) ::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
            outcome.exit_code = -1;
            outcome.output = "Health check exceeded timeout (" + std::to_string(check.timeout_ns / 1'000'000) + "ms)" +
                             (outcome.output.empty() ? "" : ": " + outcome.output);
        }
    }
    outcome.end_ns = wall_clock_ns();
    bool changed = false, in_start_period = false;
    std::string status;
    {
        std::lock_guard lock(entry->mutex);
        if (entry->start_number != number || !entry->record.active()) return 0;
        in_start_period = outcome.start_ns - entry->record.state.started_ns < check.start_period_ns;
        changed = entry->record.health.add(std::move(outcome), check, in_start_period);
        status = entry->record.health.status;
        if (changed) (void)save(*entry);
    }
    if (changed) publish(*entry, "health_status: " + status);
    return in_start_period && status == "starting" ? check.start_interval_ns : check.interval_ns;
}

}  // namespace gantry::container
