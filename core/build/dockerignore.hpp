// Patterns over paths as Docker has them: those of `.dockerignore` (moby's patternmatcher) and Go's filepath.Match, which
// COPY's sources use. No file is touched here. Both the client, which leaves out what is ignored while it walks, and
// the engine link this. Thread-safe: nothing changes after parse().
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

namespace gantry::build {

// The patterns in the text of a `.dockerignore`, in their order: without comments, blank lines and a byte order mark,
// each cleaned and relative to the context's root ("/a/../b/" is "b"), "!" kept in front.
std::vector<std::string> read_dockerignore(std::string_view text);

// Go's filepath.Clean: "a//./b/.." is "a"; "" and "./" are "."; "/.." is "/".
std::string clean_path(std::string_view path);

// Go's filepath.Match: "*" and "?" stay within a name, "[a-z]", "[^a]", "\\" takes the next character as it is.
// GANTRY_INVALID: a malformed pattern.
Result<bool> match_path(std::string_view pattern, std::string_view path);

// What a pattern is made of; see dockerignore.cpp.
struct IgnoreToken {
    enum class Kind { literal = 1, any, star, directories, everything, one_of };
    Kind kind = Kind::literal;
    std::string text;                                   // literal
    std::vector<std::pair<char32_t, char32_t>> ranges;  // one_of
    bool negated = false;                               // one_of
    bool operator==(const IgnoreToken&) const = default;
};

class IgnoreMatcher {
public:
    // How a path fared; that of a directory is what its entries are decided with.
    struct Verdict {
        bool ignored = false;
        std::vector<bool> matched;  // by pattern: the path or one of its parents
    };

    // `patterns` as read_dockerignore() gives them, or as they stand in COPY --exclude; blank ones count for nothing.
    // GANTRY_INVALID: a malformed one, which the text quotes.
    static Result<IgnoreMatcher> parse(std::span<const std::string> patterns);

    // The other way round: everything is ignored but what `paths` match, which are taken as they are.
    static Result<IgnoreMatcher> all_but(std::span<const std::string> paths);

    bool empty() const { return patterns_.empty(); }
    // Is `path` (clean, relative) ignored? The last pattern that matches it or one of its parents decides.
    bool ignores(std::string_view path) const;
    // The same for a walk: `parent` is the verdict on the directory that holds it, null at the root.
    Verdict judge(std::string_view path, const Verdict* parent) const;
    // Whether something below an ignored directory may be kept by a "!" pattern, so that it has to be walked.
    bool may_keep_below(std::string_view directory) const;

private:
    enum class Shape { exact = 1, prefix, suffix, tokens };
    struct Pattern {
        bool exception = false;
        Shape shape = Shape::exact;
        std::string text;  // clean, without "!"
        std::vector<IgnoreToken> tokens;
    };
    static bool matches(const Pattern& pattern, std::string_view path);
    Result<void> add(std::string text, bool exception);

    std::vector<Pattern> patterns_;
    bool exceptions_ = false;
};

}  // namespace gantry::build
