// All networks' names, kept up to date with the directory of names files.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gantry/unique_fd.hpp>

#include "core/resolver/names_file.hpp"
#include "core/resolver/packet.hpp"

namespace gantry::resolver {

// What to do with a query.
struct Decision {
    enum class What { answer = 1, forward } what = What::answer;
    Rcode code = Rcode::ok;
    std::vector<Record> records;
};

class Zones {
public:
    // Watches and reads `directory`. `changed` is called after each change of the set of networks or of where they listen.
    static Result<std::unique_ptr<Zones>> open(const std::string& directory);

    // Readable when something changed; then read_changes().
    int watch_fd() const { return watch_.get(); }
    // Reads what changed since, without waiting. True where a file was read or removed.
    bool read_changes();
    // The directory has been removed: there is nothing left to serve.
    bool directory_gone() const { return gone_; }

    const std::map<std::string, NamesFile>& networks() const { return networks_; }
    // The answer for an asker on a network (by the address it asked at). Nobody else is answered: a container learns
    // nothing of networks that it is not on.
    Decision decide(const std::string& network_id, const std::string& asker, const std::string& at, const Query& query);

private:
    Zones(std::string directory, UniqueFd watch) : directory_(std::move(directory)), watch_(std::move(watch)) {}
    void load(const std::string& file);
    const std::vector<std::string>* find_name(const NamesFile& network, const std::string& asker,
                                              const std::string& name) const;
    Decision decide_once(const NamesFile& network, const std::string& asker, const std::string& at,
                         const Query& query) const;

    const std::string directory_;
    UniqueFd watch_;
    bool gone_ = false;
    std::map<std::string, NamesFile> networks_;
    mutable std::size_t turn_ = 0;  // rotates the addresses of a name
};

}  // namespace gantry::resolver
