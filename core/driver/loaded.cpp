#include "core/driver/loaded.hpp"

#include <unistd.h>

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/driver/pending.hpp"
#include "core/driver/reply.hpp"

namespace gantry::driver {
namespace {

constexpr std::size_t most_workers = 8;
constexpr int stuck_limit = 3;

std::int64_t nanoseconds(Deadline deadline) { return static_cast<std::int64_t>(deadline) * 1'000'000; }

}  // namespace

LoadedDriver::LoadedDriver(std::shared_ptr<Instance> instance, Threads threads)
    : instance_(std::move(instance)), threads_(threads), breaker_(std::make_shared<Breaker>(stuck_limit)) {
    if (threads_ == Threads::workers) workers_ = std::make_unique<Workers>(most_workers);
}

Result<Reply> LoadedDriver::call(std::string_view table, std::string_view operation, Json request,
                                 std::vector<NamedFd> fds, Deadline deadline) {
    GANTRY_TRY(gantry_op op, instance_->find(table, operation));
    if (threads_ != Threads::caller_only) GANTRY_CHECK(breaker_->admit(name(), [this] { return ask_health(); }));
    GANTRY_FAILPOINT("driver.call");
    auto reply = run(op, operation, std::move(request), fds, deadline);
    GANTRY_FAILPOINT("driver.called");
    return reply;
}

Result<Reply> LoadedDriver::run(gantry_op op, std::string_view operation, Json request, const std::vector<NamedFd>& fds,
                                Deadline deadline) {
    if (!request.is_object())
        return fail(Code::invalid, "the request of \"" + std::string(operation) + "\" is not a JSON object");
    auto pending = std::make_shared<Pending>();
    pending->driver = instance_->name();
    pending->operation = operation;
    std::vector<int> borrowed;
    for (const NamedFd& fd : fds) {
        request["fds"].push_back(fd.name);
        borrowed.push_back(fd.fd);
    }
    pending->request = request.dump(-1, ' ', false, Json::error_handler_t::replace);

    if (threads_ == Threads::caller_only) {
        bool answered = false;
        pending->on_reply = [&answered](CallState&) { answered = true; };
        pending->fds = std::move(borrowed);
        instance_->run(op, pending);
        if (!answered) {
            // The driver may still answer some day; what it finds then must not be this stack.
            pending->on_reply = nullptr;
            return fail(Code::internal,
                        "driver \"" + name() + "\" returned from \"" + std::string(operation) + "\" without an answer");
        }
        return finish_reply(name(), operation, pending->status, pending->json, std::move(pending->reply_fds),
                            pending->defect);
    }

    GANTRY_CHECK(pending->own_fds(borrowed));
    pending->deadline_ns = monotonic_ns() + nanoseconds(deadline);
    pending->answered_late = [breaker = breaker_] { breaker->answered(); };
    std::function<std::optional<std::uint64_t>()> bytes_moved;
    if (threads_ == Threads::caller) {
        instance_->run(op, pending);
    } else {
        auto work = [instance = instance_, op, pending] {
            // The caller may have given up while this waited for a thread; then the driver never hears of it.
            int nobody = 0;
            if (!pending->thread.compare_exchange_strong(nobody, ::gettid())) {
                pending->finish();
                return;
            }
            instance->run(op, pending);
        };
        if (!workers_->submit(work))
            return fail(Code::exhausted, "no thread can be made for driver \"" + name() + "\"");
        if (deadline == Deadline::longer)
            bytes_moved = [state = pending.get()]() -> std::optional<std::uint64_t> {
                int thread = state->thread;
                return thread > 0 ? bytes_moved_by("/proc/self/task/" + std::to_string(thread) + "/io") : std::nullopt;
            };
    }
    auto late = [&] {
        return fail(Code::deadline, "driver \"" + name() + "\" did not answer \"" + std::string(operation) + "\" in " +
                                        std::to_string(static_cast<int>(deadline)) + " ms");
    };
    if (pending->wait(nanoseconds(deadline), bytes_moved) == Pending::Outcome::given_up) {
        breaker_->stuck();
        int nobody = 0;
        if (threads_ == Threads::workers && pending->thread.compare_exchange_strong(nobody, -1))
            return fail(Code::retry_later,
                        "driver \"" + name() + "\" is busy: \"" + std::string(operation) + "\" found no free thread");
        return late();
    }
    if (pending->cancelled_by_deadline()) return late();
    return finish_reply(name(), operation, pending->status, pending->json, std::move(pending->reply_fds),
                        pending->defect);
}

Result<void> LoadedDriver::ask_health() {
    GANTRY_TRY(gantry_op op, instance_->find(driver_table, "health"));
    GANTRY_TRY(Reply reply, run(op, "health", Json::object(), {}, Deadline::fast));
    if (member<bool>(reply.result, "healthy", true)) return {};
    return fail(Code::retry_later, member<std::string>(reply.result, "message", "not healthy"));
}

}  // namespace gantry::driver
