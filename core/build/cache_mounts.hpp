// Directories that steps share between builds: RUN --mount=type=cache. Thread-safe.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/build/cancel.hpp"
#include "core/build/graph.hpp"

namespace gantry::build {

class CacheMounts {
public:
    // `root`: a directory of its own, which is made.
    static Result<std::unique_ptr<CacheMounts>> open(std::string root);

    // A use of one directory; given back by the destructor.
    class Lease {
    public:
        Lease(CacheMounts& owner, std::string name, UniqueFd directory, bool exclusive)
            : owner_(&owner), name_(std::move(name)), directory_(std::move(directory)), exclusive_(exclusive) {}
        Lease(Lease&& other) noexcept;
        Lease& operator=(Lease&&) = delete;
        ~Lease();
        int directory() const { return directory_.get(); }  // O_PATH

    private:
        friend class CacheMounts;
        CacheMounts* owner_;
        std::string name_;
        UniqueFd directory_;
        bool exclusive_;
    };
    // What belongs to mount.id: with sharing "locked" alone, waiting for others; with "private" one that nobody else uses at
    // this moment. New: it has the mount's owner and mode. *fresh: whether it is new.
    Result<Lease> take(const Mount& mount, Cancel& cancel, bool* fresh);

    struct Info {
        std::string id;    // of the directory
        std::string name;  // the id that Dockerfiles use
        std::int64_t bytes = 0, created_ns = 0, used_ns = 0;
        bool in_use = false;
    };
    std::vector<Info> list();
    // Gives the bytes freed; 0 for one that is in use or not there.
    std::int64_t remove(const std::string& id);

private:
    explicit CacheMounts(std::string root) : root_(std::move(root)) {}
    void give_back(const std::string& name, bool exclusive);
    struct Use {
        int shared = 0;
        bool exclusive = false;
    };
    const std::string root_;
    std::mutex making_;  // one directory is made at a time
    std::mutex mutex_;   // all below
    std::condition_variable changed_;
    std::map<std::string, Use> uses_;
};

}  // namespace gantry::build
