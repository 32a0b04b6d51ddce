#include "core/driver/services.hpp"

namespace gantry::driver {

Services::Services(bool threads) : targets_(std::make_shared<Targets>()) {
    auto table = std::make_shared<HostServices>();
    table->threads = threads;
    table->log = log_for_driver;
    table->spawn = [targets = targets_](const SpawnRequest& request, const int fds[3]) -> Result<int> {
        Spawner spawner;
        {
            std::lock_guard lock(targets->mutex);
            spawner = targets->spawner;
        }
        if (!spawner) return fail(Code::unsupported, "nothing here runs programs for drivers");
        return spawner(request.argv, request.environment, fds, request.timeout_ms);
    };
    table->event = [targets = targets_](const std::string& driver, const Json& event) {
        EventHandler handler;
        {
            std::lock_guard lock(targets->mutex);
            handler = targets->handler;
        }
        if (handler) handler(driver, event);
    };
    table_ = std::move(table);
}

void Services::set_spawner(Spawner spawner) {
    std::lock_guard lock(targets_->mutex);
    targets_->spawner = std::move(spawner);
}

void Services::set_event_handler(EventHandler handler) {
    std::lock_guard lock(targets_->mutex);
    targets_->handler = std::move(handler);
}

}  // namespace gantry::driver
