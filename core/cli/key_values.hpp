// KEY=VALUE lists: variables, labels, sysctls, limits; and the files they come from.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::cli {

// Variables in Docker's order: files first, then -e. A name without "=" takes the value it has here, or is left out.
Result<std::vector<std::string>> read_environment(const std::vector<std::string>& files,
                                                  const std::vector<std::string>& given);
// Labels of files and of -l as an object; a key without "=" has the value "".
Result<Json> read_labels(const std::vector<std::string>& files, const std::vector<std::string>& given);
// {"a": "b"} of "a=b" words; `what` names the option in an error.
Result<Json> key_values(const std::vector<std::string>& given, std::string_view what);
// --ulimit name=soft[:hard]
Result<Json> parse_ulimit(std::string_view specification);
// --cpus "1.5" -> 1500000000
Result<std::int64_t> parse_cpus(std::string_view text);
// --restart no|always|unless-stopped|on-failure[:N]
Result<Json> parse_restart(std::string_view text);
// --add-host name:address or name=address -> "name:address"
Result<std::string> parse_extra_host(std::string_view text);
// --filter key=value ... -> the API's filters: {"key": ["value"]}, as text; "" without any.
Result<std::string> parse_filters(const std::vector<std::string>& given);

}  // namespace gantry::cli
