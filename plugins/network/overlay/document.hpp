// A network written down for hosts that have no store:
//
//   {"network": "my-net", "subnet": "10.99.0.0/16", "gateway": "10.99.0.1", "vni": 4100,
//    "hosts": [{"host": "a", "vtep": "10.0.0.1", "range": "10.99.0.0/24",
//               "endpoints": [{"address": "10.99.0.9", "mac": "02:42:0a:63:00:09", "names": ["web"]}]}]}
//
// "range": the addresses that this host may give; other hosts reach all of them, listed or not (1,024 at most). "mac" and
// "names" may be left out, "gateway" is the first address of the subnet unless it is said.
#pragma once
#include <string>
#include <vector>

#include "plugins/network/overlay/source.hpp"

namespace gantry::overlay {

struct DocumentHost {
    Peer peer;
    std::vector<Block> ranges;
};

struct Document {
    std::string network;
    Block subnet;
    std::uint32_t gateway = 0, vni = 0;
    std::vector<DocumentHost> hosts;
};

// GANTRY_INVALID: which member is wrong, what it has and what it may have.
Result<Document> parse_document(const std::string& text);
// The document of a network from all files *.json of a directory; several may add hosts to one network, and must agree on
// the rest. A file of another network that is bad is in nobody's way. GANTRY_NOT_FOUND: none names it.
Result<Document> read_documents(const std::string& directory, const std::string& network);
// Of whichever network; a directory that is not there has none.
Result<bool> has_documents(const std::string& directory);

}  // namespace gantry::overlay
