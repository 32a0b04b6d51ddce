#include <algorithm>
#include <map>
#include <vector>

#include "core/cli/build/views.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t output_lines = 6, bytes_lines = 10;
constexpr std::int64_t redraw_ns = 80'000'000;

constexpr const char *blue = "\x1b[34m", *red = "\x1b[31m", *yellow = "\x1b[33m", *plain = "\x1b[0m";

class TerminalView final : public BuildView {
public:
    TerminalView(WriteText write, std::function<TerminalSize()> size, std::function<std::int64_t()> clock, bool colours)
        : write_(std::move(write)),
          size_(std::move(size)),
          clock_(std::move(clock)),
          colours_(colours),
          began_ns_(clock_()) {}
    ~TerminalView() override {
        if (!drawn_.empty()) write_("\x1b[?25h");
    }

    void step(StepState& step) override {
        steps_[step.number] = &step;
        draw();
    }
    void line(StepState& step, const std::string&) override {
        steps_[step.number] = &step;
        draw();
    }
    void bytes(StepState& step, StepState::Bytes&) override {
        steps_[step.number] = &step;
        draw();
    }
    void tick() override { draw(); }
    void end(bool success) override {
        over_ = true;
        success_ = success;
        drawn_ns_ = 0;
        draw();
        write_("\x1b[?25h");
        drawn_.clear();
    }

private:
    struct Line {
        std::string text, right;
        const char* colour = nullptr;
    };

    static const char* colour_of(const StepState& step) {
        switch (step.phase) {
        case StepState::Phase::failed: return red;
        case StepState::Phase::canceled: return yellow;
        case StepState::Phase::running: return nullptr;
        default: return blue;
        }
    }

    void add_step(std::vector<Line>& lines, const StepState& step) const {
        const char* word = step.phase == StepState::Phase::cached     ? "CACHED "
                           : step.phase == StepState::Phase::failed   ? "ERROR "
                           : step.phase == StepState::Phase::canceled ? "CANCELED "
                                                                      : "";
        const double running = static_cast<double>(clock_() - step.started_ns) / 1e9;
        lines.push_back({std::string(" => ") + word + step.name, step_seconds(step.ended() ? step.seconds : running),
                         colour_of(step)});
        if (step.ended()) return;
        // The newest of many: what moves is what was heard of last.
        const std::size_t skipped = step.bytes.size() > bytes_lines ? step.bytes.size() - bytes_lines : 0;
        for (std::size_t i = skipped; i < step.bytes.size(); ++i) {
            const StepState::Bytes& bytes = step.bytes[i];
            lines.push_back({" => => " + bytes.what + " " + human_size(bytes.current) +
                                 (bytes.total > 0 ? " / " + human_size(bytes.total) : ""),
                             step_seconds(static_cast<double>(clock_() - bytes.since_ns) / 1e9), nullptr});
        }
        std::vector<std::string> last(step.output.last().begin(), step.output.last().end());
        if (std::string open = step.output.open_line(); !open.empty()) last.push_back(open);
        for (std::size_t i = last.size() > output_lines ? last.size() - output_lines : 0; i < last.size(); ++i)
            lines.push_back({" => => # " + last[i], "", nullptr});
    }

    // The list, as much of it as fits: what is over and long past goes first.
    std::vector<std::string> lines(TerminalSize size) const {
        std::size_t done = 0;
        for (const auto& [number, step] : steps_) done += step->ended() ? 1u : 0u;
        std::vector<std::vector<Line>> groups;
        std::size_t count = 1;
        for (const auto& [number, step] : steps_) {
            groups.emplace_back();
            add_step(groups.back(), *step);
            count += groups.back().size();
        }
        const std::size_t rows = std::max<std::size_t>(size.rows, 4) - 1;
        for (auto& group : groups) {
            if (count <= rows) break;
            if (group.size() != 1 || group[0].colour != blue) continue;
            group.clear();
            --count;
        }
        for (auto& group : groups)
            while (count > rows && group.size() > 1) {
                group.pop_back();
                --count;
            }
        const std::string elapsed = step_seconds(static_cast<double>(clock_() - began_ns_) / 1e9);
        Line head{"[+] Building " + elapsed + " (" + std::to_string(done) + "/" + std::to_string(steps_.size()) + ")" +
                      (over_ && success_ ? " FINISHED" : ""),
                  "", over_ && success_ ? blue : nullptr};
        const std::size_t columns = std::max<std::size_t>(size.columns, 20) - 1;
        std::vector<std::string> out{laid_out(head, columns)};
        for (const auto& group : groups)
            for (const Line& line : group)
                if (out.size() < rows) out.push_back(laid_out(line, columns));
        return out;
    }

    std::string laid_out(const Line& line, std::size_t columns) const {
        std::string text =
            fit_columns(line.text, columns > line.right.size() + 1 ? columns - line.right.size() - 1 : 1);
        if (!line.right.empty()) {
            std::size_t width = display_width(text) + line.right.size();
            text += std::string(columns > width ? columns - width : 1, ' ') + line.right;
        }
        return line.colour && colours_ ? line.colour + text + plain : text;
    }

    // Only what differs is written; the cursor stands below the list in between.
    void draw() {
        const std::int64_t now = clock_();
        if (drawn_ns_ != 0 && now - drawn_ns_ < redraw_ns) return;
        drawn_ns_ = now;
        std::vector<std::string> next = lines(size_());
        if (next == drawn_) return;
        std::string out = drawn_.empty() ? "\x1b[?25l" : "\x1b[" + std::to_string(drawn_.size()) + "A";
        for (std::size_t i = 0; i < next.size(); ++i) {
            if (i < drawn_.size() && drawn_[i] == next[i])
                out += "\n";
            else
                out += "\r\x1b[2K" + next[i] + "\n";
        }
        // The list has become shorter.
        if (next.size() < drawn_.size()) out += "\x1b[J";
        drawn_ = std::move(next);
        write_(out);
    }

    WriteText write_;
    std::function<TerminalSize()> size_;
    std::function<std::int64_t()> clock_;
    bool colours_;
    std::int64_t began_ns_, drawn_ns_ = 0;
    std::map<std::size_t, const StepState*> steps_;
    std::vector<std::string> drawn_;
    bool over_ = false, success_ = false;
};

}  // namespace

std::unique_ptr<BuildView> make_terminal_view(WriteText write, std::function<TerminalSize()> size,
                                              std::function<std::int64_t()> clock, bool colours) {
    return std::make_unique<TerminalView>(std::move(write), std::move(size), std::move(clock), colours);
}

}  // namespace gantry::cli
