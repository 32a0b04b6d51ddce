// What others tell the overlay driver: etcd's answers, documents, and the kernel's tables.
#include "plugins/network/overlay/document.hpp"
#include "plugins/network/overlay/etcd.hpp"

#include <arpa/inet.h>
#include <netlink/msg.h>

#include <cstring>

#include "plugins/network/common/netlink_wireguard.hpp"
#include "tests/fuzz/require.hpp"

namespace {

using namespace gantry;
using namespace gantry::overlay;

void try_document(const std::string& text) {
    auto document = parse_document(text);
    if (!document) return fuzz::require_told(document.error().text);
    fuzz::require(document->subnet.contains(document->gateway), "a gateway outside its subnet");
    fuzz::require(document->vni > 0 && document->vni <= 0xffffff, "a number that is none");
    for (const DocumentHost& host : document->hosts) {
        fuzz::require(parse_address(host.peer.vtep).has_value(), "a host without an address");
        for (const Member& one : host.peer.members)
            fuzz::require(document->subnet.contains(one.address) && valid_mac(one.mac),
                          "an endpoint outside its subnet");
    }
}

void try_etcd(const std::string& text) {
    if (auto message = read_watch_message(text); !message) fuzz::require_told(message.error().text);
    if (auto listing = read_listing(text); !listing) fuzz::require_told(listing.error().text);
}

bool is_address(const std::string& text, netlink::Table table) {
    in6_addr six{};
    return parse_address(text) ||
           (table == netlink::Table::forwarding && ::inet_pton(AF_INET6, text.c_str(), &six) == 1);
}

void try_netlink(const std::uint8_t* data, std::size_t size) {
    // As the kernel aligns what it sends.
    alignas(8) static unsigned char buffer[65536];
    size = std::min(size, sizeof buffer);
    std::memcpy(buffer, data, size);
    for (auto table : {netlink::Table::neighbours, netlink::Table::forwarding}) {
        std::vector<netlink::Neighbour> found;
        if (auto whole = netlink::read_neighbours(buffer, size, 1, 3, table, found); !whole)
            fuzz::require_told(whole.error().text);
        for (const netlink::Neighbour& one : found)
            fuzz::require(one.mac.size() == 17 && is_address(one.destination, table), "an entry that is none");
    }
    auto* message = reinterpret_cast<nlmsghdr*>(buffer);
    if (!nlmsg_ok(message, static_cast<int>(size))) return;
    netlink::WireguardState state;
    netlink::read_wireguard(message, state);
    for (const netlink::WireguardPeer& peer : state.peers)
        fuzz::require(peer.address.empty() || parse_address(peer.address), "a peer at no address");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 3) {
    case 0: try_document(text); break;
    case 1: try_etcd(text); break;
    case 2: try_netlink(data + 1, size - 1); break;
    }
    return 0;
}
