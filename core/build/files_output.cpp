// The files of a build as a tar.
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/archive/locale.hpp"
#include "core/base/files.hpp"
#include "core/build/image_output.hpp"
#include "core/build/paths.hpp"
#include "core/build/trees.hpp"

namespace gantry::build {
namespace {

using Write = std::function<Result<void>(std::string_view)>;

class FilesWriter {
public:
    FilesWriter(const Write& write, std::int64_t epoch, const Cancel& cancel)
        : write_(write), epoch_(epoch), cancel_(cancel), archive_(::archive_write_new(), ::archive_write_free) {}

    // `add` is called with the archive open, and gives it trees.
    Result<void> run(const std::function<Result<void>()>& add) {
        archive::Utf8Locale utf8;
        ::archive_write_set_format_pax_restricted(archive_.get());
        ::archive_write_set_bytes_in_last_block(archive_.get(), 1);
        if (::archive_write_open2(archive_.get(), this, nullptr, &FilesWriter::put, nullptr, nullptr) != ARCHIVE_OK)
            return error();
        GANTRY_CHECK(add());
        if (::archive_write_close(archive_.get()) != ARCHIVE_OK) return error();
        return {};
    }
    // What is below `root`, in the directory of that name, or where that is "" at the top.
    Result<void> add(int root, const std::string& name) {
        GANTRY_TRY(UniqueFd directory, open_file("/proc/self/fd/" + std::to_string(root), O_RDONLY | O_DIRECTORY));
        if (!name.empty()) {
            struct stat info {};
            if (::fstat(directory.get(), &info) != 0) return fail_errno("stat \"/\"");
            GANTRY_CHECK(entry(directory.get(), ".", name, info));
        }
        links_.clear();
        return tree(directory.get(), name, 0);
    }
    // An empty directory, for a tree of nothing.
    Result<void> add_empty(const std::string& name) {
        struct stat info {};
        info.st_mode = S_IFDIR | 0755;
        return entry(-1, ".", name, info);
    }

private:
    static la_ssize_t put(struct archive*, void* self, const void* data, std::size_t size) {
        auto& writer = *static_cast<FilesWriter*>(self);
        auto written = writer.write_({static_cast<const char*>(data), size});
        if (written) return static_cast<la_ssize_t>(size);
        writer.failed_ = std::move(written).error();
        return -1;
    }
    Error error() const {
        if (failed_) return *failed_;
        const char* text = ::archive_error_string(archive_.get());
        return fail(Code::internal, std::string("write a tar: ") + (text ? text : "unknown error"));
    }

    Result<void> tree(int directory, const std::string& path, int depth) {
        if (depth > deepest_directory)
            return fail(Code::invalid, "a directory tree deeper than " + std::to_string(deepest_directory));
        GANTRY_TRY(auto names, list_directory("/proc/self/fd/" + std::to_string(directory)));
        for (const std::string& name : names) {
            GANTRY_CHECK(cancel_.check());
            const std::string inner = path.empty() ? name : path + "/" + name;
            struct stat info {};
            if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
                return fail_errno("stat \"/" + inner + "\"");
            if (S_ISSOCK(info.st_mode)) continue;
            GANTRY_CHECK(entry(directory, name, inner, info));
            if (!S_ISDIR(info.st_mode)) continue;
            UniqueFd below(::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (!below) return fail_errno("open \"/" + inner + "\"");
            GANTRY_CHECK(tree(below.get(), inner, depth + 1));
        }
        return {};
    }

    Result<void> entry(int directory, const std::string& name, const std::string& path, const struct stat& info) {
        std::unique_ptr<struct archive_entry, void (*)(struct archive_entry*)> entry(::archive_entry_new(),
                                                                                     ::archive_entry_free);
        struct archive_entry* e = entry.get();
        ::archive_entry_set_pathname(e, path.c_str());
        ::archive_entry_set_mode(e, info.st_mode);
        ::archive_entry_set_uid(e, info.st_uid);
        ::archive_entry_set_gid(e, info.st_gid);
        const bool clamped = epoch_ >= 0 && info.st_mtim.tv_sec >= epoch_;
        ::archive_entry_set_mtime(e, clamped ? epoch_ : info.st_mtim.tv_sec, 0);
        bool content = false;
        if (S_ISREG(info.st_mode)) {
            const std::pair key{info.st_dev, info.st_ino};
            auto [first, fresh] = links_.emplace(key, path);
            if (info.st_nlink > 1 && !fresh) {
                ::archive_entry_set_hardlink(e, first->second.c_str());
            } else {
                content = true;
                if (info.st_nlink < 2) links_.erase(first);
            }
            ::archive_entry_set_size(e, content ? info.st_size : 0);
        } else if (S_ISLNK(info.st_mode)) {
            std::string target(4097, '\0');
            const ssize_t n = ::readlinkat(directory, name.c_str(), target.data(), target.size() - 1);
            if (n < 0) return fail_errno("read the link \"/" + path + "\"");
            target.resize(static_cast<std::size_t>(n));
            ::archive_entry_set_symlink(e, target.c_str());
        } else if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)) {
            ::archive_entry_set_rdevmajor(e, major(info.st_rdev));
            ::archive_entry_set_rdevminor(e, minor(info.st_rdev));
        }
        if (::archive_write_header(archive_.get(), e) < ARCHIVE_WARN) return error();
        if (!content) return {};
        UniqueFd file(::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        if (!file) return fail_errno("open \"/" + path + "\"");
        std::vector<char> buffer(256u << 10);
        for (;;) {
            const ssize_t n = ::read(file.get(), buffer.data(), buffer.size());
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return fail_errno("read \"/" + path + "\"");
            if (n == 0) return {};
            if (::archive_write_data(archive_.get(), buffer.data(), static_cast<std::size_t>(n)) < 0) return error();
        }
    }

    const Write& write_;
    const std::int64_t epoch_;
    const Cancel& cancel_;
    std::unique_ptr<struct archive, int (*)(struct archive*)> archive_;
    std::optional<Error> failed_;
    std::map<std::pair<dev_t, ino_t>, std::string> links_;
};

}  // namespace

Result<void> write_files(Layers& layers, const std::vector<FilesOf>& all, std::int64_t epoch, const Write& write,
                         const Cancel& cancel) {
    if (all.size() == 1 && all.front().stack.empty()) return write(std::string(1024, '\0'));  // a tar of nothing
    FilesWriter writer(write, epoch, cancel);
    return writer.run([&]() -> Result<void> {
        for (const FilesOf& one : all) {
            if (one.stack.empty()) {
                GANTRY_CHECK(writer.add_empty(one.directory));
                continue;
            }
            GANTRY_TRY(auto tree, view_of(layers, one.stack.back().key));
            GANTRY_CHECK(writer.add(tree->root(), one.directory));
        }
        return {};
    });
}

}  // namespace gantry::build
