// Volumes, the engine's side: names, drivers, who uses what.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/driver/registry.hpp"
#include "core/store/store.hpp"

namespace gantry::volume {

struct Volume {
    std::string name, driver, path;  // path: the mountpoint the driver tells, "" for none
    std::map<std::string, std::string> labels, options;
    std::int64_t created_ns = 0;
    bool anonymous = false;
    std::set<std::string> consumers;  // container ids
    Json to_api() const;              // the Volume object of the Engine API
};

class VolumeService {
public:
    static Result<std::unique_ptr<VolumeService>> open(store::Store& store, driver::Registry& drivers,
                                                       std::string default_driver);
    ~VolumeService();

    // name "": anonymous, 64 hex digits. driver "": the default. The same again gives the volume that is there; with
    // another driver or other options: GANTRY_CONFLICT. Options are validated against the driver's description.
    // `consumer`: a container whose creation makes the volume is its consumer from the first moment, so that it can be
    // found where that creation is cut off; it still has to publish() it.
    Result<Volume> create(std::string name, std::string_view driver, std::map<std::string, std::string> options,
                          std::map<std::string, std::string> labels, std::string_view consumer = {});
    Result<Volume> inspect(std::string_view name);
    std::vector<Volume> list();
    // GANTRY_CONFLICT while used: "remove NAME: volume is in use - [ids]". Not there: GANTRY_NOT_FOUND, or success
    // with force.
    Result<void> remove(std::string_view name, bool force);
    // The directory for one container, as an O_PATH descriptor or a detached mount; the container is a consumer from
    // before the driver is asked until unpublish.
    struct Published {
        UniqueFd mount;
        std::string path;  // for people: inspect's Source
    };
    Result<Published> publish(std::string_view name, std::string_view consumer, bool read_only);
    // Gone is success.
    Result<void> unpublish(std::string_view name, std::string_view consumer);
    // A container's creation was cut off: the anonymous volumes that it had made go.
    void discard_anonymous(std::string_view consumer);
    // After a restart: exactly these containers exist; the consumers of others are dropped.
    void reconcile(const std::set<std::string>& containers);

private:
    struct Impl;
    explicit VolumeService(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::volume
