#include "core/cli/handlers.hpp"
#include "core/cli/stream.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {

Result<int> logs(Call& call) {
    bool follow = false, timestamps = false, details = false;
    std::string tail = "all", since, until;
    Flags flags;
    flags.boolean(follow, 'f', "follow", "Follow log output");
    flags.boolean(timestamps, 't', "timestamps", "Show timestamps");
    flags.boolean(details, 0, "details", "Show extra details provided to logs");
    flags.text(tail, 'n', "tail", "Number of lines to show from the end of the logs");
    flags.text(since, 0, "since",
               "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)");
    flags.text(
        until, 0, "until",
        "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)");
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    std::vector<std::pair<std::string, std::string>> pairs{{"stdout", "1"}, {"stderr", "1"}, {"tail", tail}};
    if (follow) pairs.emplace_back("follow", "1");
    if (timestamps) pairs.emplace_back("timestamps", "1");
    if (details) pairs.emplace_back("details", "1");
    if (!since.empty()) pairs.emplace_back("since", api_timestamp(since));
    if (!until.empty()) pairs.emplace_back("until", api_timestamp(until));
    GANTRY_TRY(Connection answer,
               call.client().open("GET", "/containers/" + path_escape((*args)[0]) + "/logs" + query(pairs)));
    GANTRY_CHECK(copy_logs(answer));
    return 0;
}

}  // namespace gantry::cli
