// A driver as the engine sees it: something to which one operation of one table can be sent. The same face for a
// driver loaded into this process (loaded.hpp) and one in a process of its own (hosted.hpp).
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::driver {

enum class Kind { network = 1, volume, layer, runtime };
std::string_view name_of(Kind kind);

// How long a call may take before the engine gives it up (DESIGN 3).
enum class Deadline { fast = 2'000, normal = 30'000, longer = 120'000 };

struct Reply {
    Json result;                // an object
    std::vector<UniqueFd> fds;  // named by result["fds"]
    // The descriptor that result["fds"] names so, or none.
    UniqueFd take_fd(std::string_view name);
};

// Descriptors of a request: borrowed for the call. Put into request["fds"] by call().
struct NamedFd {
    std::string name;
    int fd;
};

class Driver {
public:
    virtual ~Driver() = default;
    virtual const std::string& name() const = 0;  // as configured: "nfs"
    virtual Kind kind() const = 0;
    virtual const Json& description() const = 0;            // what describe() gave
    virtual bool offers(std::string_view table) const = 0;  // "network.expose/1"
    // Sends one operation and waits for its reply, on the calling thread (a worker, never a reactor thread), with no
    // lock held. Past the deadline: Error{Code::deadline}; the object is uncertain then. A driver that throws,
    // crashes or breaks the rules gives Code::internal naming the driver. The operations of gantry_driver itself,
    // "reconcile" and "health", have table "driver/1"; not offered: GANTRY_UNSUPPORTED.
    virtual Result<Reply> call(std::string_view table, std::string_view operation, Json request,
                               std::vector<NamedFd> fds = {}, Deadline deadline = Deadline::normal) = 0;
};

// Checks `given` against the option schema `options` of a description (type, range, values; ".*" names), and fills in
// defaults. An unknown option is an error that lists the known ones and the nearest. `where` starts the message:
// "driver \"bridge\"". Gives the complete, typed options.
Result<Json> validate_options(const Json& schema, const Json& given, std::string_view where);

}  // namespace gantry::driver
