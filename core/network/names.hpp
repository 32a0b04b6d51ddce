// The files from which gantry-resolver answers: RUN/names/<network id>.json (core/resolver/names_file.hpp has the form).
#pragma once
#include <string>
#include <vector>

#include "core/network/model.hpp"

namespace gantry::network {

class NamesDirectory {
public:
    explicit NamesDirectory(const std::string& run) : directory_(run + "/names") {}

    Result<void> make();
    // Replaces a network's file in one step. `endpoints`: its own; `others` gives for each of them the networks its
    // container is in besides. Without `listen` the network has no names, and no file.
    struct Alias {
        std::string network;  // whose names `target` is one of
        std::string target, alias;
    };
    struct Member {
        EndpointRecord endpoint;
        std::vector<std::string> other_networks;
        std::vector<Alias> aliases;  // what its container alone calls others
    };
    Result<void> write(const NetworkRecord& network, const std::vector<std::string>& listen,
                       const std::vector<Member>& members);
    Result<void> remove(const std::string& network_id);
    // Files of networks other than these are removed.
    Result<void> keep_only(const std::vector<std::string>& network_ids);
    // The directory goes, and with it the resolver.
    Result<void> remove_all();

private:
    std::string file_of(const std::string& network_id) const { return directory_ + "/" + network_id + ".json"; }
    const std::string directory_;
};

}  // namespace gantry::network
