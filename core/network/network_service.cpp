#include "core/network/network_service.hpp"

#include "core/base/log.hpp"
#include "core/network/impl.hpp"

namespace gantry::network {

NetworkService::NetworkService(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
NetworkService::~NetworkService() = default;

Result<std::unique_ptr<NetworkService>> NetworkService::open(Settings settings, store::Store& store,
                                                             driver::Registry& drivers) {
    auto impl = std::make_unique<Impl>(std::move(settings), store, drivers);
    GANTRY_CHECK(impl->names.make());
    GANTRY_CHECK(impl->load());
    GANTRY_CHECK(impl->add_built_in(default_network, impl->settings.default_driver, true));
    GANTRY_CHECK(impl->add_built_in(host_network, impl->settings.host_driver, false));
    GANTRY_CHECK(impl->add_built_in(none_network, impl->settings.none_driver, false));
    impl->peer_watch = std::make_shared<PeerWatch>([state = impl.get()](const std::string& id) {
        if (auto network = state->find(id); network)
            if (auto refreshed = state->refresh_peers(*network);
                !refreshed && refreshed.error().code != Code::not_found)
                log::warn("cannot take over the names of a network's other hosts",
                          {{"network", id}, {"reason", refreshed.error().text}});
    });
    return std::unique_ptr<NetworkService>(new NetworkService(std::move(impl)));
}

}  // namespace gantry::network
