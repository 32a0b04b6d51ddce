#include "core/cli/build/report.hpp"

#include "core/base/text.hpp"
#include "core/cli/build/output_text.hpp"

namespace gantry::cli {
namespace {

constexpr std::int64_t lines_around = 2, lines_at_most = 20;
constexpr std::string_view rule = "--------------------\n";

}  // namespace

std::string excerpt(std::string_view dockerfile, std::string_view name, std::int64_t first, std::int64_t last) {
    const std::vector<std::string_view> lines = split(dockerfile, '\n');
    auto count = static_cast<std::int64_t>(lines.size());
    if (count > 1 && lines.back().empty()) --count;
    if (dockerfile.empty() || first < 1 || first > count) return {};
    last = std::clamp(last, first, std::min(count, first + lines_at_most));
    std::string text = without_escapes(name) + ":" + std::to_string(first) + "\n" + std::string(rule);
    for (std::int64_t i = std::max<std::int64_t>(1, first - lines_around); i <= std::min(count, last + lines_around);
         ++i) {
        std::string number = std::to_string(i);
        std::string_view line = lines[static_cast<std::size_t>(i - 1)];
        while (line.ends_with('\r')) line.remove_suffix(1);
        text += std::string(number.size() < 4 ? 4 - number.size() : 0, ' ') + number + " | " +
                (i >= first && i <= last ? ">>> " : "    ") + without_escapes(line) + "\n";
        // One line: where it begins.
        if (i == first && i == last)
            text += "     |     " + std::string(std::min(line.find_first_not_of(" \t"), line.size()), ' ') + "^\n";
    }
    return text + std::string(rule);
}

std::string warnings_report(const std::vector<BuildWarning>& warnings, std::string_view dockerfile,
                            std::string_view name) {
    std::string text;
    for (const BuildWarning& warning : warnings) {
        text += "\nWARNING: " + (warning.rule.empty() ? std::string() : warning.rule + ": ") + warning.message + "\n";
        text += excerpt(dockerfile, name, warning.first, warning.last);
    }
    return text;
}

std::string error_report(const BuildError& error, std::string_view dockerfile, std::string_view name) {
    std::string text;
    if (error.step && !error.step->output.last().empty()) {
        text += "------\n > " + error.step->name + ":\n";
        const auto& last = error.step->output.last();
        for (std::size_t i = last.size() > 12 ? last.size() - 12 : 0; i < last.size(); ++i) text += last[i] + "\n";
        text += "------\n";
    }
    return text + excerpt(dockerfile, name, error.first, error.last);
}

}  // namespace gantry::cli
