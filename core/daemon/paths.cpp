#include "core/daemon/paths.hpp"

#include <unistd.h>

#include "core/base/files.hpp"

namespace gantry::daemon {

Result<Paths> Paths::find() {
    std::string self(4096, '\0');
    ssize_t n = ::readlink("/proc/self/exe", self.data(), self.size());
    if (n < 0) return fail_errno("find where gantryd lies");
    self.resize(static_cast<std::size_t>(n));
    Paths paths;
    paths.programs = self.substr(0, self.rfind('/'));
    std::string prefix = paths.programs.substr(0, paths.programs.rfind('/'));
    for (const char* place : {"/drivers", "/lib/gantry/drivers"})
        if (path_exists(prefix + place)) paths.drivers.push_back(prefix + place);
    if (paths.drivers.empty()) paths.drivers.push_back("/usr/lib/gantry/drivers");
    return paths;
}

driver::Settings Paths::installed_drivers() const {
    driver::Settings settings;
    settings.path = drivers;
    settings.root = root;
    settings.run = run;
    settings.host_program = program("gantry-driver-host");
    return settings;
}

}  // namespace gantry::daemon
