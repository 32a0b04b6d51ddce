// net.ipv4.ip_forward of the host: turned on only where it was off, and remembered in a file.
#pragma once
#include <string>

#include <gantry/result.hpp>

namespace gantry::bridge {

class Forwarding {
public:
    // `run`: the driver's private directory; it holds the note that it was this engine that turned forwarding on.
    explicit Forwarding(const std::string& run) : note_(run + "/ip_forward_was_off") {}
    Result<void> enable();
    // Off again if enable() turned it on.
    Result<void> restore();

private:
    const std::string note_;
};

}  // namespace gantry::bridge
