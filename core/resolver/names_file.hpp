// A names file: what core/network writes for each network at RUN/names/<network id>.json.
//
//   {"id": "<network id>", "network": "front", "internal": false, "listen": ["172.18.0.1"],
//    "names": {"web": ["172.18.0.2"], ...}, "addresses": {"172.18.0.2": "web"},
//    "members": {"172.18.0.2": ["<id of another network of that container>", ...]},
//    "aliases": {"172.18.0.2": {"database": ["<id of a network>", "db"]}}}: what that container alone calls others
#pragma once
#include <map>
#include <string>
#include <vector>

#include <gantry/result.hpp>

namespace gantry::resolver {

struct NamesFile {
    std::string network;
    bool internal = false;
    std::vector<std::string> listen;
    std::map<std::string, std::vector<std::string>> names;  // in lower case
    std::map<std::string, std::string> addresses;
    std::map<std::string, std::vector<std::string>> members;
    struct Target {
        std::string network, name;  // a name in that network, in lower case
    };
    std::map<std::string, std::map<std::string, Target>> aliases;  // by asker, by name in lower case
};

// GANTRY_CORRUPT: not such a file.
Result<NamesFile> read_names_file(const std::string& path);

}  // namespace gantry::resolver
