// What the engine has of clients' directories: below ROOT/build/contexts a tree for each of a client's keys, and the list
// of its files with their times, sizes and digests, so that only what changed is asked for and hashed again. Thread-safe.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <gantry/result.hpp>

#include "core/build/cancel.hpp"
#include "core/build/client.hpp"
#include "core/build/value.hpp"

namespace gantry::build {

struct ContextEntry {
    std::string path;        // clean, relative
    std::uint32_t mode = 0;  // with type bits
    std::int64_t size = 0, mtime_ns = 0;
    std::string link;  // target of a symbolic link
};

// A client's answers, as they come.
class ContextPeer {
public:
    virtual ~ContextPeer() = default;
    // Each once, parents before children.
    virtual Result<void> walk(const std::function<Result<void>(ContextEntry)>& entry) = 0;
    // The content of each of the files in this order: `data` is called as often as need be, `end` at each one's end.
    virtual Result<void> fetch(const std::vector<std::string>& paths,
                               const std::function<Result<void>(std::string_view)>& data,
                               const std::function<Result<void>()>& end) = 0;
};

class ContextStore {
public:
    // `root`: a directory of its own, which is made.
    static Result<std::unique_ptr<ContextStore>> open(std::string root);

    // Brings the tree kept under `key` to what the peer has, and gives it; it stays as it is until the last holder drops it.
    // A key that is in use at this moment by another build has a second tree. GANTRY_INVALID: an entry whose name or type
    // no tree can have, that is there twice, or that lies in no directory; then nothing is fetched.
    Result<std::shared_ptr<const Tree>> sync(const std::string& key, ContextPeer& peer, const OnProgress& progress,
                                             Cancel& cancel);

    struct Info {
        std::string id;
        std::int64_t bytes = 0, used_ns = 0;
        bool in_use = false;
    };
    std::vector<Info> list();
    // Gives the bytes freed; 0 for one that is in use or not there.
    std::int64_t remove(const std::string& id);

private:
    explicit ContextStore(std::string root) : root_(std::move(root)) {}
    class Slot;
    class SlotTree;
    std::string take(const std::string& key);
    void give_back(const std::string& id);

    const std::string root_;
    std::mutex mutex_;  // all below
    std::set<std::string> in_use_;
};

}  // namespace gantry::build
