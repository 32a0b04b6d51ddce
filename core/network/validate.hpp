// What a client may ask of a network: checks in Docker's words, nothing is changed.
#pragma once
#include "core/network/model.hpp"

namespace gantry::network {

// NetworkCreateRequest of the API to a record without id, driver options unvalidated, and a subnet only where the
// client gave one.
Result<NetworkRecord> read_create_request(const Json& body);
// A MAC address in lower case; GANTRY_INVALID.
Result<std::string> checked_mac(const std::string& text);
// "02:42:ac:12:00:02": of the address, or of its last four bytes.
std::string mac_of(Ipv4 address);
std::string mac_of(Ipv6 address);

}  // namespace gantry::network
