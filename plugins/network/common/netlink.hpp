// rtnetlink for network drivers: links, addresses and routes, several changes in one write to the kernel. The only
// files that touch objects of libnl.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

struct nl_sock;
struct nl_msg;
struct nlmsghdr;

namespace gantry::netlink {

struct FreeSocket {
    void operator()(nl_sock* socket) const;
};
struct FreeMessage {
    void operator()(nl_msg* message) const;
};
using SocketPtr = std::unique_ptr<nl_sock, FreeSocket>;
using MessagePtr = std::unique_ptr<nl_msg, FreeMessage>;

// What the kernel says of one link.
struct Link {
    int index = 0, master = 0, mtu = 0;
    int parent = 0;                      // the link that it rides on, or its other end; perhaps in another namespace
    int type = 0;                        // ARPHRD_ETHER, ...
    std::uint32_t group = 0;             // a number that whoever made it chose
    std::string name, kind, alias, mac;  // kind: "bridge", "veth", "" where the link has none
    bool up = false;                     // its administrator wants it up
    bool running = false;  // it forwards: the kernel saw its carrier and acted on it (operational state up, RFC 2863)
    std::map<std::string, std::uint64_t> counters;  // rx_bytes, rx_packets, ..., as the link's own side counts
};

// What add_vxlan() makes.
struct Vxlan {
    std::string name;
    std::uint32_t id = 0;
    std::string local;  // the address of this host from which it sends, of either family
    int link = 0;       // the only link it sends and hears through (for an IPv6 link-local address); 0: any
    std::uint16_t port = 4789;
    int mtu = 1450, master = 0;
};

// An entry of a VXLAN device: of its neighbours (an IPv4 address and the MAC it stands for) or of its forwarding table (a
// MAC and the address, of either family, of the host behind which it is).
struct Neighbour {
    std::string mac, destination;
    int link = 0;  // of the way to a link-local destination; not read
    bool operator==(const Neighbour&) const = default;
};
// Which of the two.
enum class Table { neighbours = 1, forwarding };

enum class PortRule { talks_to_others = 1, isolated };

// A link that rides on another one of the socket's namespace.
struct ChildLink {
    std::string kind, name;  // kind: "macvlan", "ipvlan", "vlan"
    std::string mac = {};    // "": the kernel's choice
    int parent = 0;          // its index
    int mtu = 0;             // 0: the parent's
    std::uint32_t group = 0;
    std::optional<std::uint32_t> mode = std::nullopt;   // of a macvlan or ipvlan
    std::optional<std::uint16_t> flags = std::nullopt;  // of an ipvlan
    std::uint16_t vlan_id = 0;
    int netns = -1;  // where it is made, borrowed until the batch is sent; -1: in the socket's namespace
};

// Changes that go to the kernel in one write, in this order. The kernel goes on after a change that failed.
class Batch {
public:
    // A bridge, down. MAC "02:42:..".
    void add_bridge(const std::string& name, const std::string& mac, int mtu);
    // A pair of veths: `name` here, down and a port of `master`; `peer` in the namespace `netns` (borrowed until
    // the batch is sent), down, with `mac`.
    void add_veth(const std::string& name, const std::string& peer, const std::string& mac, int mtu, int master,
                  int netns);
    // The port `name` of a bridge: no IPv6 address of its own, hairpin allowed, perhaps isolated from other isolated
    // ports, and up.
    void start_port(const std::string& name, PortRule rule);
    void set_up(int index);
    void set_mtu(int index, int mtu);
    void set_down(int index);  // netlink_bridge.cpp
    // A bridge that is down and has been another's, with name, MAC and MTU of its own and as a new one is (netlink_bridge.cpp).
    void renew_bridge(int index, const std::string& name, const std::string& mac, int mtu);
    // GANTRY_UNSUPPORTED in a kernel whose bridges know of no VLANs.
    void stop_vlan_filtering(int index);
    void set_alias(int index, const std::string& alias);
    // `prefix`: "172.18.0.2/20", "fd00::2/64" (usable at once, without duplicate address detection). There already is
    // success.
    void add_address(int index, const std::string& prefix);
    // Replaces a default route of the same metric.
    void set_default_route(int index, const std::string& gateway);
    void remove_link(const std::string& name);
    // A VXLAN device, down and a port of `master`, that learns nothing, answers for its neighbours and sends nothing to
    // all (netlink_vxlan.cpp).
    void add_vxlan(const Vxlan& vxlan);
    // A link of a kind that needs nothing said, down.
    void add_link(const std::string& name, const std::string& kind);
    // A permanent entry; one that is there is replaced.
    void set_neighbour(int index, Table table, const Neighbour& entry);
    // Gone is a failure (GANTRY_NOT_FOUND).
    void remove_neighbour(int index, Table table, const Neighbour& entry);

    // netlink_child.cpp
    // Down, as its kind and its parent's state allow.
    void add_child(const ChildLink& child);
    // A link that leads nowhere, for links that ride on it; down, with no address.
    void add_dummy(const std::string& name);
    // The mark (its alias) of a link, which from now on has no group.
    void mark_link(const std::string& name, const std::string& alias);
    // A link that is down gets another name.
    void rename_link(int index, const std::string& name);
    // No IPv6 address but those it is given. EAFNOSUPPORT in a kernel without IPv6.
    void quiet_link(const std::string& name);
    // It answers for its own IPv4 addresses alone, not for others of the host, and speaks of no others.
    void restrict_arp(const std::string& name);
    // Up. "mac": as it is.
    void start_link(const std::string& name, const std::string& mac = {});
    // Everything else of a family (AF_INET, AF_INET6) is behind the link itself. Replaces a default route of the same metric.
    void set_default_link(int index, int family);
    // "172.18.0.2/32" is on this link. There already is success.
    void add_link_route(int index, const std::string& prefix);
    void remove_link_route(int index, const std::string& prefix);

private:
    friend class Socket;
    struct Change {
        MessagePtr message;
        std::string doing;
    };
    nl_msg* add(int type, int flags, std::string doing);
    std::vector<Change> changes_;
    std::optional<Error> bad_;  // the first argument that could not be put into a message
};

// A NETLINK_ROUTE socket. It belongs to the network namespace of the thread that opened it, whoever uses it later.
// Not for several threads at once.
class Socket {
public:
    static Result<Socket> open();
    // The same for generic netlink, for Wireguard alone.
    static Result<Socket> open_generic();
    // Works through a bound NETLINK_ROUTE socket that somebody lends; answers to earlier requests are never waiting in it.
    static Result<Socket> over(int lent);

    // Sends the batch and waits for every answer. The first failure is given, with what was being done.
    Result<void> send(Batch batch);
    // The link of this name, or none.
    Result<std::optional<Link>> find(const std::string& name);
    // Returns once the link runs. A carrier that came up is acted on by a worker of the kernel some time later, and
    // what is sent until then is lost; asking for the link brings that forward (Linux 6.8; before, it is waited for).
    // A link that is gone is no error; `deadline` after `patience_ms`.
    Result<void> wait_running(const std::string& name, int patience_ms);
    // Returns once the link hears who asks for the IPv6 addresses among `addresses` (RFC 4861 7.2.1): a worker of the kernel
    // joins their solicited-node groups some time after they were given, and a question that comes before is asked again
    // a second later. `deadline` after `patience_ms`.
    Result<void> wait_solicited(int index, const std::vector<std::string>& addresses, int patience_ms);
    // Takes every address from a link (netlink_bridge.cpp).
    Result<void> flush_addresses(int index);
    // Every link of a kind ("bridge").
    Result<std::vector<Link>> list(std::string_view kind);
    // The ports of a bridge.
    Result<std::vector<Link>> ports(int master);
    // The link with this index, or none.
    Result<std::optional<Link>> find(int index);
    // Whether the kernel knows links of a kind ("ipvlan"), the module loaded if need be. Makes none.
    Result<bool> knows_kind(const std::string& kind);
    // IPv4 destinations that add_link_route() put on a link.
    Result<std::vector<std::string>> link_routes(int index);

    // Other namespaces, as far as they have an id in the socket's own; the kernel forgets it with the namespace.
    // `netns` (borrowed) is given an id if it has none.
    Result<int> namespace_id(int netns);
    // All but the socket's own.
    Result<std::vector<int>> namespace_ids();
    // Every link of a kind in another namespace. One that is gone has none.
    Result<std::vector<Link>> list_in(int namespace_id, std::string_view kind);
    // Gone is success.
    Result<void> remove_in(int namespace_id, int index);
    // The permanent entries of a VXLAN device.
    Result<std::vector<Neighbour>> neighbours(int index, Table table);

private:
    friend class Wireguard;
    explicit Socket(SocketPtr socket) : socket_(std::move(socket)) {}
    static Result<Socket> open(int protocol);
    static Socket prepared(SocketPtr socket);
    // `each` is called with every answer until the kernel has no more.
    Result<void> ask(nl_msg* request, const std::string& doing, const std::function<void(nlmsghdr*)>& each);
    Result<std::vector<Link>> dump(nl_msg* request);
    Result<std::optional<int>> known_namespace_id(int netns);
    SocketPtr socket_;
    std::uint32_t sequence_ = 0;
};

// The entries of `table` in one datagram of the kernel, appended to `found`; true once the answer to `sequence` is whole.
Result<bool> read_neighbours(const void* data, std::size_t length, std::uint32_t sequence, int index, Table table,
                             std::vector<Neighbour>& found);

}  // namespace gantry::netlink
