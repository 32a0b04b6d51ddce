#include "core/cli/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/text.hpp"
#include "core/cli/spawn.hpp"

extern char** environ;

namespace gantry::cli {

Child& Child::operator=(Child&& other) noexcept {
    if (this == &other) return *this;
    kill();
    pid_ = std::exchange(other.pid_, 0);
    input_ = std::move(other.input_);
    output_ = std::move(other.output_);
    words_ = std::move(other.words_);
    return *this;
}

Result<Child> Child::start(const std::vector<std::string>& arguments, Streams streams, int input, Words words_to) {
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    if (::pipe2(out, O_CLOEXEC) != 0) return fail_errno("pipe");
    UniqueFd out_read(out[0]), out_write(out[1]), in_read, in_write;
    if (streams == Streams::both) {
        if (::pipe2(in, O_CLOEXEC) != 0) return fail_errno("pipe");
        in_read.reset(in[0]);
        in_write.reset(in[1]);
        if (::fcntl(in[1], F_SETFL, O_NONBLOCK) != 0) return fail_errno("fcntl");
        input = in[0];
    }
    Spawn spawn;
    ::posix_spawn_file_actions_adddup2(spawn.actions(), input, 0);
    ::posix_spawn_file_actions_adddup2(spawn.actions(), out[1], 1);
    Child child;
    if (words_to == Words::kept) {
        // A file, for nobody reads while it writes.
        child.words_.reset(::memfd_create("words", MFD_CLOEXEC));
        if (!child.words_) return fail_errno("memfd_create");
        ::posix_spawn_file_actions_adddup2(spawn.actions(), child.words_.get(), 2);
    }
    std::vector<std::string> words = arguments;
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    int error = ::posix_spawnp(&child.pid_, argv[0], spawn.actions(), spawn.attributes(), argv.data(), environ);
    if (error == ENOENT) {
        child.pid_ = 0;
        return fail(Code::not_found, "there is no such program in PATH");
    }
    if (error != 0) {
        child.pid_ = 0;
        return fail_errno("start", error);
    }
    child.output_ = std::move(out_read);
    child.input_ = std::move(in_write);
    return child;
}

Result<int> Child::wait(int timeout_ms) {
    input_.reset();
    output_.reset();
    if (pid_ == 0) return 0;
    UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    if (!handle) return fail_errno("pidfd_open");
    pollfd ended{handle.get(), POLLIN, 0};
    int got = 0;
    while ((got = ::poll(&ended, 1, timeout_ms)) < 0 && errno == EINTR) {
    }
    if (got == 0) {
        kill();
        return fail(Code::deadline, "does not end");
    }
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0)
        if (errno != EINTR) return fail_errno("waitpid");
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string Child::words() const {
    if (!words_) return "";
    char text[4096];
    const ssize_t length = ::pread(words_.get(), text, sizeof text, 0);
    for (std::string_view line : split(std::string_view(text, length > 0 ? static_cast<std::size_t>(length) : 0), '\n'))
        if (!line.empty()) return std::string(line.substr(0, 200));
    return "";
}

void Child::kill() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
}

}  // namespace gantry::cli
