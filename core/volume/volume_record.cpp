#include "core/volume/volume_record.hpp"

#include "core/base/clock.hpp"
#include "core/store/members.hpp"

namespace gantry::volume {

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

Result<Volume> from_object(const store::Object& object) {
    Volume volume;
    volume.name = object.id;
    GANTRY_CHECK(store::Members(object.body)
                     .required("driver", volume.driver)
                     .required("path", volume.path)
                     .required("labels", volume.labels)
                     .required("options", volume.options)
                     .required("created_ns", volume.created_ns)
                     .required("anonymous", volume.anonymous)
                     .required("consumers", volume.consumers)
                     .result());
    if (volume.driver.empty()) return fail(Code::corrupt, "it has no driver");
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
