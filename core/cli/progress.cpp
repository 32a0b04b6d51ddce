#include "core/cli/progress.hpp"

#include "core/base/files.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/printable.hpp"
#include "core/cli/terminal.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t line_limit = 16u << 20;

// "[=====>     ]  12.3MB/45MB"
std::string bar(const Json& detail) {
    double current = as_real(member(detail, "current")), total = as_real(member(detail, "total"));
    if (current <= 0 && total <= 0) return {};
    if (total <= 0) return human_size(current);
    constexpr int width = 50;
    int filled = static_cast<int>(std::min(1.0, current / total) * width);
    std::string text = "[" + std::string(static_cast<std::size_t>(filled), '=');
    if (filled < width) text += ">" + std::string(static_cast<std::size_t>(width - filled - 1), ' ');
    return text + "]  " + human_size(current) + "/" + human_size(total);
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
                id = printable(text_at(record, "id"), Breaks::escape), moving = bar(member(record, "progressDetail"));
    if (status.empty()) return {};
    if (target_ == Target::terminal && !id.empty()) {
        show_in_place(id, id + ": " + status + (moving.empty() ? "" : " " + moving));
        return {};
    }
    if (!moving.empty()) return {};
    write_((id.empty() ? "" : id + ": ") + status + "\n");
    return {};
}

void ProgressView::show_in_place(const std::string& id, const std::string& text) {
    auto [row, fresh] = rows_.try_emplace(id, rows_.size());
    if (fresh) {
        write_(text + "\n");
        return;
    }
    std::string up = std::to_string(rows_.size() - row->second);
    write_("\x1b[" + up + "A\x1b[2K\r" + text + "\x1b[" + up + "B\r");
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
    ProgressView view(is_terminal(to) ? ProgressView::Target::terminal : ProgressView::Target::lines,
                      [&](std::string_view text) {
                          if (verbosity == Verbosity::normal) (void)write_all(to, text);
                      });
    return for_each_record(answer, [&](const Json& record) { return view.show(record); });
}

}  // namespace gantry::cli
