// For authors of runtime drivers: abi/runtime.h with types. The contracts stand there: every call comes in the
// container's monitor, one thread, one container per process.
#pragma once
#include <gantry/abi/runtime.h>

#include <gantry/driver.hpp>
#include <gantry/layer.hpp>

namespace gantry {

class RuntimeDriver {
public:
    static constexpr const char* kind = "runtime";
    virtual ~RuntimeDriver() = default;

    struct Create {
        std::string id, bundle, seccomp;
        std::vector<MountPlan> mounts;
        bool terminal = false;
        const Fds* fds = nullptr;  // "stdin", "stdout", "stderr", "netns", "mount:N"
    };
    struct Started {
        int pid = 0;
        UniqueFd terminal;  // the pty's master
    };
    virtual Result<Started> create(Call&, const Create&) = 0;
    virtual Result<void> start(Call&, const std::string& id) = 0;
    virtual Result<void> signal(Call&, const std::string& id, int number, bool all) = 0;
    struct Exec {
        std::string id, seccomp;
        Json process;
        bool terminal = false;
        const Fds* fds = nullptr;  // "stdin", "stdout", "stderr"
    };
    virtual Result<Started> exec(Call&, const Exec&) = 0;
    virtual Result<void> remove(Call&, const std::string& id) = 0;
    // remove in a process that did not create the container: `cgroup_path` is config.json's linux.cgroupsPath.
    virtual Result<void> sweep(Call& call, const std::string& id, const std::string& /*cgroup_path*/) {
        return remove(call, id);
    }

    static constexpr bool offers_warm = false, offers_pause = false, offers_stats = false, offers_update = false;
    virtual Result<void> warm_seccomp(Call&, const std::string& /*digest*/, const Json& /*profile*/) {
        return fail(Code::unsupported, "no filter cache");
    }
    virtual Result<void> pause(Call&, const std::string&) { return fail(Code::unsupported, "cannot pause"); }
    virtual Result<void> resume(Call&, const std::string&) { return fail(Code::unsupported, "cannot resume"); }
    virtual Result<Json> stats(Call&, const std::string&) { return fail(Code::unsupported, "no statistics"); }
    virtual Result<std::vector<int>> pids(Call&, const std::string&) {
        return fail(Code::unsupported, "no process list");
    }
    virtual Result<void> update(Call&, const std::string&, const Json& /*resources*/) {
        return fail(Code::unsupported, "cannot update");
    }

    template <typename D>
    static const void* table_of(std::string_view id);
};

template <typename D>
const void* RuntimeDriver::table_of(std::string_view id) {
    static constexpr auto id_of = [](const Json& j) { return member<std::string>(j, "id"); };
    static constexpr auto started = [](Result<Started> s) -> Result<Answer> {
        if (!s) return std::move(s).error();
        Answer answer(Json{{"pid", s->pid}});
        if (s->terminal) answer.give("terminal", std::move(s->terminal));
        return answer;
    };
    static constexpr auto done = [](Result<void> r) -> Result<Answer> {
        if (!r) return std::move(r).error();
        return Answer();
    };
    static const gantry_runtime table = {
        sizeof(gantry_runtime),
        0,
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds& fds) -> Result<Answer> {
            return started(
                d.create(c, Create{id_of(j), member<std::string>(j, "bundle"), member<std::string>(j, "seccomp"),
                                   member<std::vector<MountPlan>>(j, "mounts"), member<bool>(j, "terminal"), &fds}));
        }),
        detail::op<D>(
            [](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> { return done(d.start(c, id_of(j))); }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            return done(d.signal(c, id_of(j), member<int>(j, "signal"), member<bool>(j, "all")));
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds& fds) -> Result<Answer> {
            return started(
                d.exec(c, Exec{id_of(j), member<std::string>(j, "seccomp"), member<Json>(j, "process", Json::object()),
                               member<bool>(j, "terminal"), &fds}));
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            std::string cgroup_path = member<std::string>(j, "cgroup_path");
            return done(cgroup_path.empty() ? d.remove(c, id_of(j)) : d.sweep(c, id_of(j), cgroup_path));
        }),
    };
    static const gantry_runtime_warm warm = {
        sizeof(gantry_runtime_warm),
        0,
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            return done(
                d.warm_seccomp(c, member<std::string>(j, "digest"), member<Json>(j, "profile", Json::object())));
        }),
    };
    static const gantry_runtime_pause pause = {
        sizeof(gantry_runtime_pause),
        0,
        detail::op<D>(
            [](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> { return done(d.pause(c, id_of(j))); }),
        detail::op<D>(
            [](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> { return done(d.resume(c, id_of(j))); }),
    };
    static const gantry_runtime_stats stats = {
        sizeof(gantry_runtime_stats),
        0,
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_TRY(Json s, d.stats(c, id_of(j)));
            return Answer(s);
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_TRY(auto pids, d.pids(c, id_of(j)));
            return Answer(Json{{"pids", pids}});
        }),
    };
    static const gantry_runtime_update update = {
        sizeof(gantry_runtime_update),
        0,
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            return done(d.update(c, id_of(j), member<Json>(j, "resources", Json::object())));
        }),
    };
    if (id == GANTRY_RUNTIME) return &table;
    if (id == GANTRY_RUNTIME_WARM && D::offers_warm) return &warm;
    if (id == GANTRY_RUNTIME_PAUSE && D::offers_pause) return &pause;
    if (id == GANTRY_RUNTIME_STATS && D::offers_stats) return &stats;
    if (id == GANTRY_RUNTIME_UPDATE && D::offers_update) return &update;
    return nullptr;
}

}  // namespace gantry

#define GANTRY_RUNTIME_DRIVER(D, name, version) GANTRY_DRIVER_PLUGIN(D, name, version)
