// One opened driver in this process: its object, its tables, and how an operation of it is run.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/driver/call_state.hpp"
#include "core/driver/host_table.hpp"
#include "core/driver/kinds.hpp"
#include "core/driver/library.hpp"

namespace gantry::driver {

// Closed when the last owner lets go: whoever runs an operation holds one, so close() never overtakes one.
class Instance {
public:
    // Opens the library's driver under `name` with `config` ({"engine", "root", "run", "options"}) and checks its tables:
    // the kind's own, large enough and complete; the optional ones, complete where they are offered.
    static Result<std::shared_ptr<Instance>> open(std::shared_ptr<const Library> library, const std::string& name,
                                                  const Json& config, std::shared_ptr<const HostServices> services);
    ~Instance();
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;

    const std::shared_ptr<const std::string>& name() const { return name_; }
    const Library& library() const { return *library_; }
    bool offers(std::string_view table) const;
    // The ids of all tables it offers.
    std::vector<std::string> offered() const;
    // The function behind ("network/1", "attach"), also ("driver/1", "reconcile" or "health"). Not offered:
    // GANTRY_UNSUPPORTED.
    Result<gantry_op> find(std::string_view table, std::string_view operation) const;
    // Runs `op` on the calling thread; state->on_reply is called when the driver answers, then or later.
    void run(gantry_op op, const std::shared_ptr<CallState>& state);

private:
    Instance(std::shared_ptr<const Library> library, const std::string& name,
             std::shared_ptr<const HostServices> services);
    Result<void> open_driver(const Json& config);
    Result<void> read_tables();

    std::shared_ptr<const Library> library_;
    std::shared_ptr<const std::string> name_;
    HostTable host_;
    gantry_driver driver_;
    bool opened_ = false;
    struct Offered {
        const Table* table;
        const void* functions;
        std::uint32_t size;
    };
    std::vector<Offered> offered_;
};

}  // namespace gantry::driver
