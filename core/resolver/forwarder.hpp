// Queries handed on to the host's nameservers, each from a socket and with an id of its own, so that an answer cannot
// be guessed; bounded in number and time.
#pragma once
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "core/resolver/loop.hpp"
#include "core/resolver/upstream.hpp"

namespace gantry::resolver {

enum class Transport { udp = 1, tcp };

class Forwarder {
public:
    Forwarder(Loop& loop, Upstream upstream);
    ~Forwarder();

    // Asks the nameservers in turn. `done` gets the answer with the query's own id, or "" where none came (or too many
    // queries are under way); it is called once, later, from the loop, or at once.
    void ask(std::string query, Transport transport, const std::set<std::string>& own,
             std::function<void(std::string answer)> done);
    std::size_t under_way() const { return asked_.size(); }

private:
    struct Asked;
    void try_next(std::uint64_t key);
    Result<void> start(Asked& asked, const Nameserver& server);
    void ready(std::uint64_t key);
    void ready_tcp(std::uint64_t key);
    void finish(std::uint64_t key, std::string answer);
    void close(Asked& asked);

    Loop& loop_;
    Upstream upstream_;
    std::unordered_map<std::uint64_t, std::unique_ptr<Asked>> asked_;
    std::uint64_t last_key_ = 0;
};

}  // namespace gantry::resolver
