// COPY and ADD: from where, what, to where.
#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"

#include "core/build/dockerfile/remote.hpp"
#include "core/build/dockerfile/stage_planner.hpp"

namespace gantry::build::dockerfile {
namespace {

bool is_directory(std::string_view destination) {
    return destination.ends_with('/') || destination == "." || destination == ".." || destination.ends_with("/.") ||
           destination.ends_with("/..");
}

bool has_pattern(std::string_view path) { return path.find_first_of("*?[") != std::string_view::npos; }

bool is_octal_mode(std::string_view text) {
    return !text.empty() && text.size() <= 5 && text.find_first_not_of("01234567") == std::string_view::npos &&
           (text.size() < 5 || text[0] == '0');
}

// "u=rwX,go=rX" as chmod has it.
bool is_symbolic_mode(std::string_view text) {
    for (std::string_view clause : split(text, ',')) {
        std::size_t at = std::min(clause.find_first_not_of("ugoa"), clause.size());
        if (at == clause.size()) return false;
        while (at < clause.size()) {
            if (std::string_view("+-=").find(clause[at]) == std::string_view::npos) return false;
            ++at;
            std::size_t copied = std::min(clause.find_first_not_of("ugo", at), clause.size());
            at = copied > at ? copied : std::min(clause.find_first_not_of("rwxXst", at), clause.size());
        }
    }
    return true;
}

bool is_owner(std::string_view text) {
    std::size_t colon = text.find(':');
    return colon != 0 && std::count(text.begin(), text.end(), ':') <= 1 && text.size() <= 256 &&
           std::none_of(text.begin(), text.end(),
                        [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == '/'; });
}

bool is_hex(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// What of a context a source needs. "**" goes deeper than the patterns that a context is asked with.
std::string needed_path(std::string_view source) {
    std::size_t deep = source.find("**");
    if (deep == std::string_view::npos) return std::string(source);
    std::size_t slash = source.substr(0, deep).rfind('/');
    return slash == std::string_view::npos ? "" : std::string(source.substr(0, slash));
}

// With --parents what stands before "/./" is left out of the destination, so that mark is kept.
std::string source_in_tree(const std::string& written, bool parents) {
    std::size_t pivot = parents ? written.find("/./") : std::string::npos;
    if (pivot == std::string::npos || clean_relative(written.substr(pivot + 3)).empty()) return clean_relative(written);
    std::string before = clean_relative(written.substr(0, pivot)), after = clean_relative(written.substr(pivot + 3));
    return before.empty() ? after : before + "/./" + after;
}

}  // namespace

Result<Copy> StagePlanner::expanded(const Copy& copy) {
    Copy done = copy;
    for (std::string* text : {&done.chown, &done.chmod, &done.checksum, &done.destination}) {
        GANTRY_TRY(*text, word(*text));
    }
    for (std::string& source : done.sources) {
        GANTRY_TRY(source, word(source));
        if (source.empty())
            return fail(Code::invalid, instruction_->name + ": a source is empty once its variables are put in");
    }
    GANTRY_TRY(done.exclude, words(copy.exclude));
    for (Heredoc& document : done.documents) {
        document.content = document.text();
        if (document.expand) {
            GANTRY_TRY(document.content, word(document.content, true));
        }
    }
    const std::string& name = instruction_->name;
    if (!copy.chmod.empty() && !is_octal_mode(done.chmod) && !is_symbolic_mode(done.chmod))
        return fail(Code::invalid, name + " --chmod: found " + quote_json(done.chmod.substr(0, 100)) +
                                       ", allowed is an octal number up to 07777 or u=rwX,go=rX");
    if (!copy.chown.empty() && (done.chown.empty() || !is_owner(done.chown)))
        return fail(Code::invalid,
                    name + " --chown: found " + quote_json(done.chown.substr(0, 100)) + ", allowed is user[:group]");
    if (done.destination.empty())
        return fail(Code::invalid, name + ": the destination is empty once its variables are put in");
    bool directory = is_directory(done.destination);
    if (done.sources.size() + done.documents.size() > 1 && !directory)
        return fail(Code::invalid, name + " of more than one source: found the destination " +
                                       quote_json(done.destination.substr(0, 200)) +
                                       ", needed is a directory, which ends with \"/\"");
    done.destination = path_in_workdir(done.destination);
    if (directory && done.destination != "/") done.destination += "/";
    auto malformed = IgnoreMatcher::parse(done.exclude);
    if (!malformed) return std::move(malformed).error().context(name + " --exclude");
    return done;
}

CopyAction StagePlanner::action_of(const Copy& copy) const {
    CopyAction action;
    action.destination = copy.destination;
    action.owner.text = copy.chown;
    action.mode = copy.chmod;
    action.link = copy.link;
    action.exclude = copy.exclude;
    // A pattern may match nothing; a name must be there.
    action.allow_nothing = true;
    return action;
}

Result<void> StagePlanner::add_paths(const Copy& copy, FileChange* change) {
    CopyAction action = action_of(copy);
    action.parents = copy.parents;
    action.unpack = copy.add && copy.unpack.value_or(true);
    Origin origin{Origin::Kind::files, 0, "context", ""};
    if (!copy.from.empty()) {
        GANTRY_TRY(origin, find_origin(planner_.stages(), index_, copy.from, planner_.options));
    }
    std::vector<std::string> paths;
    for (const std::string& source : copy.sources) {
        GANTRY_TRY(auto remote, parse_remote(source));
        if (remote && !copy.add)
            return fail(Code::invalid, "COPY: found the URL " + quote_json(without_credentials(source.substr(0, 200))) +
                                           ", allowed are paths; ADD takes URLs");
        if (remote) continue;
        std::string path = source_in_tree(source, copy.parents), whole = clean_relative(source);
        if (has_pattern(whole)) {
            auto matched = match_path(whole, "");
            if (!matched) return std::move(matched).error().context(instruction_->name);
        }
        if (copy.from.empty()) planner_.warn_if_ignored(whole, *instruction_);
        paths.push_back(needed_path(whole));
        action.sources.push_back(path.empty() ? "." : path);
    }
    if (action.sources.empty()) return {};
    GANTRY_TRY(action.from, planner_.tree_of(origin, paths, planner_.options.platform));
    if (!action.from) return fail(Code::invalid, "COPY --from=" + copy.from + ": there is nothing in it to copy");
    change->actions.emplace_back(std::move(action));
    return {};
}

Result<void> StagePlanner::add_remotes(const Copy& copy, FileChange* change) {
    bool has_git = false, has_remote = false;
    for (const std::string& source : copy.sources) {
        GANTRY_TRY(auto remote, parse_remote(source));
        if (!remote) continue;
        has_remote = true;
        CopyAction action = action_of(copy);
        action.allow_nothing = false;
        std::string name = "ADD " + without_credentials(source);
        if (auto* git = std::get_if<GitSource>(&*remote)) {
            has_git = true;
            git->keep_git_dir = copy.keep_git_dir.value_or(false);
            git->checksum = copy.checksum;
            if (!copy.checksum.empty() &&
                (!is_hex(copy.checksum) || copy.checksum.size() < 7 || copy.checksum.size() > 64))
                return fail(Code::invalid, "ADD --checksum: found " + quote_json(copy.checksum.substr(0, 100)) +
                                               ", allowed for git is a commit: 7 to 64 digits of 0-9 and a-f");
            GANTRY_TRY(action.from, planner_.add({*git, name, stage_.label(index_), instruction_->lines, ignore_cache_,
                                                  state_.platform}));
            action.sources = {"."};
        } else {
            auto& file = std::get<HttpSource>(*remote);
            file.checksum = copy.checksum;
            if (!copy.checksum.empty() && !(copy.checksum.size() == 71 && copy.checksum.starts_with("sha256:") &&
                                            is_hex(copy.checksum.substr(7))))
                return fail(Code::invalid, "ADD --checksum: found " + quote_json(copy.checksum.substr(0, 100)) +
                                               ", allowed is sha256: and 64 digits of 0-9 and a-f");
            if (file.file_name.empty()) {
                if (copy.destination.ends_with('/'))
                    return fail(Code::invalid, "ADD: found no name of a file in " +
                                                   quote_json(without_credentials(source.substr(0, 200))) +
                                                   ", needed is a destination that names one");
                file.file_name = "download";
            }
            action.unpack = copy.unpack.value_or(false);
            action.sources = {file.file_name};
            GANTRY_TRY(action.from, planner_.add({file, name, stage_.label(index_), instruction_->lines, ignore_cache_,
                                                  state_.platform}));
        }
        change->actions.emplace_back(std::move(action));
    }
    if (!copy.checksum.empty() && (!has_remote || copy.sources.size() + copy.documents.size() > 1))
        return fail(Code::invalid, "ADD --checksum: allowed with one source, a URL or a git repository");
    if (copy.keep_git_dir && !has_git) return fail(Code::invalid, "ADD --keep-git-dir: allowed with a git repository");
    return {};
}

Result<void> StagePlanner::add_documents(const Copy& copy, FileChange* change) {
    if (copy.documents.empty()) return {};
    CopyAction action = action_of(copy);
    for (const Heredoc& document : copy.documents) action.inline_files.push_back({document.name, document.content});
    change->actions.emplace_back(std::move(action));
    return {};
}

Result<void> StagePlanner::apply(const Copy& written) {
    GANTRY_TRY(Copy copy, expanded(written));
    FileChange change{state_.result, {}};
    GANTRY_CHECK(add_paths(copy, &change));
    GANTRY_CHECK(add_remotes(copy, &change));
    GANTRY_CHECK(add_documents(copy, &change));
    std::string text = instruction_->name;
    if (!copy.from.empty()) text += " --from=" + copy.from;
    if (copy.parents) text += " --parents";
    if (copy.link) text += " --link";
    if (!copy.chown.empty()) text += " --chown=" + copy.chown;
    if (!copy.chmod.empty()) text += " --chmod=" + copy.chmod;
    for (const std::string& pattern : copy.exclude) text += " --exclude=" + pattern;
    for (const std::string& source : copy.sources) text += " " + without_credentials(source);
    for (const Heredoc& document : copy.documents) text += " <<" + document.name;
    // As it was written: relative to the WORKDIR, which the history has too.
    GANTRY_TRY(std::string destination, word(written.destination));
    text += " " + destination;
    GANTRY_CHECK(add_layer(std::move(change), step_name(text)));
    return add_history(text, false);
}

}  // namespace gantry::build::dockerfile
