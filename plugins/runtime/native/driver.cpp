// The runtime driver "native": containers by clone3, the mount API and cgroups, without any program in between.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <memory>

#include <gantry/runtime.hpp>

#include "container.hpp"
#include "kernel.hpp"
#include "seccomp.hpp"
#include "spec.hpp"
#include "state_file.hpp"

namespace gantry::native {
namespace {

constexpr std::size_t most_config = 16u << 20;

class NativeRuntime final : public RuntimeDriver {
public:
    static constexpr bool offers_warm = true, offers_pause = true, offers_stats = true, offers_update = true;

    static Json describe() {
        return {
            {"summary", "runs containers directly on the kernel"},
            {"abilities", {"terminal", "exec", "pause", "update", "stats", "user_namespace", "init"}},
            {"options",
             {{"trace",
               {{"type", "boolean"}, {"default", false}, {"help", "log the microseconds of each step of a start"}}}}},
            {"object_options", Json::object()}};
    }

    static Result<std::unique_ptr<NativeRuntime>> create(Host host, const DriverConfig& config) {
        GANTRY_TRY(CgroupLayout layout, CgroupLayout::detect());
        const bool trace = member<bool>(config.options, "trace") || ::getenv("GANTRY_TRACE_START") != nullptr;
        return std::make_unique<NativeRuntime>(host, std::move(layout), StateFiles(config.run), trace);
    }

    NativeRuntime(Host host, CgroupLayout layout, StateFiles states, bool trace)
        : host_(host), layout_(std::move(layout)), states_(std::move(states)), trace_(trace) {}

    Result<void> warm_seccomp(Call&, const std::string& digest, const Json& profile) override {
        if (digest.empty()) return fail(Code::invalid, "a seccomp profile without a digest");
        GANTRY_TRY(filters_[digest], compiled(profile));
        return {};
    }

    Result<Started> create(Call& call, const Create& request) override {
        if (container_) return fail(Code::conflict, "this monitor holds container \"" + id_ + "\" already");
        GANTRY_CHECK(check_id(request.id));
        CreatePlan plan;
        plan.id = request.id;
        plan.bundle = request.bundle;
        auto text = read_at(AT_FDCWD, request.bundle + "/config.json", most_config);
        if (!text) return std::move(text).error().context("read the configuration of container \"" + request.id + "\"");
        auto spec = parse_spec(*text);
        if (!spec) return std::move(spec).error().context("configuration of container \"" + request.id + "\"");
        plan.spec = std::move(spec).value();
        plan.root = request.mounts;
        plan.terminal = request.terminal;
        plan.fds = request.fds;
        GANTRY_TRY(plan.filter, filter_for(request.seccomp, plan.spec.seccomp));
        plan.layout = &layout_;
        plan.trace = trace_;
        plan.warn = [&call](const std::string& line) { call.log(LogLevel::warn, line); };
        plan.trace_line = [&call](const std::string& line) { call.log(LogLevel::info, line); };
        // Before anything is made, so that whoever comes after a crash finds what to remove.
        GANTRY_CHECK(states_.write(request.id, plan.spec.cgroups_path));
        Started started;
        auto container = Container::create(std::move(plan), started.terminal);
        if (!container) {
            states_.remove(request.id);
            return std::move(container).error();
        }
        container_ = std::move(container).value();
        id_ = request.id;
        started.pid = container_->pid();
        return started;
    }

    Result<void> start(Call& call, const std::string& id) override {
        GANTRY_TRY(Container * container, the(id));
        return container->start([&call](const std::string& line) { call.log(LogLevel::info, line); });
    }

    Result<void> signal(Call&, const std::string& id, int number, bool all) override {
        GANTRY_TRY(const Container* container, the(id));
        return container->signal(number, all);
    }

    Result<Started> exec(Call& call, const Exec& request) override {
        GANTRY_TRY(const Container* container, the(request.id));
        ExecPlan plan;
        GANTRY_TRY(plan.process, parse_process(request.process, "process"));
        plan.terminal = request.terminal;
        plan.fds = request.fds;
        GANTRY_TRY(plan.filter, filter_for(request.seccomp, nullptr));
        plan.trace = trace_;
        plan.warn = [&call](const std::string& line) { call.log(LogLevel::warn, line); };
        plan.trace_line = [&call](const std::string& line) { call.log(LogLevel::info, line); };
        GANTRY_TRY(auto process, container->exec(std::move(plan)));
        Started started;
        started.pid = process.pid;
        started.terminal = std::move(process.terminal);
        return started;
    }

    Result<void> remove(Call&, const std::string& id) override {
        GANTRY_CHECK(check_id(id));
        if (container_ && id == id_) {
            if (container_->cgroups())
                GANTRY_CHECK(container_->cgroups().remove());
            else
                GANTRY_CHECK(container_->signal(SIGKILL, false));
            mounts_ = container_->take_mounts();
            container_.reset();
        } else if (const std::string path = states_.cgroup_of(id); !path.empty()) {
            // Another monitor made it and is gone; its processes died with it, its groups did not.
            GANTRY_CHECK(Cgroups(&layout_, path).remove());
        }
        states_.remove(id);
        return {};
    }

    // What this driver wrote when it made the container counts more than what it is told.
    Result<void> sweep(Call&, const std::string& id, const std::string& told) override {
        GANTRY_CHECK(check_id(id));
        std::string path = states_.cgroup_of(id);
        if (path.empty()) {
            if (told.size() < 2 || told[0] != '/' || (told + "/").find("/../") != std::string::npos ||
                told.find('\0') != std::string::npos)
                return fail(Code::invalid, "\"" + told.substr(0, 80) + "\" is no path of a container's cgroup");
            path = told;
        }
        GANTRY_CHECK(Cgroups(&layout_, path).sweep());
        states_.remove(id);
        return {};
    }

    Result<void> pause(Call&, const std::string& id) override {
        GANTRY_TRY(const Cgroups* cgroups, groups(id));
        return cgroups->freeze();
    }

    Result<void> resume(Call&, const std::string& id) override {
        GANTRY_TRY(const Cgroups* cgroups, groups(id));
        return cgroups->thaw();
    }

    Result<Json> stats(Call&, const std::string& id) override {
        GANTRY_TRY(const Cgroups* cgroups, groups(id));
        return cgroups->stats();
    }

    Result<std::vector<int>> pids(Call&, const std::string& id) override {
        GANTRY_TRY(const Container* container, the(id));
        if (container->cgroups()) return container->cgroups().pids();
        return std::vector<int>{container->pid()};
    }

    Result<void> update(Call& call, const std::string& id, const Json& json) override {
        GANTRY_TRY(const Cgroups* cgroups, groups(id));
        GANTRY_TRY(const Resources resources, parse_resources(json, "resources"));
        std::vector<std::string> warnings;
        GANTRY_CHECK(cgroups->update(resources, warnings));
        for (const std::string& warning : warnings) call.log(LogLevel::warn, warning);
        return {};
    }

private:
    static Result<void> check_id(const std::string& id) {
        if (id.empty() || id.size() > 128 ||
            id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") !=
                std::string::npos ||
            id[0] == '.')
            return fail(Code::invalid, "\"" + id.substr(0, 80) + "\" is no id of a container");
        return {};
    }

    static Result<std::unique_ptr<SeccompFilter>> compiled(const Json& profile) {
        GANTRY_TRY(const SeccompPolicy policy, parse_seccomp(profile));
        GANTRY_TRY(SeccompFilter filter, compile_seccomp(policy));
        return std::make_unique<SeccompFilter>(std::move(filter));
    }

    // By digest, else the profile in the configuration, else none.
    Result<const SeccompFilter*> filter_for(const std::string& digest, const Json& profile) {
        if (!digest.empty())
            if (const auto found = filters_.find(digest); found != filters_.end())
                return static_cast<const SeccompFilter*>(found->second.get());
        if (profile.is_object()) {
            GANTRY_TRY(own_filter_, compiled(profile));
            return static_cast<const SeccompFilter*>(own_filter_.get());
        }
        if (digest.empty()) return static_cast<const SeccompFilter*>(nullptr);
        return fail(Code::precondition, "seccomp profile \"" + digest + "\" has not been given to this runtime");
    }

    Result<Container*> the(const std::string& id) {
        if (!container_ || id != id_)
            return fail(Code::not_found, "container \"" + id.substr(0, 128) + "\" is not in this monitor");
        return container_.get();
    }

    Result<const Cgroups*> groups(const std::string& id) {
        GANTRY_TRY(const Container* container, the(id));
        if (!container->cgroups()) return fail(Code::unsupported, "container \"" + id + "\" has no cgroup");
        return &container->cgroups();
    }

    Host host_;
    CgroupLayout layout_;
    StateFiles states_;
    bool trace_;
    std::map<std::string, std::unique_ptr<SeccompFilter>> filters_;
    std::unique_ptr<SeccompFilter> own_filter_;
    std::unique_ptr<Container> container_;
    UniqueFd mounts_;  // of a container that is removed: unmounting takes long, and happens at this process's end
    std::string id_;
};

}  // namespace
}  // namespace gantry::native

GANTRY_RUNTIME_DRIVER(gantry::native::NativeRuntime, "native", "1.0")
