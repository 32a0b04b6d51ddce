#include "core/driver/host_child.hpp"
#include "core/driver/library.hpp"

namespace gantry::driver {

Result<DescribedFile> describe_here(const std::string& file) {
    GANTRY_TRY(auto library, load_library(file));
    return DescribedFile{library->file.name, std::string(name_of(library->file.kind)), library->version,
                         library->description};
}

Result<DescribedFile> describe_in_host(const Settings& settings, const std::string& file) {
    // Refused here too, so that no process is started for a file that nothing may load.
    GANTRY_TRY(VerifiedFile verified, verify_file(file));
    GANTRY_TRY(auto child, HostChild::start(settings, verified.name));
    auto described = child->load(verified.path, verified.name);
    child->end(1'000);
    return described;
}

}  // namespace gantry::driver
