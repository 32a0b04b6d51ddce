// The state behind NetworkService. Members of Impl stand in the file of their topic: create.cpp, attach.cpp,
// connect.cpp, republish.cpp, reconcile.cpp, impl.cpp.
#pragma once
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <set>
#include <string>
#include <vector>

#include "core/network/ipam.hpp"
#include "core/network/model.hpp"
#include "core/network/names.hpp"
#include "core/network/netns_pool.hpp"
#include "core/network/network_service.hpp"
#include "core/network/peer_watch.hpp"
#include "core/network/ports.hpp"

namespace gantry::network {

// One network. Fields are read and written under Impl::mutex, `driver` excepted once it is set.
struct NetworkState {
    NetworkRecord record;
    Ipam ipam;
    Ipam6 ipam6;
    enum class Kernel { absent = 1, making, ready, removing } kernel = Kernel::absent;
    int users = 0;  // attachments under way: the network cannot be removed
    // What ensure() answered: where names are served, and the host addresses of ports that name none.
    std::vector<std::string> resolvers, host_addresses;
    std::vector<std::string> direct;  // any-addresses of the families in which no port of the host is used
    std::shared_ptr<driver::Driver> driver;
    Ipv4 last_agreed = 0;  // the last address that take_agreed() gave
};
using NetworkPtr = std::shared_ptr<NetworkState>;

// Tries to find a number for a port that names none, where programs of the host hold those that are tried.
inline constexpr int ephemeral_attempts = 8;

// What a driver gives instead of an interface, from the abilities of its description.
enum class Mode { interfaces = 1, host, none };
Mode mode_of(const driver::Driver& driver);

// The wish for one network of one container, resolved.
struct Joining {
    NetworkPtr network;
    EndpointWish wish;
};

struct NetworkService::Impl {
    Impl(Settings s, store::Store& st, driver::Registry& d);
    ~Impl() {
        if (peer_watch) peer_watch->stop();
    }

    // impl.cpp: objects, lookup, the driver's side of a network.
    Result<void> load();
    // Addresses that the driver's options keep free ("reserves", abi/network.h) and the user did not choose. Mutex held.
    Result<void> reserve_for_options(NetworkState& network) const;
    Result<void> add_built_in(std::string_view name, const std::string& driver, bool addressed);
    Result<NetworkPtr> find(std::string_view name_or_id);  // locks
    Result<std::shared_ptr<driver::Driver>> driver_of(const NetworkPtr& network);
    Result<void> ensure_in_kernel(const NetworkPtr& network);
    // Of every enabled family without one, and in place of those that an earlier choice took.
    Result<void> choose_subnets(const NetworkPtr& network);
    Result<void> save(const NetworkRecord& record);
    void set_up_ipam(NetworkState& network) const;
    template <typename Address>
    std::vector<PrefixOf<Address>> subnets_of_others(std::string_view but_id) const;   // mutex held
    std::vector<EndpointRecord> endpoints_of_container(const std::string& container);  // locks
    std::vector<EndpointRecord> endpoints_of_network(std::string_view network) const;  // mutex held
    Result<void> write_names(const std::set<std::string>& networks);

    // attach.cpp
    Result<std::vector<Joining>> resolve(const std::string& network_mode, const std::vector<EndpointWish>& wishes);
    Result<EndpointRecord> new_endpoint(const Joining& joining, const std::string& container_id,
                                        const std::string& container_name, const std::string& hostname);
    // Adds to the endpoint's ports. `held`: what it has whatever comes of this.
    Result<void> claim_ports(EndpointRecord& endpoint, const std::vector<Port>& wishes, const std::vector<Port>& held);
    // In memory, those of `list` that are not among `held`. Mutex held.
    void unclaim(const EndpointRecord& endpoint, const std::vector<Port>& list, const std::vector<Port>& held);
    Result<void> record(const std::vector<EndpointRecord>& endpoints);
    // `netlink`: a socket inside `netns`, -1 where there is none.
    Result<driver::Reply> attach_one(const NetworkPtr& network, const EndpointRecord& endpoint, int netns,
                                     int netlink = -1);
    Result<void> expose(const NetworkPtr& network, const EndpointRecord& endpoint, const std::vector<Port>& ports);
    Result<void> publish(const NetworkPtr& network, EndpointRecord& endpoint, const std::vector<Port>& wishes);
    void take_back(EndpointRecord& endpoint);  // the port claims of publish()
    // The endpoint goes: ports, interface, claims, record. On failure it stays recorded, to be tried again. `netns`: -1
    // where the namespace is gone or not at hand.
    Result<void> release(const EndpointRecord& endpoint, int netns);
    // Goes on after a failure and gives the first; their networks' names are written anew.
    Result<void> release_all(const std::vector<EndpointRecord>& endpoints, int netns);
    Attached describe(std::vector<EndpointRecord> endpoints);

    // What the driver really gave the endpoint: recorded where it differs from what it was told.
    Result<void> learn(EndpointRecord& endpoint, const driver::Reply& reply);
    // agreed.cpp: networks whose hosts have to agree ("network.ipam/1").
    // Before the network is made: the subnet that it has on other hosts, if it is there.
    Result<void> agree(const NetworkPtr& network);
    // An address that this host may give, taken in memory; none where the driver leaves that to the engine.
    Result<std::optional<Ipv4>> take_agreed(const Joining& joining);
    void release_agreed(const NetworkPtr& network, const NetworkRecord& record, const EndpointRecord& endpoint);

    // peers.cpp: networks that have other hosts ("network.peers/1").
    // Asks the driver who is there and writes the names of all.
    Result<void> refresh_peers(const NetworkPtr& network);
    void announce(const EndpointRecord& endpoint);

    // republish.cpp
    // In the caller's transaction.
    Result<void> record_ports(const EndpointRecord& before, const EndpointRecord& after);

    // connect.cpp
    Result<void> move_gateway(EndpointRecord from, EndpointRecord to, int netns);
    void forget(const EndpointRecord& endpoint);  // mutex held: memory only

    const Settings settings;
    store::Store& store;
    driver::Registry& drivers;
    NamesDirectory names;
    NetnsPool pool;

    // Shared by who changes which networks there are or who is in them, alone for reconcile(): what a driver is told that
    // there shall be must be all, or it takes a network just made for one that nobody has. Taken before the others.
    std::shared_mutex changes;
    std::mutex
        peers_mutex;  // taken before the others: one asker for peers at a time, and no more is kept waiting by it
    std::mutex names_mutex;  // taken before `mutex`: one writer of names files at a time
    std::mutex mutex;        // never held over a driver call or a write to the store
    std::condition_variable changed;
    std::map<std::string, NetworkPtr> networks;       // by id
    std::map<std::string, EndpointRecord> endpoints;  // by id
    std::map<std::string, std::vector<EndpointRecord>>
        peers;  // by network: containers of other hosts, address and names alone
    PortTable ports;
    std::shared_ptr<PeerWatch> peer_watch;  // last: its thread uses the rest
};

// Keeps networks from being removed while an attachment is under way.
class Users {
public:
    explicit Users(NetworkService::Impl& impl) : impl_(impl) {}
    ~Users();
    Users(const Users&) = delete;
    Users& operator=(const Users&) = delete;
    Result<void> add(const NetworkPtr& network);

private:
    NetworkService::Impl& impl_;
    std::vector<NetworkPtr> networks_;
};

}  // namespace gantry::network
