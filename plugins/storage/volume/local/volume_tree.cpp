#include "plugins/storage/volume/local/volume_tree.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/storage/common/tree.hpp"
#include "plugins/storage/volume/local/mounts.hpp"

namespace gantry::local_volume {
namespace {

using storage::Durable;
using storage::open_at;

bool valid_component(const std::string& name) {
    if (name.empty() || name.size() > 255) return false;
    auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
    if (!plain(name.front())) return false;
    for (char c : name)
        if (!plain(c) && c != '_' && c != '.' && c != '-') return false;
    return true;
}

Result<void> check_name(const std::string& name, const char* what) {
    if (valid_component(name)) return {};
    return fail(Code::invalid,
                std::string("\"") + name + "\" is not a " + what + ": only [a-zA-Z0-9][a-zA-Z0-9_.-]* is allowed");
}

Result<UniqueFd> make_and_open(const std::string& path) {
    if (::mkdir(path.c_str(), 0711) != 0 && errno != EEXIST) return fail_errno("make directory \"" + path + "\"");
    int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return fail_errno("open \"" + path + "\"");
    return UniqueFd(fd);
}

Result<void> make_in(int parent, const char* name, mode_t mode) {
    if (::mkdirat(parent, name, mode) != 0 && errno != EEXIST)
        return fail_errno(std::string("make directory \"") + name + "\"");
    return {};
}

}  // namespace

Result<std::unique_ptr<VolumeTree>> VolumeTree::open(const std::string& root) {
    std::unique_ptr<VolumeTree> tree(new VolumeTree);
    tree->root_ = root;
    GANTRY_TRY(UniqueFd top, make_and_open(root));
    GANTRY_TRY(tree->volumes_, make_and_open(root + "/volumes"));
    GANTRY_TRY(tree->trash_, make_and_open(root + "/trash"));
    // What a removal that was cut short left.
    GANTRY_TRY(auto graves, storage::names_in(tree->trash_.get()));
    for (const std::string& grave : graves) (void)storage::remove_entry(tree->trash_.get(), grave);
    return tree;
}

Result<UniqueFd> VolumeTree::open(const std::string& name, int flags) {
    GANTRY_CHECK(check_name(name, "volume name"));
    auto fd = open_at(volumes_.get(), name, flags | O_DIRECTORY);
    if (!fd && fd.error().system_errno == ENOENT) return fail(Code::not_found, "no volume \"" + name + "\"");
    return fd;
}

Result<Json> VolumeTree::options_of(const std::string& name) {
    GANTRY_TRY(UniqueFd volume, open(name, O_RDONLY));
    auto text = storage::read_small(volume.get(), "options");
    if (!text && text.error().system_errno == ENOENT) return fail(Code::not_found, "no volume \"" + name + "\"");
    if (!text) return std::move(text).error();
    Json options = Json::parse(*text, nullptr, false);
    if (!options.is_object()) return fail(Code::corrupt, "the options of volume \"" + name + "\" are damaged");
    return options;
}

Result<void> VolumeTree::make(const std::string& name, const Json& options) {
    GANTRY_CHECK(check_name(name, "volume name"));
    GANTRY_CHECK(make_in(volumes_.get(), name.c_str(), 0711));
    GANTRY_TRY(UniqueFd volume, open(name, O_RDONLY));
    GANTRY_CHECK(make_in(volume.get(), "consumers", 0700));
    GANTRY_CHECK(make_in(volume.get(), "_data", 0755));
    (void)::unlinkat(volume.get(), "options.new", 0);
    GANTRY_CHECK(storage::write_small(volume.get(), "options.new",
                                      options.dump(-1, ' ', false, Json::error_handler_t::replace), Durable::no));
    if (::renameat(volume.get(), "options.new", volume.get(), "options") != 0)
        return fail_errno("write the options of volume \"" + name + "\"");
    return {};
}

Result<void> VolumeTree::remove(const std::string& name) {
    auto volume = open(name, O_RDONLY);
    if (!volume && volume.error().code == Code::not_found) return {};
    if (!volume) return std::move(volume).error();
    GANTRY_TRY(auto users, consumers(volume->get()));
    if (!users.empty()) return fail(Code::busy, "volume \"" + name + "\" is in use by \"" + users.front() + "\"");
    GANTRY_TRY(bool mounted, is_mount_point(volume->get(), "_data"));
    if (mounted && ::umount2(data_path(name).c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
        return fail_errno("unmount volume \"" + name + "\"");
    std::string grave;
    for (int attempt = 0; attempt < 1000; ++attempt) {
        {
            std::lock_guard lock(mutex_);
            grave = std::to_string(::getpid()) + "." + std::to_string(serial_++);
        }
        if (::renameat2(volumes_.get(), name.c_str(), trash_.get(), grave.c_str(), RENAME_NOREPLACE) == 0) break;
        if (errno != EEXIST) return fail_errno("remove volume \"" + name + "\"");
    }
    GANTRY_TRY(auto removed, storage::remove_entry(trash_.get(), grave));
    (void)removed;
    return {};
}

Result<std::vector<std::string>> VolumeTree::list() {
    GANTRY_TRY(auto names, storage::names_in(volumes_.get()));
    std::erase_if(names, [&](const std::string& name) { return !options_of(name); });
    return names;
}

Result<void> VolumeTree::add_consumer(int volume, const std::string& consumer) {
    GANTRY_CHECK(check_name(consumer, "consumer id"));
    UniqueFd directory(::openat(volume, "consumers", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory) return fail_errno("open the consumers of a volume");
    UniqueFd mark(::openat(directory.get(), consumer.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!mark) return fail_errno("record the consumer \"" + consumer + "\"");
    return {};
}

Result<void> VolumeTree::drop_consumer(int volume, const std::string& consumer) {
    GANTRY_CHECK(check_name(consumer, "consumer id"));
    UniqueFd directory(::openat(volume, "consumers", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory) return fail_errno("open the consumers of a volume");
    if (::unlinkat(directory.get(), consumer.c_str(), 0) != 0 && errno != ENOENT)
        return fail_errno("drop the consumer \"" + consumer + "\"");
    return {};
}

Result<std::vector<std::string>> VolumeTree::consumers(int volume) {
    auto directory = open_at(volume, "consumers", O_RDONLY | O_DIRECTORY);
    if (!directory && directory.error().system_errno == ENOENT) return std::vector<std::string>();
    if (!directory) return std::move(directory).error();
    return storage::names_in(directory->get());
}

}  // namespace gantry::local_volume
