#include "core/network/names.hpp"

#include <unistd.h>

#include <algorithm>

#include "core/base/files.hpp"
#include "core/base/ids.hpp"

namespace gantry::network {

Result<void> NamesDirectory::make() { return make_directories(directory_, 0700); }

Result<void> NamesDirectory::write(const NetworkRecord& network, const std::vector<std::string>& listen,
                                   const std::vector<Member>& members) {
    if (listen.empty()) return remove(network.id);
    Json names = Json::object(), addresses = Json::object(), others = Json::object(), aliases = Json::object();
    for (const Member& member : members) {
        for (const std::string& address : member.endpoint.addresses()) {
            for (const std::string& name : member.endpoint.names()) names[name].push_back(address);
            addresses[address] = member.endpoint.container_name;
            if (!member.other_networks.empty()) others[address] = member.other_networks;
            for (const Alias& one : member.aliases) {
                // Of ids, the short form is a name.
                const bool id = one.target.size() == 64 && is_id_prefix(one.target);
                aliases[address][one.alias] = {one.network, id ? std::string(short_id(one.target)) : one.target};
            }
        }
    }
    const Json body{{"id", network.id},  {"network", network.name}, {"internal", network.internal},
                    {"listen", listen},  {"names", names},          {"addresses", addresses},
                    {"members", others}, {"aliases", aliases}};
    return write_file_atomic(file_of(network.id), body.dump(-1, ' ', false, Json::error_handler_t::replace), 0600);
}

Result<void> NamesDirectory::remove(const std::string& network_id) {
    if (::unlink(file_of(network_id).c_str()) != 0 && errno != ENOENT)
        return fail_errno("remove \"" + file_of(network_id) + "\"");
    return {};
}

Result<void> NamesDirectory::keep_only(const std::vector<std::string>& network_ids) {
    GANTRY_TRY(auto files, list_directory(directory_));
    for (const std::string& file : files) {
        // Among the others: what an engine that was killed had begun to write.
        auto is_of = [&](const std::string& id) { return file == id + ".json"; };
        if (std::none_of(network_ids.begin(), network_ids.end(), is_of))
            if (::unlink((directory_ + "/" + file).c_str()) != 0 && errno != ENOENT)
                return fail_errno("remove \"" + file + "\"");
    }
    return {};
}

Result<void> NamesDirectory::remove_all() { return remove_tree(directory_); }

}  // namespace gantry::network
