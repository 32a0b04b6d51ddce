// What a registry's drivers reach of the engine: its log, its spawner, its event handler.
#pragma once
#include <memory>
#include <mutex>

#include "core/driver/host_table.hpp"
#include "core/driver/registry.hpp"

namespace gantry::driver {

// The spawner and the handler may be set while drivers run.
class Services {
public:
    explicit Services(bool threads);
    std::shared_ptr<const HostServices> table() const { return table_; }
    void set_spawner(Spawner spawner);
    void set_event_handler(EventHandler handler);

private:
    struct Targets {
        std::mutex mutex;
        Spawner spawner;
        EventHandler handler;
    };
    std::shared_ptr<Targets> targets_;
    std::shared_ptr<const HostServices> table_;
};

}  // namespace gantry::driver
