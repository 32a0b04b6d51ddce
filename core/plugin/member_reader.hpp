// Reads an object of a plugin's configuration member by member, by names in any case. The first mistake is kept and told;
// after it everything reads as empty.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::plugin {

// What all readers of one document share: its limits, and what is wrong with it.
struct MemberProblem {
    std::size_t most_items, longest_text;
    std::optional<Error> first;
};

class MemberReader {
public:
    // `object`: an object or null, borrowed; `where`: its own name, "" for the document.
    MemberReader(const Json& object, std::string where, MemberProblem& problem)
        : object_(object), where_(std::move(where)), problem_(problem) {}

    bool has(std::string_view name) const { return !find(name).is_null(); }
    // Absent and null read as "", false, 0, null and an empty list. No text has a null byte.
    std::string text(std::string_view name);
    Json text_or_null(std::string_view name);
    bool flag(std::string_view name);
    std::int64_t number(std::string_view name, std::int64_t most);
    Json words(std::string_view name);
    MemberReader object(std::string_view name);
    Json list(std::string_view name, const std::function<Json(MemberReader)>& each);

    // "Interface.Socket: found "", allowed: ..."
    void refuse(std::string_view name, std::string_view found, std::string_view allowed);
    void refuse(Error error);

private:
    const Json& find(std::string_view name) const;
    std::string path(std::string_view name) const;
    void expect(std::string_view name, const char* what, const Json& found);
    std::string checked_text(std::string_view name, const Json& value);

    const Json& object_;
    const std::string where_;
    MemberProblem& problem_;
};

}  // namespace gantry::plugin
