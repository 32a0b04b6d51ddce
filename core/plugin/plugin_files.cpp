#include "core/plugin/plugin_files.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "core/archive/tree_pack.hpp"
#include "core/archive/tree_unpack.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/file_copy.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"
#include "core/image/byte_source.hpp"
#include "core/image/digest.hpp"
#include "core/image/media_types.hpp"
#include "core/image/registry/gzip.hpp"
#include "core/plugin/plugin_config.hpp"
#include "core/plugin/whiteouts.hpp"

namespace gantry::plugin {
namespace {

constexpr std::int64_t most_bytes = std::int64_t{16} << 30, most_members = 1'000'000;

archive::UnpackOptions unpack_options() {
    archive::UnpackOptions options;
    options.most_bytes = most_bytes;
    options.most_members = most_members;
    options.keep_kinds = false;
    return options;
}

image::DecompressLimits decompress_limits() {
    image::DecompressLimits limits;
    limits.bytes = most_bytes;
    return limits;
}

// A new directory for a root file system, which is the root of whoever runs in it.
Result<std::string> make_tree(const std::string& directory) {
    const std::string tree = new_id();
    GANTRY_CHECK(make_directories(directory + "/rootfs", 0700));
    GANTRY_CHECK(make_directories(tree_path(directory, tree), 0755));
    return tree;
}

// A file of an archive, which may be anything but what it should be.
Result<std::string> read_plain_file(int directory, const std::string& name) {
    UniqueFd fd(::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd && errno == ENOENT) return fail(Code::invalid, "the archive has no " + name);
    if (!fd && errno != ELOOP && errno != ENXIO) return fail_errno("open " + name);
    struct stat info {};
    if (!fd || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode))
        return fail(Code::invalid, "the archive's " + name + " is not a regular file");
    if (info.st_size > static_cast<off_t>(most_config_bytes)) return fail(Code::invalid, name + ": more than 1 MiB");
    return read_all(fd.get(), most_config_bytes);
}

Result<Blob> put_document(const std::string& directory, const std::string& text) {
    Blob blob{std::string(config_type), image::digest_of(text), static_cast<std::int64_t>(text.size())};
    GANTRY_CHECK(make_directories(directory + "/blobs", 0700));
    GANTRY_CHECK(write_file_atomic(blob_path(directory, blob.digest), text, 0600));
    return blob;
}

// The tree as a layer's blob; gives the digest of the plain bytes, too.
Result<Blob> pack_tree(const std::string& directory, const std::string& tree, std::string* diff_id) {
    GANTRY_CHECK(make_directories(directory + "/blobs", 0700));
    const std::string path = directory + "/blobs/new";
    GANTRY_TRY(UniqueFd to, open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    GANTRY_TRY(UniqueFd from, open_file(tree_path(directory, tree), O_PATH | O_DIRECTORY));
    Blob blob{std::string(image::media::docker_layer_gzip), "", 0};
    image::Sha256 plain, packed;
    image::registry::Gzip gzip([&](std::string_view bytes) -> Result<void> {
        packed.update(bytes);
        blob.size += static_cast<std::int64_t>(bytes.size());
        return write_all(to.get(), bytes);
    });
    GANTRY_TRY(auto writer, archive::TarWriter::create([&](std::string_view bytes) -> Result<void> {
                   plain.update(bytes);
                   return gzip.write(bytes, false);
               }));
    GANTRY_CHECK(archive::pack(*writer, from.get(), "", {}));
    GANTRY_CHECK(writer->finish());
    GANTRY_CHECK(gzip.write({}, true));
    *diff_id = plain.finish();
    blob.digest = packed.finish();
    if (::rename(path.c_str(), blob_path(directory, blob.digest).c_str()) != 0) return fail_errno("keep a layer");
    return blob;
}

// On disk before a record names it.
Result<void> sync_directory(const std::string& directory) {
    GANTRY_TRY(UniqueFd fd, open_file(directory, O_RDONLY | O_DIRECTORY));
    if (::syncfs(fd.get()) != 0) return fail_errno("write " + quote_json(directory) + " to the disk");
    return {};
}

Result<void> unpack_layer(LayerFile& layer, const std::string& directory, const std::string& tree) {
    GANTRY_TRY(UniqueFd root, open_file(tree_path(directory, tree), O_RDONLY | O_DIRECTORY));
    if (::lseek(layer.file.get(), 0, SEEK_SET) != 0) return fail_errno("read a layer");
    GANTRY_TRY(auto plain, image::decompressed(image::source_of(layer.file.get()), decompress_limits()));
    image::Sha256 hash;
    auto read = [&](char* data, std::size_t size) -> Result<std::size_t> {
        GANTRY_TRY(std::size_t n, plain->read(data, size));
        hash.update({data, n});
        return n;
    };
    GANTRY_TRY(auto reader, archive::TarReader::create(read));
    archive::UnpackOptions options = unpack_options();
    Whiteouts whiteouts(root.get());
    options.rename = [&](std::string_view name) { return whiteouts.apply(name); };
    GANTRY_CHECK(archive::unpack(*reader, root.get(), "", options));
    // What stands behind the archive's end belongs to the bytes all the same.
    std::string rest(64u << 10, '\0');
    for (;;) {
        GANTRY_TRY(std::size_t n, read(rest.data(), rest.size()));
        if (n == 0) break;
    }
    if (const std::string digest = hash.finish(); digest != layer.diff_id)
        return fail(Code::invalid, "layer " + layer.blob.digest + " unpacks to bytes with the digest " + digest +
                                       ", not " + layer.diff_id + " as its configuration says");
    return {};
}

Result<void> keep_layer(const LayerFile& layer, const std::string& directory) {
    GANTRY_CHECK(make_directories(directory + "/blobs", 0700));
    const std::string path = directory + "/blobs/new";
    GANTRY_TRY(UniqueFd to, open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    if (::lseek(layer.file.get(), 0, SEEK_SET) != 0) return fail_errno("read a layer");
    GANTRY_CHECK(copy_content(layer.file.get(), to.get(), layer.blob.size, "layer " + layer.blob.digest));
    if (::rename(path.c_str(), blob_path(directory, layer.blob.digest).c_str()) != 0) return fail_errno("keep a layer");
    return {};
}

}  // namespace

std::string blob_path(const std::string& directory, const std::string& digest) {
    return directory + "/blobs/" + std::string(image::hex_of(digest));
}
std::string tree_path(const std::string& directory, const std::string& tree) { return directory + "/rootfs/" + tree; }
std::string propagated_path(const std::string& directory) { return directory + "/propagated"; }

Result<Content> unpack_context(int body, const std::string& directory) {
    const std::string incoming = directory + "/incoming";
    GANTRY_CHECK(make_directories(incoming, 0700));
    GANTRY_TRY(UniqueFd root, open_file(incoming, O_RDONLY | O_DIRECTORY));
    GANTRY_TRY(auto plain, image::decompressed(image::source_of(body), decompress_limits()));
    GANTRY_TRY(auto reader,
               archive::TarReader::create([&](char* data, std::size_t size) { return plain->read(data, size); }));
    archive::UnpackOptions options = unpack_options();
    // Whatever lies beside the two is not the plugin's. Names that climb are for the unpacker to refuse.
    options.rename = [](std::string_view name) -> Result<std::string> {
        for (std::string_view part : split(name, '/'))
            if (part == "..") return std::string(name);
        const std::string clean = clean_relative(name);
        const bool wanted = clean == "config.json" || clean == "rootfs" || clean.starts_with("rootfs/");
        return wanted ? clean : std::string();
    };
    GANTRY_CHECK(archive::unpack(*reader, root.get(), "", options));
    GANTRY_TRY(std::string text, read_plain_file(root.get(), "config.json"));
    Content content;
    GANTRY_TRY(content.config, read_config(text));
    struct stat info {};
    if (::fstatat(root.get(), "rootfs", &info, AT_SYMLINK_NOFOLLOW) != 0)
        return fail(Code::invalid, "the archive has no rootfs");
    if (!S_ISDIR(info.st_mode)) return fail(Code::invalid, "the archive's rootfs is not a directory");
    GANTRY_TRY(content.tree, make_tree(directory));
    GANTRY_FAILPOINT("plugin.create.unpacked");
    if (::rename((incoming + "/rootfs").c_str(), tree_path(directory, content.tree).c_str()) != 0)
        return fail_errno("put the rootfs in its place");
    GANTRY_CHECK(remove_tree(incoming));
    std::string diff_id;
    GANTRY_TRY(Blob layer, pack_tree(directory, content.tree, &diff_id));
    content.layers.push_back(std::move(layer));
    content.config["rootfs"] = {{"type", "layers"}, {"diff_ids", {diff_id}}};
    GANTRY_TRY(content.document, put_document(directory, content.config.dump()));
    GANTRY_CHECK(sync_directory(directory));
    return content;
}

Result<Content> unpack_layers(const std::string& document, std::vector<LayerFile> layers,
                              const std::string& directory) {
    Content content;
    GANTRY_TRY(content.config, read_config(document));
    GANTRY_TRY(content.tree, make_tree(directory));
    for (LayerFile& layer : layers) {
        GANTRY_CHECK(unpack_layer(layer, directory, content.tree));
        GANTRY_CHECK(keep_layer(layer, directory));
        content.layers.push_back(layer.blob);
    }
    GANTRY_TRY(content.document, put_document(directory, document));
    GANTRY_CHECK(sync_directory(directory));
    GANTRY_FAILPOINT("plugin.pull.unpacked");
    return content;
}

Result<void> sweep_directory(const std::string& directory, const Content& content) {
    std::set<std::string> blobs{std::string(image::hex_of(content.document.digest))};
    for (const Blob& layer : content.layers) blobs.insert(std::string(image::hex_of(layer.digest)));
    const std::set<std::string> own{"rootfs", "blobs", "propagated", "log"};
    Result<void> all;
    auto sweep = [&](const std::string& path, const std::set<std::string>& kept) {
        auto names = list_directory(path);
        if (!names) return;
        for (const std::string& name : *names)
            if (!kept.contains(name))
                if (auto removed = remove_tree(path + "/" + name); !removed && all) all = std::move(removed);
    };
    sweep(directory, own);
    sweep(directory + "/rootfs", {content.tree});
    sweep(directory + "/blobs", blobs);
    return all;
}

Result<void> remove_directory(const std::string& directory) {
    unmount_propagated(directory);
    return remove_tree(directory);
}

Result<void> mount_propagated(const std::string& directory) {
    const std::string path = propagated_path(directory);
    // One of an engine before this one would be hidden, and never be found again.
    unmount_propagated(directory);
    GANTRY_CHECK(make_directories(path, 0755));
    if (::mount(path.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0)
        return fail_errno("mount " + quote_json(path) + " on itself");
    if (::mount(nullptr, path.c_str(), nullptr, MS_SHARED, nullptr) != 0) {
        Error error = fail_errno("share the mount " + quote_json(path));
        unmount_propagated(directory);
        return error;
    }
    return {};
}

void unmount_propagated(const std::string& directory) {
    const std::string path = propagated_path(directory);
    // The directory is the engine's own and in no tree of the plugin's; each mount there stands on the one before.
    while (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
    }
}

}  // namespace gantry::plugin
