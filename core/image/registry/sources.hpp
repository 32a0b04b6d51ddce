// Where one pull takes its blobs from: the mirrors of a registry and the registry itself, each dialled when it is needed.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/image/registry/remote.hpp"

namespace gantry::image::registry {

// Thread-safe. Lives as long as a download of this pull, which others may have joined.
class Sources {
public:
    // `cancelled` is asked until detach().
    Sources(const Settings& settings, std::string host, std::string repository, Credentials credentials,
            std::function<bool()> cancelled);

    std::size_t count() const { return entries_.size(); }
    // Mirrors first. Dialled once; a failure stays one.
    Result<std::shared_ptr<Remote>> get(std::size_t index);
    std::string name(std::size_t index) const;

    // The pull itself has ended: what it began goes on for those who joined.
    void detach();
    void join() { ++joined_; }
    void leave() { --joined_; }
    bool cancelled();
    // Ends everything, whoever waits for it.
    void stop() { stopped_ = true; }

private:
    struct Entry {
        std::string mirror;  // "": the registry
        std::mutex mutex;
        std::shared_ptr<Remote> remote;
        std::optional<Error> failed;
    };
    const std::string host_, repository_;
    const Credentials credentials_;
    std::mutex mutex_;
    std::function<bool()> cancelled_;
    std::atomic<int> joined_ = 0;
    std::atomic<bool> stopped_ = false;
    std::vector<std::unique_ptr<Entry>> entries_;
    Transport transport_;
};

}  // namespace gantry::image::registry
