#include "core/build/cache_mounts.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "core/build/tree_size.hpp"
#include "core/image/digest.hpp"

namespace gantry::build {
namespace {

// An id is text of a Dockerfile: only its digest becomes part of a path.
std::string directory_name(const std::string& id, int number) {
    const std::string hex(image::hex_of(image::digest_of(id)));
    return number == 0 ? hex : hex + "." + std::to_string(number);
}

constexpr int most_private = 1000;

}  // namespace

Result<std::unique_ptr<CacheMounts>> CacheMounts::open(std::string root) {
    GANTRY_CHECK(make_directories(root, 0700));
    return std::unique_ptr<CacheMounts>(new CacheMounts(std::move(root)));
}

CacheMounts::Lease::Lease(Lease&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)),
      name_(std::move(other.name_)),
      directory_(std::move(other.directory_)),
      exclusive_(other.exclusive_) {}

CacheMounts::Lease::~Lease() {
    if (owner_) owner_->give_back(name_, exclusive_);
}

void CacheMounts::give_back(const std::string& name, bool exclusive) {
    {
        std::lock_guard lock(mutex_);
        auto found = uses_.find(name);
        if (found == uses_.end()) return;
        if (exclusive)
            found->second.exclusive = false;
        else
            --found->second.shared;
        if (!found->second.exclusive && found->second.shared == 0) uses_.erase(found);
    }
    changed_.notify_all();
}

Result<CacheMounts::Lease> CacheMounts::take(const Mount& mount, Cancel& cancel, bool* fresh) {
    const bool exclusive = mount.sharing != Mount::Sharing::shared;
    std::string name = directory_name(mount.id, 0);
    {
        Cancel::Watch watch(cancel, [this] {
            std::lock_guard lock(mutex_);
            changed_.notify_all();
        });
        std::unique_lock lock(mutex_);
        for (int number = 0;;) {
            GANTRY_CHECK(cancel.check());
            const auto found = uses_.find(name);
            const bool free = found == uses_.end();
            if (exclusive ? free : free || !found->second.exclusive) break;
            if (mount.sharing == Mount::Sharing::exclusive && number < most_private) {
                name = directory_name(mount.id, ++number);
                continue;
            }
            changed_.wait(lock);
        }
        Use& use = uses_[name];
        if (exclusive)
            use.exclusive = true;
        else
            ++use.shared;
    }
    Lease lease(*this, name, UniqueFd(), exclusive);
    const std::string path = root_ + "/" + name;
    std::unique_lock making(making_);
    *fresh = !path_exists(path + "/fs");
    if (*fresh) {
        GANTRY_CHECK(make_directories(path, 0700));
        // Whole or not at all: a daemon that is killed here leaves no directory of a wrong owner.
        const std::string half = path + "/new";
        GANTRY_CHECK(remove_tree(half));
        GANTRY_CHECK(make_directories(half, 0700));
        if (::chown(half.c_str(), mount.uid, mount.gid) != 0 || ::chmod(half.c_str(), mount.mode.value_or(0755)) != 0)
            return fail_errno("set the attributes of a cache mount");
        GANTRY_CHECK(
            write_file_atomic(path + "/meta.json", Json{{"name", mount.id}, {"created_ns", wall_clock_ns()}}.dump(
                                                       -1, ' ', false, Json::error_handler_t::replace)));
        if (::rename(half.c_str(), (path + "/fs").c_str()) != 0 && errno != EEXIST && errno != ENOTEMPTY)
            return fail_errno("make a cache mount");
    }
    making.unlock();
    // When it was used last is the time of its record.
    (void)::utimensat(AT_FDCWD, (path + "/meta.json").c_str(), nullptr, 0);
    GANTRY_TRY(UniqueFd directory, open_file(path + "/fs", O_PATH | O_DIRECTORY));
    lease.directory_ = std::move(directory);
    return lease;
}

std::vector<CacheMounts::Info> CacheMounts::list() {
    std::vector<Info> all;
    auto names = list_directory(root_);
    if (!names) return all;
    for (const std::string& name : *names) {
        Info info;
        info.id = name;
        const std::string meta = root_ + "/" + name + "/meta.json";
        struct stat about {};
        if (::stat(meta.c_str(), &about) != 0) continue;
        info.used_ns = std::int64_t{about.st_mtim.tv_sec} * 1'000'000'000 + about.st_mtim.tv_nsec;
        if (auto text = read_file(meta, 64u << 10)) {
            const Json body = Json::parse(*text, nullptr, false);
            if (body.is_object()) {
                info.name = body.value("name", "");
                info.created_ns = body.value("created_ns", std::int64_t{0});
            }
        }
        info.bytes = tree_size(root_ + "/" + name);
        {
            std::lock_guard lock(mutex_);
            info.in_use = uses_.contains(name);
        }
        all.push_back(std::move(info));
    }
    return all;
}

std::int64_t CacheMounts::remove(const std::string& id) {
    if (id.find('/') != std::string::npos || id.starts_with('.') || id.empty()) return 0;
    {
        std::lock_guard lock(mutex_);
        if (uses_.contains(id)) return 0;
        uses_[id].exclusive = true;
    }
    const std::string path = root_ + "/" + id;
    const std::int64_t bytes = tree_size(path);
    const bool removed = bool(remove_tree(path));
    give_back(id, true);
    return removed ? bytes : 0;
}

}  // namespace gantry::build
