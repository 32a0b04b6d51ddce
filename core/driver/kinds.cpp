#include "core/driver/kinds.hpp"

#include <gantry/abi/layer.h>
#include <gantry/abi/network.h>
#include <gantry/abi/runtime.h>
#include <gantry/abi/volume.h>

#include <algorithm>

namespace gantry::driver {
namespace {

#define GANTRY_OPERATION(type, name) \
    Operation { #name, offsetof(type, name) }

constexpr Operation network_operations[] = {
    GANTRY_OPERATION(gantry_network, ensure),  GANTRY_OPERATION(gantry_network, remove),
    GANTRY_OPERATION(gantry_network, inspect), GANTRY_OPERATION(gantry_network, attach),
    GANTRY_OPERATION(gantry_network, detach),  GANTRY_OPERATION(gantry_network, inspect_endpoint)};
constexpr Operation expose_operations[] = {GANTRY_OPERATION(gantry_network_expose, expose)};
constexpr Operation network_stats_operations[] = {GANTRY_OPERATION(gantry_network_stats, stats)};
constexpr Operation ipam_operations[] = {
    GANTRY_OPERATION(gantry_network_ipam, agree), GANTRY_OPERATION(gantry_network_ipam, ranges),
    GANTRY_OPERATION(gantry_network_ipam, claim), GANTRY_OPERATION(gantry_network_ipam, release)};
constexpr Operation peers_operations[] = {GANTRY_OPERATION(gantry_network_peers, peers),
                                          GANTRY_OPERATION(gantry_network_peers, announce)};

constexpr Operation volume_operations[] = {
    GANTRY_OPERATION(gantry_volume, ensure),  GANTRY_OPERATION(gantry_volume, remove),
    GANTRY_OPERATION(gantry_volume, inspect), {"list", offsetof(gantry_volume, list), Presence::optional},
    GANTRY_OPERATION(gantry_volume, publish), GANTRY_OPERATION(gantry_volume, unpublish)};

constexpr Operation layer_operations[] = {
    GANTRY_OPERATION(gantry_layer, prepare), GANTRY_OPERATION(gantry_layer, view),
    GANTRY_OPERATION(gantry_layer, mounts),  GANTRY_OPERATION(gantry_layer, commit),
    GANTRY_OPERATION(gantry_layer, remove),  GANTRY_OPERATION(gantry_layer, stat),
    GANTRY_OPERATION(gantry_layer, list),    GANTRY_OPERATION(gantry_layer, usage),
    GANTRY_OPERATION(gantry_layer, cleanup), GANTRY_OPERATION(gantry_layer, apply),
    GANTRY_OPERATION(gantry_layer, diff),    GANTRY_OPERATION(gantry_layer, changes)};

constexpr Operation runtime_operations[] = {
    GANTRY_OPERATION(gantry_runtime, create), GANTRY_OPERATION(gantry_runtime, start),
    GANTRY_OPERATION(gantry_runtime, signal), GANTRY_OPERATION(gantry_runtime, exec),
    GANTRY_OPERATION(gantry_runtime, remove)};
constexpr Operation warm_operations[] = {GANTRY_OPERATION(gantry_runtime_warm, seccomp)};
constexpr Operation pause_operations[] = {GANTRY_OPERATION(gantry_runtime_pause, pause),
                                          GANTRY_OPERATION(gantry_runtime_pause, resume)};
constexpr Operation runtime_stats_operations[] = {GANTRY_OPERATION(gantry_runtime_stats, stats),
                                                  GANTRY_OPERATION(gantry_runtime_stats, pids)};
constexpr Operation update_operations[] = {GANTRY_OPERATION(gantry_runtime_update, update)};
#undef GANTRY_OPERATION

constexpr Table known_tables[] = {
    {GANTRY_NETWORK, Kind::network, Presence::required, network_operations},
    {GANTRY_NETWORK_EXPOSE, Kind::network, Presence::optional, expose_operations},
    {GANTRY_NETWORK_STATS, Kind::network, Presence::optional, network_stats_operations},
    {GANTRY_NETWORK_IPAM, Kind::network, Presence::optional, ipam_operations},
    {GANTRY_NETWORK_PEERS, Kind::network, Presence::optional, peers_operations},
    {GANTRY_VOLUME, Kind::volume, Presence::required, volume_operations},
    {GANTRY_LAYER, Kind::layer, Presence::required, layer_operations},
    {GANTRY_RUNTIME, Kind::runtime, Presence::required, runtime_operations},
    {GANTRY_RUNTIME_WARM, Kind::runtime, Presence::optional, warm_operations},
    {GANTRY_RUNTIME_PAUSE, Kind::runtime, Presence::optional, pause_operations},
    {GANTRY_RUNTIME_STATS, Kind::runtime, Presence::optional, runtime_stats_operations},
    {GANTRY_RUNTIME_UPDATE, Kind::runtime, Presence::optional, update_operations},
};

}  // namespace

std::size_t Table::needed_size() const {
    std::size_t size = 2 * sizeof(std::uint32_t);
    for (const Operation& operation : operations)
        if (operation.presence == Presence::required) size = std::max(size, operation.offset + sizeof(gantry_op));
    return size;
}

const Operation* Table::find(std::string_view operation) const {
    for (const Operation& candidate : operations)
        if (candidate.name == operation) return &candidate;
    return nullptr;
}

std::span<const Table> tables() { return known_tables; }

const Table* find_table(std::string_view id) {
    for (const Table& table : known_tables)
        if (table.id == id) return &table;
    return nullptr;
}

std::string_view name_of(Kind kind) {
    switch (kind) {
    case Kind::network: return "network";
    case Kind::volume: return "volume";
    case Kind::layer: return "layer";
    case Kind::runtime: return "runtime";
    }
    return "unknown";
}

std::optional<Kind> kind_of(std::string_view name) {
    for (Kind kind : {Kind::network, Kind::volume, Kind::layer, Kind::runtime})
        if (name == name_of(kind)) return kind;
    return std::nullopt;
}

bool valid_driver_name(std::string_view name) {
    if (name.empty() || name.size() > 32 || name[0] < 'a' || name[0] > 'z') return false;
    return std::all_of(name.begin(), name.end(),
                       [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; });
}

}  // namespace gantry::driver
