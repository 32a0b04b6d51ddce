// The part of Go's text/template that --format is used for: fields, index, range, if, with, variables, pipelines,
// comparison, and Docker's functions json, join, split, lower, upper, title, pad, truncate, println.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::cli {

class Template {
public:
    // GANTRY_INVALID: "template parsing error: ...".
    static Result<Template> parse(std::string_view text);
    ~Template();
    Template(Template&&) noexcept;
    Template& operator=(Template&&) noexcept;

    // The text for `data`. A member whose name begins with "__" is for methods and is not printed by {{json .}}:
    // {{.Label "k"}} reads data["__labels"]["k"]. A field an object does not have: GANTRY_INVALID.
    Result<std::string> execute(const Json& data) const;
    // Top-level field names in the order they are used, for the heading of a table.
    std::vector<std::string> fields() const;

    struct Node;

private:
    Template();
    std::unique_ptr<Node> root_;
};

// What Go's Println would write for a value.
std::string go_text(const Json& value);

}  // namespace gantry::cli
