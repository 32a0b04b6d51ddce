#include "core/volume/volume_record.hpp"

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"

namespace gantry::volume {

using Texts = std::map<std::string, std::string>;

store::Object to_object(const Volume& volume) {
    return {volume.name, volume.name, 1,
            Json{{"driver", volume.driver},
                 {"path", volume.path},
                 {"labels", volume.labels},
                 {"options", volume.options},
                 {"created_ns", volume.created_ns},
                 {"anonymous", volume.anonymous},
                 {"consumers", volume.consumers}}};
}

std::optional<Volume> from_object(const store::Object& object) {
    if (!object.body.is_object() || object.id.empty()) return std::nullopt;
    Volume volume;
    volume.name = object.id;
    volume.driver = member<std::string>(object.body, "driver");
    volume.path = member<std::string>(object.body, "path");
    volume.labels = member<Texts>(object.body, "labels");
    volume.options = member<Texts>(object.body, "options");
    volume.created_ns = member<std::int64_t>(object.body, "created_ns");
    volume.anonymous = member<bool>(object.body, "anonymous");
    volume.consumers = member<std::set<std::string>>(object.body, "consumers");
    if (volume.driver.empty()) return std::nullopt;
    return volume;
}

Json to_spec(const Volume& volume) {
    return {{"id", volume.name},
            {"generation", 1},
            {"name", volume.name},
            {"labels", volume.labels},
            {"options", volume.options}};
}

Json Volume::to_api() const {
    return {{"CreatedAt", rfc3339(created_ns)},
            {"Driver", driver},
            {"Labels", labels},
            {"Mountpoint", path},
            {"Name", name},
            {"Options", options},
            {"Scope", "local"}};
}

}  // namespace gantry::volume
