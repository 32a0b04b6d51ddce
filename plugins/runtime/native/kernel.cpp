#include "kernel.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

namespace gantry::native {

Result<UniqueFd> open_in_root(int root, std::string_view path, int flags, mode_t mode, Links links) {
    std::string text(path.empty() ? "." : path);
    if (text.find('\0') != std::string::npos) return fail(Code::invalid, "a path contains a NUL byte");
    open_how how{};
    how.flags = static_cast<std::uint64_t>(static_cast<unsigned>(flags)) | O_CLOEXEC;
    how.mode = mode;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    if (links == Links::refuse) how.resolve |= RESOLVE_NO_SYMLINKS;
    // EAGAIN: a rename or mount raced with the resolution (openat2(2)); the bound keeps a hostile racer from
    // holding us for ever.
    for (int attempt = 0; attempt < 64; ++attempt) {
        long fd = ::syscall(SYS_openat2, root, text.c_str(), &how, sizeof how);
        if (fd >= 0) return UniqueFd(static_cast<int>(fd));
        if (errno != EAGAIN && errno != EINTR) break;
    }
    return fail_errno("open \"" + text + "\" in the container");
}

Result<UniqueFd> open_plainly(const std::string& path, int flags) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(static_cast<unsigned>(flags)) | O_CLOEXEC;
    how.resolve = RESOLVE_NO_MAGICLINKS;
    const long fd = ::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how);
    if (fd < 0) return fail_errno("open \"" + path + "\"");
    return UniqueFd(static_cast<int>(fd));
}

Result<UniqueFd> make_directories_in_root(int root, std::string_view path, mode_t mode, Links links) {
    // Mostly there already: one call then.
    auto there = open_in_root(root, path, O_PATH | O_DIRECTORY, 0, links);
    if (there || there.error().system_errno != ENOENT) return there;
    std::string done;
    Result<UniqueFd> directory = open_in_root(root, ".", O_PATH | O_DIRECTORY);
    const std::string clean = clean_relative(path);
    for (std::string_view part : split(clean, '/')) {
        if (part.empty() || !directory) continue;
        done += "/" + std::string(part);
        auto next = open_in_root(root, done, O_PATH | O_DIRECTORY, 0, links);
        if (!next && next.error().system_errno == ENOENT) {
            if (::mkdirat(directory->get(), std::string(part).c_str(), mode) != 0 && errno != EEXIST)
                return fail_errno("make directory \"" + done + "\" in the container");
            next = open_in_root(root, done, O_PATH | O_DIRECTORY, 0, links);
        }
        directory = std::move(next);
    }
    return directory;
}

Result<UniqueFd> make_file_in_root(int root, std::string_view path, Links links) {
    auto there = open_in_root(root, path, O_PATH, 0, links);
    if (there || there.error().system_errno != ENOENT) return there;
    const std::string clean = clean_relative(path);
    const auto slash = clean.rfind('/');
    const std::string parent = slash == std::string::npos ? std::string() : clean.substr(0, slash);
    const std::string name = slash == std::string::npos ? clean : clean.substr(slash + 1);
    GANTRY_TRY(UniqueFd directory, make_directories_in_root(root, parent, 0755, links));
    const int fd = ::openat(directory.get(), name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0 && errno != EEXIST) return fail_errno("make file \"/" + clean + "\" in the container");
    if (fd >= 0) ::close(fd);
    return open_in_root(root, path, O_PATH, 0, links);
}

std::string clean_relative(std::string_view path) {
    std::vector<std::string_view> kept;
    for (std::string_view part : split(path, '/')) {
        if (part.empty() || part == ".") continue;
        if (part != "..")
            kept.push_back(part);
        else if (!kept.empty())
            kept.pop_back();
    }
    std::string out;
    for (std::string_view part : kept) out.append(out.empty() ? "" : "/").append(part);
    return out;
}

Result<UniqueFd> open_at(int directory, const std::string& name, int flags, mode_t mode) {
    const int fd = ::openat(directory, name.c_str(), flags | O_CLOEXEC, mode);
    if (fd < 0) return fail_errno("open \"" + name + "\"");
    return UniqueFd(fd);
}

Result<std::string> read_at(int directory, const std::string& name, std::size_t limit) {
    GANTRY_TRY(UniqueFd fd, open_at(directory, name, O_RDONLY));
    std::string text;
    char buffer[8192];
    while (true) {
        const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("read \"" + name + "\"");
        if (n == 0) return text;
        if (text.size() + static_cast<std::size_t>(n) > limit)
            return fail(Code::exhausted, "\"" + name + "\" is larger than " + std::to_string(limit) + " bytes");
        text.append(buffer, static_cast<std::size_t>(n));
    }
}

Result<void> write_at(int directory, const std::string& name, std::string_view text) {
    GANTRY_TRY(UniqueFd fd, open_at(directory, name, O_WRONLY));
    if (::write(fd.get(), text.data(), text.size()) < 0)
        return fail_errno("write \"" + std::string(text) + "\" to \"" + name + "\"");
    return {};
}

Result<void> write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno("write");
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

bool is_filesystem(int fd, std::uint64_t magic) {
    struct statfs about {};
    return ::fstatfs(fd, &about) == 0 && static_cast<std::uint64_t>(about.f_type) == magic;
}

Result<UniqueFd> open_null(int flags) {
    GANTRY_TRY(UniqueFd fd, open_at(AT_FDCWD, "/dev/null", flags | O_NOFOLLOW));
    struct stat about {};
    if (::fstat(fd.get(), &about) != 0) return fail_errno("stat \"/dev/null\"");
    if (!S_ISCHR(about.st_mode) || about.st_rdev != makedev(1, 3))
        return fail(Code::denied, "the host's \"/dev/null\" is not character device 1:3");
    return fd;
}

void close_all_but(std::vector<int> keep) {
    std::sort(keep.begin(), keep.end());
    unsigned from = 0;
    for (const int fd : keep) {
        if (fd < 0 || static_cast<unsigned>(fd) < from) continue;
        if (static_cast<unsigned>(fd) > from) (void)::syscall(SYS_close_range, from, static_cast<unsigned>(fd) - 1, 0);
        from = static_cast<unsigned>(fd) + 1;
    }
    (void)::syscall(SYS_close_range, from, ~0u, 0);
}

Result<pid_t> clone_process(std::uint64_t flags, UniqueFd* pidfd, int cgroup) {
    int fd = -1;
    clone_args args{};
    args.flags = flags | (pidfd ? CLONE_PIDFD : 0u);
    args.pidfd = reinterpret_cast<std::uintptr_t>(&fd);
    args.exit_signal = (flags & CLONE_PARENT) ? 0 : SIGCHLD;
    if (cgroup >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = static_cast<unsigned>(cgroup);
    }
    const long pid = ::syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0) return fail_errno("make a process");
    if (pid > 0 && pidfd) pidfd->reset(fd);
    return static_cast<pid_t>(pid);
}

int reap(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, __WALL) < 0 && errno == EINTR) continue;
    return status;
}

void await_death(pid_t pid) {
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT | __WALL) < 0 && errno == EINTR) continue;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (true) {
        const auto at = text.find(separator);
        parts.push_back(text.substr(0, at));
        if (at == std::string_view::npos) return parts;
        text.remove_prefix(at + 1);
    }
}

}  // namespace gantry::native
