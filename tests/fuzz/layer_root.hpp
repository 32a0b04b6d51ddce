// A layer's directory with things beside it that must stay as they are, whatever is unpacked.
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/xattr.h>

#include <string>
#include <vector>

#include "plugins/storage/common/tar_apply.hpp"
#include "plugins/storage/common/tree.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/fuzz/scratch.hpp"

namespace gantry::fuzz {

class LayerRoot {
public:
    LayerRoot() {
        make_scratch();
        for (const char* name :
             {"outside", "outside/below", "roots", "lower", "lower/etc", "lower/var", "lower/var/lib"})
            require(::mkdir(in_scratch(name).c_str(), 0751) == 0, "make a directory");
        for (const char* name : {"canary", "outside/canary", "outside/below/canary"}) {
            const int fd = ::open(in_scratch(name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
            require(fd >= 0 && ::write(fd, "canary", 6) == 6, "write the canary");
            ::close(fd);
        }
        require(::symlink(in_scratch("outside").c_str(), in_scratch("link").c_str()) == 0, "make a link");
        roots_ = UniqueFd(::open(in_scratch("roots").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        lower_ = UniqueFd(::open(in_scratch("lower").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        memory_ = UniqueFd(::memfd_create("layer", MFD_CLOEXEC));
        before_ = state();
    }

    // Unpacks `tar` twice; whatever comes of it, what is beside the roots is as it was, and the two are the same.
    void unpack(const std::string& tar) {
        const std::string first = once("root", tar), second = once("root-evil", tar);
        require(first == second, "unpacked twice, it is not the same:\n" + first + "---\n" + second);
        require(state() == before_, "something outside the layer has changed:\n" + before_ + "---\n" + state());
        for (const char* name : {"root", "root-evil"})
            require(bool(storage::remove_entry(roots_.get(), name)), "the layer cannot be removed");
    }

private:
    std::string once(const char* name, const std::string& tar) {
        require(::mkdirat(roots_.get(), name, 0755) == 0, "make the root");
        UniqueFd root(::openat(roots_.get(), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        require(::ftruncate(memory_.get(), 0) == 0 &&
                    ::pwrite(memory_.get(), tar.data(), tar.size(), 0) == static_cast<ssize_t>(tar.size()) &&
                    ::lseek(memory_.get(), 0, SEEK_SET) == 0,
                "write the tar");
        const storage::ApplyLimits limits{2000, 4 << 20, 4096};
        auto bytes = storage::apply_tar(memory_.get(), {root.get(), {lower_.get()}}, limits, nullptr);
        if (!bytes) {
            require_told(bytes.error().text);
            return bytes.error().text;
        }
        require(*bytes <= limits.bytes, "more content than the limit");
        std::string listed;
        list(root.get(), "", listed);
        return listed;
    }

    // Kind, owner, mode, time, size and marks of everything below.
    static void list(int directory, const std::string& path, std::string& into) {
        auto names = storage::names_in(directory);
        require(bool(names), "list a directory");
        for (const std::string& name : *names) {
            struct stat info {};
            require(::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0, "look up an entry");
            into += path + name + " " + std::to_string(info.st_mode) + " " + std::to_string(info.st_uid) + " " +
                    std::to_string(info.st_nlink) + " " + std::to_string(info.st_rdev);
            // A whiteout is an entry of the kernel's, made when it is made.
            if (!S_ISCHR(info.st_mode) || info.st_rdev != 0)
                into += " " + std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec);
            if (!S_ISDIR(info.st_mode)) {
                into += " " + std::to_string(info.st_size) + "\n";
                continue;
            }
            auto below = storage::open_at(directory, name, O_RDONLY | O_DIRECTORY);
            require(bool(below), "open a directory");
            char marks[4096];
            const ssize_t length = ::flistxattr(below->get(), marks, sizeof marks);
            const std::string_view all(marks, length > 0 ? static_cast<std::size_t>(length) : 0);
            for (std::size_t at = 0; (at = all.find("trusted.", at)) != std::string_view::npos; ++at)
                require(all.substr(at).starts_with(std::string_view("trusted.overlay.opaque", 23)), "a foreign mark");
            into += " " + std::to_string(length) + "\n";
            list(below->get(), path + name + "/", into);
        }
    }

    std::string state() const {
        std::string all;
        for (const char* name : {"", "canary", "link", "outside", "outside/below", "outside/canary",
                                 "outside/below/canary", "lower", "lower/etc", "lower/var", "lower/var/lib"}) {
            struct stat info {};
            require(::lstat(in_scratch(name).c_str(), &info) == 0, std::string(name) + " is gone");
            // The change time tells of content, attributes and links alike.
            all += std::string(name) + " " + std::to_string(info.st_ino) + " " + std::to_string(info.st_mode) + " " +
                   std::to_string(info.st_nlink) + " " + std::to_string(info.st_ctim.tv_sec) + "." +
                   std::to_string(info.st_ctim.tv_nsec) + "\n";
        }
        return all;
    }

    UniqueFd roots_, lower_, memory_;
    std::string before_;
};

}  // namespace gantry::fuzz
