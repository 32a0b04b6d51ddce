// What calls of the engine ask of etcd themselves: the network's facts, blocks, claims, and the end.
#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include <gantry/driver.hpp>

#include "plugins/network/overlay/etcd_entry.hpp"
#include "plugins/network/overlay/etcd_source.hpp"
#include "plugins/network/overlay/host_identity.hpp"
#include "plugins/network/overlay/underlay.hpp"

namespace gantry::overlay {
namespace {

constexpr int vni_attempts = 64, block_attempts = 32, claim_attempts = 4;
constexpr std::int64_t given_up_after = 24 * 3600;

Result<Facts> read_facts(const std::string& text) {
    const Json json = object_of(text);
    auto subnet = parse_block(member<std::string>(json, "subnet"));
    auto gateway = parse_address(member<std::string>(json, "gateway"));
    const auto vni = member<std::uint32_t>(json, "vni");
    if (!subnet || subnet->length > 30 || !gateway || !subnet->contains(*gateway) || vni == 0 || vni > 0xffffff)
        return fail(Code::corrupt, "what etcd has of the network is damaged: " + json.dump().substr(0, 200));
    Facts facts;
    facts.subnet = *subnet;
    facts.gateway = *gateway;
    facts.vni = vni;
    facts.encrypted = member<bool>(json, "encrypted");
    return facts;
}

// Blocks are as large as lets some sixteen hosts and more have one.
int block_length(const Block& subnet) { return std::max(26, std::min(30, subnet.length + 4)); }

// The address of this host towards etcd.
Result<std::string> address_towards_endpoint(const std::string& endpoint) {
    std::string host = endpoint.substr(endpoint.find("://") + 3);
    host = host.substr(0, host.find(':'));
    if (parse_address(host)) return address_towards(host);
    addrinfo hints{}, *found = nullptr;
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    if (int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0)
        return fail(Code::retry_later, "look up \"" + host + "\": " + ::gai_strerror(error));
    char text[NI_MAXHOST] = "";
    ::getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
    ::freeaddrinfo(found);
    return address_towards(text);
}

}  // namespace

Result<std::optional<std::string>> EtcdSource::value_of(const std::string& name) {
    GANTRY_TRY(const Listing listing, calls_.list(key(name)));
    for (const KeyValue& entry : listing.entries)
        if (entry.key == key(name)) return std::optional(entry.value);
    return std::optional<std::string>();
}

Result<Facts> EtcdSource::make_facts(const Block& subnet, std::uint32_t gateway) {
    Facts facts;
    facts.subnet = subnet;
    facts.gateway = gateway;
    facts.encrypted = network_.encrypted;
    for (int attempt = 0; attempt < vni_attempts; ++attempt) {
        facts.vni = network_.vni != 0 ? network_.vni : vni_of(network_.network, attempt);
        const std::string number = "/gantry/1/vni/" + std::to_string(facts.vni), text = facts_text(facts);
        Transaction make;
        make.absent(key("facts")).absent(number).put(key("facts"), text).put(number, network_.network);
        GANTRY_TRY(const bool made, calls_.commit(make));
        if (made) return facts;
        GANTRY_TRY(auto now, value_of("facts"));
        if (now) return read_facts(*now);  // another host was quicker
        if (network_.vni != 0)
            return fail(Code::conflict, "network \"" + network_.network + "\": another network has the number " +
                                            std::to_string(network_.vni));
    }
    return fail(Code::exhausted, "network \"" + network_.network + "\": no free number (VNI) was found");
}

Result<void> EtcdSource::join_as_member(const Facts& facts) {
    std::optional<TunnelEnd> tunnel;
    {
        std::lock_guard lock(mutex_);
        tunnel = tunnel_;
    }
    Transaction enter;
    enter.present(key("facts")).put(key("mem/" + host_), member_text(facts.vtep, std::time(nullptr), tunnel));
    GANTRY_TRY(const bool entered, calls_.commit(enter));
    if (!entered)
        return fail(Code::retry_later, "network \"" + network_.network + "\" is just being removed by its last host");
    return {};
}

Result<Facts> EtcdSource::join(const Block& subnet, std::uint32_t gateway, bool fixed) {
    std::lock_guard one_call(calls_mutex_);
    auto fits = [&](const Facts& facts) -> Result<Facts> {
        if (facts.encrypted != network_.encrypted)
            return fail(Code::conflict, "network \"" + network_.network + "\" is " +
                                            (facts.encrypted ? "encrypted" : "not encrypted") +
                                            " on its other hosts: it needs option \"encrypted\" " +
                                            (facts.encrypted ? "here too" : "on all of them or none"));
        if (fixed && (facts.subnet != subnet || facts.gateway != gateway))
            return fail(Code::conflict, "network \"" + network_.network + "\" has subnet " + facts.subnet.text() +
                                            " and gateway " + show(facts.gateway) + " on its other hosts, not " +
                                            subnet.text() + " and " + show(gateway));
        return facts;
    };
    {
        std::lock_guard lock(mutex_);
        if (facts_) return fits(*facts_);
    }
    GANTRY_TRY(auto there, value_of("facts"));
    GANTRY_TRY(Facts facts, there ? read_facts(*there) : make_facts(subnet, gateway));
    GANTRY_TRY(facts, fits(facts));
    facts.host = host_;
    facts.vtep = network_.vtep;
    if (facts.vtep.empty()) {
        GANTRY_TRY(facts.vtep, address_towards_endpoint(calls_.endpoint()));
    }
    GANTRY_CHECK(join_as_member(facts));
    std::lock_guard lock(mutex_);
    facts_ = facts;
    left_ = false;
    remember();
    return facts;
}

// Of the blocks whose host was not heard of for a day, one; with it goes all that the host had.
Result<bool> EtcdSource::take_over(const std::vector<KeyValue>& all, Block& block) {
    std::map<std::string, const KeyValue*> by_name;
    for (const KeyValue& entry : all) by_name[entry.key.substr(prefix_.size())] = &entry;
    const auto now = static_cast<std::int64_t>(std::time(nullptr));
    for (const auto& [name, entry] : by_name) {
        if (!name.starts_with("blk/")) continue;
        const std::string owner = owner_of(entry->value);
        auto of_owner = by_name.find("mem/" + owner);
        if (owner == host_ || by_name.contains("up/" + owner)) continue;
        if (of_owner != by_name.end() &&
            now - member<std::int64_t>(object_of(of_owner->second->value), "seen") < given_up_after)
            continue;
        auto candidate = parse_block(name.substr(4));
        if (!candidate) continue;
        Transaction take;
        take.absent(key("up/" + owner)).unchanged(entry->key, entry->mod_revision);
        if (of_owner != by_name.end()) take.unchanged(of_owner->second->key, of_owner->second->mod_revision);
        const std::string slices = key("sl/" + owner + "/");
        take.put(entry->key, entry_of_owner(host_))
            .erase(key("mem/" + owner))
            .erase_range(slices, end_of_prefix(slices));
        GANTRY_TRY(const bool taken, calls_.commit(take));
        if (!taken) continue;
        block = *candidate;
        return true;
    }
    return false;
}

Result<Block> EtcdSource::claim_block() {
    Facts facts;
    {
        std::lock_guard lock(mutex_);
        if (!facts_) return fail(Code::precondition, "network \"" + network_.network + "\" is not joined");
        facts = *facts_;
    }
    const int length = block_length(facts.subnet);
    const std::uint64_t step = std::uint64_t{1} << (32 - length);
    for (int attempt = 0; attempt < block_attempts; ++attempt) {
        GANTRY_TRY(const Listing listing, calls_.list(prefix_));
        std::set<std::string> taken;
        for (const KeyValue& entry : listing.entries) {
            taken.insert(entry.key);
            // Left from an earlier time, when this host could not tell that it leaves.
            auto block = parse_block(entry.key.substr(
                entry.key.rfind("blk/") == std::string::npos ? entry.key.size() : entry.key.rfind("blk/") + 4));
            std::lock_guard lock(mutex_);
            if (block && owner_of(entry.value) == host_ && !blocks_.contains(block->text())) return *block;
        }
        bool tried = false;
        for (std::uint64_t base = facts.subnet.base; base <= facts.subnet.last(); base += step) {
            const Block block{static_cast<std::uint32_t>(base), length};
            const std::string name = key("blk/" + block.text());
            if (taken.contains(name)) continue;
            Transaction claim;
            claim.present(key("facts")).absent(name).put(name, entry_of_owner(host_));
            GANTRY_TRY(const bool claimed, calls_.commit(claim));
            if (claimed) return block;
            tried = true;  // somebody was quicker: what is free now
            break;
        }
        if (tried) continue;
        Block block;
        GANTRY_TRY(const bool taken_over, take_over(listing.entries, block));
        if (taken_over) return block;
        return fail(Code::exhausted, "the hosts of network \"" + network_.network + "\" have taken all blocks of " +
                                         facts.subnet.text());
    }
    return fail(Code::retry_later,
                "other hosts of network \"" + network_.network + "\" were always quicker to take a block");
}

Result<Ranges> EtcdSource::ranges(bool more) {
    std::lock_guard one_call(calls_mutex_);
    bool none = false;
    {
        std::lock_guard lock(mutex_);
        none = blocks_.empty();
    }
    if (more || none) {
        GANTRY_TRY(const Block block, claim_block());
        std::lock_guard lock(mutex_);
        blocks_.insert(block.text());
        remember();
    }
    std::lock_guard lock(mutex_);
    Ranges ranges;
    for (const std::string& text : blocks_)
        if (auto block = parse_block(text)) ranges.blocks.push_back(*block);
    auto add = [&](std::uint32_t address) {
        if (std::any_of(ranges.blocks.begin(), ranges.blocks.end(),
                        [&](const Block& b) { return b.contains(address); }))
            ranges.except.push_back(address);
    };
    for (const auto& [name, entry] : mirror_)
        if (name.starts_with("ip/"))
            if (auto address = parse_address(name.substr(3))) add(*address);
    for (const Peer& peer : peers_)
        for (const Member& member : peer.members) add(member.address);
    return ranges;
}

Result<void> EtcdSource::claim(std::uint32_t address) {
    std::lock_guard one_call(calls_mutex_);
    // What etcd has of the address is not taken back while it is not yet among the claims.
    {
        std::lock_guard lock(mutex_);
        if (claims_.contains(address)) return {};
        claiming_ = address;
    }
    auto claimed = claim_in_etcd(address);
    std::lock_guard lock(mutex_);
    claiming_.reset();
    if (!claimed) {
        want_sync_ = true;  // a call that was not answered may have been heard
        agent_.wake();
        return claimed;
    }
    claims_.insert(address);
    remember();
    return {};
}

Result<EtcdSource::Place> EtcdSource::place_of(std::uint32_t address) {
    std::lock_guard lock(mutex_);
    Place place;
    for (const std::string& text : blocks_)
        if (auto block = parse_block(text); block && block->contains(address)) place.in_own_block = true;
    for (const Peer& peer : peers_)
        for (const Member& member : peer.members)
            if (member.address == address)
                return fail(Code::denied, "address " + show(address) + " of network \"" + network_.network +
                                              "\" is in use on host \"" + peer.host + "\"");
    for (const auto& [name, entry] : mirror_) {
        if (!name.starts_with("blk/")) continue;
        auto block = parse_block(name.substr(4));
        const std::string owner = owner_of(entry.value);
        if (!block || !block->contains(address) || owner == host_) continue;
        place.slice = "sl/" + owner + "/" + std::to_string(address >> slice_bits);
        if (auto slice = mirror_.find(place.slice); slice != mirror_.end())
            place.slice_revision = slice->second.mod_revision;
    }
    return place;
}

Result<void> EtcdSource::claim_in_etcd(std::uint32_t address) {
    const std::string name = key("ip/" + show(address)), mine = entry_of_owner(host_);
    for (int attempt = 0; attempt < claim_attempts; ++attempt) {
        GANTRY_TRY(const Place place, place_of(address));
        Transaction claim;
        claim.absent(name).put(name, mine);
        // The host whose block it is in may be giving it to somebody now: what it has told must still be so.
        if (!place.slice.empty()) {
            if (place.slice_revision == 0)
                claim.absent(key(place.slice));
            else
                claim.unchanged(key(place.slice), place.slice_revision);
        }
        auto claimed = calls_.commit(claim);
        if (!claimed && claimed.error().code == Code::retry_later && place.in_own_block) {
            want_sync_ = true;  // nobody else can have it; it is told when etcd is back
            return {};
        }
        if (!claimed)
            return std::move(claimed).error().context("claim address " + show(address) + " of network \"" +
                                                      network_.network + "\"");
        if (*claimed) return {};
        GANTRY_TRY(auto now, value_of("ip/" + show(address)));
        if (!now) continue;
        if (*now != mine)
            return fail(Code::denied, "address " + show(address) + " of network \"" + network_.network +
                                          "\" is taken by host \"" + owner_of(*now) + "\"");
        // Left from an earlier claim, whose end may be under way: written anew, it is this one's.
        Transaction again;
        again.has_value(name, mine).put(name, mine);
        GANTRY_TRY(const bool renewed, calls_.commit(again));
        if (renewed) return {};
    }
    return fail(Code::retry_later, "address " + show(address) + " of network \"" + network_.network +
                                       "\" is in a block of another host, which changed at this moment");
}

void EtcdSource::release(std::uint32_t address) {
    {
        std::lock_guard lock(mutex_);
        if (claims_.erase(address) == 0) return;
        remember();
    }
    want_sync_ = true;
    agent_.wake();
}

Result<void> EtcdSource::leave() {
    stop();
    std::lock_guard one_call(calls_mutex_);
    std::set<std::string> own;
    {
        std::lock_guard lock(mutex_);
        left_ = true;
        for (const std::string& block : blocks_) own.insert("blk/" + block);
        for (std::uint32_t address : claims_) own.insert("ip/" + show(address));
        blocks_.clear();
        claims_.clear();
        facts_.reset();
    }
    (void)::unlink((network_.directory + "/" + network_.id + ".json").c_str());
    const std::string slices = key("sl/" + host_ + "/");
    Transaction out;
    out.erase(key("mem/" + host_)).erase(key("up/" + host_)).erase_range(slices, end_of_prefix(slices));
    GANTRY_TRY([[maybe_unused]] const bool done, calls_.commit(out));
    for (const std::string& name : own) {
        Transaction give_back;
        give_back.has_value(key(name), entry_of_owner(host_)).erase(key(name));
        GANTRY_TRY([[maybe_unused]] const bool was_own, calls_.commit(give_back));
    }
    GANTRY_TRY(auto facts, value_of("facts"));
    if (!facts) return {};
    // The last one puts out the light.
    const std::string members = key("mem/");
    Transaction last;
    last.none_in(members, end_of_prefix(members))
        .has_value(key("facts"), *facts)
        .erase_range(prefix_, end_of_prefix(prefix_));
    last.erase("/gantry/1/vni/" + std::to_string(member<std::uint32_t>(object_of(*facts), "vni")));
    GANTRY_TRY([[maybe_unused]] const bool was_last, calls_.commit(last));
    return {};
}

void EtcdSource::remember() {
    Json known = Json::object();
    for (const auto& [name, entry] : mirror_)
        if (!name.starts_with("up/")) known[name] = {{"value", entry.value}, {"revision", entry.mod_revision}};
    Json body{{"network", network_.network}, {"blocks", blocks_},  {"claims", Json::array()}, {"known", known},
              {"revision", revision_},       {"cluster", cluster_}};
    for (std::uint32_t address : claims_) body["claims"].push_back(show(address));
    if (facts_) {
        body["facts"] = facts_text(*facts_);
        body["vtep"] = facts_->vtep;
    }
    if (left_) return;
    const std::string text = body.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (auto written = replace_file(network_.directory + "/" + network_.id + ".json", text); !written)
        network_.log(true, "network \"" + network_.network + "\": " + written.error().text);
}

bool EtcdSource::recall() {
    auto text = read_small_file(network_.directory + "/" + network_.id + ".json");
    if (!text) return false;
    const Json body = object_of(*text);
    auto facts = read_facts(member<std::string>(body, "facts"));
    // Damaged: as if it had never been; etcd has it all.
    if (!facts || member<std::string>(body, "network") != network_.network) return true;
    facts->host = host_;
    facts->vtep = network_.vtep.empty() ? member<std::string>(body, "vtep") : network_.vtep;
    facts_ = *facts;
    for (const std::string& block : member<std::vector<std::string>>(body, "blocks"))
        if (parse_block(block)) blocks_.insert(block);
    for (const std::string& claim : member<std::vector<std::string>>(body, "claims"))
        if (auto address = parse_address(claim)) claims_.insert(*address);
    revision_ = member<std::int64_t>(body, "revision");
    cluster_ = member<std::uint64_t>(body, "cluster");
    const Json known = member<Json>(body, "known", Json::object());
    for (const auto& [name, entry] : known.items())
        set_entry({name, member<std::string>(entry, "value"), 0, member<std::int64_t>(entry, "revision")});
    build_peers();
    return true;
}

}  // namespace gantry::overlay
