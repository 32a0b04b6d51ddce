// A driver in this process.
#pragma once
#include "core/driver/breaker.hpp"
#include "core/driver/instance.hpp"
#include "core/driver/workers.hpp"

namespace gantry::driver {

// On which thread operations run.
enum class Threads {
    // The caller's. For the engine's own drivers, which are trusted to keep to remaining_ms: no hand-over between threads is
    // paid (5 us a call instead of 40, measured on a busy machine of two cores). An operation that overruns comes back late,
    // with its true answer; one that returns without having answered is waited for until its deadline.
    caller = 1,
    // One of a few of its own: an operation that never returns costs that thread, and its caller gets GANTRY_DEADLINE.
    workers,
    // The caller's, without deadline and without any other thread: gantry-launcher and its monitors.
    caller_only,
};

class LoadedDriver final : public Driver {
public:
    LoadedDriver(std::shared_ptr<Instance> instance, Threads threads);

    const std::string& name() const override { return *instance_->name(); }
    Kind kind() const override { return instance_->library().file.kind; }
    const Json& description() const override { return instance_->library().description; }
    bool offers(std::string_view table) const override { return instance_->offers(table); }
    Result<Reply> call(std::string_view table, std::string_view operation, Json request, std::vector<NamedFd> fds,
                       Deadline deadline) override;

private:
    Result<Reply> run(gantry_op op, std::string_view operation, Json request, const std::vector<NamedFd>& fds,
                      Deadline deadline);
    Result<void> ask_health();

    std::shared_ptr<Instance> instance_;
    Threads threads_;
    std::shared_ptr<Breaker> breaker_;
    std::unique_ptr<Workers> workers_;
};

}  // namespace gantry::driver
