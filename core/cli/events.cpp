#include <ctime>

#include "core/cli/format.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/key_values.hpp"
#include "core/cli/progress.hpp"
#include "core/cli/template.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {
namespace {

// 2026-01-02T03:04:05.123456789+01:00, local
std::string event_time(std::int64_t ns) {
    std::time_t seconds = ns / 1000000000;
    std::tm parts{};
    ::localtime_r(&seconds, &parts);
    char date[32], zone[16], text[80];
    std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    std::strftime(zone, sizeof zone, "%z", &parts);
    std::string offset = zone;
    if (offset.size() == 5) offset.insert(3, ":");
    std::snprintf(text, sizeof text, "%s.%09lld%s", date, static_cast<long long>(ns % 1000000000), offset.c_str());
    return text;
}

std::string event_line(const Json& event) {
    std::int64_t ns = number_at(event, "timeNano");
    if (ns == 0) ns = number_at(event, "time") * 1000000000;
    std::string text = event_time(ns) + " " + text_at(event, "Type") + " " + text_at(event, "Action") + " " +
                       text_at(event, "Actor", "ID"),
                attributes;
    const Json& known = member(event, "Actor", "Attributes");
    if (known.is_object())
        for (const auto& [key, value] : known.items())
            attributes += (attributes.empty() ? "" : ", ") + key + "=" + as_text(value);
    return text + (attributes.empty() ? "" : " (" + attributes + ")") + "\n";
}

}  // namespace

Result<int> events(Call& call) {
    std::string since, until, format;
    std::vector<std::string> filters;
    Flags flags;
    flags.text(since, 0, "since", "Show all events created since timestamp");
    flags.text(until, 0, "until", "Stream events until this timestamp");
    flags.text(format, 0, "format", "Format output using a custom template: 'json' or 'TEMPLATE'");
    flags.list(filters, 'f', "filter", "Filter output based on conditions provided", "filter");
    auto args = call.parse(flags, exactly(0));
    if (!args) return call.exit_code();
    std::vector<std::pair<std::string, std::string>> pairs;
    if (!since.empty()) pairs.emplace_back("since", api_timestamp(since));
    if (!until.empty()) pairs.emplace_back("until", api_timestamp(until));
    GANTRY_TRY(std::string wanted, parse_filters(filters));
    if (!wanted.empty()) pairs.emplace_back("filters", wanted);
    GANTRY_TRY(Template shape, Template::parse(format == "json" ? "{{json .}}" : format));
    GANTRY_TRY(Connection answer, call.client().open("GET", "/events" + query(pairs)));
    GANTRY_CHECK(for_each_record(answer, [&](const Json& event) -> Result<void> {
        if (format.empty()) {
            print_out(event_line(event));
            return {};
        }
        GANTRY_TRY(std::string line, shape.execute(event));
        print_out(line + "\n");
        return {};
    }));
    return 0;
}

}  // namespace gantry::cli
