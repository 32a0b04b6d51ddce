// The engine's own nftables table, through libnftables. What is in the kernel is the only record: a restarted engine
// finds again what it published.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "plugins/network/common/bridge/rules.hpp"

struct nft_ctx;

namespace gantry::bridge {

// A port in the table, with the address of the endpoint it leads to.
struct PortEntry {
    PublishedPort port;
    std::string address;
};

// Thread-safe: one transaction at a time.
class Firewall {
public:
    // Opens the kernel's interface in the network namespace of the calling thread; changes nothing.
    static Result<std::unique_ptr<Firewall>> create(const std::string& engine);

    // The table is there and whole, with this network in it. Published ports stay as they are.
    Result<void> ensure_network(const NetworkRules& network);
    // Takes the network out; the table goes with the last one. Not there is success.
    Result<void> remove_network(const NetworkRules& network);
    // From now on exactly these ports lead to the endpoint with these addresses. Another endpoint's or a program's port:
    // GANTRY_CONFLICT in Docker's words, and nothing is changed.
    Result<void> set_ports(const std::vector<std::string>& addresses, const std::vector<PortEntry>& wanted);
    // The whole table from new in one transaction: nothing else stays.
    Result<void> rebuild(const std::vector<NetworkRules>& networks, const std::vector<PortEntry>& ports);
    // Puts back what this object last knew to be in the table, when somebody else took it out. Nothing known: nothing done.
    Result<void> restore();
    const std::string& table() const { return table_; }
    // Every published port.
    Result<std::vector<PortEntry>> ports();
    // Bridges the table knows; none where the table is not there.
    Result<std::vector<std::string>> bridges();
    // Somebody other than engines of ours uses nftables on this host.
    bool others_filter();

private:
    struct FreeContext {
        void operator()(nft_ctx* context) const;
    };
    using Context = std::unique_ptr<nft_ctx, FreeContext>;
    Firewall(std::string table, Context context) : table_(std::move(table)), context_(std::move(context)) {}
    Result<void> run(const std::string& commands);
    Result<void> write_all(const std::vector<NetworkRules>& networks,
                           const std::vector<PortEntry>& ports);  // mutex held
    Result<Json> list(const std::string& what);                   // {"nftables": [...]}; {} where it is not there
    Result<std::vector<PortEntry>> list_ports();
    Result<std::vector<std::string>> list_bridges();

    std::mutex mutex_;
    const std::string table_;
    Context context_;
    // For restore() only: what was put into the table and not taken out again.
    std::map<std::string, NetworkRules> networks_;  // by bridge
    std::vector<PortEntry> ports_;
};

}  // namespace gantry::bridge
