// DNS messages (RFC 1035, 6891): as much as a resolver needs that answers for containers and hands the rest on.
// Everything read here comes from containers or the network: hostile until checked.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gantry::resolver {

enum class Type : std::uint16_t { a = 1, ptr = 12, aaaa = 28, opt = 41, any = 255 };
enum class Rcode { ok = 0, format_error = 1, server_failure = 2, no_such_name = 3, not_implemented = 4, refused = 5 };
inline constexpr std::size_t header_bytes = 12, plain_udp_bytes = 512, largest_query_bytes = 4096,
                             largest_message_bytes = 65535;

// The one question of a query.
struct Query {
    std::uint16_t id = 0, flags = 0;
    std::string name;  // lower case, without the last dot; "" is the root
    Type type = Type::a;
    std::uint16_t klass = 1;
    std::size_t question_end = 0;
    bool edns = false;
    std::size_t udp_bytes = plain_udp_bytes;  // the largest answer the asker takes by UDP
};

enum class Verdict { query = 1, drop, format_error, not_implemented };
// Reads a query: exactly one question, no answers. `drop`: not even its header can be answered, or it is no query.
Verdict parse_query(std::string_view packet, Query& query);
// Whether `answer` is a response to the question in `asked` (names compared without case).
bool answers_the_question(std::string_view answer, std::string_view asked);

// One record of an answer we give.
struct Record {
    Type type = Type::a;
    std::string data;  // rdata
};
// An address as a record: A (RFC 1035) or AAAA (RFC 3596).
std::optional<Record> address_record(std::string_view text);
// Rdata of a name.
std::optional<std::string> name_data(std::string_view name);
// "5.0.18.172.in-addr.arpa" -> "172.18.0.5"; of ip6.arpa (RFC 3596 2.5) an IPv6 address in its one form.
std::optional<std::string> reverse_address(std::string_view name);

// The answer to a query: its header and question, these records for the question's name, an OPT record where the query
// had one. Longer than `limit`: without records and marked as truncated.
std::string build_answer(std::string_view packet, const Query& query, Rcode code, const std::vector<Record>& records,
                         std::size_t limit);
// The answer to something whose question cannot be read: a bare header.
std::string build_error(std::string_view packet, Rcode code);

std::uint16_t id_of(std::string_view packet);
void set_id(std::string& packet, std::uint16_t id);

}  // namespace gantry::resolver
