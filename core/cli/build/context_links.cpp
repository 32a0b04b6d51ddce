#include "core/cli/build/context_links.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <set>

#include "core/base/safe_path.hpp"
#include "core/build/dockerignore.hpp"
#include "core/cli/build/beneath.hpp"

namespace gantry::cli {
namespace {

constexpr int link_limit = 255;

class Follower {
public:
    explicit Follower(int root) : root_(root) {}

    // `done`: a path without links that has been walked; `rest`: what is still to be looked at.
    Result<void> follow(std::string done, std::string rest, int links) {
        if (links > link_limit)
            return fail(Code::exhausted, "too many symbolic links on the way to \"" + rest + "\" in the context");
        while (!rest.empty()) {
            const std::size_t slash = rest.find('/');
            const std::string name = rest.substr(0, slash);
            rest.erase(0, slash == std::string::npos ? rest.size() : slash + 1);
            if (name.find_first_of("*?[\\") != std::string::npos) return follow_pattern(done, name, rest, links);
            const std::string here = done.empty() ? name : done + "/" + name;
            auto target = link_at(done, name);
            if (target) return through(done, here, *target, rest, links);
            done = here;
        }
        found_.insert(done.empty() ? "." : done);
        return {};
    }
    std::set<std::string> take() { return std::move(found_); }

private:
    std::optional<std::string> link_at(const std::string& directory, const std::string& name) {
        auto parent = open_beneath(root_, directory, O_PATH | O_DIRECTORY, Links::none);
        if (!parent) return std::nullopt;
        std::string target(4096, '\0');
        ssize_t n = ::readlinkat(parent->get(), name.c_str(), target.data(), target.size());
        if (n <= 0) return std::nullopt;
        target.resize(static_cast<std::size_t>(n));
        return target;
    }

    Result<void> through(const std::string& directory, const std::string& here, const std::string& target,
                         const std::string& rest, int links) {
        found_.insert(here);
        std::string next = clean_relative(target.starts_with('/') ? target : directory + "/" + target);
        return follow({}, next + (next.empty() || rest.empty() ? "" : "/") + rest, links + 1);
    }

    Result<void> follow_pattern(const std::string& directory, const std::string& pattern, const std::string& rest,
                                int links) {
        const std::string prefix = directory.empty() ? "" : directory + "/";
        found_.insert(prefix + pattern + (rest.empty() ? "" : "/" + rest));
        if (pattern.find("**") != std::string::npos) return {};
        auto opened = open_beneath(root_, directory, O_RDONLY | O_DIRECTORY, Links::none);
        if (!opened) return {};
        std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(opened->get()), &::closedir);
        if (!stream) return fail_errno("read directory \"" + directory + "\"");
        (void)opened->release();
        while (const dirent* entry = ::readdir(stream.get())) {
            const std::string name = entry->d_name;
            if (name == "." || name == "..") continue;
            GANTRY_TRY(bool matches, build::match_path(pattern, name));
            if (!matches) continue;
            if (auto target = link_at(directory, name))
                GANTRY_CHECK(through(directory, prefix + name, *target, rest, links));
            else if (!rest.empty())
                GANTRY_CHECK(follow(prefix + name, rest, links));
        }
        return {};
    }

    int root_;
    std::set<std::string> found_;
};

}  // namespace

Result<std::vector<std::string>> follow_links(int root, const std::vector<std::string>& paths) {
    Follower follower(root);
    for (const std::string& path : paths) {
        std::string clean = build::clean_path(path);
        if (clean.starts_with('/')) clean.erase(0, 1);
        GANTRY_CHECK(follower.follow({}, clean == "." ? std::string() : clean, 0));
    }
    std::set<std::string> found = follower.take();
    return std::vector<std::string>(found.begin(), found.end());
}

}  // namespace gantry::cli
