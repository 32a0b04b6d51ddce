// The volume driver "local": directories of this host, and with options tmpfs and bind mounts.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <gantry/volume.hpp>

#include "plugins/storage/volume/local/mount_options.hpp"
#include "plugins/storage/volume/local/mounts.hpp"
#include "plugins/storage/volume/local/volume_tree.hpp"

namespace gantry::local_volume {
namespace {

// An O_PATH descriptor of a path the administrator or user of the API named; links are followed, magic ones not.
Result<UniqueFd> open_device(const std::string& path) {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_NO_MAGICLINKS;
    long fd = ::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how);
    if (fd < 0) return fail_errno("option \"device\": open \"" + path + "\"");
    return UniqueFd(static_cast<int>(fd));
}

class LocalDriver final : public VolumeDriver {
public:
    static Json describe() {
        return {
            {"summary", "directories of this host, tmpfs and bind mounts"},
            {"abilities", Json::array()},
            {"options", Json::object()},
            {"object_options",
             {{"type",
               {{"type", "string"},
                {"help", "file system type: tmpfs, or none for a bind mount; not set: a plain directory"}}},
              {"device", {{"type", "string"}, {"help", "bind: the absolute path of the directory; tmpfs: any name"}}},
              {"o",
               {{"type", "string"},
                {"help", "mount options, separated by commas: bind, size=64m, mode=1777, ro, nosuid, ..."}}}}}};
    }

    static Result<std::unique_ptr<LocalDriver>> create(Host host, const DriverConfig& config) {
        if (config.root.empty() || config.root.front() != '/')
            return fail(Code::invalid, "the root \"" + config.root + "\" is not an absolute path");
        GANTRY_TRY(auto tree, VolumeTree::open(config.root));
        return std::make_unique<LocalDriver>(host, std::move(tree));
    }

    LocalDriver(Host host, std::unique_ptr<VolumeTree> tree) : host_(host), tree_(std::move(tree)) {}

    Result<std::string> ensure(Call&, const VolumeSpec& volume) override {
        GANTRY_TRY(auto options, parse_mount_options(volume.options));
        (void)options;
        auto there = tree_->options_of(volume.name);
        if (there && effective(*there) != effective(volume.options))
            return fail(Code::conflict,
                        "volume \"" + volume.name + "\" is there with other options: " + effective(*there).dump());
        if (!there && there.error().code != Code::not_found) return std::move(there).error();
        if (!there) GANTRY_CHECK(tree_->make(volume.name, effective(volume.options)));
        return tree_->data_path(volume.name);
    }

    Result<void> remove(Call&, const VolumeSpec& volume) override { return tree_->remove(volume.name); }

    Result<State> inspect(Call&, const VolumeSpec& volume) override {
        auto options = tree_->options_of(volume.name);
        if (!options && options.error().code == Code::not_found) return State{};
        if (!options) return State{"partial", tree_->data_path(volume.name), Json{{"problem", options.error().text}}};
        return State{"ready", tree_->data_path(volume.name), Json::object()};
    }

    Result<std::vector<std::string>> list(Call&) override { return tree_->list(); }

    Result<UniqueFd> publish(Call&, const VolumeSpec& volume, const std::string& consumer, bool read_only) override {
        GANTRY_TRY(Json stored, tree_->options_of(volume.name));
        GANTRY_TRY(auto options, parse_mount_options(stored));
        GANTRY_TRY(UniqueFd directory, tree_->open(volume.name, O_RDONLY));
        GANTRY_CHECK(tree_->add_consumer(directory.get(), consumer));
        auto mount = mount_of(directory.get(), options, read_only);
        if (!mount) {
            (void)tree_->drop_consumer(directory.get(), consumer);
            return std::move(mount).error().context("mount volume \"" + volume.name + "\"");
        }
        return mount;
    }

    Result<void> unpublish(Call&, const VolumeSpec& volume, const std::string& consumer) override {
        auto directory = tree_->open(volume.name, O_RDONLY);
        if (!directory && directory.error().code == Code::not_found) return {};
        if (!directory) return std::move(directory).error();
        GANTRY_CHECK(tree_->drop_consumer(directory->get(), consumer));
        GANTRY_TRY(auto left, tree_->consumers(directory->get()));
        GANTRY_TRY(bool mounted, is_mount_point(directory->get(), "_data"));
        if (left.empty() && mounted &&
            ::umount2(tree_->data_path(volume.name).c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
            return fail_errno("unmount volume \"" + volume.name + "\"");
        return {};
    }

private:
    // Options as they count: an empty one is one that was not given.
    static Json effective(const Json& options) {
        Json kept = Json::object();
        for (const char* key : {"type", "device", "o"})
            if (auto value = member<std::string>(options, key); !value.empty()) kept[key] = value;
        return kept;
    }

    Result<UniqueFd> mount_of(int volume, const MountOptions& options, bool read_only) {
        const std::uint64_t attributes = options.attributes | (read_only ? MOUNT_ATTR_RDONLY : 0u);
        if (options.source == Source::bind) {
            GANTRY_TRY(UniqueFd device, open_device(options.device));
            return clone_mount(device.get(), options.recursive, attributes);
        }
        if (options.source == Source::tmpfs) {
            // Attached at _data while anyone uses it, so that all users, also those after a restart, share one.
            GANTRY_TRY(bool mounted, is_mount_point(volume, "_data"));
            if (!mounted) {
                GANTRY_TRY(UniqueFd fresh, make_tmpfs(options));
                GANTRY_TRY(UniqueFd at, open_data(volume));
                GANTRY_CHECK(attach(fresh.get(), at.get()));
            }
        }
        GANTRY_TRY(UniqueFd data, open_data(volume));
        if (options.source == Source::directory && attributes == 0) return data;
        return clone_mount(data.get(), false, attributes);
    }

    static Result<UniqueFd> open_data(int volume) {
        int fd = ::openat(volume, "_data", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) return fail_errno("open \"_data\"");
        return UniqueFd(fd);
    }

    Host host_;
    std::unique_ptr<VolumeTree> tree_;
};

}  // namespace
}  // namespace gantry::local_volume

GANTRY_VOLUME_DRIVER(::gantry::local_volume::LocalDriver, "local", "1.0.0")
