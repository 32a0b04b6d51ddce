#include <algorithm>

#include "core/base/text.hpp"
#include "core/cli/command.hpp"
#include "core/cli/completion.hpp"
#include "core/cli/completion_slots.hpp"
#include "core/cli/help.hpp"

namespace gantry::cli {
namespace {

class Completer {
public:
    Completer(const std::vector<std::string>& words, const Names& names) : words_(words), names_(names) {}

    Completion run() {
        if (words_.empty()) return {};
        Globals globals;
        Flags flags;
        globals.declare(flags);
        flags_ = flags.describe();
        if (!walk(Options::until_argument)) return std::move(result_);
        if (at_last()) {
            if (is_option(last())) return options();
            fill_commands();
            return std::move(result_);
        }
        const std::string first = words_[at_++];
        const Command* command = is_group(first) ? in_group(first) : at_top(first);
        if (!command) return std::move(result_);
        describe(*command);
        arguments_ = 0;
        if (!walk(command->options)) return std::move(result_);
        if (is_option(last()) && !options_ended_) return options();
        fill(slot_of_argument(*command, arguments_), last());
        return std::move(result_);
    }

private:
    const std::string& last() const { return words_.back(); }
    bool at_last() const { return at_ + 1 == words_.size(); }
    static bool is_option(const std::string& word) { return word.starts_with('-'); }

    const Flags::Description* option(std::string_view name) const {
        for (const auto& flag : flags_)
            if (flag.name == name) return &flag;
        return nullptr;
    }
    // Of "-it": the last letter's, if that takes the next word as its value.
    const Flags::Description* letters(std::string_view text) const {
        for (std::size_t i = 0; i < text.size(); ++i)
            for (const auto& flag : flags_)
                if (flag.letter == text[i] && flag.takes_value) return i + 1 == text.size() ? &flag : nullptr;
        return nullptr;
    }

    // Goes over options and arguments before the last word. False: the last word is an option's value, and that is filled in.
    bool walk(Options where) {
        options_ended_ = false;
        while (!at_last()) {
            const std::string& word = words_[at_];
            if (options_ended_ || !is_option(word) || word == "-") {
                if (where == Options::until_argument && command_ == nullptr) return true;
                if (where == Options::until_argument) options_ended_ = true;
                ++arguments_;
                ++at_;
                continue;
            }
            ++at_;
            if (word == "--") {
                options_ended_ = true;
                continue;
            }
            const Flags::Description* flag =
                word.starts_with("--") ? (word.find('=') == std::string::npos ? option(word.substr(2)) : nullptr)
                                       : letters(word.substr(1));
            if (!flag || !flag->takes_value) continue;
            if (at_last()) {
                fill(slot_of_option(flag->name), last());
                return false;
            }
            ++at_;
        }
        const std::size_t equals = last().find('=');
        if (options_ended_ || !last().starts_with("--") || equals == std::string::npos) return true;
        const Flags::Description* flag = option(last().substr(2, equals - 2));
        if (flag && flag->takes_value)
            fill(slot_of_option(flag->name), last().substr(equals + 1), last().substr(0, equals + 1));
        return false;
    }

    void add(const std::string& word, const std::string& help) {
        if (!word.starts_with(last())) return;
        result_.candidates.push_back({word, help.substr(0, help.find('\n'))});
    }

    void fill(const Slot& slot, const std::string& typed, const std::string& before = {}) {
        result_.files = slot.kind == WordKind::file ||
                        (slot.kind == WordKind::container_path && typed.find(':') == std::string::npos) ||
                        (slot.kind == WordKind::volume && (typed.starts_with('/') || typed.starts_with('.')));
        if (slot.kind == WordKind::choice) {
            for (std::string_view word : split(slot.choices, '|')) add(before + std::string(word), "");
            return;
        }
        if (slot.kind == WordKind::nothing || slot.kind == WordKind::file) return;
        for (const Candidate& name : names_(slot.kind)) add(before + name.word, name.help);
    }

    Completion options() {
        for (const auto& flag : flags_) add("--" + flag.name, flag.help);
        add("--help", "Print usage");
        sort_candidates();
        return std::move(result_);
    }

    void sort_candidates() {
        std::sort(result_.candidates.begin(), result_.candidates.end(),
                  [](const Candidate& a, const Candidate& b) { return a.word < b.word; });
    }

    void fill_commands() {
        for (const Command& command : commands())
            if (*command.top && !is_hidden(command)) add(std::string(split(command.top, ',')[0]), command.summary);
        for (const std::string& group : group_names()) add(group, group_summary(group));
        add("help", "Help about a command");
        sort_candidates();
    }

    const Command* at_top(const std::string& word) {
        if (word == "help" && at_last()) {
            fill_commands();
            return nullptr;
        }
        for (const Command& command : commands())
            if (*command.top)
                for (std::string_view name : split(command.top, ','))
                    if (name == word) return &command;
        return nullptr;
    }
    const Command* in_group(const std::string& group) {
        if (at_last()) {
            for (const Command& command : commands())
                if (group == command.group && *command.name)
                    add(std::string(split(command.name, ',')[0]), command.summary);
            return nullptr;
        }
        const std::string& word = words_[at_++];
        for (const Command& command : commands())
            if (group == command.group && *command.name)
                for (std::string_view name : split(command.name, ','))
                    if (name == word) return &command;
        return nullptr;
    }

    // The command's own options: its handler declares them, and does nothing more.
    void describe(const Command& command) {
        command_ = &command;
        flags_.clear();
        Client nobody(Choice{fail(Code::internal, "an option is described, not carried out")});
        Call call(command, {}, nobody);
        call.describe_to(flags_);
        (void)command.handler(call);
    }

    const std::vector<std::string>& words_;
    const Names& names_;
    std::vector<Flags::Description> flags_;
    const Command* command_ = nullptr;
    std::size_t at_ = 0, arguments_ = 0;
    bool options_ended_ = false;
    Completion result_;
};

}  // namespace

Completion complete_words(const std::vector<std::string>& words, const Names& names) {
    return Completer(words, names).run();
}

}  // namespace gantry::cli
