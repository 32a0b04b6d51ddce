// A driver in a process of its own (gantry-driver-host).
#pragma once
#include <functional>
#include <memory>

#include "core/driver/finder.hpp"
#include "core/driver/host_table.hpp"

namespace gantry::driver {

// What a file says of itself.
struct DescribedFile {
    std::string name, kind, version;
    Json description;
};
// Verifies and describes a driver's file: loaded into this process, or into a throw-away gantry-driver-host, so that no
// code of a stranger's runs in the engine.
Result<DescribedFile> describe_here(const std::string& file);
Result<DescribedFile> describe_in_host(const Settings& settings, const std::string& file);

class HostProcess;

// Calls go over a socket pair to a process that is started at once and, when it has ended, again: after a pause that
// doubles. A call that was under way when the process ended fails and names what happened; later ones wait, within their
// deadline, for the next process. A call past its deadline is cancelled; if the process has not answered it after the grace
// (Settings.cancel_grace_ms), the process is killed.
class HostedDriver final : public Driver {
public:
    // Makes the config of the driver's open from its description.
    using Configure = std::function<Result<Json>(const Json& description)>;
    static Result<std::shared_ptr<Driver>> start(const Located& located, const Settings& settings,
                                                 std::shared_ptr<const HostServices> services, Configure configure);
    ~HostedDriver() override;

    const std::string& name() const override { return name_; }
    Kind kind() const override { return kind_; }
    const Json& description() const override { return description_; }
    bool offers(std::string_view table) const override;
    Result<Reply> call(std::string_view table, std::string_view operation, Json request, std::vector<NamedFd> fds,
                       Deadline deadline) override;
    // The process, for tests; 0: none at the moment.
    int pid() const;

private:
    HostedDriver() = default;

    std::string name_;
    Kind kind_ = Kind::network;
    Json description_;
    std::vector<std::string> offered_;
    std::unique_ptr<HostProcess> process_;
};

}  // namespace gantry::driver
