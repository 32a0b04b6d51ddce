// rtnetlink for network drivers: links, addresses and routes, several changes in one write to the kernel. The only
// files that touch objects of libnl.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

struct nl_sock;
struct nl_msg;

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
    std::string name, kind, alias, mac;  // kind: "bridge", "veth", "" where the link has none
    bool up = false;                     // its administrator wants it up
    bool running = false;  // it forwards: the kernel saw its carrier and acted on it (operational state up, RFC 2863)
    std::map<std::string, std::uint64_t> counters;  // rx_bytes, rx_packets, ..., as the link's own side counts
};

// What add_vxlan() makes.
struct Vxlan {
    std::string name;
    std::uint32_t id = 0;
    std::string local;  // the address of this host from which it sends
    std::uint16_t port = 4789;
    int mtu = 1450, master = 0;
};

// An entry of a VXLAN device: of its neighbours (an IPv4 address and the MAC it stands for) or of its forwarding table (a
// MAC and the host behind which it is).
struct Neighbour {
    std::string mac, destination;
    bool operator==(const Neighbour&) const = default;
};
// Which of the two.
enum class Table { neighbours = 1, forwarding };

enum class PortRule { talks_to_others = 1, isolated };

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
    // Every link of a kind ("bridge").
    Result<std::vector<Link>> list(std::string_view kind);
    // The ports of a bridge.
    Result<std::vector<Link>> ports(int master);
    // The permanent entries of a VXLAN device.
    Result<std::vector<Neighbour>> neighbours(int index, Table table);

private:
    explicit Socket(SocketPtr socket) : socket_(std::move(socket)) {}
    static Socket prepared(SocketPtr socket);
    Result<std::vector<Link>> dump(nl_msg* request);
    SocketPtr socket_;
    std::uint32_t sequence_ = 0;
};

// The entries of `table` in one datagram of the kernel, appended to `found`; true once the answer to `sequence` is whole.
Result<bool> read_neighbours(const void* data, std::size_t length, std::uint32_t sequence, int index, Table table,
                             std::vector<Neighbour>& found);

}  // namespace gantry::netlink
