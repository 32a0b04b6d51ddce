#include "core/image/bootstrap.hpp"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/files.hpp"
#include "core/base/text.hpp"

namespace gantry::image {
namespace {

constexpr int timeout_ms = 30 * 60 * 1000;
constexpr std::size_t kept_lines = 8;

struct Pipe {
    UniqueFd out, in;
    static Result<Pipe> make() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("make a pipe");
        return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
    }
};

// Words that become arguments: none may be taken for an option or a second word.
Result<void> check_word(std::string_view what, std::string_view text) {
    const bool plain = !text.empty() && text.front() != '-' && text.size() <= 128 &&
                       std::all_of(text.begin(), text.end(), [](unsigned char c) {
                           return std::isalnum(c) || c == '.' || c == '+' || c == '-' || c == '_' || c == ':' ||
                                  c == '~' || c == '=' || c == '/';
                       });
    if (plain) return {};
    return fail(Code::invalid, std::string(what) + " " + quote_json(text) + " is not a plain name");
}

Result<std::string> find_program(const std::string& name) {
    for (const char* directory : {"/usr/bin/", "/usr/local/bin/", "/bin/"})
        if (std::string path = directory + name; ::access(path.c_str(), X_OK) == 0) return path;
    return fail(Code::unsupported,
                "\"" + name + "\" is not installed, and bootstrap needs it: install the package of that name");
}

std::string host_suite() {
    auto text = read_file("/etc/os-release", 65536);
    if (!text) return "";
    for (std::string_view line : split(*text, '\n')) {
        if (!line.starts_with("VERSION_CODENAME=")) continue;
        std::string_view value = line.substr(17);
        if (value.size() >= 2 && value.front() == '"') value = value.substr(1, value.size() - 2);
        return std::string(value);
    }
    return "";
}

std::vector<std::string> environment() {
    std::vector<std::string> env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                                    "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"};
    for (const char* name : {"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
                             "SOURCE_DATE_EPOCH", "TMPDIR", "SSL_CERT_FILE"})
        if (const char* value = ::getenv(name)) env.push_back(std::string(name) + "=" + value);
    return env;
}

// What the program says, line by line; the last ones are kept for the error.
class Listener {
public:
    Listener(UniqueFd from, const Progress& progress)
        : from_(std::move(from)), progress_(progress), thread_([this] { run(); }) {}
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener() { finish(); }
    std::string finish() {
        if (thread_.joinable()) thread_.join();
        std::vector<std::string> lines(last_.begin(), last_.end());
        return join(lines, "; ");
    }

private:
    void run() {
        std::string line;
        char block[4096];
        for (;;) {
            ssize_t n = ::read(from_.get(), block, sizeof block);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) break;
            for (char c : std::string_view(block, static_cast<std::size_t>(n))) {
                if (c == '\n' || c == '\r')
                    say(std::exchange(line, {}));
                else if (line.size() < 1000)
                    line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
            }
        }
        say(line);
    }
    void say(const std::string& line) {
        const std::string_view text = trim(line);
        // A progress bar draws itself over and over.
        if (text.empty() || text.find("[===") != std::string_view::npos ||
            text.find("[   ") != std::string_view::npos || text.starts_with("done"))
            return;
        last_.emplace_back(text);
        if (last_.size() > kept_lines) last_.erase(last_.begin());
        if (progress_) progress_({{"status", text}});
    }

    UniqueFd from_;
    const Progress& progress_;
    std::vector<std::string> last_;
    std::thread thread_;  // last: it uses all the others
};

// The child's end, collected on a thread of its own while the caller reads what it writes.
struct Child {
    std::atomic<int> pid = 0;
    std::optional<Result<int>> ended;
    std::thread thread;
    Result<int> wait() {
        if (thread.joinable()) thread.join();
        return *ended;
    }
    ~Child() {
        if (thread.joinable()) thread.join();
    }
};

}  // namespace

Result<std::string> bootstrap(ImageStore& images, const BootstrapRequest& request, const Spawner& spawn,
                              const Progress& progress) {
    GANTRY_TRY(Reference reference, parse_reference(request.reference));
    GANTRY_CHECK(check_word("suite", request.suite));
    GANTRY_CHECK(check_word("variant", request.variant));
    for (const std::string& package : request.include) GANTRY_CHECK(check_word("package", package));
    GANTRY_TRY(std::string program, find_program("mmdebstrap"));

    std::vector<std::string> argv = {program, "--mode=root", "--format=tar", "--variant=" + request.variant};
    if (!request.include.empty()) argv.push_back("--include=" + join(request.include, ","));
    argv.push_back(request.suite);
    argv.push_back("-");
    if (!request.mirror.empty()) {
        if (request.mirror.front() == '-' || request.mirror.find_first_of(" \t\r\n") != std::string::npos)
            return fail(Code::invalid, "mirror " + quote_json(request.mirror) + " is not a URI");
        argv.push_back(request.mirror);
    } else {
        for (std::string& line : host_sources("/etc/apt", request.suite, host_suite())) argv.push_back(std::move(line));
    }

    GANTRY_TRY(Pipe tar, Pipe::make());
    GANTRY_TRY(Pipe errors, Pipe::make());
    Listener listener(std::move(errors.out), progress);
    Child child;
    child.thread = std::thread([&, out = std::move(tar.in), err = std::move(errors.in)]() mutable {
        const int fds[3] = {-1, out.get(), err.get()};
        child.ended = spawn(argv, environment(), fds, timeout_ms, [&](int pid) { child.pid = pid; });
        out.reset();
        err.reset();
    });

    // bash is essential in Debian: only these variants can leave it out.
    const bool may_lack_bash = request.variant == "custom" || request.variant == "extract";
    const bool has_bash =
        !may_lack_bash || std::find(request.include.begin(), request.include.end(), "bash") != request.include.end();
    const Json config{{"Env", Json::array({"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})},
                      {"Cmd", Json::array({has_bash ? "/bin/bash" : "/bin/sh"})}};
    // Not yet named: only the exit status tells whether the archive is whole.
    auto id =
        images.import(tar.out.get(), "", {}, "Bootstrapped from the packages of " + request.suite, config, nullptr);
    tar.out.reset();  // a program that still writes ends by this
    auto status = child.wait();
    const std::string said = listener.finish();
    auto discard = [&] {
        if (id) (void)images.remove(*id, true, true, nullptr);
    };
    if (!status) {
        discard();
        return std::move(status).error().context("run mmdebstrap");
    }
    if (*status != 0) {
        discard();
        return fail(Code::internal, "mmdebstrap failed with status " + std::to_string(*status) + ": " +
                                        (said.empty() ? "it said nothing" : said));
    }
    if (!id) return std::move(id).error().context("import what mmdebstrap wrote");
    GANTRY_CHECK(images.tag(*id, reference.text()));
    return id;
}

}  // namespace gantry::image
