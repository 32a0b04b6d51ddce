#include "core/cli/format.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/cli/printable.hpp"
#include "core/cli/template.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t gap = 3;

std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// A template typed in a shell has \t and \n as two characters.
std::string unescape(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == 't' || text[i + 1] == 'n')) {
            out += text[++i] == 't' ? '\t' : '\n';
            continue;
        }
        out += text[i];
    }
    return out;
}

std::string heading_of(const ListShape& shape, const std::string& field) {
    for (const auto& [name, heading] : shape.headings)
        if (name == field) return heading;
    std::string upper = field;
    for (char& c : upper)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return upper;
}

std::vector<std::string> cells_of(const std::string& line) {
    std::vector<std::string> cells;
    for (std::string_view cell : split(line, '\t')) cells.emplace_back(cell);
    return cells;
}

Result<std::string> table_by_template(const std::vector<Json>& rows, const ListShape& shape, std::string_view text) {
    GANTRY_TRY(Template format, Template::parse(text));
    Json heads = Json::object();
    for (const auto& [field, heading] : shape.headings) heads[field] = heading;
    for (const std::string& field : format.fields()) heads[field] = heading_of(shape, field);
    heads["__labels"] = Json::object();
    Table table;
    // {{.Label "x"}} has no heading of its own; Docker prints the key's last part, an empty cell says as much.
    auto head = format.execute(heads);
    if (head) table.add(cells_of(*head));
    for (const Json& row : rows) {
        GANTRY_TRY(std::string line, format.execute(row));
        table.add(cells_of(line));
    }
    return table.text();
}

}  // namespace

void Table::add(std::vector<std::string> row) {
    for (std::string& cell : row) cell = printable(cell, Breaks::escape);
    rows_.push_back(std::move(row));
}

std::string Table::text() const {
    std::vector<std::size_t> widths;
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (widths.size() <= i) widths.push_back(least_width_);
            widths[i] = std::max(widths[i], width_of(row[i]) + gap);
        }
    std::string out;
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            out += row[i];
            if (i + 1 < row.size()) out.append(widths[i] - width_of(row[i]), ' ');
        }
        out += '\n';
    }
    return out;
}

Result<std::string> format_list(const std::vector<Json>& rows, const ListShape& shape, std::string_view format) {
    if (format.empty() || format == "table") {
        std::vector<std::string> heads;
        for (const std::string& column : shape.columns) heads.push_back(heading_of(shape, column));
        Table table(std::move(heads));
        for (const Json& row : rows) {
            std::vector<std::string> cells;
            for (const std::string& column : shape.columns) {
                auto cell = row.find(column);
                cells.push_back(cell == row.end() ? std::string() : go_text(*cell));
            }
            table.add(std::move(cells));
        }
        return table.text();
    }
    std::string text = format == "json" ? "{{json .}}" : unescape(format);
    if (text.starts_with("table ")) return table_by_template(rows, shape, std::string_view(text).substr(6));
    GANTRY_TRY(Template parsed, Template::parse(text));
    std::string out;
    for (const Json& row : rows) {
        GANTRY_TRY(std::string line, parsed.execute(row));
        out += line + "\n";
    }
    return out;
}

Result<std::string> format_one(const Json& object, std::string_view format) {
    GANTRY_TRY(Template parsed, Template::parse(format == "json" ? std::string("{{json .}}") : unescape(format)));
    return parsed.execute(object);
}

std::string indent_json(std::string_view text, int level) {
    std::string out;
    auto new_line = [&] {
        out += '\n';
        out.append(static_cast<std::size_t>(std::max(level, 0)) * 4, ' ');
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == ' ' || c == '\n' || c == '\t' || c == '\r') continue;
        if (c == '"') {
            std::size_t end = i + 1;
            while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2u : 1u;
            out += text.substr(i, end + 1 - i);
            i = end;
        } else if (c == '{' || c == '[') {
            std::size_t next = text.find_first_not_of(" \n\t\r", i + 1);
            out += c;
            if (next != std::string_view::npos && (text[next] == '}' || text[next] == ']')) {
                out += text[next];
                i = next;
                continue;
            }
            ++level;
            new_line();
        } else if (c == '}' || c == ']') {
            --level;
            new_line();
            out += c;
        } else if (c == ',') {
            out += c;
            new_line();
        } else if (c == ':') {
            out += ": ";
        } else {
            out += c;
        }
    }
    return out;
}

}  // namespace gantry::cli
