// The directories of the local volume driver:
//   ROOT/volumes/NAME/_data            the data, or where a tmpfs is mounted while it is used
//   ROOT/volumes/NAME/options          the options it was made with; written last
//   ROOT/volumes/NAME/consumers/ID     one empty file for each consumer it is published to
//   ROOT/trash/...                     volumes being deleted
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::local_volume {

class VolumeTree {
public:
    static Result<std::unique_ptr<VolumeTree>> open(const std::string& root);

    std::string data_path(const std::string& name) const { return root_ + "/volumes/" + name + "/_data"; }
    // The options of a volume that is there; GANTRY_NOT_FOUND for one that is not, or is half made.
    Result<Json> options_of(const std::string& name);
    Result<void> make(const std::string& name, const Json& options);
    Result<void> remove(const std::string& name);
    Result<std::vector<std::string>> list();

    // O_RDONLY, the directory ROOT/volumes/NAME.
    Result<UniqueFd> open(const std::string& name, int flags);
    Result<void> add_consumer(int volume, const std::string& consumer);
    Result<void> drop_consumer(int volume, const std::string& consumer);
    Result<std::vector<std::string>> consumers(int volume);

private:
    VolumeTree() = default;
    std::string root_;
    UniqueFd volumes_, trash_;
    std::mutex mutex_;  // serial_
    std::int64_t serial_ = 0;
};

}  // namespace gantry::local_volume
