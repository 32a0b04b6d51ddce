// How the last word of a command line may go on.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/cli/client.hpp"

namespace gantry::cli {

// What a word is to be.
enum class WordKind {
    nothing = 1,
    container,
    running_container,
    container_path,  // CONTAINER: or a file
    image,
    network,
    volume,
    plugin,
    object,  // any of the five
    context,
    driver,
    file,
    choice,  // one of a few words
};

struct Candidate {
    std::string word, help;
};
struct Completion {
    std::vector<Candidate> candidates;
    bool files = false;  // the shell's own completion of files, too
};

// The names there are of a kind; choice and file have none.
using Names = std::function<std::vector<Candidate>(WordKind kind)>;

// `words`: what stands behind "gantry", the last one being typed and perhaps "". `names` is asked once at most.
Completion complete_words(const std::vector<std::string>& words, const Names& names);
// Names from the daemon and of contexts. Only what a shell takes for one plain word is given: the rest might be a command.
Names names_from(Client& client);

}  // namespace gantry::cli
