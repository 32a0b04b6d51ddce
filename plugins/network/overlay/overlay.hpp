// One overlay network of this host: its source, its part of the kernel, and the containers that are attached to it here.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gantry/network.hpp>

#include "plugins/network/overlay/data_plane.hpp"
#include "plugins/network/overlay/options.hpp"
#include "plugins/network/overlay/source.hpp"

namespace gantry::overlay {

// Thread-safe.
class Overlay {
public:
    struct Services {
        std::string engine, root;  // root: a directory of the driver's own
        std::function<void(LogLevel, const std::string&)> log;
        std::function<void(const std::string& network)> peers_changed;
    };
    // Opens the source; nothing is agreed and nothing made.
    static Result<std::unique_ptr<Overlay>> open(const Services& services, const Network& network,
                                                 NetworkOptions options);
    ~Overlay();

    // What the network is on all hosts.
    Result<Facts> join(const Network& network, bool fixed);
    // Joined, and in the kernel.
    Result<void> ensure(const Network& network);
    // GANTRY_BUSY while containers are attached. A store that is away is in nobody's way.
    Result<void> remove(const Network& network);
    // The same for a network that cannot be opened.
    static Result<void> remove_devices(const Services& services, const Network& network);
    Result<NetworkDriver::State> state(const Network& network);
    int mtu() const { return mtu_; }

    void add(const Endpoint& endpoint);
    void remove_endpoint(const std::string& id);
    // Exactly these are attached here.
    void set(const std::vector<Endpoint>& endpoints);
    Source& source() { return *source_; }
    Json peers();
    // What the user may not change while it is there.
    const Json& given_options() const { return given_; }

private:
    Overlay(Services services, const Network& network, NetworkOptions options);
    static std::string origin_file(const Services& services, const std::string& id);
    static Result<std::string> find_origin(const Services& services, const Network& network,
                                           const NetworkOptions& options);
    void tell();             // the source, of what is attached here; mutex held
    void apply(bool whole);  // on the source's thread
    Result<DataPlane::Spec> plan(const Network& network, const Facts& facts, int mtu) const;
    int wrapping_bytes() const;

    const Services services_;
    const std::string id_, name_;
    const NetworkOptions options_;
    const Json given_;
    std::string origin_;      // the kind of source
    std::mutex apply_mutex_;  // taken before the others: an older view is never put into the kernel after a newer one
    std::mutex mutex_;
    Facts facts_;
    int mtu_ = 0;
    bool watching_ = false, complete_ = false;
    std::shared_ptr<DataPlane> data_plane_;  // none before the first ensure
    std::map<std::string, Member> here_;     // by endpoint
    std::string problem_;                    // of the last apply
    std::unique_ptr<Source> source_;         // last: its thread uses the rest
};

}  // namespace gantry::overlay
