#include "core/image/registry/partials.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "core/image/digest.hpp"

namespace gantry::image::registry {

Result<std::unique_ptr<Partials>> Partials::open(const std::string& root) {
    GANTRY_CHECK(make_directories(root + "/partial"));
    return std::unique_ptr<Partials>(new Partials(root + "/partial"));
}

std::string Partials::path_of(const std::string& digest) const {
    return directory_ + "/" + std::string(hex_of(digest));
}

Result<UniqueFd> Partials::take(const std::string& digest) {
    if (!valid_digest(digest)) return fail(Code::invalid, "\"" + digest + "\" is not a sha256 digest");
    std::lock_guard lock(mutex_);
    if (taken_.contains(digest)) return fail(Code::busy, "blob \"" + digest + "\" is being fetched");
    GANTRY_TRY(UniqueFd fd, open_file(path_of(digest), O_RDWR | O_CREAT | O_NOFOLLOW));
    taken_.insert(digest);
    return fd;
}

void Partials::let_go(const std::string& digest) {
    std::lock_guard lock(mutex_);
    taken_.erase(digest);
}

void Partials::discard(const std::string& digest) { ::unlink(path_of(digest).c_str()); }

void Partials::collect(std::int64_t age_s) {
    std::lock_guard lock(mutex_);
    auto names = list_directory(directory_);
    if (!names) return;
    const std::int64_t now = wall_clock_ns() / 1'000'000'000;
    for (const std::string& name : *names) {
        const std::string path = directory_ + "/" + name;
        struct stat info {};
        if (taken_.contains("sha256:" + name) || ::lstat(path.c_str(), &info) != 0) continue;
        if (now - info.st_mtim.tv_sec >= age_s) ::unlink(path.c_str());
    }
}

}  // namespace gantry::image::registry
