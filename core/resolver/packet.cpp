#include "core/resolver/packet.hpp"

#include <arpa/inet.h>

#include <algorithm>

#include "core/base/text.hpp"

namespace gantry::resolver {
namespace {

constexpr std::uint16_t response = 0x8000, authoritative = 0x0400, truncated = 0x0200, recursion_desired = 0x0100,
                        recursion_available = 0x0080;
constexpr std::uint16_t internet = 1;
constexpr std::uint32_t time_to_live = 5;  // names move with their containers
constexpr std::size_t largest_label = 63, largest_name = 255;
constexpr std::uint16_t own_udp_bytes = 1232;

std::uint16_t u16(std::string_view p, std::size_t at) {
    return static_cast<std::uint16_t>(static_cast<unsigned char>(p[at]) << 8 | static_cast<unsigned char>(p[at + 1]));
}
void put16(std::string& out, std::uint16_t value) {
    out += static_cast<char>(value >> 8);
    out += static_cast<char>(value & 255);
}
void put32(std::string& out, std::uint32_t value) {
    put16(out, static_cast<std::uint16_t>(value >> 16));
    put16(out, static_cast<std::uint16_t>(value & 65535));
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// A name without compression, as the first of a message always is; so there is nothing that could loop.
bool read_name(std::string_view p, std::size_t& at, std::string& name) {
    name.clear();
    for (std::size_t bytes = 1;;) {
        if (at >= p.size()) return false;
        const std::size_t length = static_cast<unsigned char>(p[at++]);
        if (length == 0) return true;
        if (length > largest_label || at + length > p.size() || (bytes += length + 1) > largest_name) return false;
        if (!name.empty()) name += '.';
        for (std::size_t i = 0; i < length; ++i) {
            // A dot inside a label would make another name of it.
            if (p[at + i] == '.' || p[at + i] == '\0') return false;
            name += lower(p[at + i]);
        }
        at += length;
    }
}

// Over a name of any form; a pointer ends it.
bool skip_name(std::string_view p, std::size_t& at) {
    for (;;) {
        if (at >= p.size()) return false;
        const std::size_t length = static_cast<unsigned char>(p[at]);
        if ((length & 0xc0) == 0xc0) {
            at += 2;
            return at <= p.size();
        }
        if (length > largest_label) return false;
        at += 1 + length;
        if (length == 0) return true;
    }
}

}  // namespace

std::uint16_t id_of(std::string_view packet) { return packet.size() < 2 ? 0 : u16(packet, 0); }

void set_id(std::string& packet, std::uint16_t id) {
    packet[0] = static_cast<char>(id >> 8);
    packet[1] = static_cast<char>(id & 255);
}

Verdict parse_query(std::string_view p, Query& query) {
    if (p.size() < header_bytes) return Verdict::drop;
    query.id = u16(p, 0);
    query.flags = u16(p, 2);
    if (query.flags & response) return Verdict::drop;
    if ((query.flags >> 11 & 15) != 0) return Verdict::not_implemented;
    const std::uint16_t additional = u16(p, 10);
    if (u16(p, 4) != 1 || u16(p, 6) != 0 || u16(p, 8) != 0 || additional > 8) return Verdict::format_error;
    std::size_t at = header_bytes;
    if (!read_name(p, at, query.name) || at + 4 > p.size()) return Verdict::format_error;
    query.type = static_cast<Type>(u16(p, at));
    query.klass = u16(p, at + 2);
    at += 4;
    query.question_end = at;
    for (unsigned i = 0; i < additional; ++i) {
        if (!skip_name(p, at) || at + 10 > p.size()) return Verdict::format_error;
        const auto type = static_cast<Type>(u16(p, at));
        const std::size_t udp = u16(p, at + 2), length = u16(p, at + 8);
        at += 10 + length;
        if (at > p.size()) return Verdict::format_error;
        if (type != Type::opt) continue;
        if (query.edns) return Verdict::format_error;
        query.edns = true;
        query.udp_bytes = std::clamp<std::size_t>(udp, plain_udp_bytes, largest_query_bytes);
    }
    return Verdict::query;
}

bool answers_the_question(std::string_view answer, std::string_view asked) {
    if (answer.size() < header_bytes || !(u16(answer, 2) & response) || u16(answer, 4) != 1) return false;
    std::size_t a = header_bytes, b = header_bytes;
    std::string one, other;
    if (!read_name(answer, a, one) || !read_name(asked, b, other) || a + 4 > answer.size() || b + 4 > asked.size())
        return false;
    return one == other && answer.substr(a, 4) == asked.substr(b, 4);
}

std::optional<Record> address_record(std::string_view text) {
    const bool six = text.find(':') != std::string_view::npos;
    in6_addr address{};  // the larger of the two
    if (::inet_pton(six ? AF_INET6 : AF_INET, std::string(text).c_str(), &address) != 1) return std::nullopt;
    return Record{six ? Type::aaaa : Type::a,
                  std::string(reinterpret_cast<const char*>(&address), six ? sizeof address : sizeof(in_addr))};
}

std::optional<std::string> name_data(std::string_view name) {
    std::string data;
    for (std::string_view label : split(name, '.')) {
        if (label.empty() || label.size() > largest_label) return std::nullopt;
        data += static_cast<char>(label.size());
        data += label;
    }
    data += '\0';
    if (data.size() > largest_name) return std::nullopt;
    return data;
}

namespace {

// 32 nibbles, the last first.
std::optional<std::string> reverse_address6(std::string_view nibbles) {
    auto parts = split(nibbles, '.');
    in6_addr address{};
    if (parts.size() != 2 * sizeof address) return std::nullopt;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        constexpr std::string_view digits = "0123456789abcdef";
        const std::size_t value = parts[i].size() == 1 ? digits.find(parts[i].front()) : std::string_view::npos;
        if (value == std::string_view::npos) return std::nullopt;
        const std::size_t place = parts.size() - 1 - i;
        address.s6_addr[place / 2] |= static_cast<unsigned char>(place % 2 == 0 ? value << 4 : value);
    }
    char text[INET6_ADDRSTRLEN];
    return ::inet_ntop(AF_INET6, &address, text, sizeof text) ? std::optional<std::string>(text) : std::nullopt;
}

}  // namespace

std::optional<std::string> reverse_address(std::string_view name) {
    constexpr std::string_view suffix = ".in-addr.arpa", suffix6 = ".ip6.arpa";
    if (name.ends_with(suffix6)) return reverse_address6(name.substr(0, name.size() - suffix6.size()));
    if (!name.ends_with(suffix)) return std::nullopt;
    auto parts = split(name.substr(0, name.size() - suffix.size()), '.');
    if (parts.size() != 4) return std::nullopt;
    std::string address;
    for (auto part = parts.rbegin(); part != parts.rend(); ++part)
        address += (address.empty() ? "" : ".") + std::string(*part);
    return address_record(address) ? std::optional(address) : std::nullopt;
}

std::string build_answer(std::string_view packet, const Query& query, Rcode code, const std::vector<Record>& records,
                         std::size_t limit) {
    auto build = [&](const std::vector<Record>& given, std::uint16_t extra) {
        std::string out;
        put16(out, query.id);
        put16(out,
              static_cast<std::uint16_t>(response | authoritative | recursion_available |
                                         (query.flags & recursion_desired) | extra | static_cast<std::uint16_t>(code)));
        put16(out, 1);
        put16(out, static_cast<std::uint16_t>(given.size()));
        put16(out, 0);
        put16(out, query.edns ? 1 : 0);
        out += packet.substr(header_bytes, query.question_end - header_bytes);
        for (const Record& record : given) {
            put16(out, 0xc000 | header_bytes);  // the question's name
            put16(out, static_cast<std::uint16_t>(record.type));
            put16(out, internet);
            put32(out, time_to_live);
            put16(out, static_cast<std::uint16_t>(record.data.size()));
            out += record.data;
        }
        if (query.edns) {
            out += '\0';
            put16(out, static_cast<std::uint16_t>(Type::opt));
            put16(out, own_udp_bytes);
            put32(out, 0);
            put16(out, 0);
        }
        return out;
    };
    std::string out = build(records, 0);
    return out.size() <= limit ? out : build({}, truncated);
}

std::string build_error(std::string_view packet, Rcode code) {
    std::string out(packet.substr(0, 2));
    put16(out, static_cast<std::uint16_t>(response | (u16(packet, 2) & (0x7800 | recursion_desired)) |
                                          static_cast<std::uint16_t>(code)));
    out.append(8, '\0');
    return out;
}

}  // namespace gantry::resolver
