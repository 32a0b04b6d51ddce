#include "core/cli/completion.hpp"

#include <signal.h>
#include <unistd.h>

#include "core/base/text.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/printable.hpp"

namespace gantry::cli {
namespace {

// Each asks `gantry __complete WORD...`, which prints a candidate a line, with its help behind a tab, and ":files" where the
// shell's own completion of files belongs there too. Only the shell's way to ask and to show is here.
constexpr const char* for_bash = R"script(# bash completion for gantry
_gantry() {
    # Bash takes words apart at ":" and "=", too: here they are one word where no blank is between.
    local rest=${COMP_LINE:0:COMP_POINT} word i
    local -a words=() lines=() files=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $i == 0 || $rest == [[:space:]]* ]]; then
            rest=${rest#"${rest%%[![:space:]]*}"}
            words+=("")
        fi
        [[ $i != "$COMP_CWORD" ]] || word=$rest
        words[${#words[@]} - 1]+=$word
        rest=${rest#"$word"}
    done
    local cur=${words[${#words[@]} - 1]} before="" sign
    for sign in : =; do
        if [[ $COMP_WORDBREAKS == *"$sign"* && $cur == *"$sign"* ]]; then
            word=${cur%"${cur##*"$sign"}"}
            ((${#word} <= ${#before})) || before=$word
        fi
    done
    COMPREPLY=()
    mapfile -t lines < <(command gantry __complete -- "${words[@]:1}" 2>/dev/null)
    for word in "${lines[@]}"; do
        if [[ $word == :files ]]; then
            mapfile -t files < <(compgen -f -- "${cur#"$before"}")
            continue
        fi
        word=${word%%$'\t'*}
        COMPREPLY+=("${word#"$before"}")
    done
    # As names of files all words are quoted, the colon behind a container too.
    ((${#COMPREPLY[@]} || ! ${#files[@]})) || compopt -o filenames
    COMPREPLY+=("${files[@]}")
    [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *[:=] ]] || compopt -o nospace
}
complete -F _gantry gantry
)script";

constexpr const char* for_zsh = R"script(#compdef gantry
# zsh completion for gantry
_gantry() {
    local -a answer candidates open
    local line files word
    answer=("${(@f)$(command gantry __complete -- "${(@Q)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}")
    for line in "${answer[@]}"; do
        [[ -n $line ]] || continue
        if [[ $line == :files ]]; then
            files=yes
            continue
        fi
        word=${line%%$'\t'*}
        if [[ $word == *: ]]; then
            open+=("$word")
        else
            candidates+=("${word//:/\\:}:${line#*$'\t'}")
        fi
    done
    (( ! $#candidates )) || _describe -V gantry candidates
    (( ! $#open )) || compadd -S '' -- "${open[@]}"
    [[ -z $files ]] || _files
}
if [[ ${funcstack[1]} == _gantry ]]; then
    _gantry "$@"
else
    compdef _gantry gantry
fi
)script";

constexpr const char* for_fish = R"script(# fish completion for gantry
function __gantry_complete
    set -l words (commandline -opc)
    set -e words[1]
    set -l current (commandline -ct)
    for line in (command gantry __complete -- $words $current 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path $current
        else
            echo $line
        end
    end
end
complete -c gantry -f -a '(__gantry_complete)'
)script";

}  // namespace

Result<int> completion(Call& call) {
    Flags flags;
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    for (const auto& [shell, script] : {std::pair{"bash", for_bash}, {"zsh", for_zsh}, {"fish", for_fish}})
        if ((*args)[0] == shell) {
            // As it is: a script's tabs are its own.
            print_control(1, script);
            return 0;
        }
    return fail(Code::invalid, "shell " + quote_json((*args)[0]) + " is unknown: want bash, zsh or fish");
}

Result<int> complete(Call& call) {
    Flags flags;
    auto args = call.parse(flags, at_least(0));
    if (!args) return call.exit_code();
    // The engine that the words before the command name.
    Globals globals;
    Flags before;
    globals.declare(before);
    (void)before.parse(*args, Options::until_argument);
    Client client(choose(globals.choice, ContextStore()));
    client.never_start();
    // Who presses a key does not wait for an engine that is not there.
    struct sigaction quiet {};
    quiet.sa_handler = [](int) { ::_exit(0); };
    ::sigaction(SIGALRM, &quiet, nullptr);
    ::alarm(3);
    const Completion found = complete_words(*args, names_from(client));
    std::string text;
    for (const Candidate& candidate : found.candidates) {
        text += candidate.word;
        if (!candidate.help.empty()) text += "\t" + printable(candidate.help, Breaks::escape);
        text += "\n";
    }
    if (found.files) text += ":files\n";
    print_control(1, text);
    return 0;
}

}  // namespace gantry::cli
