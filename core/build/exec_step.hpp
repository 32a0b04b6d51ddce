// RUN: a process in a container over a new layer on the step's base.
#pragma once
#include <map>

#include "core/build/client.hpp"
#include "core/build/facilities.hpp"
#include "core/build/layers.hpp"
#include "core/build/listener.hpp"
#include "core/build/ssh_relay.hpp"

namespace gantry::build {

class ExecStep {
public:
    // `from(mount)`: the value of what it is taken from; the default context for a bind without one.
    ExecStep(const Facilities& with, const StepSettings& settings, Layers& layers, Client& client, Cancel& cancel)
        : with_(with), settings_(settings), layers_(layers), client_(client), cancel_(cancel) {}
    ExecStep(const ExecStep&) = delete;
    ExecStep& operator=(const ExecStep&) = delete;
    ~ExecStep();

    // Runs it over `parent` and commits what it changed. A process that fails is GANTRY_INVALID, named with its exit code,
    // which exit_code() gives then. `begins` is told the id of its container.
    Result<LayerRef> run(const Exec& exec, const std::string& parent,
                         const std::function<Result<Value>(const Mount&)>& from,
                         const std::function<void(const std::string& id)>& begins,
                         const std::function<void(int stream, std::string_view)>& log);
    int exit_code() const { return exit_code_; }

private:
    Result<void> add_mount(const Mount& mount, const std::function<Result<Value>(const Mount&)>& from);
    Result<UniqueFd> bind_source(const Mount& mount, const Value& value);
    Result<UniqueFd> writable_copy(const Mount& mount, const Tree& tree);
    Result<UniqueFd> own_file(const std::string& content, mode_t mode, const Mount& mount);
    Result<std::string> directory();
    Json body(const Exec& exec) const;

    const Facilities& with_;
    const StepSettings& settings_;
    Layers& layers_;
    Client& client_;
    Cancel& cancel_;
    std::string id_, directory_, run_;  // of this step in the scratch and run directories; "" until made
    std::vector<container::TaskMount> mounts_;
    std::vector<std::pair<std::string, bool>> places_;  // destinations: whether a directory
    std::vector<std::string> more_env_;                 // secrets and sockets: in no key and no record
    std::vector<Layers::Work> views_;
    std::vector<CacheMounts::Lease> leases_;
    std::vector<std::unique_ptr<SshRelay>> relays_;
    std::vector<std::shared_ptr<const Tree>> trees_;  // stay until the step has ended
    int exit_code_ = 0;
};

}  // namespace gantry::build
