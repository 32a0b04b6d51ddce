// One attempt to start a container; private to start.cpp.
#pragma once
#include "core/container/entry.hpp"
#include "core/container/network_wishes.hpp"
#include "core/container/spec.hpp"
#include "core/container/trace.hpp"

namespace gantry::container {

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
