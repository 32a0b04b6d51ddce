#include "core/driver/host_table.hpp"

#include <sched.h>

#include <cstring>
#include <system_error>
#include <thread>

#include "core/base/log.hpp"
#include "core/driver/call_state.hpp"
#include "core/driver/signals.hpp"

namespace gantry::driver {
namespace {

constexpr std::size_t max_log_bytes = 8u << 10;
constexpr std::size_t max_event_bytes = 64u << 10;
constexpr std::size_t max_spawn_bytes = 128u << 10;

std::string_view view(gantry_str text, std::size_t limit) {
    if (!text.ptr) return {};
    return {text.ptr, std::min<std::size_t>(text.len, limit)};
}

}  // namespace

Result<SpawnRequest> parse_spawn(const Json& spec, int timeout_ms) {
    if (!spec.is_object()) return fail(Code::invalid, "the program to run is not a JSON object");
    SpawnRequest request;
    request.timeout_ms = timeout_ms;
    std::size_t bytes = 0;
    auto take = [&](const Json& text, std::vector<std::string>& into, std::string prefix) {
        if (!text.is_string()) return false;
        std::string value = prefix + text.get<std::string>();
        bytes += value.size() + 1;
        if (value.find('\0') != std::string::npos || bytes > max_spawn_bytes) return false;
        into.push_back(std::move(value));
        return true;
    };
    const Json argv = spec.value("argv", Json::array());
    if (!argv.is_array() || argv.empty()) return fail(Code::invalid, "the program to run has no \"argv\"");
    for (const Json& argument : argv)
        if (!take(argument, request.argv, ""))
            return fail(Code::invalid, "an element of \"argv\" is no text, or all are too long");
    if (!request.argv[0].starts_with("/"))
        return fail(Code::invalid, "program \"" + request.argv[0] + "\" is not an absolute path");
    const Json environment = spec.value("env", Json::object());
    if (!environment.is_object()) return fail(Code::invalid, "\"env\" of the program to run is not an object");
    for (auto one = environment.begin(); one != environment.end(); ++one)
        if (one.key().empty() || one.key().find('=') != std::string::npos ||
            !take(*one, request.environment, one.key() + "="))
            return fail(Code::invalid, "environment variable \"" + one.key() + "\" is not valid");
    if (spec.value("cwd", Json("/")) != "/") return fail(Code::unsupported, "programs of drivers run in \"/\" only");
    return request;
}

HostTable::HostTable(std::string driver, std::shared_ptr<const HostServices> services)
    : driver_(std::move(driver)), services_(std::move(services)), table_{} {
    table_.size = sizeof table_;
    table_.abi_minor = GANTRY_ABI_MINOR;
    table_.ctx = this;
    table_.log = &HostTable::log;
    table_.reply = &reply_to_call;
    table_.cancelled = &call_cancelled;
    table_.remaining_ms = &call_remaining_ms;
    table_.in_netns = &HostTable::in_netns;
    table_.spawn = &HostTable::spawn;
    table_.event = &HostTable::event;
    table_.extension = [](void*, const char*) -> const void* { return nullptr; };
}

void HostTable::log(void* ctx, gantry_call*, std::int32_t level, gantry_str text) noexcept {
    auto* self = static_cast<HostTable*>(ctx);
    try {
        if (self->services_->log) self->services_->log(self->driver_, level, view(text, max_log_bytes));
    } catch (...) {
        // Out of memory: a line of the log is what can be spared.
    }
}

gantry_status HostTable::in_netns(void* ctx, int netns, std::int32_t (*fn)(void*), void* arg,
                                  std::int32_t* result) noexcept {
    auto* self = static_cast<HostTable*>(ctx);
    if (!self->services_->threads) return GANTRY_UNSUPPORTED;
    if (!fn || netns < 0) return GANTRY_INVALID;
    int entered = 0;
    gantry_status status = GANTRY_OK;
    auto work = [&]() noexcept {
        // The thread ends after this, so there is no namespace to go back to and no way to be left in the wrong one.
        if (::setns(netns, CLONE_NEWNET) != 0) {
            entered = errno;
            return;
        }
        try {
            std::int32_t value = fn(arg);
            if (result) *result = value;
        } catch (...) {
            status = GANTRY_INTERNAL;
        }
    };
    try {
        std::thread thread;
        {
            SignalsBlocked blocked;
            thread = std::thread(work);
        }
        thread.join();
    } catch (const std::system_error&) {
        return GANTRY_EXHAUSTED;
    }
    if (entered != 0) {
        try {
            if (self->services_->log)
                self->services_->log(self->driver_, GANTRY_LOG_WARN,
                                     std::string("cannot enter a network namespace: ") + std::strerror(entered));
        } catch (...) {
        }
        return static_cast<gantry_status>(code_of_errno(entered));
    }
    return status;
}

gantry_status HostTable::spawn(void* ctx, gantry_call* call, gantry_str spec, const int fds[3],
                               std::int32_t* exit_status) noexcept {
    auto* self = static_cast<HostTable*>(ctx);
    try {
        if (!self->services_->spawn) return GANTRY_UNSUPPORTED;
        const std::int64_t remaining = call_remaining_ms(call);
        if (remaining <= 0) return GANTRY_DEADLINE;
        if (spec.len > max_spawn_bytes) return GANTRY_INVALID;
        auto request = parse_spawn(Json::parse(view(spec, max_spawn_bytes), nullptr, false),
                                   static_cast<int>(std::min<std::int64_t>(remaining, 3'600'000)));
        const int none[3] = {-1, -1, -1};
        Result<int> ended = request ? self->services_->spawn(*request, fds ? fds : none) : Result<int>(request.error());
        if (!ended) {
            if (self->services_->log)
                self->services_->log(self->driver_, GANTRY_LOG_WARN, "cannot run a program: " + ended.error().text);
            return static_cast<gantry_status>(ended.error().code);
        }
        if (exit_status) *exit_status = *ended;
        return GANTRY_OK;
    } catch (...) {
        return GANTRY_INTERNAL;
    }
}

void HostTable::event(void* ctx, gantry_str json) noexcept {
    auto* self = static_cast<HostTable*>(ctx);
    try {
        if (!self->services_->event) return;
        Json event = json.len <= max_event_bytes ? Json::parse(view(json, max_event_bytes), nullptr, false) : Json();
        if (event.is_object())
            self->services_->event(self->driver_, event);
        else if (self->services_->log)
            self->services_->log(self->driver_, GANTRY_LOG_WARN, "sent an event that is not a JSON object");
    } catch (...) {
    }
}

void log_for_driver(const std::string& driver, std::int32_t level, std::string_view text) {
    auto known =
        level >= GANTRY_LOG_ERROR && level <= GANTRY_LOG_DEBUG ? static_cast<log::Level>(level) : log::Level::info;
    log::write(known, text, {{"driver", driver}});
}

}  // namespace gantry::driver
