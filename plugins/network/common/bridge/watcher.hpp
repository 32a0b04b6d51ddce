// Notices when somebody else takes something out of the engine's nftables table: "nft flush ruleset", or a firewall
// service that begins anew. Listens to the kernel's own notes on a thread that sleeps until there is one.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::bridge {

class Watcher {
public:
    // Watches the network namespace of the calling thread. `lost` is called on the watcher's thread, a moment after
    // the loss; changes by this process never lead to a call.
    static Result<std::unique_ptr<Watcher>> create(std::string table, std::function<void()> lost);
    ~Watcher();
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

private:
    Watcher(std::string table, std::function<void()> lost, UniqueFd events, UniqueFd stop);
    void run();
    // Reads what is there; true where a transaction of another process took something out of the table.
    bool read_events();

    const std::string table_;
    const std::function<void()> lost_;
    UniqueFd events_, stop_;
    bool taken_out_ = false;  // by the transaction whose notes are being read
    std::thread thread_;      // last: it uses the rest
};

}  // namespace gantry::bridge
