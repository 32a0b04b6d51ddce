// Patterns of .dockerignore, then, behind a line "--", paths: whether a path is ignored does not depend on how it is asked.
#include "core/build/dockerignore.hpp"
#include "core/base/text.hpp"
#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gantry;
    using build::IgnoreMatcher;
    const std::string_view text = fuzz::text_of(data, size);
    const std::size_t divider = text.find("\n--\n");
    const auto patterns = build::read_dockerignore(text.substr(0, divider));
    auto matcher = IgnoreMatcher::parse(patterns);
    if (!matcher) {
        fuzz::require_told(matcher.error().text);
        return 0;
    }
    if (divider == std::string_view::npos) return 0;
    for (std::string_view line : split(text.substr(divider + 4), '\n')) {
        const std::string path = build::clean_path(line);
        fuzz::require(build::clean_path(path) == path, "a clean path that is not clean: " + path);
        if (path == "." || path.starts_with("/") || path.starts_with("..")) continue;
        // As a walk asks: each directory on the way, then the entry.
        IgnoreMatcher::Verdict above;
        bool reached = true;
        for (std::size_t slash = path.find('/');; slash = path.find('/', slash + 1)) {
            const std::string_view part = std::string_view(path).substr(0, slash);
            const IgnoreMatcher::Verdict verdict = matcher->judge(part, above.matched.empty() ? nullptr : &above);
            fuzz::require(verdict.ignored == matcher->ignores(part), "a walk decides otherwise: " + std::string(part));
            if (!verdict.ignored && slash == std::string::npos)
                fuzz::require(reached, "kept, but a walk does not get there: " + path);
            if (slash == std::string::npos) break;
            if (verdict.ignored && !matcher->may_keep_below(part)) reached = false;
            above = verdict;
        }
        (void)build::match_path(text.substr(0, std::min<std::size_t>(divider, 64)), path);
    }
    return 0;
}
