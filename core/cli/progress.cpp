#include "core/cli/progress.hpp"

#include "core/base/files.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/printable.hpp"
#include "core/cli/terminal.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t line_limit = 16u << 20;

// "[=====>     ]  12.3MB/45MB", in `columns`; without room for the bar the numbers alone.
std::string bar(const Json& detail, std::size_t columns) {
    double current = as_real(member(detail, "current")), total = as_real(member(detail, "total"));
    if (current <= 0 && total <= 0) return {};
    if (total <= 0) return human_size(current);
    const std::string numbers = human_size(current) + "/" + human_size(total);
    const int width =
        static_cast<int>(std::min<std::size_t>(50, columns > numbers.size() + 4 ? columns - numbers.size() - 4 : 0));
    if (width < 10) return numbers;
    int filled = static_cast<int>(std::min(1.0, current / total) * width);
    std::string text = "[" + std::string(static_cast<std::size_t>(filled), '=');
    if (filled < width) text += ">" + std::string(static_cast<std::size_t>(width - filled - 1), ' ');
    return text + "]  " + numbers;
}

}  // namespace

Result<void> ProgressView::show(const Json& record) {
    std::string error = text_at(record, "errorDetail", "message");
    if (error.empty()) error = text_at(record, "error");
    if (!error.empty()) return fail(Code::internal, error);
    if (std::string stream = text_at(record, "stream"); !stream.empty()) {
        write_(printable(stream.ends_with("\n") ? stream : stream + "\n"));
        return {};
    }
    std::string status = printable(text_at(record, "status"), Breaks::escape),
                id = printable(text_at(record, "id"), Breaks::escape);
    if (status.empty()) return {};
    const std::size_t columns = std::max<std::size_t>(size_().columns, 20), taken = id.size() + status.size() + 4;
    std::string moving = bar(member(record, "progressDetail"), columns > taken ? columns - taken : 0);
    if (target_ == Target::terminal && !id.empty()) {
        show_in_place(id, id + ": " + status + (moving.empty() ? "" : " " + moving));
        return {};
    }
    if (!moving.empty()) return {};
    ++next_row_;
    write_((id.empty() ? "" : id + ": ") + status + "\n");
    return {};
}

void ProgressView::show_in_place(const std::string& id, const std::string& text) {
    // One row each: a longer line would break and put every row below it out of place.
    const TerminalSize size = size_();
    std::string line = shorten(text, std::max<std::size_t>(size.columns, 20) - 1);
    auto [found, fresh] = rows_.try_emplace(id, Row{next_row_, line});
    Row& row = found->second;
    if (fresh) {
        ++next_row_;
        write_(line + "\n");
        return;
    }
    const std::size_t up = next_row_ - row.number;
    // What has left the screen upwards cannot be reached; what looks the same is not drawn.
    if (up >= std::max<std::size_t>(size.rows, 2) || row.shown == line) return;
    row.shown = line;
    const std::string lines = std::to_string(up);
    write_("\x1b[" + lines + "A\x1b[2K\r" + line + "\x1b[" + lines + "B\r");
}

Result<void> for_each_record(Connection& answer, const std::function<Result<void>(const Json&)>& each) {
    std::string rest;
    for (;;) {
        GANTRY_TRY(std::string piece, answer.receive_some());
        bool end = piece.empty();
        rest += end ? "\n" : piece;
        std::size_t from = 0, at = 0;
        while ((at = rest.find('\n', from)) != std::string::npos) {
            std::string_view line(rest.data() + from, at - from);
            from = at + 1;
            if (line.find_first_not_of(" \r\t") == std::string_view::npos) continue;
            Json record = parse_json(line);
            if (record.is_discarded()) return fail(Code::corrupt, "a line of the daemon's answer is not JSON");
            GANTRY_CHECK(each(record));
        }
        rest.erase(0, from);
        if (end) return {};
        if (rest.size() > line_limit) return fail(Code::corrupt, "a line of the daemon's answer is longer than 16 MiB");
    }
}

Result<void> show_progress(Connection& answer, int to, Verbosity verbosity) {
    ProgressView view(
        can_draw(to) ? ProgressView::Target::terminal : ProgressView::Target::lines,
        [&](std::string_view text) {
            if (verbosity == Verbosity::normal) (void)write_all(to, text);
        },
        [] {
            return terminal_size().value_or(TerminalSize{80, 24});
        });
    return for_each_record(answer, [&](const Json& record) { return view.show(record); });
}

}  // namespace gantry::cli
