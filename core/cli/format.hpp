// Lists as users see them: Docker's columns, or what --format asks for.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::cli {

// Rows of cells under heads, each column as wide as its widest cell and three blanks, ten at least (Docker's layout).
class Table {
public:
    explicit Table(std::vector<std::string> heads, std::size_t least_width = 10) : least_width_(least_width) {
        rows_.push_back(std::move(heads));
    }
    Table() = default;
    // A line break or escape sequence in a cell is shown as an escape: a row stays one line.
    void add(std::vector<std::string> row);
    std::string text() const;

private:
    std::vector<std::vector<std::string>> rows_;
    std::size_t least_width_ = 10;
};

// A list: what each field is called in a heading and in which order the table shows them.
struct ListShape {
    std::vector<std::string> columns;                           // fields of the table: {"ID", "Image", ...}
    std::vector<std::pair<std::string, std::string>> headings;  // {"ID", "CONTAINER ID"}; others: upper case
};

// `format`: "" or "table" (the shape's columns), "json" (one object a line), "table TEMPLATE", "TEMPLATE".
Result<std::string> format_list(const std::vector<Json>& rows, const ListShape& shape, std::string_view format);
// One object: "json" or a template.
Result<std::string> format_one(const Json& object, std::string_view format);
// JSON text put on lines, four blanks a level, order and numbers kept as they are.
std::string indent_json(std::string_view text, int level = 0);

}  // namespace gantry::cli
