// What containers and nameservers send to the resolver, and the host's resolv.conf.
#include "core/resolver/packet.hpp"
#include "core/resolver/upstream.hpp"
#include "tests/fuzz/require.hpp"

namespace {

using namespace gantry;
using namespace gantry::resolver;

constexpr std::uint16_t response = 0x80;  // of a header's third byte

// Ten addresses: more than the smallest answer has room for when the name is long.
std::vector<Record> some_addresses() {
    std::vector<Record> records;
    for (int i = 0; i < 10; ++i) records.push_back(*address_record("2001:db8::" + std::to_string(i)));
    return records;
}

void require_answer(const std::string& answer, std::string_view packet, std::size_t limit) {
    fuzz::require(answer.size() >= header_bytes && answer.size() <= limit, "an answer of a bad length");
    fuzz::require(id_of(answer) == id_of(packet), "an answer to something else");
    fuzz::require((static_cast<unsigned char>(answer[2]) & response) != 0, "an answer that is a query");
}

void try_query(std::string_view packet) {
    Query query;
    switch (parse_query(packet, query)) {
    case Verdict::drop: return;
    case Verdict::format_error: return require_answer(build_error(packet, Rcode::format_error), packet, header_bytes);
    case Verdict::not_implemented:
        return require_answer(build_error(packet, Rcode::not_implemented), packet, header_bytes);
    case Verdict::query: break;
    }
    fuzz::require(query.name.size() < 255 && query.question_end <= packet.size(), "a name that is too long");
    fuzz::require(query.udp_bytes >= plain_udp_bytes && query.udp_bytes <= largest_query_bytes, "a bad limit");
    for (const auto& records : {std::vector<Record>(), some_addresses()}) {
        const std::string answer = build_answer(packet, query, Rcode::ok, records, query.udp_bytes);
        require_answer(answer, packet, query.udp_bytes);
        fuzz::require(answers_the_question(answer, packet), "an answer to another question");
        Query back;
        fuzz::require(parse_query(answer, back) == Verdict::drop, "an answer that is taken for a query");
    }
    if (!query.name.empty()) fuzz::require(name_data(query.name).has_value(), "a name that cannot be written");
    if (auto address = reverse_address(query.name))
        fuzz::require(address_record(*address).has_value(), "an address that is none: " + *address);
}

void try_answer(std::string_view data) {
    const std::size_t cut = data.empty() ? 0 : std::min<std::size_t>(static_cast<unsigned char>(data[0]), data.size());
    const std::string_view asked = data.substr(0, cut), answer = data.substr(cut);
    Query query;
    // As the forwarder does: what it has asked was read before.
    if (parse_query(asked, query) == Verdict::query) (void)answers_the_question(answer, asked);
}

void try_resolv_conf(std::string_view text) {
    const auto servers = parse_resolv_conf(text, 53);
    fuzz::require(servers.size() <= 3, "too many nameservers");
    for (const Nameserver& one : servers)
        fuzz::require(one.length > 0 && one.length <= sizeof one.address && !one.text.empty(),
                      "a nameserver without an address");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text = fuzz::text_of(data + 1, size - 1);
    switch (data[0] % 3) {
    case 0: try_query(text); break;
    case 1: try_answer(text); break;
    case 2: try_resolv_conf(text); break;
    }
    return 0;
}
