// A runtime driver for tests of the monitor: plain processes, no namespaces. It reads args, env and cwd of an OCI
// process object and nothing else.
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <fstream>
#include <map>

#include <gantry/runtime.hpp>

namespace {

using gantry::Call;
using gantry::Code;
using gantry::Json;
using gantry::Result;
using gantry::UniqueFd;

struct Child {
    int pid = 0;
    UniqueFd go, failed, terminal;
};

struct Stdio {
    int fds[3] = {-1, -1, -1};
};

class FakeRuntime final : public gantry::RuntimeDriver {
public:
    static constexpr bool offers_stats = true, offers_warm = true;

    static Json describe() {
        return {{"summary", "plain processes"}, {"abilities", Json::array()}, {"options", Json::object()}};
    }
    static Result<std::unique_ptr<FakeRuntime>> create(gantry::Host, const gantry::DriverConfig&) {
        return std::make_unique<FakeRuntime>();
    }

    Result<Started> create(Call&, const Create& request) override {
        std::ifstream file(request.bundle + "/config.json");
        Json config = Json::parse(file, nullptr, false);
        if (!config.is_object()) return gantry::fail(Code::invalid, "no config.json in \"" + request.bundle + "\"");
        GANTRY_TRY(Child child, spawn(config.value("process", Json::object()), request.terminal, request.fds));
        init_ = child.pid;
        groups_.push_back(child.pid);
        Started started{child.pid, std::move(child.terminal)};
        go_ = std::move(child.go);
        failed_ = std::move(child.failed);
        return started;
    }
    Result<void> start(Call&, const std::string&) override { return let_go(go_, failed_); }
    Result<void> signal(Call&, const std::string&, int number, bool all) override {
        ::kill(all ? -init_ : init_, number);
        return {};
    }
    Result<Started> exec(Call&, const Exec& request) override {
        GANTRY_TRY(Child child, spawn(request.process, request.terminal, request.fds));
        groups_.push_back(child.pid);
        GANTRY_CHECK(let_go(child.go, child.failed));
        return Started{child.pid, std::move(child.terminal)};
    }
    Result<void> remove(Call&, const std::string&) override {
        for (int pid : groups_) ::kill(-pid, SIGKILL);
        groups_.clear();
        return {};
    }
    Result<Json> stats(Call&, const std::string&) override { return Json{{"memory", {{"usage", 1}}}}; }
    Result<std::vector<int>> pids(Call&, const std::string&) override { return std::vector<int>{init_}; }
    Result<void> warm_seccomp(Call&, const std::string&, const Json&) override { return {}; }

private:
    static Result<void> let_go(UniqueFd& go, UniqueFd& failed) {
        (void)!::write(go.get(), "g", 1);
        go.reset();
        int error = 0;
        if (::read(failed.get(), &error, sizeof error) == static_cast<ssize_t>(sizeof error))
            return gantry::fail_errno("exec", error);
        return {};
    }

    static Result<Child> spawn(const Json& process, bool terminal, const gantry::Fds* given) {
        auto args = gantry::member<std::vector<std::string>>(process, "args");
        auto env = gantry::member<std::vector<std::string>>(process, "env");
        std::string cwd = gantry::member<std::string>(process, "cwd", "/");
        if (args.empty()) return gantry::fail(Code::invalid, "no arguments");
        int go[2], failed[2];
        if (::pipe2(go, O_CLOEXEC) != 0 || ::pipe2(failed, O_CLOEXEC) != 0) return gantry::fail_errno("pipe");
        UniqueFd go_read(go[0]), failed_write(failed[1]);
        Child child;
        child.go.reset(go[1]);
        child.failed.reset(failed[0]);
        UniqueFd slave;
        if (terminal) {
            child.terminal.reset(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
            int zero = 0;
            if (::ioctl(child.terminal.get(), TIOCSPTLCK, &zero) != 0) return gantry::fail_errno("unlock the terminal");
            slave.reset(::ioctl(child.terminal.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
            if (!slave) return gantry::fail_errno("open the terminal");
        }
        child.pid = ::fork();
        if (child.pid < 0) return gantry::fail_errno("fork");
        if (child.pid > 0) return child;
        ::setsid();
        for (int i = 0; i < 3; ++i) {
            static constexpr const char* names[3] = {"stdin", "stdout", "stderr"};
            ::dup2(terminal ? slave.get() : given->get(names[i]), i);
        }
        if (terminal) ::ioctl(0, TIOCSCTTY, 0);
        ::close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
        ::close(child.go.release());
        char byte = 0;
        if (::read(go_read.get(), &byte, 1) != 1) ::_exit(0);
        std::vector<char*> argv, envp;
        for (std::string& text : args) argv.push_back(text.data());
        for (std::string& text : env) envp.push_back(text.data());
        argv.push_back(nullptr);
        envp.push_back(nullptr);
        if (::chdir(cwd.c_str()) == 0) ::execve(argv[0], argv.data(), envp.data());
        int error = errno;
        (void)!::write(failed_write.get(), &error, sizeof error);
        ::_exit(127);
    }

    int init_ = 0;
    std::vector<int> groups_;
    UniqueFd go_, failed_;
};

}  // namespace

GANTRY_RUNTIME_DRIVER(FakeRuntime, "fake", "1.0")
