#include "state_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.hpp"

namespace gantry::native {

Result<void> StateFiles::write(const std::string& id, const std::string& cgroups_path) const {
    if (run_.empty() || cgroups_path.empty()) return {};
    auto fd = open_at(AT_FDCWD, file(id), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    if (!fd && fd.error().system_errno == ENOENT) {
        if (::mkdir(run_.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("make directory \"" + run_ + "\"");
        fd = open_at(AT_FDCWD, file(id), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    }
    if (!fd) return std::move(fd).error();
    return write_all(fd->get(), cgroups_path);
}

std::string StateFiles::cgroup_of(const std::string& id) const {
    if (run_.empty()) return {};
    const auto text = read_at(AT_FDCWD, file(id), 4096);
    return text && text->starts_with("/") && ("/" + *text + "/").find("/../") == std::string::npos && text->size() > 1
               ? *text
               : std::string();
}

void StateFiles::remove(const std::string& id) const {
    if (!run_.empty()) (void)::unlink(file(id).c_str());
}

}  // namespace gantry::native
