#include "core/build/dockerfile/reader.hpp"

#include "core/base/text.hpp"

#include "core/build/dockerfile/limits.hpp"
#include "core/build/dockerfile/words.hpp"

namespace gantry::build::dockerfile {
namespace {

bool is_comment(std::string_view line) { return trim(line).starts_with('#'); }

// Takes the escape character off a line that goes on with the next. An escaped escape character does not go on.
bool take_continuation(std::string_view* line, char escape) {
    std::size_t last = line->find_last_not_of(" \t");
    if (last == std::string_view::npos || (*line)[last] != escape) return false;
    if (last > 0 && (*line)[last - 1] == escape) return false;
    *line = line->substr(0, last);
    return true;
}

class Reader {
public:
    Reader(std::vector<std::string_view> lines, Document* document, Lines* at)
        : lines_(std::move(lines)), document_(*document), at_(*at) {}

    Result<void> read() {
        std::vector<std::string> comments;
        while (next_ < lines_.size()) {
            if (is_comment(line())) {
                comments.emplace_back(trim(trim(line()).substr(1)));
                ++next_;
            } else if (trim(line()).empty()) {
                comments.clear();
                ++next_;
            } else {
                GANTRY_CHECK(read_instruction(std::move(comments)));
                comments.clear();
            }
        }
        return {};
    }

private:
    std::string_view line() const {
        std::string_view line = lines_[next_];
        if (line.ends_with('\r')) line.remove_suffix(1);
        return line;
    }

    Result<void> read_instruction(std::vector<std::string> comments) {
        const char escape = document_.directives.escape;
        RawInstruction instruction;
        instruction.comments = std::move(comments);
        int first = static_cast<int>(next_) + 1;
        at_ = {first, first};
        std::string whole;
        bool begun = false;
        for (bool goes_on = true; goes_on && next_ < lines_.size(); ++next_) {
            std::string_view part = line();
            if (std::exchange(begun, true)) {
                if (is_comment(part)) continue;
                if (trim(part).empty()) {
                    instruction.empty_continuation = true;
                    continue;
                }
            } else {
                part.remove_prefix(std::min(part.find_first_not_of(" \t"), part.size()));
            }
            goes_on = take_continuation(&part, escape);
            whole += part;
            at_.last = static_cast<int>(next_) + 1;
            if (whole.size() > kMaxLine)
                return fail(Code::exhausted, "the instruction is longer than " + std::to_string(kMaxLine) + " bytes");
        }
        std::string_view text = trim(whole);
        std::size_t end = std::min(text.find_first_of(" \t"), text.size());
        instruction.written = text.substr(0, end);
        instruction.name = to_upper(instruction.written);
        instruction.rest = trim(text.substr(end));
        instruction.whole = text;
        const auto& known = instruction_names();
        if (std::find(known.begin(), known.end(), instruction.name) == known.end())
            return unknown_instruction(instruction.written);
        if (document_.instructions.size() == kMaxInstructions)
            return fail(Code::exhausted, "there are more than " + std::to_string(kMaxInstructions) + " instructions");
        GANTRY_CHECK(read_heredocs(&instruction));
        instruction.lines = at_;
        document_.instructions.push_back(std::move(instruction));
        return {};
    }

    Result<void> read_heredocs(RawInstruction* instruction) {
        std::string name = instruction->name;
        std::string_view rest = instruction->rest;
        if (name == "ONBUILD") {
            std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
            name = to_upper(rest.substr(0, end));
            rest = rest.substr(end);
        }
        if (name != "RUN" && name != "COPY" && name != "ADD") return {};
        take_flags(&rest, document_.directives.escape);
        if (json_words(rest)) return {};
        instruction->heredocs = heredocs_of(rest, document_.directives.escape);
        for (Heredoc& heredoc : instruction->heredocs) {
            bool found = false;
            while (!found && next_ < lines_.size()) {
                std::string_view raw = lines_[next_], end = line();
                ++next_;
                if (heredoc.strip_tabs) end.remove_prefix(std::min(end.find_first_not_of('\t'), end.size()));
                found = end == heredoc.name;
                // A script has no use for carriage returns, a file that is copied keeps them.
                if (!found)
                    heredoc.content.append(name == "RUN" && raw.ends_with('\r') ? raw.substr(0, raw.size() - 1)
                                                                                : raw) += '\n';
            }
            if (!found)
                return fail(Code::invalid,
                            "the here-document has no end: a line with nothing but " + quote_json(heredoc.name));
        }
        if (!instruction->heredocs.empty()) at_.last = static_cast<int>(next_);
        return {};
    }

    std::vector<std::string_view> lines_;
    std::size_t next_ = 0;
    Document& document_;
    Lines& at_;
};

}  // namespace

bool is_text(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        auto byte = static_cast<unsigned char>(text[i]);
        if (byte == 0) return false;
        if (byte < 0x80) {
            ++i;
            continue;
        }
        std::size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
        if (byte < 0xc2 || byte > 0xf4 || i + length > text.size()) return false;
        auto second = static_cast<unsigned char>(text[i + 1]);
        // Overlong forms, surrogates and what is above U+10FFFF.
        if ((byte == 0xe0 && second < 0xa0) || (byte == 0xed && second > 0x9f) || (byte == 0xf0 && second < 0x90) ||
            (byte == 0xf4 && second > 0x8f))
            return false;
        for (std::size_t k = 1; k < length; ++k)
            if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
        i += length;
    }
    return true;
}

const std::vector<std::string>& instruction_names() {
    static const std::vector<std::string> names = {"ADD",    "ARG",   "CMD",         "COPY",  "ENTRYPOINT", "ENV",
                                                   "EXPOSE", "FROM",  "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD",
                                                   "RUN",    "SHELL", "STOPSIGNAL",  "USER",  "VOLUME",     "WORKDIR"};
    return names;
}

Error unknown_instruction(std::string_view written) {
    std::string shown(written.substr(0, 40)), near = nearest(to_upper(shown), instruction_names());
    return fail(Code::invalid, "unknown instruction: " + shown +
                                   (near.empty() ? ", allowed are " + join(instruction_names(), " ")
                                                 : " (did you mean " + near + "?)"));
}

Result<Document> read_document(std::string_view text, Lines* at) {
    *at = {};
    if (text.size() > kMaxText)
        return fail(Code::exhausted, "the Dockerfile has " + std::to_string(text.size()) + " bytes, allowed are " +
                                         std::to_string(kMaxText));
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    std::vector<std::string_view> lines = split(text, '\n');
    if (lines.back().empty()) lines.pop_back();
    for (std::size_t i = 0; i < lines.size(); ++i)
        if (!is_text(lines[i])) {
            *at = {static_cast<int>(i) + 1, static_cast<int>(i) + 1};
            return fail(Code::invalid, lines[i].find('\0') == std::string_view::npos ? "the line is not UTF-8"
                                                                                     : "the line has a NUL byte");
        }
    Document document;
    int failed_line = 0;
    auto directives = parse_directives(lines, &failed_line);
    *at = {failed_line, failed_line};
    if (!directives) return std::move(directives).error();
    document.directives = std::move(*directives);
    GANTRY_CHECK(Reader(std::move(lines), &document, at).read());
    *at = {};
    if (document.instructions.empty())
        return fail(Code::invalid, "the Dockerfile has no instruction, needed is at least a FROM");
    return document;
}

}  // namespace gantry::build::dockerfile
