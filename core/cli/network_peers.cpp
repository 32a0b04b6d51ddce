// gantry network peers: the other hosts of a network that has several.
#include "core/cli/format.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/rows.hpp"

namespace gantry::cli {

Result<int> network_peers(Call& call) {
    std::string format;
    Flags flags;
    flags.text(format, 0, "format",
               "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'");
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    GANTRY_TRY(Json network, call.client().get("/gantry/networks/" + path_escape((*args)[0]) + "/peers"));
    std::vector<Json> rows;
    for (const Json& peer : member(network, "peers")) {
        const Json& endpoints = member(peer, "endpoints");
        rows.push_back(Json{{"Host", text_at(peer, "host")},
                            {"Address", text_at(peer, "address")},
                            {"State", text_at(peer, "state")},
                            {"Endpoints", std::to_string(endpoints.size())},
                            {"__endpoints", endpoints}});
    }
    const Json& source = member(network, "source");
    if (!flag_at(source, "reachable"))
        print_error("warning: " + text_at(source, "source") + ": " + text_at(source, "message") +
                    "; this is what was known before");
    else if (const std::string message = text_at(source, "message"); !message.empty())
        print_error("note: " + message);
    ListShape shape{{"Host", "Address", "State", "Endpoints"},
                    {{"Host", "HOST"}, {"Address", "ADDRESS"}, {"State", "STATE"}, {"Endpoints", "ENDPOINTS"}}};
    GANTRY_TRY(std::string text, format_list(rows, shape, format));
    print_out(text);
    return 0;
}

}  // namespace gantry::cli
