// A container in the words of the Engine API.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/container/container.hpp"
#include "core/network/network_service.hpp"

namespace gantry::container {

// All that a reply is made of, copied so that nothing changes meanwhile.
struct Snapshot {
    Container container;
    Json networks;                     // NetworkSettings.Networks while it runs
    std::vector<network::Port> ports;  // as bound
    std::string run_directory, directory;
    std::vector<std::string> exec_ids;
    std::vector<std::string> links;       // what it calls others: "/db:/web/database"
    std::vector<std::string> link_names;  // what others call it: "/web/database"
};

Json to_inspect(const Snapshot& snapshot);
Json to_summary(const Snapshot& snapshot);
// "Up 3 minutes", "Exited (0) 2 hours ago", "Created": the STATUS column.
std::string status_text(const State& state, const std::string& health, std::int64_t now_ns);
// "3 minutes", "About an hour": Docker's words for a length of time.
std::string human_duration(std::int64_t nanoseconds);

// "80", "80/tcp", "80-90/udp"; nothing for anything else.
struct PortRange {
    std::int64_t low = 0, high = 0;
    std::string protocol = "tcp";
    bool has(std::int64_t port, const std::string& of) const { return of == protocol && low <= port && port <= high; }
};
std::optional<PortRange> parse_port_range(const std::string& text);

using Filters = std::map<std::string, std::vector<std::string>>;
// The filters of GET /containers/json are known and well-formed.
Result<void> check_list_filters(const Filters& filters);

}  // namespace gantry::container
