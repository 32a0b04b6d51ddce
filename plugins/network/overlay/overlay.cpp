#include "plugins/network/overlay/overlay.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "plugins/network/overlay/alone.hpp"
#include "plugins/network/overlay/documents.hpp"
#include "plugins/network/overlay/etcd_source.hpp"
#include "plugins/network/overlay/host_identity.hpp"
#include "plugins/network/overlay/underlay.hpp"

namespace gantry::overlay {
namespace {

constexpr int vxlan_bytes = 50, vxlan_over_ipv6_bytes = 70;  // IP, UDP, VXLAN and the inner Ethernet header
constexpr int ipv6_smallest_mtu = 1280;
constexpr int smallest_mtu = 68;
constexpr const char *from_etcd = "etcd", *from_documents = "documents", *from_nobody = "alone";

Member member_of(const Endpoint& endpoint) {
    Member member;
    const std::string& text = endpoint.addresses.front();
    member.address = parse_address(text.substr(0, text.find('/'))).value_or(0);
    member.mac = endpoint.mac;
    member.names = endpoint.names;
    if (member.names.empty() && !endpoint.container_name.empty()) member.names.push_back(endpoint.container_name);
    return member;
}

}  // namespace

std::string Overlay::origin_file(const Services& services, const std::string& id) {
    return services.root + "/" + id + ".source";
}

// A network stays with the source that it was made with: documents or etcd that are not named any more do not make it this
// host's alone, nor do those of other networks join it to anybody.
Result<std::string> Overlay::find_origin(const Services& services, const Network& network, const NetworkOptions& o) {
    if (!o.etcd.empty()) return std::string(from_etcd);
    // Whoever has said nothing of other hosts has none; whoever has, may have mistyped a name.
    if (o.documents != usual_documents) return std::string(from_documents);
    auto made_with = read_small_file(origin_file(services, network.id));
    if (!made_with && made_with.error().code != Code::not_found) return made_with;
    if (made_with && *made_with == from_etcd)
        return fail(Code::invalid,
                    "network \"" + network.name +
                        "\" was made with etcd, and neither the network nor the driver has option \"etcd\"");
    if (made_with && (*made_with == from_documents || *made_with == from_nobody)) return made_with;
    GANTRY_TRY(const bool told, has_documents(o.documents));
    return std::string(told ? from_documents : from_nobody);
}

Result<std::unique_ptr<Overlay>> Overlay::open(const Services& services, const Network& network,
                                               NetworkOptions options) {
    std::unique_ptr<Overlay> overlay(new Overlay(services, network, std::move(options)));
    auto warn = [log = services.log](const std::string& text) { log(LogLevel::warn, text); };
    const NetworkOptions& o = overlay->options_;
    GANTRY_TRY(overlay->origin_, find_origin(services, network, o));
    if (o.encrypted && overlay->origin_ == from_documents)
        return fail(Code::unsupported,
                    "network \"" + network.name + "\": option \"encrypted\" needs etcd: documents carry no keys");
    if (overlay->origin_ == from_etcd) {
        EtcdNetwork shared;
        shared.etcd = {o.etcd, o.ca, o.certificate, o.key};
        shared.network = network.name;
        shared.id = network.id;
        shared.vtep = o.address;
        shared.vni = o.vni;
        shared.encrypted = o.encrypted;
        shared.directory = services.root;
        shared.log = [log = services.log](bool bad, const std::string& text) {
            log(bad ? LogLevel::warn : LogLevel::info, text);
        };
        GANTRY_TRY(overlay->source_, EtcdSource::create(std::move(shared)));
        return overlay;
    }
    if (overlay->origin_ == from_documents) {
        GANTRY_TRY(overlay->source_, Documents::create(o.documents, network.name, o.address, warn));
    } else {
        GANTRY_TRY(overlay->source_, Alone::create({network.id, o.address, o.vni, services.root}));
    }
    return overlay;
}

Overlay::Overlay(Services services, const Network& network, NetworkOptions options)
    : services_(std::move(services)),
      id_(network.id),
      name_(network.name),
      options_(std::move(options)),
      given_(network.options) {}

// Not source_.reset(): that takes the pointer away first, and the source's thread still goes by it until it is joined.
Overlay::~Overlay() = default;

Result<Facts> Overlay::join(const Network& network, bool fixed) {
    if (network.subnets.size() != 1)
        return fail(Code::unsupported, "network \"" + name_ + "\" needs exactly one IPv4 subnet");
    const Subnet& given = network.subnets.front();
    auto subnet = parse_block(given.subnet);
    auto gateway = parse_address(given.gateway);
    if (!subnet || !gateway)
        return fail(Code::invalid, "network \"" + name_ + "\": \"" + given.subnet + "\" with gateway \"" +
                                       given.gateway + "\" is no IPv4 subnet");
    GANTRY_TRY(Facts facts, source_->join(*subnet, *gateway, fixed));
    if (options_.vni != 0 && options_.vni != facts.vni)
        return fail(Code::conflict, "network \"" + name_ + "\" has the number " + std::to_string(facts.vni) + ", not " +
                                        std::to_string(options_.vni));
    return facts;
}

int Overlay::wrapping_bytes() const {
    return options_.encrypted ? tunnel_wrapping_bytes + vxlan_over_ipv6_bytes : vxlan_bytes;
}

Result<DataPlane::Spec> Overlay::plan(const Network& network, const Facts& facts, int mtu) const {
    DataPlane::Spec spec;
    spec.bridge.name = bridge_name(network.id);
    spec.bridge.mark = mark(services_.engine, network.id);
    spec.bridge.gateways = {show(facts.gateway) + "/" + std::to_string(facts.subnet.length)};
    spec.bridge.station = show(facts.gateway);
    spec.bridge.mtu = mtu;
    spec.bridge.internal = network.internal;
    spec.vxlan.name = vxlan_name(network.id);
    spec.vxlan.id = facts.vni;
    spec.vxlan.local = facts.vtep;
    spec.vxlan.port = options_.port;
    spec.vxlan.mtu = mtu;
    spec.tunnel_name = tunnel_name(network.id);
    if (!options_.encrypted) return spec;
    Tunnel::Spec tunnel;
    tunnel.name = spec.tunnel_name;
    tunnel.mark = spec.bridge.mark;
    tunnel.directory = services_.root;
    tunnel.network = id_;
    tunnel.port = options_.wireguard_port;
    tunnel.mtu = std::max(mtu + vxlan_over_ipv6_bytes, ipv6_smallest_mtu);
    GANTRY_TRY(tunnel.keys, tunnel_keys(services_.root, id_));
    GANTRY_TRY(const auto public_key, public_key_of(tunnel.keys.secret));
    spec.vxlan.local = tunnel_address(public_key);
    spec.tunnel = std::move(tunnel);
    return spec;
}

Result<void> Overlay::ensure(const Network& network) {
    GANTRY_TRY(const Facts facts, join(network, true));
    int mtu = options_.mtu;
    GANTRY_TRY(const int below, mtu_of_address(facts.vtep));
    if (mtu == 0) mtu = below - wrapping_bytes();
    if (mtu < smallest_mtu || mtu > below - wrapping_bytes())
        return fail(Code::invalid, "network \"" + name_ + "\": packets of " + std::to_string(mtu) +
                                       " bytes, wrapped in " + std::to_string(wrapping_bytes()) +
                                       ", do not fit the interface with " + facts.vtep + ", which carries " +
                                       std::to_string(below));
    if (::mkdir(services_.root.c_str(), 0700) != 0 && errno != EEXIST)
        return fail_errno("make \"" + services_.root + "\"");
    GANTRY_TRY(DataPlane::Spec spec, plan(network, facts, mtu));
    auto data_plane = std::make_shared<DataPlane>(std::move(spec));
    bool watch = false;
    {
        std::lock_guard lock(mutex_);
        if (data_plane_ && facts == facts_ && mtu == mtu_) data_plane = data_plane_;
        data_plane_ = data_plane;
        facts_ = facts;
        mtu_ = mtu;
        watch = !std::exchange(watching_, true);
    }
    GANTRY_CHECK(replace_file(origin_file(services_, id_), origin_));
    GANTRY_CHECK(data_plane->ensure().context("network \"" + name_ + "\""));
    if (auto end = data_plane->tunnel_end()) source_->offer(*end);
    // Addresses of this host's own, ahead: containers start while the store is away.
    if (auto ranges = source_->ranges(false); !ranges)
        services_.log(LogLevel::warn, "network \"" + name_ + "\": " + ranges.error().text);
    if (watch)
        source_->watch([this](bool whole) { apply(whole); });
    else
        apply(true);
    return {};
}

void Overlay::apply(bool whole) {
    std::unique_lock in_order(apply_mutex_);
    const bool settled = source_->settled();
    const std::vector<Peer> peers = source_->peers();
    std::shared_ptr<DataPlane> data_plane;
    std::set<std::uint32_t> own;
    {
        std::lock_guard lock(mutex_);
        data_plane = data_plane_;
        for (const auto& [id, member] : here_) own.insert(member.address);
        own.insert(facts_.gateway);
    }
    if (!data_plane) return;
    const Places places = places_of(options_.encrypted ? behind_tunnel(peers) : peers, own);
    auto applied = data_plane->apply(places, peers, whole, settled);
    in_order.unlock();
    const std::string problem = applied ? "" : applied.error().text;
    bool news = false;
    {
        std::lock_guard lock(mutex_);
        news = problem_ != problem;
        problem_ = problem;
    }
    if (news && !problem.empty()) services_.log(LogLevel::error, "network \"" + name_ + "\": " + problem);
    services_.peers_changed(id_);
}

Result<void> Overlay::remove_devices(const Services& services, const Network& network) {
    DataPlane::Spec spec;
    spec.bridge.name = bridge_name(network.id);
    spec.bridge.mark = mark(services.engine, network.id);
    spec.vxlan.name = vxlan_name(network.id);
    spec.tunnel_name = tunnel_name(network.id);
    GANTRY_CHECK(DataPlane(spec).remove());
    drop_tunnel_keys(services.root, network.id);
    (void)::unlink(origin_file(services, network.id).c_str());
    return {};
}

Result<void> Overlay::remove(const Network& network) {
    std::shared_ptr<DataPlane> data_plane;
    {
        // What other hosts say meanwhile must not bring the devices back.
        std::lock_guard in_order(apply_mutex_);
        std::lock_guard lock(mutex_);
        data_plane = std::exchange(data_plane_, nullptr);
    }
    // Perhaps an earlier engine's devices.
    auto removed = data_plane ? data_plane->remove() : remove_devices(services_, network);
    if (!removed) {
        std::lock_guard lock(mutex_);
        data_plane_ = data_plane;
        return removed;
    }
    (void)::unlink(origin_file(services_, id_).c_str());
    drop_tunnel_keys(services_.root, id_);
    if (auto left = source_->leave(); !left)
        services_.log(
            LogLevel::warn,
            "network \"" + name_ + "\" is removed here, but the other hosts could not be told: " + left.error().text);
    return {};
}

Result<NetworkDriver::State> Overlay::state(const Network& network) {
    std::shared_ptr<DataPlane> data_plane;
    std::string problem;
    {
        std::lock_guard lock(mutex_);
        data_plane = data_plane_;
        problem = problem_;
    }
    if (!data_plane) {
        GANTRY_TRY(DataPlane::Spec spec, plan(network, Facts(), 0));
        data_plane = std::make_shared<DataPlane>(std::move(spec));
    }
    GANTRY_TRY(auto state, data_plane->state());
    if (state.state == "ready" && !problem.empty()) {
        state.state = "partial";
        state.message = problem;
    }
    return state;
}

void Overlay::tell() {
    std::vector<Member> members;
    for (const auto& [id, member] : here_) members.push_back(member);
    source_->publish(std::move(members), complete_);
}

void Overlay::add(const Endpoint& endpoint) {
    Member member = member_of(endpoint);
    bool moved = false;
    {
        std::lock_guard lock(mutex_);
        Member& known = here_[endpoint.id];
        moved = known.address != member.address;
        if (known == member) return;
        known = std::move(member);
        tell();
    }
    // What was another host's is here now: its entries would lead away from it.
    if (moved) apply(false);
}

void Overlay::remove_endpoint(const std::string& id) {
    {
        std::lock_guard lock(mutex_);
        if (here_.erase(id) == 0) return;
        tell();
    }
    // Its address may be on another host already.
    apply(false);
}

void Overlay::set(const std::vector<Endpoint>& endpoints) {
    std::lock_guard lock(mutex_);
    here_.clear();
    for (const Endpoint& endpoint : endpoints)
        if (!endpoint.addresses.empty()) here_[endpoint.id] = member_of(endpoint);
    complete_ = true;
    tell();
}

Json Overlay::peers() {
    Json list = Json::array();
    for (const Peer& peer : source_->peers()) {
        Json endpoints = Json::array();
        for (const Member& member : peer.members)
            endpoints.push_back({{"address", show(member.address)}, {"mac", member.mac}, {"names", member.names}});
        Json ranges = Json::array();
        for (const Block& block : peer.blocks) ranges.push_back(block.text());
        list.push_back({{"host", peer.host},
                        {"address", peer.vtep},
                        {"state", peer.suspect ? "suspect" : "ready"},
                        {"endpoints", endpoints},
                        {"ranges", ranges}});
    }
    std::lock_guard lock(mutex_);
    return {{"peers", list},
            {"encrypted", options_.encrypted},
            {"host", facts_.host},
            {"address", facts_.vtep},
            {"source", source_->status()}};
}

}  // namespace gantry::overlay
