// One attempt to start a container; private to start.cpp.
#pragma once
#include <fcntl.h>

#include <future>

#include "core/container/entry.hpp"
#include "core/container/network_wishes.hpp"
#include "core/container/spec.hpp"
#include "core/container/trace.hpp"

namespace gantry::container {

// The network, made on another worker while the runtime makes the rest. The namespace comes first, so that the runtime
// can join it before it has interfaces.
class NetworkInTheMaking {
public:
    NetworkInTheMaking(const Collaborators& with, const Container& c, const std::string& hostname,
                       const NetworkWishes& wishes) {
        auto work = std::make_shared<Work>();
        netns_ = work->netns.get_future();
        made_ = work->made.get_future();
        with.post([&networks = with.networks, work, id = c.id, name = c.name, hostname, wishes] {
            // A copy: a network that fails closes its own while the other side may be about to use it.
            auto tell = [&](int fd) {
                if (!work->told.exchange(true))
                    work->netns.set_value(UniqueFd(fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, 3)));
            };
            auto made = networks.attach(id, name, hostname, wishes.mode, wishes.endpoints, wishes.ports, tell);
            tell(made && made->netns ? made->netns.get() : -1);
            work->made.set_value(std::move(made));
        });
    }
    // The namespace, as soon as it is there; none: it never will be, and result() says why. Once.
    UniqueFd netns() { return netns_.get(); }
    // Waits for the whole.
    Result<network::Attached>& result() {
        if (!result_) result_ = made_.get();
        return *result_;
    }

private:
    struct Work {
        std::promise<UniqueFd> netns;
        std::promise<Result<network::Attached>> made;
        std::atomic<bool> told{false};
    };
    std::future<UniqueFd> netns_;
    std::future<Result<network::Attached>> made_;
    std::optional<Result<network::Attached>> result_;
};

struct StartAttempt {
    StartAttempt(Container container, bool traced) : c(std::move(container)), trace(traced, "start", c.id) {}
    const Container c;  // as it was before
    Trace trace;
    std::string run, data, hostname, seccomp;
    NetworkWishes wishes;
    SpecInput input;
    LaunchRequest request;
    std::vector<UniqueFd> held;  // what request.fds refers to
};

}  // namespace gantry::container
