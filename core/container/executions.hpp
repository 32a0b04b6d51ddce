// The execs that are known, running or not; private to core/container. Thread-safe.
#pragma once
#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "core/container/entry.hpp"

namespace gantry::container {

// The command of an exec's configuration in one line, as events have it.
std::string command_of(const Json& config);

class ContainerService::Executions {
public:
    using Pointer = std::shared_ptr<Execution>;

    // Of a client: kept until its container goes, or until so many have been made since that nobody will ask for one that
    // does not run (or ended that long ago).
    void add(const Pointer& execution);
    // Of the engine: kept until it is erased.
    void hold(const Pointer& execution);
    // It has ended: its exit code may be asked for now.
    void ended(const std::string& id);
    // Null where there is none.
    Pointer find(const std::string& id) const;
    void erase(const std::string& id);
    void erase_of(const std::string& container_id);
    std::vector<std::string> running_of(const std::string& container_id) const;

private:
    struct Slot {
        Pointer execution;
        std::uint64_t turn = 0;  // of its place in order_
    };
    void queue(const std::string& id, Slot& slot);

    mutable std::mutex mutex_;
    std::unordered_map<std::string, Slot> known_;
    std::deque<std::pair<std::string, std::uint64_t>> order_;  // oldest first; a place whose turn is another is void
    std::uint64_t turns_ = 0;
};

}  // namespace gantry::container
