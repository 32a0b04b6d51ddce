#include "core/base/safe_path.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

#include "core/base/text.hpp"

namespace gantry {

Result<UniqueFd> open_in_root(int root, std::string_view path, int flags, mode_t mode) {
    std::string text(path.empty() ? "." : path);
    if (text.find('\0') != std::string::npos) return fail(Code::invalid, "a path contains a NUL byte");
    open_how how{};
    how.flags = static_cast<__u64>(static_cast<unsigned>(flags)) | O_CLOEXEC;
    how.mode = mode;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    // EAGAIN: a rename or mount raced with the resolution (openat2(2)); the bound keeps a hostile racer from
    // holding us for ever.
    for (int attempt = 0; attempt < 64; ++attempt) {
        long fd = ::syscall(SYS_openat2, root, text.c_str(), &how, sizeof how);
        if (fd >= 0) return UniqueFd(static_cast<int>(fd));
        if (errno != EAGAIN && errno != EINTR) break;
    }
    return fail_errno("open \"" + text + "\"");
}

Result<UniqueFd> make_directories_in_root(int root, std::string_view path, mode_t mode) {
    std::string done;
    const std::string clean = clean_relative(path);  // the parts are views of it
    Result<UniqueFd> directory = open_in_root(root, ".", O_PATH | O_DIRECTORY);
    for (std::string_view part : split(clean, '/')) {
        if (part.empty() || !directory) continue;
        done += "/" + std::string(part);
        auto next = open_in_root(root, done, O_PATH | O_DIRECTORY);
        if (!next && next.error().system_errno == ENOENT) {
            // A dangling link here fails with EEXIST and then ENOENT again: refused, as mkdir(1) does.
            if (::mkdirat(directory->get(), std::string(part).c_str(), mode) != 0 && errno != EEXIST)
                return fail_errno("make directory \"" + done + "\"");
            next = open_in_root(root, done, O_PATH | O_DIRECTORY);
        }
        directory = std::move(next);
    }
    return directory;
}

std::string clean_relative(std::string_view path) {
    std::vector<std::string> kept;
    for (std::string_view part : split(path, '/')) {
        if (part.empty() || part == ".") continue;
        if (part != "..")
            kept.emplace_back(part);
        else if (!kept.empty())
            kept.pop_back();
    }
    return join(kept, "/");
}

}  // namespace gantry
