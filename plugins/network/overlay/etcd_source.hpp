// The source of a network whose hosts share an etcd. Below /gantry/1/net/NAME/ are
//
//   facts            {"subnet", "gateway", "vni"}           made once, by compare-and-swap; /gantry/1/vni/N names its network;
//                                                           of an encrypted network also "encrypted": true
//   mem/HOST         {"vtep", "seen": seconds}              a host that takes part, until it leaves or is given up after 24 h;
//                                                           of an encrypted network also "wireguard": {"key", "port"}
//   up/HOST          {"boot"}                               with a lease of 30 s: it is heard of
//   blk/BLOCK        {"owner": HOST}                        addresses that the host gives by itself
//   ip/ADDRESS       {"owner": HOST}                        an address that a user chose
//   sl/HOST/N        {"endpoints": [[address, mac, names]]} what is attached there, 128 addresses in each
//
// A mirror of all of it is kept up to date by one listing and one watch; what this host shall have there is compared with the
// mirror and written, so that nothing is lost while etcd is away. What is known of others is taken back only when etcd
// says so.
#pragma once
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "plugins/network/overlay/etcd.hpp"
#include "plugins/network/overlay/source.hpp"

namespace gantry::overlay {

struct EtcdNetwork {
    EtcdSettings etcd;
    std::string network, id;  // its name, which all hosts share, and what this host's engine calls it
    std::string vtep;         // "": the address from which this host reaches etcd
    std::uint32_t vni = 0;    // 0: a free one
    bool encrypted = false;
    std::string directory;  // where this host's part is remembered
    std::function<void(bool bad, const std::string&)> log;
};

class EtcdSource final : public Source {
public:
    static Result<std::unique_ptr<EtcdSource>> create(EtcdNetwork network);
    ~EtcdSource() override;

    Result<Facts> join(const Block& subnet, std::uint32_t gateway, bool fixed) override;
    void watch(std::function<void(bool whole)> changed) override;
    std::vector<Peer> peers() override;
    bool settled() override { return settled_; }
    Result<Ranges> ranges(bool more) override;
    Result<void> claim(std::uint32_t address) override;
    void release(std::uint32_t address) override;
    void publish(std::vector<Member> members, bool complete) override;
    void offer(const TunnelEnd& end) override;
    Result<void> leave() override;
    Json status() override;

private:
    using Clock = std::chrono::steady_clock;
    EtcdSource(EtcdNetwork network, std::string host, std::string boot);

    // etcd_join.cpp: what calls of the engine ask of etcd themselves.
    Result<Facts> make_facts(const Block& subnet, std::uint32_t gateway);
    Result<std::optional<std::string>> value_of(const std::string& key);
    Result<void> join_as_member(const Facts& facts);
    Result<Block> claim_block();
    Result<bool> take_over(const std::vector<KeyValue>& all, Block& block);
    // Where an address that a user chose lies: GANTRY_DENIED if another host is known to use it.
    struct Place {
        bool in_own_block = false;
        std::string slice;  // of the host whose block it is in
        std::int64_t slice_revision = 0;
    };
    Result<Place> place_of(std::uint32_t address);
    Result<void> claim_in_etcd(std::uint32_t address);

    // etcd_source.cpp: the thread.
    void run();
    Result<void> connect(Etcd& etcd);
    Result<void> take(const WatchMessage& message);
    void take_listing(Listing listing);
    void away(const Error& error);
    void stop();

    // etcd_sync.cpp: this host's part.
    struct Change {
        std::string name, value;    // value "": it is erased
        bool alone = false;         // in a transaction of its own: another host may have been there
        std::int64_t revision = 0;  // then: it is still this one, or 0: not there
    };
    Result<void> sync(Etcd& etcd);
    std::vector<Change> changes();                        // mutex held
    std::map<std::string, std::string> wanted_entries();  // mutex held

    // etcd_view.cpp: the others'.
    void set_entry(KeyValue entry);       // mutex held
    void forget(const std::string& key);  // mutex held
    void build_peers();                   // mutex held

    // Remembered over restarts: facts, blocks, claims, and what was known of others.
    void remember();  // mutex held
    bool recall();

    static constexpr int slice_bits = 7;  // 128 addresses in each
    std::string key(const std::string& rest) const { return prefix_ + rest; }

    const EtcdNetwork network_;
    const std::string prefix_, host_, boot_;

    std::mutex calls_mutex_;  // taken before mutex_; one call at a time speaks to etcd through calls_
    Etcd calls_;

    std::mutex mutex_;
    std::optional<Facts> facts_;
    std::set<std::string> blocks_;    // of this host, as text
    std::set<std::uint32_t> claims_;  // of this host
    std::optional<std::uint32_t> claiming_;
    std::optional<TunnelEnd> tunnel_;  // of this host
    std::vector<Member> members_;      // of this host
    bool holding_ = false;             // members_ may lack some
    bool left_ = false;
    std::map<std::string, KeyValue> mirror_;                                    // by key without the prefix
    std::map<std::string, std::vector<Member>> slices_;                         // of the mirror's "sl/"
    std::map<std::pair<std::string, std::uint32_t>, std::int64_t> first_seen_;  // revision by host and address
    std::vector<Peer> peers_;
    bool view_changed_ = false;
    std::string problem_ = "etcd was not reached yet";
    std::string endpoint_;
    std::int64_t revision_ = 0;
    std::uint64_t cluster_ = 0;
    Clock::time_point grace_until_{};  // after etcd was set back: what others have not written again yet stays

    // Of the thread alone.
    std::function<void(bool whole)> changed_;
    std::int64_t lease_ = 0;
    bool relist_ = false;
    std::int64_t heard_ = 0, written_ = 0;  // revisions: of the mirror, and of what was written last

    std::atomic<bool> settled_{false}, stopping_{false}, want_sync_{true};
    Etcd agent_;
    std::thread thread_;
};

}  // namespace gantry::overlay
