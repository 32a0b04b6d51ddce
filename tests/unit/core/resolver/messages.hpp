// DNS messages for tests.
#pragma once
#include <string>
#include <string_view>

#include "core/base/text.hpp"
#include "core/resolver/packet.hpp"

namespace gantry::resolver::test {

inline std::string wire_name(std::string_view name) { return name.empty() ? std::string(1, '\0') : *name_data(name); }

inline std::string query(std::string_view name, Type type = Type::a, std::uint16_t id = 0x1234, bool edns = false) {
    std::string p{static_cast<char>(id >> 8), static_cast<char>(id & 255), 1, 0, 0, 1, 0, 0, 0, 0, 0,
                  static_cast<char>(edns)};
    p += wire_name(name);
    p += std::string{0, static_cast<char>(type), 0, 1};
    if (edns) p += std::string("\0\0\x29\x10\0\0\0\0\0\0\0", 11);
    return p;
}

inline int rcode(std::string_view packet) { return packet.size() < header_bytes ? -1 : packet[3] & 15; }
inline int answers(std::string_view packet) {
    return packet.size() < header_bytes
               ? -1
               : static_cast<unsigned char>(packet[6]) << 8 | static_cast<unsigned char>(packet[7]);
}

}  // namespace gantry::resolver::test
