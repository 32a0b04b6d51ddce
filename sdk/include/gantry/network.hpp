// For authors of network drivers: abi/network.h with types. Contracts (what may be repeated, what succeeds when
// already gone) stand there, operation by operation.
#pragma once
#include <gantry/abi/network.h>

#include <map>

#include <gantry/driver.hpp>

namespace gantry {

struct Subnet {
    std::string subnet, gateway;  // "172.18.0.0/20", "172.18.0.1"; or "fd00:1::/64", "fd00:1::1"
};
inline void from_json(const Json& j, Subnet& s) { s = {j.value("subnet", ""), j.value("gateway", "")}; }
inline void to_json(Json& j, const Subnet& s) { j = {{"subnet", s.subnet}, {"gateway", s.gateway}}; }

struct Network {
    std::string id, name;
    std::int64_t generation = 0;
    std::map<std::string, std::string> labels;
    Json options = Json::object();
    bool internal = false;
    std::vector<Subnet> subnets;
    std::map<std::string, std::string> auxiliary;  // addresses of the subnets that no endpoint gets, by name
};
inline void from_json(const Json& j, Network& n) {
    n = {member<std::string>(j, "id"),
         member<std::string>(j, "name"),
         member<std::int64_t>(j, "generation"),
         member<std::map<std::string, std::string>>(j, "labels"),
         member<Json>(j, "options", Json::object()),
         member<bool>(j, "internal"),
         member<std::vector<Subnet>>(j, "subnets"),
         member<std::map<std::string, std::string>>(j, "auxiliary")};
}
inline void to_json(Json& j, const Network& n) {
    j = {{"id", n.id},           {"name", n.name},         {"generation", n.generation}, {"labels", n.labels},
         {"options", n.options}, {"internal", n.internal}, {"subnets", n.subnets},       {"auxiliary", n.auxiliary}};
}

struct Endpoint {
    std::string id;
    std::int64_t generation = 0;
    std::string container_id, container_name, mac;
    std::vector<std::string> addresses;  // with prefix, one of a family: "172.18.0.2/20", "fd00:1::2/64"
    Json options = Json::object();
    std::vector<std::string> names = {};
};
inline void from_json(const Json& j, Endpoint& e) {
    const Json container = member<Json>(j, "container", Json::object());
    e = {member<std::string>(j, "id"),
         member<std::int64_t>(j, "generation"),
         container.value("id", ""),
         container.value("name", ""),
         member<std::string>(j, "mac"),
         member<std::vector<std::string>>(j, "addresses"),
         member<Json>(j, "options", Json::object()),
         member<std::vector<std::string>>(j, "names")};
}
inline void to_json(Json& j, const Endpoint& e) {
    j = {{"id", e.id},
         {"generation", e.generation},
         {"container", {{"id", e.container_id}, {"name", e.container_name}}},
         {"mac", e.mac},
         {"addresses", e.addresses},
         {"options", e.options},
         {"names", e.names}};
}

struct PublishedPort {
    std::string protocol, host_address;
    std::uint16_t host_port = 0, container_port = 0;
};
inline void from_json(const Json& j, PublishedPort& p) {
    p = {j.value("protocol", "tcp"), j.value("host_address", "0.0.0.0"), j.value("host_port", std::uint16_t{0}),
         j.value("container_port", std::uint16_t{0})};
}
inline void to_json(Json& j, const PublishedPort& p) {
    j = {{"protocol", p.protocol},
         {"host_address", p.host_address},
         {"host_port", p.host_port},
         {"container_port", p.container_port}};
}

class NetworkDriver {
public:
    static constexpr const char* kind = "network";
    virtual ~NetworkDriver() = default;

    struct Ready {
        std::string interface;
        std::vector<std::string> resolver;
        int mtu = 1500;
        std::vector<std::string> host_addresses = {"0.0.0.0", "::"};
        std::vector<std::string> direct = {};
    };
    virtual Result<Ready> ensure(Call&, const Network&) = 0;
    virtual Result<void> remove(Call&, const Network&) = 0;
    struct State {
        std::string state = "absent", message;  // "absent", "partial", "ready"
        Json more = Json::object();
    };
    virtual Result<State> inspect(Call&, const Network&) = 0;

    struct Attach {
        Network network;
        Endpoint endpoint;
        std::string sandbox_id, interface;
        bool default_gateway = false;
        int netns = -1;    // borrowed
        int netlink = -1;  // borrowed; -1 at times: a NETLINK_ROUTE socket inside netns
    };
    struct Attached {
        std::string mode = "interface";  // "interface", "host", "none"
        std::string interface, mac, gateway, gateway6, host_interface;
        std::vector<std::string> addresses;
        int mtu = 0;
    };
    virtual Result<Attached> attach(Call&, const Attach&) = 0;
    struct Detach {
        Network network;
        Endpoint endpoint;
        std::string sandbox_id;
        bool gone = false;
        int netns = -1;  // borrowed; -1 when gone
    };
    virtual Result<void> detach(Call&, const Detach&) = 0;
    virtual Result<State> inspect_endpoint(Call&, const Network&, const Endpoint&) = 0;

    // Optional abilities: a driver that has them overrides these and names the table in `expose_table`/`stats_table`
    // by `static constexpr bool offers_expose = true;` / `offers_stats = true;`.
    static constexpr bool offers_expose = false;
    static constexpr bool offers_stats = false;
    virtual Result<void> expose(Call&, const Network&, const Endpoint&, const std::vector<PublishedPort>&) {
        return fail(Code::unsupported, "ports cannot be published");
    }
    virtual Result<Json> stats(Call&, const Network&, const Endpoint&) {
        return fail(Code::unsupported, "no statistics");
    }

    // "network.ipam/1", by `offers_ipam`.
    static constexpr bool offers_ipam = false;
    struct Ranges {
        std::vector<std::string> ranges, except;  // "10.99.0.64/26"; "10.99.0.70"
    };
    virtual Result<std::vector<Subnet>> agree(Call&, const Network&, bool fixed) {
        (void)fixed;
        return fail(Code::unsupported, "no agreement on subnets");
    }
    virtual Result<Ranges> ranges(Call&, const Network&, bool more) {
        (void)more;
        return fail(Code::unsupported, "no ranges");
    }
    virtual Result<void> claim(Call&, const Network&, const std::string& address) {
        (void)address;
        return fail(Code::unsupported, "no claims");
    }
    virtual Result<void> release(Call&, const Network&, const std::string& address) {
        (void)address;
        return fail(Code::unsupported, "no claims");
    }
    // "network.peers/1", by `offers_peers`.
    static constexpr bool offers_peers = false;
    virtual Result<Json> peers(Call&, const Network&) { return fail(Code::unsupported, "no other hosts"); }
    virtual Result<void> announce(Call&, const Network&, const Endpoint&) {
        return fail(Code::unsupported, "no other hosts");
    }

    template <typename D>
    static const void* table_of(std::string_view id);
};

template <typename D>
const void* NetworkDriver::table_of(std::string_view id) {
    static constexpr auto network_of = [](const Json& j) { return member<Network>(j, "network"); };
    static constexpr auto endpoint_of = [](const Json& j) { return member<Endpoint>(j, "endpoint"); };
    static constexpr auto state_of = [](const State& s) {
        Json j = s.more;
        j["state"] = s.state;
        j["message"] = s.message;
        return Answer(j);
    };
    static const gantry_network network = {
        sizeof(gantry_network),
        0,
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_TRY(Ready r, d.ensure(c, network_of(j)));
            return Answer(Json{{"interface", r.interface},
                               {"resolver", r.resolver},
                               {"mtu", r.mtu},
                               {"host_addresses", r.host_addresses},
                               {"direct", r.direct}});
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_CHECK(d.remove(c, network_of(j)));
            return Answer();
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_TRY(State s, d.inspect(c, network_of(j)));
            return state_of(s);
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds& fds) -> Result<Answer> {
            Attach a{network_of(j),
                     endpoint_of(j),
                     member<Json>(j, "sandbox", Json::object()).value("id", ""),
                     member<std::string>(j, "interface"),
                     member<bool>(j, "default_gateway"),
                     fds.get("netns"),
                     fds.get("netlink")};
            GANTRY_TRY(Attached r, d.attach(c, a));
            return Answer(Json{{"mode", r.mode},
                               {"interface", r.interface},
                               {"mac", r.mac},
                               {"gateway", r.gateway},
                               {"gateway6", r.gateway6},
                               {"host_interface", r.host_interface},
                               {"addresses", r.addresses},
                               {"mtu", r.mtu}});
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds& fds) -> Result<Answer> {
            const Json sandbox = member<Json>(j, "sandbox", Json::object());
            Detach a{network_of(j), endpoint_of(j), sandbox.value("id", ""), sandbox.value("gone", false),
                     fds.get("netns")};
            GANTRY_CHECK(d.detach(c, a));
            return Answer();
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_TRY(State s, d.inspect_endpoint(c, network_of(j), endpoint_of(j)));
            return state_of(s);
        }),
    };
    static const gantry_network_expose expose = {
        sizeof(gantry_network_expose),
        0,
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_CHECK(d.expose(c, network_of(j), endpoint_of(j), member<std::vector<PublishedPort>>(j, "ports")));
            return Answer();
        }),
    };
    static const gantry_network_stats stats = {
        sizeof(gantry_network_stats),
        0,
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_TRY(Json s, d.stats(c, network_of(j), endpoint_of(j)));
            return Answer(s);
        }),
    };
    static const gantry_network_ipam ipam = {
        sizeof(gantry_network_ipam),
        0,
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_TRY(auto subnets, d.agree(c, network_of(j), member<bool>(j, "fixed")));
            return Answer(Json{{"subnets", subnets}});
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_TRY(Ranges r, d.ranges(c, network_of(j), member<bool>(j, "more")));
            return Answer(Json{{"ranges", r.ranges}, {"except", r.except}});
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_CHECK(d.claim(c, network_of(j), member<std::string>(j, "address")));
            return Answer();
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_CHECK(d.release(c, network_of(j), member<std::string>(j, "address")));
            return Answer();
        }),
    };
    static const gantry_network_peers peers = {
        sizeof(gantry_network_peers),
        0,
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_TRY(Json p, d.peers(c, network_of(j)));
            return Answer(p);
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_CHECK(d.announce(c, network_of(j), endpoint_of(j)));
            return Answer();
        }),
    };
    if (id == GANTRY_NETWORK_IPAM && D::offers_ipam) return &ipam;
    if (id == GANTRY_NETWORK_PEERS && D::offers_peers) return &peers;
    if (id == GANTRY_NETWORK) return &network;
    if (id == GANTRY_NETWORK_EXPOSE && D::offers_expose) return &expose;
    if (id == GANTRY_NETWORK_STATS && D::offers_stats) return &stats;
    return nullptr;
}

}  // namespace gantry

#define GANTRY_NETWORK_DRIVER(D, name, version) GANTRY_DRIVER_PLUGIN(D, name, version)
