// The daemon's JSON-lines progress (pull, load, import, bootstrap) as text.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/cli/client.hpp"
#include "core/cli/terminal.hpp"

namespace gantry::cli {

// Shows records: on a terminal lines with an id are rewritten in place, as wide as it is and as far up as it shows; elsewhere
// each record is a line and moving bars are left out.
class ProgressView {
public:
    enum class Target { lines = 1, terminal };
    using Size = std::function<TerminalSize()>;
    ProgressView(
        Target target, std::function<void(std::string_view)> write,
        Size size =
            [] {
                return TerminalSize{80, 24};
            })
        : target_(target), write_(std::move(write)), size_(std::move(size)) {}
    // GANTRY_INTERNAL: the record is an error; the text is the daemon's.
    Result<void> show(const Json& record);

private:
    void show_in_place(const std::string& id, const std::string& text);

    Target target_;
    std::function<void(std::string_view)> write_;
    Size size_;
    struct Row {
        std::size_t number = 0;
        std::string shown;
    };
    std::map<std::string, Row> rows_;
    std::size_t next_row_ = 0;  // the one the cursor is in
};

// Hands each line of a long answer, read as JSON, to `each`. GANTRY_CORRUPT: a line is not JSON.
Result<void> for_each_record(Connection& answer, const std::function<Result<void>(const Json&)>& each);
// Shows a long answer on descriptor `to` until its end.
enum class Verbosity { quiet = 1, normal };
Result<void> show_progress(Connection& answer, int to, Verbosity verbosity = Verbosity::normal);

}  // namespace gantry::cli
