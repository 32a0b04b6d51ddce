#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/text.hpp"
#include "core/cli/build/beneath.hpp"
#include "core/cli/build/context_jobs.hpp"
#include "core/cli/build/context_links.hpp"
#include "core/cli/build/frame.hpp"
#include "core/cli/json_access.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t batch_limit = 256u << 10, depth_limit = 2000;

Result<std::vector<std::string>> texts(const Json& request, const char* key) {
    std::vector<std::string> list;
    const Json& values = member(request, key);
    if (values.is_null()) return list;
    if (!values.is_array()) return fail(Code::invalid, "\"" + std::string(key) + "\" of a walk is not a list");
    for (const Json& value : values) list.push_back(as_text(value));
    return list;
}

bool is_utf8(const std::string& name) {
    try {
        (void)Json(name).dump();
        return true;
    } catch (const Json::exception&) {
        return false;
    }
}

}  // namespace

Result<std::unique_ptr<Job>> WalkJob::create(int root, const Json& request) {
    auto job = std::make_unique<WalkJob>();
    job->root_ = root;
    job->id_ = member(request, "id");
    GANTRY_TRY(std::vector<std::string> exclude, texts(request, "exclude"));
    GANTRY_TRY(std::vector<std::string> paths, texts(request, "paths"));
    GANTRY_TRY(job->exclude_, build::IgnoreMatcher::parse(exclude));
    if (!paths.empty()) {
        GANTRY_TRY(paths, follow_links(root, paths));
        GANTRY_TRY(job->only_, build::IgnoreMatcher::all_but(paths));
    }
    return std::unique_ptr<Job>(std::move(job));
}

Result<bool> WalkJob::step(std::string& out) {
    if (!started_) {
        started_ = true;
        GANTRY_CHECK(open_level({}, std::nullopt, {}, {}));
    }
    while (!levels_.empty() && batch_bytes_ < batch_limit) {
        Level& level = levels_.back();
        if (level.next == level.items.size())
            levels_.pop_back();
        else
            GANTRY_CHECK(take(level, std::move(level.items[level.next++])));
    }
    if (!batch_.empty()) {
        GANTRY_TRY(std::string frame, encode_frame({{"type", "entries"}, {"id", id_}, {"entries", std::move(batch_)}}));
        out += frame;
        batch_ = Json::array();
        batch_bytes_ = 0;
    }
    if (!levels_.empty()) return true;
    GANTRY_TRY(std::string end, encode_frame({{"type", "end"}, {"id", id_}}));
    out += end;
    return false;
}

// Reads the directory whole and lets go of it: however deep the tree is, one descriptor is open.
Result<void> WalkJob::open_level(std::string path, std::optional<Json> unsent, build::IgnoreMatcher::Verdict excluded,
                                 build::IgnoreMatcher::Verdict wanted) {
    if (levels_.size() >= depth_limit)
        return fail(Code::exhausted,
                    "the context is more than 2000 directories deep at \"" + path.substr(0, 200) + "\"");
    GANTRY_TRY(UniqueFd directory, open_beneath(root_, path, O_RDONLY | O_DIRECTORY, Links::none));
    std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(directory.get()), &::closedir);
    if (!stream) return fail_errno("read directory \"" + path + "\"");
    const int fd = directory.release();
    Level level{std::move(path), {}, 0, std::move(excluded), std::move(wanted), std::move(unsent)};
    for (;;) {
        errno = 0;
        const dirent* found = ::readdir(stream.get());
        if (!found) break;
        std::string name = found->d_name;
        if (name == "." || name == "..") continue;
        struct stat info {};
        // What went away meanwhile is not there.
        if (::fstatat(fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT) continue;
            return fail_errno("stat \"" + level.path + "/" + name + "\"");
        }
        if (S_ISSOCK(info.st_mode)) continue;  // nothing a build could copy
        Item item{std::move(name), {}, S_ISDIR(info.st_mode)};
        item.entry = {{"mode", info.st_mode},
                      {"size", S_ISREG(info.st_mode) ? info.st_size : 0},
                      {"mtime_ns", std::int64_t{info.st_mtim.tv_sec} * 1000000000 + info.st_mtim.tv_nsec}};
        if (S_ISLNK(info.st_mode)) {
            std::string target(4096, '\0');
            ssize_t n = ::readlinkat(fd, item.name.c_str(), target.data(), target.size());
            if (n < 0) return fail_errno("read link \"" + level.path + "/" + item.name + "\"");
            target.resize(static_cast<std::size_t>(n));
            item.entry["link"] = target;
        }
        level.items.push_back(std::move(item));
    }
    if (errno != 0) return fail_errno("read directory \"" + level.path + "\"");
    std::sort(level.items.begin(), level.items.end(), [](const Item& a, const Item& b) { return a.name < b.name; });
    levels_.push_back(std::move(level));
    return {};
}

Result<void> WalkJob::take(Level& level, Item item) {
    const bool root = levels_.size() == 1;
    const std::string path = root ? item.name : level.path + "/" + item.name;
    auto excluded = exclude_.judge(path, root ? nullptr : &level.excluded);
    auto wanted = only_.judge(path, root ? nullptr : &level.wanted);
    const bool sent = !excluded.ignored && !wanted.ignored;
    if (!sent && !item.directory) return {};
    const bool below = item.directory && (!excluded.ignored || exclude_.may_keep_below(path)) &&
                       (!wanted.ignored || only_.may_keep_below(path));
    if (!sent && !below) return {};
    if (!is_utf8(path) || (item.entry.contains("link") && !is_utf8(text_at(item.entry, "link"))))
        return fail(Code::unsupported, "\"" + path + "\" in the context: a name that is not UTF-8 is not supported");
    item.entry["path"] = path;
    if (sent) {
        for (Level& above : levels_)
            if (above.unsent) {
                send(std::move(*above.unsent));
                above.unsent.reset();
            }
        send(item.entry);
    }
    if (!below) return {};
    return open_level(path, sent ? std::nullopt : std::optional<Json>(std::move(item.entry)), std::move(excluded),
                      std::move(wanted));
}

void WalkJob::send(Json entry) {
    // Escapes make a path six times as long at most; the rest of an entry is short.
    batch_bytes_ += text_at(entry, "path").size() + text_at(entry, "link").size() + 100;
    batch_.push_back(std::move(entry));
}

}  // namespace gantry::cli
