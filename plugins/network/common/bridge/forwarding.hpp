// Forwarding of the host, per family: turned on only where it was off, and remembered in a file.
#pragma once
#include <string>

#include <gantry/result.hpp>

namespace gantry::bridge {

class Forwarding {
public:
    // `run`: the driver's private directory; it holds the notes that it was this engine that turned forwarding on.
    explicit Forwarding(const std::string& run) : run_(run) {}
    // net.ipv4.ip_forward.
    Result<void> enable();
    // net.ipv6.conf.all.forwarding. Interfaces that take their default route from router advertisements go on doing so
    // (accept_ra 2): a host that forwards would ignore them otherwise (ip-sysctl.rst).
    Result<void> enable6();
    // Off again, each of the two that was turned on.
    Result<void> restore();

private:
    std::string note() const { return run_ + "/ip_forward_was_off"; }
    std::string note6() const { return run_ + "/ipv6_forwarding_was_off"; }
    const std::string run_;
};

}  // namespace gantry::bridge
