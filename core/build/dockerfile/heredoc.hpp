// Here-documents: "<<EOF" in a RUN, COPY or ADD and the lines that follow it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

namespace gantry::build::dockerfile {

struct Heredoc {
    std::string name;         // the word that ends it, without quotes
    bool expand = true;       // false: the word was quoted
    bool strip_tabs = false;  // "<<-"
    std::string content;      // as it stands in the file
    // `content` as COPY and a script see it: leading tabs gone after "<<-".
    std::string text() const;
};

// `word` as a here-document without its content; false where it is none.
bool heredoc_of(std::string_view word, char escape, Heredoc* heredoc);
// Those that a line begins, in their order. Quotes hide "<<" as they do for a shell.
std::vector<Heredoc> heredocs_of(std::string_view line, char escape);

}  // namespace gantry::build::dockerfile
