// The C++ face of the border, for authors of drivers: header-only, nothing of the engine is linked. Include the
// header of your kind (network.hpp, volume.hpp, layer.hpp, runtime.hpp), derive from its class, and end the file
// with its macro: GANTRY_NETWORK_DRIVER(MyDriver, "name", "1.0"). See sdk/docs/abi.md, sdk/template.
#pragma once
#include <gantry/abi/driver.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry {

inline gantry_str to_abi(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view from_abi(gantry_str text) {
    return text.len ? std::string_view(text.ptr, text.len) : std::string_view();
}

enum class LogLevel {
    error = GANTRY_LOG_ERROR,
    warn = GANTRY_LOG_WARN,
    info = GANTRY_LOG_INFO,
    debug = GANTRY_LOG_DEBUG
};

// What the engine lends; copyable; valid until the driver object is destroyed. Any thread.
class Host {
public:
    explicit Host(const gantry_host* table) : table_(table) {}
    void log(LogLevel level, std::string_view text) const {
        table_->log(table_->ctx, nullptr, static_cast<int32_t>(level), to_abi(text));
    }
    void event(const Json& event) const { table_->event(table_->ctx, to_abi(event.dump())); }

    // Runs fn() inside the network namespace behind `netns` on a thread of its own and waits; gives what fn gives,
    // a Result. fn must not throw.
    template <typename F>
    auto in_netns(int netns, F fn) const -> decltype(fn()) {
        using R = decltype(fn());
        struct Work {
            F* fn;
            std::unique_ptr<R> result;
        } work{&fn, nullptr};
        int32_t ignored = 0;
        gantry_status status = table_->in_netns(
            table_->ctx, netns,
            [](void* arg) -> int32_t {
                auto* w = static_cast<Work*>(arg);
                w->result = std::make_unique<R>((*w->fn)());
                return 0;
            },
            &work, &ignored);
        if (status != GANTRY_OK) return fail(static_cast<Code>(status), "enter the network namespace");
        return std::move(*work.result);
    }

    const gantry_host* table() const { return table_; }

private:
    const gantry_host* table_;
};

// One operation under way.
class Call {
public:
    Call(const gantry_host* host, gantry_call* call) : host_(host), call_(call) {}
    bool cancelled() const { return host_->cancelled(call_) != 0; }
    std::int64_t remaining_ms() const { return host_->remaining_ms(call_); }
    void log(LogLevel level, std::string_view text) const {
        host_->log(host_->ctx, call_, static_cast<int32_t>(level), to_abi(text));
    }
    // Runs a program to its end (abi/driver.h, gantry_host.spawn); fds: stdin, stdout, stderr, -1 for /dev/null.
    Result<int> spawn(const std::vector<std::string>& argv, const Json& environment = Json::object(), int in = -1,
                      int out = -1, int err = -1) const {
        Json spec{{"argv", argv}, {"env", environment}, {"cwd", "/"}};
        const int fds[3] = {in, out, err};
        int32_t exit_status = 0;
        gantry_status status = host_->spawn(host_->ctx, call_, to_abi(spec.dump()), fds, &exit_status);
        if (status != GANTRY_OK) return fail(static_cast<Code>(status), "run \"" + argv.at(0) + "\"");
        return static_cast<int>(exit_status);
    }

private:
    const gantry_host* host_;
    gantry_call* call_;
};

// The descriptors of a request, by name; borrowed for the call.
class Fds {
public:
    Fds(const Json& names, const int* fds, uint32_t count) : names_(&names), fds_(fds), count_(count) {}
    // -1: not given.
    int get(std::string_view name) const {
        if (!names_->is_array()) return -1;
        for (std::size_t i = 0; i < names_->size() && i < count_; ++i)
            if ((*names_)[i] == name) return fds_[i];
        return -1;
    }

private:
    const Json* names_;
    const int* fds_;
    uint32_t count_;
};

// The result of an operation: a JSON object, and descriptors that leave with it (closed after the engine has dup'ed).
struct Answer {
    Json result = Json::object();
    std::vector<std::pair<std::string, UniqueFd>> fds = {};
    Answer() = default;
    Answer(Json json) : result(std::move(json)) {}
    void give(std::string name, UniqueFd fd) { fds.emplace_back(std::move(name), std::move(fd)); }
};

// What open() is given.
struct DriverConfig {
    std::string engine, root, run;
    Json options;  // validated by the engine against describe()["options"], defaults filled in

    static DriverConfig from_json(const Json& json) {
        return {json.value("engine", ""), json.value("root", ""), json.value("run", ""),
                json.value("options", Json::object())};
    }
};

// An optional member of a request; absent or of another type: `otherwise`.
template <typename T>
T member(const Json& json, const char* key, T otherwise = {}) {
    auto found = json.find(key);
    if (found == json.end() || found->is_null()) return otherwise;
    try {
        return found->get<T>();
    } catch (const Json::exception&) {
        return otherwise;
    }
}

namespace detail {

// The driver object together with what it was lent.
template <typename D>
struct Instance {
    const gantry_host* host;
    std::unique_ptr<D> driver;
};

inline void reply_error(const gantry_host* host, gantry_call* call, Error error) noexcept {
    try {
        Json body{{"message", error.text}};
        if (error.system_errno) body["detail"] = {{"errno", error.system_errno}};
        std::string text = body.dump(-1, ' ', false, Json::error_handler_t::replace);
        host->reply(call, static_cast<gantry_status>(error.code), to_abi(text), nullptr, 0);
    } catch (...) {
        host->reply(call, GANTRY_INTERNAL, to_abi("{\"message\":\"out of memory\"}"), nullptr, 0);
    }
}

// The one noexcept function that every operation passes through. F is a captureless lambda
// Result<Answer>(D&, Call&, const Json&, const Fds&).
template <typename D, typename F>
void thunk(void* self, gantry_call* call, gantry_str request, const int* fds, uint32_t count) noexcept {
    auto* instance = static_cast<Instance<D>*>(self);
    const gantry_host* host = instance->host;
    try {
        std::string_view text = from_abi(request);
        Json json = text.empty() ? Json::object() : Json::parse(text, nullptr, false);
        if (!json.is_object()) return reply_error(host, call, fail(Code::invalid, "the request is not a JSON object"));
        const Json names = json.value("fds", Json::array());
        Call under_way(host, call);
        Result<Answer> answer = F{}(*instance->driver, under_way, json, Fds(names, fds, count));
        if (!answer) return reply_error(host, call, std::move(answer).error());
        std::vector<int> given;
        for (auto& [name, fd] : answer->fds) {
            answer->result["fds"].push_back(name);
            given.push_back(fd.get());
        }
        std::string result = answer->result.dump(-1, ' ', false, Json::error_handler_t::replace);
        host->reply(call, GANTRY_OK, to_abi(result), given.data(), static_cast<uint32_t>(given.size()));
    } catch (const std::exception& e) {
        reply_error(host, call, fail(Code::internal, e.what()));
    } catch (...) {
        reply_error(host, call, fail(Code::internal, "an exception of unknown type"));
    }
}

template <typename D, typename F>
gantry_op op(F) {
    return &thunk<D, F>;
}

template <typename D>
void close_instance(void* self) noexcept {
    delete static_cast<Instance<D>*>(self);
}

template <typename D>
const void* find_table(void*, const char* id) noexcept {
    return D::template table_of<D>(id);
}

template <typename D>
gantry_status open_instance(const gantry_host* host, gantry_str config, gantry_driver* out,
                            void (*fail_with)(void*, gantry_str), void* fail_ctx) noexcept {
    try {
        auto driver = D::create(Host(host), DriverConfig::from_json(Json::parse(from_abi(config))));
        if (!driver) {
            fail_with(fail_ctx, to_abi(driver.error().text));
            return static_cast<gantry_status>(driver.error().code);
        }
        out->self = new Instance<D>{host, std::move(driver).value()};
        out->close = close_instance<D>;
        out->table = find_table<D>;
        out->reconcile = nullptr;
        out->health = nullptr;
        if constexpr (requires(D & d, Call & c, const Json& j, const Fds& f) { {d.reconcile(c, j)}; })
            out->reconcile =
                op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> { return d.reconcile(c, j); });
        if constexpr (requires(D & d, Call & c) { {d.health(c)}; })
            out->health = op<D>([](D& d, Call& c, const Json&, const Fds&) -> Result<Answer> { return d.health(c); });
        return GANTRY_OK;
    } catch (const std::exception& e) {
        fail_with(fail_ctx, to_abi(e.what()));
    } catch (...) {
        fail_with(fail_ctx, to_abi("an exception of unknown type"));
    }
    return GANTRY_INTERNAL;
}

template <typename D>
gantry_str describe() noexcept {
    // Made once, kept for ever: the border says static storage. A describe() that throws gives "", which is refused.
    static const std::string* text = new std::string([]() -> std::string {
        try {
            Json json = D::describe();
            json["kind"] = D::kind;
            if (!json.contains("options")) json["options"] = Json::object();
            return json.dump(-1, ' ', false, Json::error_handler_t::replace);
        } catch (...) {
            return {};
        }
    }());
    return to_abi(*text);
}

}  // namespace detail
}  // namespace gantry

// The one exported symbol. D has: static constexpr const char* kind (from its base), static Json describe(),
// static Result<std::unique_ptr<D>> create(Host, const DriverConfig&). It may have Result<Answer> reconcile(Call&, const Json&)
// and Result<Answer> health(Call&) (abi/driver.h, gantry_driver).
#define GANTRY_DRIVER_PLUGIN(D, name_, version_)                                                       \
    extern "C" __attribute__((visibility("default"))) const gantry_driver_plugin* gantry_driver_entry( \
        uint32_t host_major, uint32_t);                                                                \
    extern "C" const gantry_driver_plugin* gantry_driver_entry(uint32_t host_major, uint32_t) {        \
        static const gantry_driver_plugin plugin = {sizeof(gantry_driver_plugin),                      \
                                                    GANTRY_ABI_MAJOR,                                  \
                                                    GANTRY_ABI_MINOR,                                  \
                                                    0,                                                 \
                                                    name_,                                             \
                                                    version_,                                          \
                                                    ::gantry::detail::describe<D>,                     \
                                                    ::gantry::detail::open_instance<D>};               \
        return host_major == GANTRY_ABI_MAJOR ? &plugin : nullptr;                                     \
    }
