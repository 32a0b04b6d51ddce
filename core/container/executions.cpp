#include "core/container/executions.hpp"

#include <algorithm>

namespace gantry::container {
namespace {

// Clients make execs and leave them; each has two places here, of its making and of its end.
constexpr std::size_t most_places = 2000;

}  // namespace

std::string command_of(const Json& config) {
    std::string command;
    for (const Json& word : config["Cmd"]) command += (command.empty() ? "" : " ") + word.get<std::string>();
    return command;
}

void ContainerService::Executions::queue(const std::string& id, Slot& slot) {
    slot.turn = ++turns_;
    order_.emplace_back(id, slot.turn);
    while (order_.size() > most_places) {
        const auto [oldest, turn] = std::move(order_.front());
        order_.pop_front();
        auto found = known_.find(oldest);
        if (found == known_.end() || found->second.turn != turn) continue;
        const Pointer execution = found->second.execution;
        std::lock_guard lock(execution->mutex);
        // One that runs gets its place when it ends.
        if (!execution->running) known_.erase(found);
    }
}

void ContainerService::Executions::add(const Pointer& execution) {
    std::lock_guard lock(mutex_);
    Slot& slot = known_[execution->id];
    slot.execution = execution;
    queue(execution->id, slot);
}

void ContainerService::Executions::hold(const Pointer& execution) {
    std::lock_guard lock(mutex_);
    known_[execution->id] = {execution, 0};
}

void ContainerService::Executions::ended(const std::string& id) {
    std::lock_guard lock(mutex_);
    auto found = known_.find(id);
    if (found != known_.end() && found->second.turn != 0) queue(id, found->second);
}

ContainerService::Executions::Pointer ContainerService::Executions::find(const std::string& id) const {
    std::lock_guard lock(mutex_);
    auto found = known_.find(id);
    return found == known_.end() ? nullptr : found->second.execution;
}

void ContainerService::Executions::erase(const std::string& id) {
    std::lock_guard lock(mutex_);
    known_.erase(id);
}

void ContainerService::Executions::erase_of(const std::string& container_id) {
    std::lock_guard lock(mutex_);
    std::erase_if(known_, [&](const auto& item) { return item.second.execution->container_id == container_id; });
}

std::vector<std::string> ContainerService::Executions::running_of(const std::string& container_id) const {
    std::vector<std::string> ids;
    std::lock_guard lock(mutex_);
    for (const auto& [id, slot] : known_) {
        if (slot.execution->container_id != container_id) continue;
        std::lock_guard state(slot.execution->mutex);
        if (slot.execution->running) ids.push_back(id);
    }
    std::sort(ids.begin(), ids.end());
    return ids;
}

}  // namespace gantry::container
