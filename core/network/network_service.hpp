// Networks, the engine's side: objects, addresses (IPAM), endpoints, names, published ports.
#pragma once
#include <functional>
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

namespace gantry::network {

// The built-in networks by their names in the Engine API; the first is that of a container that asks for none.
inline constexpr std::string_view default_network = "bridge", host_network = "host", none_network = "none";

struct Settings {
    std::string engine;          // prefix of kernel objects
    std::string run;             // names files for the resolver go to run/names/
    std::string default_driver;  // of `network create` without --driver, and of the network "bridge"
    std::string host_driver;     // of the built-in network "host"; "": there is none
    std::string none_driver;     // of the built-in network "none"; "": there is none
    // {"172.17.0.0/12", 20}: base and size of each network, of either family. Without one of IPv6, networks are taken
    // from `unique_local`, this engine's own "fdxx:xxxx:xxxx::/48" (RFC 4193).
    std::vector<std::pair<std::string, int>> address_pools;
    std::string unique_local;
};

// What a container asks of one network (EndpointSettings of the API).
struct EndpointWish {
    std::string network;  // name, id or id prefix
    std::vector<std::string> aliases;
    std::string ipv4, mac;  // "" unless fixed
    std::map<std::string, std::string> driver_options;
    int gateway_priority = 0;
    std::vector<std::string> links = {};  // well-formed for parse_link()
    std::string ipv6 = {};                // "" unless fixed
};

struct Port {
    std::string protocol;  // tcp, udp, sctp
    std::uint16_t container_port = 0;
    std::string host_address;  // "0.0.0.0", "127.0.0.1", "::"; "" in a wish: those that the network gives such ports
    // 0 in a wish: an ephemeral one is chosen. 0 of one that is bound: none, the container's own is open at its own address.
    std::uint16_t host_port = 0;
    bool of_host() const { return host_port != 0; }
    bool operator==(const Port&) const = default;
};

// The network side of one started container.
struct Attached {
    enum class Mode { private_namespace = 1, host, none, container };
    Mode mode = Mode::private_namespace;
    UniqueFd netns;                      // private_namespace: ready for the runtime
    std::string join;                    // container: the id whose namespace it shares
    std::vector<std::string> resolvers;  // addresses for /etc/resolv.conf; empty: the host's own file
    std::vector<std::pair<std::string, std::string>> hosts;  // address, name(s): lines of /etc/hosts
    std::vector<Port> ports;                                 // as bound
    Json settings;  // NetworkSettings.Networks of the API: name -> EndpointSettings
};

class NetworkService {
public:
    // Makes the networks bridge, host and none if they are not there. The API is open before any driver is asked:
    // `bridge` itself is made on first use or by reconcile().
    static Result<std::unique_ptr<NetworkService>> open(Settings settings, store::Store& store,
                                                        driver::Registry& drivers);
    ~NetworkService();

    // `body`: NetworkCreateRequest of the API. Gives {"Id", "Warning"}.
    Result<Json> create(const Json& body);
    Result<void> remove(
        std::string_view name_or_id);  // in use, or a built-in one: GANTRY_DENIED / CONFLICT in Docker's words
    Result<Json> inspect(std::string_view name_or_id);  // Network object of the API, with Containers
    std::vector<Json> list();
    Result<std::string> id_of(std::string_view name_or_id);
    // For GANTRY_INVALID/NOT_FOUND at `create` of a container, before anything is made.
    Result<void> check(const std::string& network_mode, const std::vector<EndpointWish>& wishes,
                       const std::vector<Port>& ports);

    // Takes a network namespace (from a pool made ahead), endpoints, addresses and ports for a container that
    // starts; publishes its names. network_mode: "default", "bridge", "host", "none", "container:ID", a network.
    // Undone wholly on failure. A worker thread may run this beside the runtime's create: `netns_ready` is called as
    // soon as the namespace exists (before interfaces are in it); pass {} when not needed.
    Result<Attached> attach(const std::string& container_id, const std::string& container_name,
                            const std::string& hostname, const std::string& network_mode,
                            const std::vector<EndpointWish>& wishes, const std::vector<Port>& ports,
                            const std::function<void(int netns)>& netns_ready = {});
    // The container has ended (gone=true: its namespace too): endpoints, ports, names, addresses are given back.
    // Repeatable; goes on after a failure and gives the first error.
    Result<void> detach(const std::string& container_id, bool gone);
    // A running container's further networks. `netns`: its namespace.
    Result<Json> connect(std::string_view network, const std::string& container_id, const std::string& container_name,
                         const EndpointWish& wish, int netns);
    Result<void> disconnect(std::string_view network, const std::string& container_id, int netns, bool force);
    void rename(const std::string& container_id, const std::string& new_name);
    // A running container's published ports: `removed` (as bound) are so no longer, `added` (wishes) are from now on; gives
    // all that are. Refused as attach() does, and then nothing is changed. `record` runs what it is given in one transaction
    // with what the caller keeps of the change itself; once more with take_back, where the kernel did not follow.
    enum class Recorded { change = 1, take_back };
    using Record = std::function<Result<void>(Recorded, const std::function<Result<void>()>& ports)>;
    Result<std::vector<Port>> change_ports(const std::string& container_id, const std::vector<Port>& removed,
                                           const std::vector<Port>& added, const Record& record);
    // What attach gave a container that still runs (after a restart of the engine): settings and ports; netns is empty.
    Attached settings_of(const std::string& container_id);
    // {"eth0": {"rx_bytes": ..}} for stats.
    Result<Json> stats(const std::string& container_id);

    // The network's other hosts and their containers (abi/network.h, "network.peers/1"). GANTRY_UNSUPPORTED: it has none by
    // its kind.
    Result<Json> peers(std::string_view name_or_id);
    // For what network drivers tell by themselves. May be called after this object is gone.
    driver::EventHandler event_handler();

    // After a restart: exactly these containers run (id -> netns descriptor is not needed: drivers mend host-side
    // state). Endpoints, claims and names of all others are released; drivers are told what is wanted.
    Result<void> reconcile(const std::set<std::string>& running);
    // `gantry system shutdown`: removes bridges, tables and all else in the kernel; the objects stay in the store.
    void shut_down();

    struct Impl;  // impl.hpp

private:
    explicit NetworkService(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::network
