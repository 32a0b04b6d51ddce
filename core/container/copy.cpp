// cp and export: paths of a container as archives, and archives into it.
#include <fcntl.h>
#include <sys/statvfs.h>

#include "core/archive/tree_pack.hpp"
#include "core/archive/tree_unpack.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"
#include "core/container/container_root.hpp"
#include "core/container/entry.hpp"
#include "core/container/path_archive.hpp"
#include "core/container/spec.hpp"
#include "core/container/rootfs_view.hpp"
#include "core/image/byte_source.hpp"

namespace gantry::container {
namespace {

// Below a copied directory: what the kernel makes up, and the devices that the runtime put there, stay out.
std::function<bool(int)> leave_out_kernel_mounts(const ContainerRoot& root) {
    return [&root](int directory) {
        if (is_kernel_filesystem(directory)) return false;
        auto path = root.path_of(directory);
        return !path || *path != "/dev";
    };
}

Result<void> pack_path(const ContainerRoot& root, const PathInRoot& path, const archive::Sink& sink,
                       const std::function<bool()>& cancelled) {
    GANTRY_TRY(auto writer, archive::TarWriter::create(sink));
    archive::PackOptions options;
    options.cancelled = cancelled;
    options.enter_mount = leave_out_kernel_mounts(root);
    GANTRY_CHECK(archive::pack(*writer, path.node.get(), path.name, options));
    return writer->finish();
}

// Said before a byte of the body is read, and in Docker's words.
Result<void> check_writable(const ContainerRoot& root, int directory) {
    struct statvfs mounted {};
    struct stat here {}, top {};
    if (::fstatvfs(directory, &mounted) != 0 || ::fstat(directory, &here) != 0 || ::fstat(root.fd(), &top) != 0)
        return fail_errno("look at a mount");
    if ((mounted.f_flag & ST_RDONLY) == 0) return {};
    return fail(Code::denied, here.st_dev == top.st_dev ? "container rootfs is marked read-only"
                                                        : "mounted volume is marked read-only");
}

}  // namespace

// What a stopped container would have mounted, opened.
Result<std::vector<ContainerRoot::Attachment>> ContainerService::open_mounts(const Container& c) {
    std::vector<ContainerRoot::Attachment> attachments;
    for (const MountPoint& point : c.mounts) {
        if (point.type == "tmpfs") continue;  // it holds nothing while nobody runs
        MountSource source;
        source.path = point.source;
        source.point = &point;
        ContainerRoot::Attachment attachment;
        GANTRY_TRY(attachment.source, open_source(c, source));
        attachment.destination = point.destination;
        attachment.read_only = !point.writable;
        attachment.recursive = point.recursive;
        attachments.push_back(std::move(attachment));
    }
    return attachments;
}

// The caller holds entry.operation; the container does not run.
Result<ContainerRoot> ContainerService::open_stopped_root(const Container& c, Access access) {
    GANTRY_TRY(auto layers, with_.drivers.get(driver::Kind::layer, c.layer_driver));
    GANTRY_TRY(driver::Reply plan, layers->call("layer/1", "mounts", {{"key", c.layer}}));
    const Json& mounts = plan.result["mounts"];
    GANTRY_TRY(auto attachments, open_mounts(c));
    const bool sealed = c.host_config.value("ReadonlyRootfs", false);
    GANTRY_TRY(UniqueFd root, open_rootfs(mounts, access));
    if (access == Access::read_write) {
        GANTRY_CHECK(make_mount_points(root.get(), attachments));
    } else if (!has_mount_points(root.get(), attachments)) {
        // Never started: the runtime has not made them yet.
        root.reset();
        {
            GANTRY_TRY(UniqueFd writable, open_rootfs(mounts, Access::read_write));
            GANTRY_CHECK(make_mount_points(writable.get(), attachments));
        }
        GANTRY_TRY(root, open_rootfs(mounts, access));
    }
    return ContainerRoot::composed(std::move(root), access == Access::read_only || sealed, std::move(attachments),
                                   settings_.run);
}

// With the operation lock held by `operation` afterwards where the container must not start meanwhile.
Result<ContainerRoot> ContainerService::open_root(Entry& entry, Access access, std::unique_lock<std::mutex>& operation) {
    GANTRY_CHECK(launcher_ready());
    for (;;) {
        Container c = entry.snapshot();
        if (c.active()) {
            auto root = ContainerRoot::of_process(c.state.pid, c.id);
            if (root || root.error().code != Code::conflict) return root;
        }
        // It does not run, or its end is just being handled.
        operation = std::unique_lock(entry.operation);
        if (entry.removed) return fail(Code::not_found, "No such container: " + c.id);
        c = entry.snapshot();
        if (c.active()) {
            operation.unlock();
            if (ContainerRoot::of_process(c.state.pid, c.id)) continue;  // started meanwhile
            if (!wait_inactive(entry, 5'000)) return fail(Code::conflict, "container " + c.id + " is ending");
            continue;
        }
        auto root = open_stopped_root(c, access);
        // What is only read may be read while it starts: the view is one of its own.
        if (access == Access::read_only) operation.unlock();
        return root;
    }
}

Result<Json> ContainerService::stat_path(const std::string& ref, const std::string& path) {
    GANTRY_TRY(EntryPtr entry, find(ref));
    std::unique_lock<std::mutex> operation;
    GANTRY_TRY(ContainerRoot root, open_root(*entry, Access::read_only, operation));
    GANTRY_TRY(PathInRoot found, find_path(root, path, ref));
    return found.stat;
}

Result<void> ContainerService::read_archive(const std::string& ref, const std::string& path, const ArchiveStart& begin) {
    GANTRY_TRY(EntryPtr entry, find(ref));
    std::unique_lock<std::mutex> operation;
    GANTRY_TRY(ContainerRoot root, open_root(*entry, Access::read_only, operation));
    GANTRY_TRY(PathInRoot found, find_path(root, path, ref));
    GANTRY_FAILPOINT("container.copy.before_pack");
    publish(*entry, "archive-path", {{"path", path}});
    return pack_path(root, found, begin(found.stat), {});
}

Result<void> ContainerService::write_archive(const std::string& ref, const std::string& path, int body,
                                             const CopyOptions& wish) {
    GANTRY_TRY(EntryPtr entry, find(ref));
    if (path.empty()) return fail(Code::invalid, "bad parameter: path cannot be empty");
    std::unique_lock<std::mutex> operation;
    GANTRY_TRY(ContainerRoot root, open_root(*entry, Access::read_write, operation));
    const std::string clean = "/" + clean_relative(path);
    auto directory = open_in_root(root.fd(), clean, O_PATH);
    if (!directory && directory.error().system_errno == ENOENT)
        return fail(Code::not_found, "Could not find the file " + path + " in container " + ref);
    if (!directory) return std::move(directory).error();
    struct stat info {};
    if (::fstat(directory->get(), &info) != 0) return fail_errno("look up " + quote_json(clean));
    if (!S_ISDIR(info.st_mode)) return fail(Code::invalid, "extraction point is not a directory");
    if (is_kernel_filesystem(directory->get()))
        return fail(Code::unsupported, quote_json(clean) + " is made up by the kernel: nothing can be copied there");
    GANTRY_CHECK(check_writable(root, directory->get()));
    GANTRY_TRY(std::string base, root.path_of(directory->get()));

    archive::UnpackOptions options;
    options.links = archive::UnpackOptions::Links::within_root;
    options.keep_kinds = wish.keep_kinds;
    const Container c = entry->snapshot();
    if (const std::string user = c.config.value("User", ""); wish.container_owner && !user.empty()) {
        GANTRY_TRY(User owner, look_up_user(root.fd(), user, {}));
        options.owner = archive::UnpackOptions::Owner::given;
        options.uid = owner.uid;
        options.gid = owner.gid;
    }
    GANTRY_TRY(auto plain, image::decompressed(image::source_of(body)));
    GANTRY_TRY(auto reader, archive::TarReader::create(
                                [&](char* data, std::size_t size) { return plain->read(data, size); }));
    GANTRY_FAILPOINT("container.copy.before_unpack");
    GANTRY_CHECK(archive::unpack(*reader, root.fd(), base, options));
    publish(*entry, "extract-to-dir", {{"path", path}});
    return {};
}

Result<void> ContainerService::export_root(const std::string& ref, const ArchiveStart& begin) {
    GANTRY_TRY(EntryPtr entry, find(ref));
    const Container c = entry->snapshot();
    GANTRY_TRY(auto layers, with_.drivers.get(driver::Kind::layer, c.layer_driver));
    GANTRY_TRY(driver::Reply plan, layers->call("layer/1", "mounts", {{"key", c.layer}}));
    GANTRY_TRY(UniqueFd root, open_rootfs(plan.result["mounts"], Access::read_only));
    publish(*entry, "export");
    GANTRY_TRY(auto writer, archive::TarWriter::create(begin(Json())));
    // Mounts of the host below a root that is a plain directory are not the container's.
    archive::PackOptions options;
    options.enter_mount = [](int) { return false; };
    GANTRY_CHECK(archive::pack(*writer, root.get(), "", options));
    return writer->finish();
}

}  // namespace gantry::container
