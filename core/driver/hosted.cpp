#include "core/driver/hosted.hpp"

#include "core/base/failpoint.hpp"
#include "core/driver/host_process.hpp"
#include "core/driver/kinds.hpp"

namespace gantry::driver {

Result<std::shared_ptr<Driver>> HostedDriver::start(const Located& located, const Settings& settings,
                                                    std::shared_ptr<const HostServices> services, Configure configure) {
    std::shared_ptr<HostedDriver> driver(new HostedDriver);
    driver->name_ = located.wanted.name;
    driver->kind_ = located.kind;
    driver->process_ = std::make_unique<HostProcess>(
        HostProcess::Wanted{located.wanted.name, located.file, settings, std::move(services), std::move(configure)});
    GANTRY_TRY(HostProcess::Opened opened, driver->process_->start());
    driver->description_ = std::move(opened.described.description);
    driver->offered_ = std::move(opened.tables);
    return std::shared_ptr<Driver>(std::move(driver));
}

HostedDriver::~HostedDriver() = default;

bool HostedDriver::offers(std::string_view table) const {
    return std::find(offered_.begin(), offered_.end(), table) != offered_.end();
}

Result<Reply> HostedDriver::call(std::string_view table, std::string_view operation, Json request,
                                 std::vector<NamedFd> fds, Deadline deadline) {
    if (table != driver_table && !offers(table))
        return fail(Code::unsupported, "driver \"" + name_ + "\" does not offer \"" + std::string(operation) +
                                           "\" (table \"" + std::string(table) + "\")");
    GANTRY_FAILPOINT("driver.call");
    auto reply = process_->call(table, operation, std::move(request), fds, deadline);
    GANTRY_FAILPOINT("driver.called");
    return reply;
}

int HostedDriver::pid() const { return process_->pid(); }

}  // namespace gantry::driver
