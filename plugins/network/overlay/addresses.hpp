// IPv4 addresses and blocks of them, as numbers in host byte order.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace gantry::overlay {

struct Block {
    std::uint32_t base = 0;  // host bits are zero
    int length = 32;
    std::uint32_t last() const { return base | (length >= 32 ? 0 : 0xffffffffu >> length); }
    bool contains(std::uint32_t address) const { return address >= base && address <= last(); }
    bool contains(const Block& other) const { return contains(other.base) && contains(other.last()); }
    std::string text() const;
    bool operator==(const Block&) const = default;
};

// Four decimal numbers, nothing else.
std::optional<std::uint32_t> parse_address(const std::string& text);
std::string show(std::uint32_t address);
// "10.99.0.0/16", host bits zero, length 8 to 32.
std::optional<Block> parse_block(const std::string& text);
// "02:42:0a:63:00:02": what an endpoint has unless the user chose another, so that an address that moves keeps its MAC.
std::string mac_of(std::uint32_t address);
// Six bytes in hexadecimal, two digits each, with colons between them; of one interface, not of a group.
bool valid_mac(const std::string& text);
// A number for a network (VNI) that follows from a text, another one for each attempt: above those that people choose.
std::uint32_t vni_of(const std::string& text, int attempt);
// 1 to 255 printable characters of ASCII, no '/': it stands in keys and in messages.
bool valid_host_name(const std::string& text);

}  // namespace gantry::overlay
