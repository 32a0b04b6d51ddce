#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/container/launcher_client.hpp"

namespace gantry::container {
namespace {

// The few variables a launcher may have: nothing of the daemon's environment reaches a container.
std::vector<std::string> clean_environment() {
    std::vector<std::string> all{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
    if (const char* failpoint = std::getenv("GANTRY_FAILPOINT"))
        all.push_back(std::string("GANTRY_FAILPOINT=") + failpoint);
    return all;
}

struct Actions {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    Actions() {
        ::posix_spawn_file_actions_init(&files);
        ::posix_spawnattr_init(&attributes);
    }
    Actions(const Actions&) = delete;
    Actions& operator=(const Actions&) = delete;
    ~Actions() {
        ::posix_spawn_file_actions_destroy(&files);
        ::posix_spawnattr_destroy(&attributes);
    }
};

}  // namespace

Result<std::string> launcher_identity(const std::string& program, const Json& settings) {
    struct stat info {};
    if (::stat(program.c_str(), &info) != 0) return fail_errno("find program \"" + program + "\"");
    Json all{{"device", info.st_dev},
             {"inode", info.st_ino},
             {"changed", info.st_mtim.tv_sec},
             {"nanoseconds", info.st_mtim.tv_nsec},
             {"settings", settings}};
    std::uint64_t hash = 14695981039346656037u;
    for (char c : all.dump(-1, ' ', false, Json::error_handler_t::replace))
        hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    return std::to_string(hash);
}

Result<void> run_launcher(const std::string& program, const Json& settings) {
    UniqueFd memory(::memfd_create("gantry-launcher-settings", MFD_CLOEXEC));
    if (!memory) return fail_errno("memfd_create");
    GANTRY_CHECK(write_all(memory.get(), settings.dump(-1, ' ', false, Json::error_handler_t::replace)));
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("make a pipe");
    UniqueFd ready(ends[0]), ready_writer(ends[1]);
    // Above the numbers that they are moved to.
    UniqueFd settings_high(::fcntl(memory.get(), F_DUPFD_CLOEXEC, 10)),
        ready_high(::fcntl(ready_writer.get(), F_DUPFD_CLOEXEC, 10));
    if (!settings_high || !ready_high) return fail_errno("duplicate a descriptor");
    ready_writer.reset();

    Actions actions;
    ::posix_spawn_file_actions_addopen(&actions.files, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions.files, 1, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions.files, settings_high.get(), 3);
    ::posix_spawn_file_actions_adddup2(&actions.files, ready_high.get(), 4);
    ::posix_spawn_file_actions_addclosefrom_np(&actions.files, 5);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&actions.attributes, &none);
    ::posix_spawnattr_setsigdefault(&actions.attributes, &all);
    ::posix_spawnattr_setflags(&actions.attributes,
                               POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

    std::vector<std::string> arguments{program, "3", "4"}, environment = clean_environment();
    std::vector<char*> argv, envp;
    for (std::string& text : arguments) argv.push_back(text.data());
    for (std::string& text : environment) envp.push_back(text.data());
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    pid_t pid = 0;
    if (int error = ::posix_spawn(&pid, program.c_str(), &actions.files, &actions.attributes, argv.data(), envp.data());
        error != 0)
        return fail_errno("start \"" + program + "\"", error);
    ready_high.reset();
    // It goes into the background by itself; this is the process that does so.
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    auto said = read_all(ready.get(), 4096);
    if (!said) return std::move(said).error();
    if (*said == "\n") return {};
    return fail(Code::internal,
                "gantry-launcher did not start: " + (said->empty() ? std::string("it ended without a reason") : *said));
}

}  // namespace gantry::container
