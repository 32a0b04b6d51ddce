// A git repository as a source: git itself fetches it, as a program of its own, with nothing of this machine's
// configuration, no hooks, no local transports and no questions.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "core/build/git_address.hpp"
#include "core/build/paths.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"
#include "core/build/process_output.hpp"
#include "core/build/source_auth.hpp"
#include "core/build/sources.hpp"
#include "core/build/trees.hpp"

namespace gantry::build {
namespace {

constexpr int git_timeout_ms = 10 * 60 * 1000;
constexpr const char* git_program = "/usr/bin/git";
constexpr std::size_t kept_output = 64u << 10, max_url = 2000;
constexpr int deepest_submodule = 10;

bool is_commit(std::string_view text) {
    return (text.size() == 40 || text.size() == 64) &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// "user:password@" of a URL, "token@"; "" where nothing of it is secret.
std::string secret_of(const std::string& url) {
    const std::size_t scheme = url.find("://");
    if (scheme == std::string::npos) return "";
    const std::size_t begin = scheme + 3, at = url.substr(0, url.find('/', begin)).rfind('@');
    if (at == std::string::npos || at < begin) return "";
    const std::string user = url.substr(begin, at + 1 - begin);
    return url.starts_with("ssh:") && user.find(':') == std::string::npos ? "" : user;
}

Result<void> check_source(const GitSource& source) {
    const std::string name = shown_url(source.url);
    auto printable = [](std::string_view text) {
        return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 0x20 && c != 0x7f; });
    };
    // "ext::sh -c .." and its like run programs; "-" begins an option.
    const bool scheme = source.url.starts_with("https://") || source.url.starts_with("http://") ||
                        source.url.starts_with("ssh://") || source.url.starts_with("git://");
    const std::size_t colon = source.url.find(':');
    const bool scp = source.url.find("://") == std::string::npos && colon != std::string::npos && colon > 0 &&
                     source.url.find('@') < colon && source.url.find('/') > colon;
    if ((!scheme && !scp) || source.url.starts_with('-') || source.url.find("::") != std::string::npos ||
        !printable(source.url) || source.url.size() > max_url)
        return fail(
            Code::invalid,
            quote_json(name) + " is no git repository that can be fetched: allowed are https, http, ssh and git URLs");
    if (source.ref.starts_with('-') || !printable(source.ref) || source.ref.find("..") != std::string::npos ||
        source.ref.find_first_of("~^:?*[\\") != std::string::npos || source.ref.size() > 250)
        return fail(Code::invalid, quote_json(source.ref.substr(0, 250)) + " is no branch, tag or commit");
    // Within the repository it would end at the top; whoever wrote it means something else.
    for (std::string_view part : split(source.subdir, '/'))
        if (part == ".." || part.find('\0') != part.npos)
            return fail(Code::invalid, quote_json(source.subdir.substr(0, 250)) +
                                           " is no directory within the repository " + quote_json(name));
    return {};
}

class Git {
public:
    // `configuration`: "key=value", besides what is always said.
    Git(const image::Spawner& spawn, std::string directory, std::vector<std::string> configuration, Cancel& cancel)
        : spawn_(spawn), directory_(std::move(directory)), configuration_(std::move(configuration)), cancel_(cancel) {}

    void configure(const std::vector<std::string>& more) {
        configuration_.insert(configuration_.end(), more.begin(), more.end());
    }

    // A name and a password in it are in no message of git's.
    void hide(const std::string& url) {
        if (std::string secret = secret_of(url); !secret.empty()) secrets_.push_back(std::move(secret));
    }

    // From now on `origin` alone is shown this. In the environment, which other users cannot read as they can arguments; git
    // hands it on to what it does in submodules.
    void authorize(const std::string& origin, const std::string& authorization) {
        more_environment_ = {"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http." + origin + "/.extraHeader",
                             "GIT_CONFIG_VALUE_0=Authorization: " + authorization};
    }

    // Gives what it wrote to stdout, 64 KiB of it.
    Result<std::string> run(const std::vector<std::string>& words) {
        GANTRY_CHECK(cancel_.check());
        std::vector<std::string> argv = {git_program,
                                         "-C",
                                         directory_,
                                         "-c",
                                         "core.hooksPath=/dev/null",
                                         "-c",
                                         "core.fsmonitor=false",
                                         "-c",
                                         "core.symlinks=true",
                                         "-c",
                                         "protocol.file.allow=never",
                                         "-c",
                                         "protocol.ext.allow=never",
                                         "-c",
                                         "credential.helper="};
        for (const std::string& setting : configuration_) argv.insert(argv.end(), {"-c", setting});
        argv.insert(argv.end(), words.begin(), words.end());
        std::vector<std::string> environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                                "HOME=/nonexistent",
                                                "GIT_CONFIG_NOSYSTEM=1",
                                                "GIT_CONFIG_GLOBAL=/dev/null",
                                                "GIT_TERMINAL_PROMPT=0",
                                                "GIT_ASKPASS=/bin/false",
                                                "GIT_ALLOW_PROTOCOL=https:http:ssh:git",
                                                "GIT_SSH_COMMAND=ssh -o BatchMode=yes",
                                                "GIT_LFS_SKIP_SMUDGE=1",
                                                "LC_ALL=C.UTF-8"};
        environment.insert(environment.end(), more_environment_.begin(), more_environment_.end());
        std::string texts[2];
        GANTRY_TRY(ProcessOutput output, ProcessOutput::open([&](int stream, std::string_view bytes) {
                       std::string& text = texts[stream - 1];
                       text += bytes.substr(0, kept_output - std::min(kept_output, text.size()));
                   }));
        UniqueFd out = output.take_end(1), error = output.take_end(2);
        const int fds[3] = {-1, out.get(), error.get()};
        auto status = spawn_(argv, environment, fds, git_timeout_ms, {});
        out.reset();
        error.reset();
        output.finish();
        if (!status) return std::move(status).error().context("git");
        if (*status == 0) return std::string(trim(texts[0]));
        std::string reason(trim(texts[1]));
        std::replace(reason.begin(), reason.end(), '\n', ' ');
        for (const std::string& secret : secrets_)
            for (std::size_t at = 0; (at = reason.find(secret, at)) != std::string::npos; at += 6)
                reason.replace(at, secret.size(), "xxxxx@");
        return fail(Code::invalid, "git " + words[0] + " failed with status " + std::to_string(*status) + ": " +
                                       reason.substr(0, 1000));
    }

private:
    const image::Spawner& spawn_;
    const std::string directory_;
    std::vector<std::string> configuration_;
    Cancel& cancel_;
    std::vector<std::string> more_environment_, secrets_;
};

// Submodules are other repositories: theirs are the same rules, and a relative URL is one beside this repository's. Level
// by level, as what is fetched says what comes next: git is let go nowhere that was not looked at before.
class Submodules {
public:
    Submodules(Git& git, const std::string& written, Cancel& cancel) : git_(git), written_(written), cancel_(cancel) {}

    Result<void> fetch(const std::string& origin) {
        GANTRY_CHECK(git_.run({"remote", "add", "origin", origin}));
        std::size_t known = 0;
        for (int level = 0; level <= deepest_submodule; ++level) {
            GANTRY_CHECK(git_.run({"submodule", "--quiet", "init"}));
            GANTRY_CHECK(git_.run({"submodule", "--quiet", "foreach", "--recursive", "git submodule --quiet init"}));
            GANTRY_TRY(std::size_t count, settle());
            if (count == known) return {};
            known = count;
            // Some servers give a commit only with the branch that it is on.
            if (git_.run({"submodule", "--quiet", "update", "--recursive", "--depth=1"})) continue;
            GANTRY_CHECK(git_.run({"submodule", "--quiet", "update", "--recursive"}));
        }
        return fail(Code::invalid, "more than " + std::to_string(deepest_submodule) + " levels of them");
    }

private:
    // Looks at the URLs that are new; gives how many submodules there are, as far as is known.
    Result<std::size_t> settle() {
        std::string settings;
        for (const auto& words : {std::vector<std::string>{"config", "--local", "--list", "-z"},
                                  {"submodule", "--quiet", "foreach", "--recursive", "git config --local --list -z"}}) {
            GANTRY_TRY(std::string text, git_.run(words));
            if (text.size() + max_url >= kept_output) return fail(Code::invalid, "too many of them");
            settings += text + '\0';
        }
        std::size_t count = 0;
        for (std::string_view setting : split(settings, '\0')) {
            const std::size_t end = setting.find('\n');
            const std::string_view key = setting.substr(0, end);
            if (end == setting.npos || !key.starts_with("submodule.") || !key.ends_with(".url")) continue;
            const std::string url(setting.substr(end + 1));
            ++count;
            if (!known_.insert(url).second) continue;
            GitSource source;
            source.url = url;
            git_.hide(url);
            GANTRY_CHECK(check_source(source));
            GANTRY_TRY(GitAddress address, settle_git_address(url, written_, cancel_));
            if (address.url != url) address.configuration.push_back("url." + address.url + ".insteadOf=" + url);
            git_.configure(address.configuration);
        }
        return count;
    }

    Git& git_;
    const std::string written_;
    Cancel& cancel_;
    std::set<std::string> known_;
};

// What git keeps of itself, in submodules too: of a commit no file has that name.
Result<void> remove_git_data(int directory, int depth) {
    if (depth > deepest_directory)
        return fail(Code::invalid, "a directory tree deeper than " + std::to_string(deepest_directory));
    const std::string path = "/proc/self/fd/" + std::to_string(directory);
    GANTRY_TRY(auto names, list_directory(path));
    for (const std::string& name : names) {
        struct stat info {};
        if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
            return fail_errno("stat \"" + name + "\"");
        if (name == ".git" && S_ISDIR(info.st_mode)) {
            GANTRY_CHECK(remove_tree(path + "/" + name));
        } else if (name == ".git") {
            if (::unlinkat(directory, name.c_str(), 0) != 0) return fail_errno("remove \".git\"");
        } else if (S_ISDIR(info.st_mode)) {
            UniqueFd below(::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (!below) return fail_errno("open \"" + name + "\"");
            GANTRY_CHECK(remove_git_data(below.get(), depth + 1));
        }
    }
    return {};
}

}  // namespace

Result<Value> Sources::git(const GitSource& source, const OnProgress& progress, Cancel& cancel,
                           const AskSecret& secret) {
    GANTRY_CHECK(check_source(source));
    if (!path_exists(git_program))
        return fail(Code::unsupported,
                    "a git repository is needed, and this machine has no " + std::string(git_program));
    GANTRY_TRY(const GitAddress address, settle_git_address(source.url, source.url, cancel));
    const std::string name = shown_url(source.url), tree = root_ + "/tmp/" + new_id();
    GANTRY_CHECK(make_directories(tree, 0755));
    ScopeGuard drop([&] { (void)remove_tree(tree); });
    Git git(spawn_, tree, address.configuration, cancel);
    git.hide(source.url);
    git.hide(address.url);
    GANTRY_TRY(std::string authorization, git_authorization(source.url, secret));
    if (!authorization.empty()) git.authorize(origin_of(source.url), authorization);
    if (progress) progress("fetching", 0, 0);
    const std::string ref = source.ref.empty() ? "HEAD" : source.ref;
    auto fetched = [&]() -> Result<std::string> {
        GANTRY_CHECK(git.run({"init", "-q"}));
        auto shallow =
            git.run({"fetch", "-q", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", address.url, ref});
        // Some servers give a commit only with the branch that it is on.
        if (!shallow && ref.find_first_not_of("0123456789abcdef") == std::string::npos && ref.size() >= 7) {
            GANTRY_CHECK(git.run({"fetch", "-q", "--no-recurse-submodules", "--", address.url,
                                  "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"}));
            GANTRY_CHECK(git.run({"checkout", "-q", "--detach", ref, "--"}));
        } else {
            GANTRY_CHECK(shallow);
            GANTRY_CHECK(git.run({"checkout", "-q", "--detach", "FETCH_HEAD", "--"}));
        }
        return git.run({"rev-parse", "HEAD"});
    }();
    if (!fetched) return std::move(fetched).error().context("fetch " + quote_json(name));
    if (!is_commit(*fetched)) return fail(Code::internal, "git gave no commit for " + quote_json(name));
    if (!source.checksum.empty() && !fetched->starts_with(source.checksum))
        return fail(Code::invalid, quote_json(name) + ": its commit is " + *fetched + ", not " + source.checksum);
    GANTRY_TRY(UniqueFd root, open_file(tree, O_RDONLY | O_DIRECTORY));
    const bool modules = static_cast<bool>(open_in_root(root.get(), ".gitmodules", O_PATH | O_NOFOLLOW));
    if (modules)
        GANTRY_CHECK(Submodules(git, source.url, cancel)
                         .fetch(address.url)
                         .context("fetch the submodules of " + quote_json(name)));
    if (!source.keep_git_dir && modules)
        GANTRY_CHECK(remove_git_data(root.get(), 0));
    else if (!source.keep_git_dir)
        GANTRY_CHECK(remove_tree(tree + "/.git"));
    Value value;
    value.digest = "git:" + *fetched + ":" + clean_relative(source.subdir) + (source.keep_git_dir ? ":git" : "");
    UniqueFd part;
    if (const std::string subdir = clean_relative(source.subdir); !subdir.empty()) {
        auto found = open_in_root(root.get(), subdir, O_PATH | O_DIRECTORY);
        if (!found) return std::move(found).error().context("subdirectory of " + quote_json(name));
        part = std::move(*found);
    } else {
        part = std::move(root);
    }
    drop.dismiss();
    value.tree = std::make_shared<DirectoryTree>(tree, std::move(part), true);
    return value;
}

Result<std::string> Sources::temporary_directory() {
    const std::string path = root_ + "/tmp/" + new_id();
    GANTRY_CHECK(make_directories(path, 0755));
    return path;
}

Result<std::unique_ptr<Sources>> Sources::open(std::string root, image::Spawner spawn) {
    GANTRY_CHECK(make_directories(root + "/http", 0700));
    GANTRY_CHECK(remove_tree(root + "/tmp"));
    GANTRY_CHECK(make_directories(root + "/tmp", 0700));
    return std::unique_ptr<Sources>(new Sources(std::move(root), std::move(spawn)));
}

}  // namespace gantry::build
