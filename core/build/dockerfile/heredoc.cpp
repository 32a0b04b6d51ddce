#include "core/build/dockerfile/heredoc.hpp"

#include "core/base/text.hpp"
#include "core/build/dockerfile/words.hpp"

namespace gantry::build::dockerfile {

std::string Heredoc::text() const {
    if (!strip_tabs) return content;
    std::string stripped;
    bool at_start = true;
    for (char c : content) {
        if (at_start && c == '\t') continue;
        at_start = c == '\n';
        stripped += c;
    }
    return stripped;
}

bool heredoc_of(std::string_view word, char escape, Heredoc* heredoc) {
    // A number before it is the descriptor it is given as; the shell sees to that.
    while (!word.empty() && word[0] >= '0' && word[0] <= '9') word.remove_prefix(1);
    if (!word.starts_with("<<")) return false;
    word.remove_prefix(2);
    heredoc->strip_tabs = word.starts_with('-');
    if (heredoc->strip_tabs) word.remove_prefix(1);
    if (word.empty() || word.find('<') != std::string_view::npos) return false;
    std::string name;
    char quote = 0;
    heredoc->expand = true;
    for (std::size_t i = 0; i < word.size(); ++i) {
        char c = word[i];
        if (quote ? c == quote : (c == '"' || c == '\'')) {
            quote = quote ? 0 : c;
            heredoc->expand = false;
        } else if (c == escape && quote != '\'' && i + 1 < word.size()) {
            name += word[++i];
            heredoc->expand = false;
        } else {
            name += c;
        }
    }
    if (quote || name.empty()) return false;
    heredoc->name = std::move(name);
    return true;
}

std::vector<Heredoc> heredocs_of(std::string_view line, char escape) {
    std::vector<Heredoc> heredocs;
    if (line.find("<<") == std::string_view::npos) return heredocs;
    for (const std::string& word : shell_words(line, escape))
        if (Heredoc heredoc; heredoc_of(word, escape, &heredoc)) heredocs.push_back(std::move(heredoc));
    return heredocs;
}

}  // namespace gantry::build::dockerfile
