#include "core/build/context_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"
#include "core/build/tree_size.hpp"
#include "core/image/digest.hpp"

namespace gantry::build {
namespace {

constexpr std::size_t most_entries = 2'000'000, longest_path = 4095;
constexpr std::int64_t most_context_bytes = std::int64_t{256} << 30;
constexpr int most_slots = 1000;
constexpr int list_version = 1;

struct Known {
    ContextEntry entry;
    std::string digest;  // of a regular file
};
using List = std::map<std::string, Known>;

// The list of a tree: one line of JSON for each file. Anything wrong with it and the tree is made anew.
List read_list(const std::string& path) {
    List list;
    auto text = read_file(path, std::size_t{1} << 30);
    if (!text) return list;
    for (std::string_view line : split(*text, '\n')) {
        if (line.empty()) continue;
        const Json item = Json::parse(line, nullptr, false);
        if (!item.is_array() || item.size() != 6 || !item[0].is_string() || !item[1].is_number_unsigned() ||
            !item[2].is_number_integer() || !item[3].is_number_integer() || !item[4].is_string() ||
            !item[5].is_string())
            return {};
        Known known{{item[0], item[1], item[2], item[3], item[4]}, item[5]};
        list.emplace(known.entry.path, std::move(known));
    }
    return list;
}

std::string list_text(const List& list) {
    std::string text;
    for (const auto& [path, known] : list)
        text += Json::array(
                    {path, known.entry.mode, known.entry.size, known.entry.mtime_ns, known.entry.link, known.digest})
                    .dump(-1, ' ', false, Json::error_handler_t::replace) +
                "\n";
    return text;
}

bool same(const ContextEntry& a, const ContextEntry& b) {
    return a.mode == b.mode && a.size == b.size && a.mtime_ns == b.mtime_ns && a.link == b.link;
}

// Names come from the client: each component is one name of a file, and nothing leads out.
// `list`: what came before it.
Result<void> check_entry(const ContextEntry& entry, const List& list) {
    auto refuse = [&](const std::string& why) {
        return fail(Code::invalid, "the context's entry " + quote_json(entry.path.substr(0, 200)) + " " + why);
    };
    if (entry.path.empty() || entry.path.size() > longest_path) return refuse("has no name that a file can have");
    if (entry.path.find('\0') != std::string::npos || entry.link.find('\0') != std::string::npos)
        return refuse("has a NUL in its name");
    for (std::string_view part : split(entry.path, '/'))
        if (part.empty() || part == "." || part == ".." || part.size() > 255)
            return refuse("has no name that a file can have");
    if (!S_ISREG(entry.mode) && !S_ISDIR(entry.mode) && !S_ISLNK(entry.mode))
        return refuse("is neither a file, a directory nor a link");
    if (S_ISLNK(entry.mode) && (entry.link.empty() || entry.link.size() > longest_path))
        return refuse("is a link without a target");
    if (entry.size < 0) return refuse("has a negative size");
    // Each once, and in a directory that was told of before: a tree has no other, and of two one would not be looked at.
    if (list.contains(entry.path)) return refuse("is there twice");
    if (const std::size_t slash = entry.path.rfind('/'); slash != std::string::npos) {
        const auto above = list.find(entry.path.substr(0, slash));
        if (above == list.end() || !S_ISDIR(above->second.entry.mode))
            return refuse("lies in no directory that the client told of before it");
    }
    // JSON would not keep it.
    if (Json(entry.path).dump(-1, ' ', false, Json::error_handler_t::ignore) !=
        Json(entry.path).dump(-1, ' ', false, Json::error_handler_t::replace))
        return refuse("has a name that is not UTF-8");
    return {};
}

timespec time_of(std::int64_t ns) {
    timespec time{static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
    if (time.tv_nsec < 0) {
        time.tv_nsec += 1'000'000'000;
        --time.tv_sec;
    }
    return time;
}

struct Place {
    UniqueFd parent;
    std::string name;
};
// Parents are directories of our own making: no link is followed on the way.
Result<Place> place_of(int root, const std::string& path) {
    Place place;
    const std::size_t slash = path.rfind('/');
    place.name = path.substr(slash == std::string::npos ? 0 : slash + 1);
    place.parent.reset(::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (slash != std::string::npos)
        for (std::string_view part : split(std::string_view(path).substr(0, slash), '/')) {
            UniqueFd next(::openat(place.parent.get(), std::string(part).c_str(),
                                   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (!next) {
                const int error = errno;
                return fail_errno("the context's entry \"" + path + "\" lies in no directory", error);
            }
            place.parent = std::move(next);
        }
    if (!place.parent) return fail_errno("open a context");
    return place;
}

Result<void> erase_entry(int root, const std::string& slot, const Known& known) {
    auto place = place_of(root, known.entry.path);
    if (!place) return {};
    if (!S_ISDIR(known.entry.mode)) {
        if (::unlinkat(place->parent.get(), place->name.c_str(), 0) != 0 && errno != ENOENT)
            return fail_errno("delete \"" + known.entry.path + "\"");
        return {};
    }
    if (::unlinkat(place->parent.get(), place->name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
        return remove_tree(slot + "/fs/" + known.entry.path);
    return {};
}

// Everything but content.
Result<void> set_attributes(int root, const ContextEntry& entry) {
    GANTRY_TRY(Place place, place_of(root, entry.path));
    if (!S_ISLNK(entry.mode) && ::fchmodat(place.parent.get(), place.name.c_str(), entry.mode & 07777, 0) != 0)
        return fail_errno("set the mode of \"" + entry.path + "\"");
    const timespec times[2] = {time_of(entry.mtime_ns), time_of(entry.mtime_ns)};
    if (::utimensat(place.parent.get(), place.name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
        return fail_errno("set the time of \"" + entry.path + "\"");
    return {};
}

}  // namespace

// What a build holds: the tree as it is, and the files' digests.
class ContextStore::SlotTree final : public Tree {
public:
    SlotTree(ContextStore& store, std::string id, UniqueFd root, List list)
        : store_(store), id_(std::move(id)), root_(std::move(root)), list_(std::move(list)) {}
    ~SlotTree() override { store_.give_back(id_); }
    int root() const override { return root_.get(); }
    std::optional<std::string> digest_of(const std::string& path) const override {
        auto found = list_.find(path);
        if (found == list_.end() || found->second.digest.empty()) return std::nullopt;
        return found->second.digest;
    }

private:
    ContextStore& store_;
    const std::string id_;
    UniqueFd root_;
    const List list_;
};

Result<std::unique_ptr<ContextStore>> ContextStore::open(std::string root) {
    GANTRY_CHECK(make_directories(root, 0700));
    return std::unique_ptr<ContextStore>(new ContextStore(std::move(root)));
}

std::string ContextStore::take(const std::string& key) {
    const std::string hex(image::hex_of(image::digest_of(key)));
    std::lock_guard lock(mutex_);
    for (int number = 0; number < most_slots; ++number) {
        const std::string id = number == 0 ? hex : hex + "." + std::to_string(number);
        if (in_use_.insert(id).second) return id;
    }
    return "";
}

void ContextStore::give_back(const std::string& id) {
    std::lock_guard lock(mutex_);
    in_use_.erase(id);
}

Result<std::shared_ptr<const Tree>> ContextStore::sync(const std::string& key, ContextPeer& peer,
                                                       const OnProgress& progress, Cancel& cancel) {
    const std::string id = take(key);
    if (id.empty()) return fail(Code::busy, "the same context is used by too many builds at once");
    ScopeGuard give([&] { give_back(id); });
    const std::string slot = root_ + "/" + id, list_path = slot + "/list." + std::to_string(list_version);
    List known;
    if (path_exists(list_path)) known = read_list(list_path);
    // Without its list a tree is not known: one that was being changed when the engine was killed is begun anew.
    if (known.empty()) GANTRY_CHECK(remove_tree(slot));
    GANTRY_CHECK(make_directories(slot + "/fs", 0700));
    if (::chmod((slot + "/fs").c_str(), 0755) != 0) return fail_errno("set the mode of a context");
    GANTRY_TRY(UniqueFd root, open_file(slot + "/fs", O_RDONLY | O_DIRECTORY));

    List wanted;
    std::int64_t total = 0;
    auto walked = peer.walk([&](ContextEntry entry) -> Result<void> {
        GANTRY_CHECK(cancel.check());
        GANTRY_CHECK(check_entry(entry, wanted));
        if (wanted.size() >= most_entries)
            return fail(Code::exhausted, "the context has more than " + std::to_string(most_entries) + " files");
        if (S_ISREG(entry.mode) && (total += entry.size) > most_context_bytes)
            return fail(Code::exhausted, "the context has more than " + std::to_string(most_context_bytes) + " bytes");
        std::string path = entry.path;
        wanted.emplace(std::move(path), Known{std::move(entry), ""});
        return {};
    });
    if (!walked) return std::move(walked).error();
    std::vector<std::string> fetch;
    std::vector<const Known*> stale, made;
    std::int64_t to_fetch = 0;
    for (auto& [path, item] : known) {
        auto now = wanted.find(path);
        if (now == wanted.end() || !same(now->second.entry, item.entry))
            // A directory with another time is still the same directory.
            if (now == wanted.end() || !S_ISDIR(now->second.entry.mode) || !S_ISDIR(item.entry.mode))
                stale.push_back(&item);
    }
    const bool changed = !stale.empty() || wanted.size() != known.size();
    for (auto& [path, item] : wanted) {
        auto before = known.find(path);
        const bool unchanged = before != known.end() && same(before->second.entry, item.entry);
        if (unchanged) {
            item.digest = before->second.digest;
            continue;
        }
        made.push_back(&item);
        if (S_ISREG(item.entry.mode)) {
            fetch.push_back(path);
            to_fetch += item.entry.size;
        }
    }
    if (changed || !made.empty()) {
        // From here on the tree is neither what it was nor what it will be.
        if (::unlink(list_path.c_str()) != 0 && errno != ENOENT) return fail_errno("change a context");
        GANTRY_FAILPOINT("build.context.changing");
        for (auto item = stale.rbegin(); item != stale.rend(); ++item)
            GANTRY_CHECK(erase_entry(root.get(), slot, **item));
        for (const Known* item : made) {
            const ContextEntry& entry = item->entry;
            GANTRY_TRY(Place place, place_of(root.get(), entry.path));
            if (S_ISDIR(entry.mode) && ::mkdirat(place.parent.get(), place.name.c_str(), 0700) != 0 && errno != EEXIST)
                return fail_errno("make \"" + entry.path + "\"");
            if (S_ISLNK(entry.mode) && ::symlinkat(entry.link.c_str(), place.parent.get(), place.name.c_str()) != 0)
                return fail_errno("make \"" + entry.path + "\"");
        }
        std::size_t at = 0;
        std::int64_t done = 0;
        UniqueFd file;
        image::Sha256 hash;
        auto begin = [&]() -> Result<void> {
            GANTRY_TRY(Place place, place_of(root.get(), fetch[at]));
            file.reset(::openat(place.parent.get(), place.name.c_str(),
                                O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
            if (!file) return fail_errno("make \"" + fetch[at] + "\"");
            hash = image::Sha256();
            return {};
        };
        if (!fetch.empty()) {
            GANTRY_CHECK(begin());
            auto fetched = peer.fetch(
                fetch,
                [&](std::string_view bytes) -> Result<void> {
                    GANTRY_CHECK(cancel.check());
                    if (at >= fetch.size()) return fail(Code::invalid, "the client sent a file that was not asked for");
                    hash.update(bytes);
                    done += static_cast<std::int64_t>(bytes.size());
                    if (done > most_context_bytes) return fail(Code::exhausted, "the context is too large");
                    if (progress) progress("transferring", done, to_fetch);
                    return write_all(file.get(), bytes);
                },
                [&]() -> Result<void> {
                    if (at >= fetch.size()) return fail(Code::invalid, "the client sent a file that was not asked for");
                    Known& item = wanted[fetch[at]];
                    struct stat info {};
                    // It may have changed since the walk: it is as it was sent.
                    if (::fstat(file.get(), &info) == 0) item.entry.size = info.st_size;
                    item.digest = hash.finish();
                    if (++at < fetch.size()) return begin();
                    file.reset();
                    return {};
                });
            if (!fetched) return std::move(fetched).error();
            if (at != fetch.size()) return fail(Code::invalid, "the client did not send \"" + fetch[at] + "\"");
        }
        for (const Known* item : made)
            if (!S_ISDIR(item->entry.mode)) GANTRY_CHECK(set_attributes(root.get(), item->entry));
        // Every directory, children first: what was made or deleted in them has changed their times.
        for (auto item = wanted.rbegin(); item != wanted.rend(); ++item)
            if (S_ISDIR(item->second.entry.mode)) GANTRY_CHECK(set_attributes(root.get(), item->second.entry));
        if (progress) progress("transferring", done, to_fetch);
        GANTRY_CHECK(write_file_atomic(list_path, list_text(wanted)));
    } else {
        (void)::utimensat(AT_FDCWD, list_path.c_str(), nullptr, 0);
    }
    give.dismiss();
    return std::shared_ptr<const Tree>(std::make_shared<SlotTree>(*this, id, std::move(root), std::move(wanted)));
}

std::vector<ContextStore::Info> ContextStore::list() {
    std::vector<Info> all;
    auto names = list_directory(root_);
    if (!names) return all;
    for (const std::string& name : *names) {
        Info info;
        info.id = name;
        info.bytes = tree_size(root_ + "/" + name + "/fs");
        struct stat about {};
        if (::stat((root_ + "/" + name + "/list." + std::to_string(list_version)).c_str(), &about) == 0)
            info.used_ns = std::int64_t{about.st_mtim.tv_sec} * 1'000'000'000 + about.st_mtim.tv_nsec;
        {
            std::lock_guard lock(mutex_);
            info.in_use = in_use_.contains(name);
        }
        all.push_back(std::move(info));
    }
    return all;
}

std::int64_t ContextStore::remove(const std::string& id) {
    if (id.empty() || id.find('/') != std::string::npos || id.starts_with('.')) return 0;
    {
        std::lock_guard lock(mutex_);
        if (!in_use_.insert(id).second) return 0;
    }
    const std::string path = root_ + "/" + id;
    const std::int64_t bytes = tree_size(path);
    const bool removed = bool(remove_tree(path));
    give_back(id);
    return removed ? bytes : 0;
}

}  // namespace gantry::build
