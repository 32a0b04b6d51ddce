#include "core/base/text.hpp"
#include "core/cli/template_tree.hpp"

namespace gantry::cli {
namespace {

constexpr int depth_limit = 64;

Error cannot_parse(std::string text) { return fail(Code::invalid, "template parsing error: " + std::move(text)); }

bool word_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Reads the inside of one {{ }}.
class ActionReader {
public:
    explicit ActionReader(std::string_view text) : rest_(text) {}

    void skip_blanks() {
        while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t' || rest_[0] == '\n' || rest_[0] == '\r'))
            rest_.remove_prefix(1);
    }
    bool at_end() {
        skip_blanks();
        return rest_.empty();
    }
    std::string peek_word() {
        skip_blanks();
        std::size_t n = 0;
        while (n < rest_.size() && word_char(rest_[n])) ++n;
        return std::string(rest_.substr(0, n));
    }
    std::string take_word() {
        std::string word = peek_word();
        rest_.remove_prefix(word.size());
        return word;
    }

    Result<Pipeline> pipeline(int depth, bool in_group = false) {
        if (depth > depth_limit) return cannot_parse("nested too deeply");
        Pipeline pipeline;
        GANTRY_CHECK(declarations(pipeline));
        std::vector<Operand> command;
        for (;;) {
            skip_blanks();
            if (rest_.empty() || rest_[0] == ')') {
                if (rest_.empty() && in_group) return cannot_parse("unclosed left paren");
                if (!rest_.empty() && !in_group) return cannot_parse("unexpected right paren");
                if (!rest_.empty()) rest_.remove_prefix(1);
                if (command.empty()) return cannot_parse("missing value for command");
                pipeline.commands.push_back(std::move(command));
                return pipeline;
            }
            if (rest_[0] == '|') {
                rest_.remove_prefix(1);
                if (command.empty()) return cannot_parse("missing value for command");
                pipeline.commands.push_back(std::exchange(command, {}));
                continue;
            }
            GANTRY_TRY(Operand operand, this->operand(depth));
            command.push_back(std::move(operand));
        }
    }

private:
    Result<void> declarations(Pipeline& pipeline) {
        skip_blanks();
        std::string_view before = rest_;
        std::vector<std::string> names;
        while (rest_.starts_with("$")) {
            rest_.remove_prefix(1);
            std::string name = take_word();
            if (name.empty()) break;
            names.push_back("$" + name);
            skip_blanks();
            if (rest_.starts_with(",")) {
                rest_.remove_prefix(1);
                skip_blanks();
                continue;
            }
            bool define = rest_.starts_with(":="), assign = rest_.starts_with("=") && !rest_.starts_with("==");
            if (define || assign) {
                rest_.remove_prefix(define ? 2 : 1);
                pipeline.declares = std::move(names);
                pipeline.assigns = assign;
                return {};
            }
            break;
        }
        rest_ = before;
        return {};
    }

    Result<Operand> operand(int depth) {
        Operand operand;
        char c = rest_[0];
        if (c == '(') {
            rest_.remove_prefix(1);
            operand.kind = Operand::Kind::group;
            GANTRY_TRY(Pipeline inner, pipeline(depth + 1, true));
            operand.group = std::make_shared<Pipeline>(std::move(inner));
            operand.fields = fields();
            return operand;
        }
        if (c == '"' || c == '`' || c == '\'') return literal_text(c);
        if (c == '.') {
            operand.kind = Operand::Kind::path;
            if (rest_.size() > 1 && word_char(rest_[1]))
                operand.fields = fields();
            else
                rest_.remove_prefix(1);
            return operand;
        }
        if (c == '$') {
            rest_.remove_prefix(1);
            operand.kind = Operand::Kind::path;
            operand.variable = "$" + take_word();
            operand.fields = fields();
            return operand;
        }
        if ((c >= '0' && c <= '9') || ((c == '-' || c == '+') && rest_.size() > 1)) return literal_number();
        std::string word = take_word();
        if (word.empty()) return cannot_parse("unexpected character " + quote_json({&c, 1}));
        if (word == "true" || word == "false")
            operand.literal = word == "true";
        else if (word == "nil")
            operand.literal = nullptr;
        else {
            operand.kind = Operand::Kind::function;
            operand.function = std::move(word);
        }
        return operand;
    }

    std::vector<std::string> fields() {
        std::vector<std::string> names;
        while (rest_.size() > 1 && rest_[0] == '.' && word_char(rest_[1])) {
            rest_.remove_prefix(1);
            std::size_t n = 0;
            while (n < rest_.size() && word_char(rest_[n])) ++n;
            names.emplace_back(rest_.substr(0, n));
            rest_.remove_prefix(n);
        }
        return names;
    }

    Result<Operand> literal_text(char quote) {
        rest_.remove_prefix(1);
        std::string text;
        while (!rest_.empty() && rest_[0] != quote) {
            char c = rest_[0];
            rest_.remove_prefix(1);
            if (c == '\\' && quote != '`' && !rest_.empty()) {
                c = rest_[0];
                rest_.remove_prefix(1);
                c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
            }
            text += c;
        }
        if (rest_.empty()) return cannot_parse("unterminated quoted string");
        rest_.remove_prefix(1);
        Operand operand;
        operand.literal = quote == '\'' && text.size() == 1
                              ? Json(static_cast<int>(static_cast<unsigned char>(text[0])))
                              : Json(text);
        return operand;
    }

    Result<Operand> literal_number() {
        std::size_t n = 1;
        while (n < rest_.size() && (word_char(rest_[n]) || rest_[n] == '.')) ++n;
        std::string text(rest_.substr(0, n));
        rest_.remove_prefix(n);
        Operand operand;
        operand.literal = parse_json(text);
        if (!operand.literal.is_number()) return cannot_parse("bad number syntax: " + quote_json(text));
        return operand;
    }
    static Json parse_json(const std::string& text) { return Json::parse(text, nullptr, false); }

    std::string_view rest_;
};

class TemplateReader {
public:
    explicit TemplateReader(std::string_view text) : rest_(text) {}

    Result<std::unique_ptr<Template::Node>> read() {
        auto root = std::make_unique<Template::Node>();
        GANTRY_TRY(std::string end, block(root->body, 0));
        if (!end.empty()) return cannot_parse("unexpected {{" + end + "}}");
        return root;
    }

private:
    using Nodes = std::vector<std::unique_ptr<Template::Node>>;

    // Reads until {{end}} or {{else...}} and gives that word; "" at the end of the text.
    Result<std::string> block(Nodes& into, int depth) {
        if (depth > depth_limit) return cannot_parse("nested too deeply");
        for (;;) {
            std::size_t open = rest_.find("{{");
            std::string text(rest_.substr(0, open));
            bool trim_after = open != std::string_view::npos && rest_.substr(open + 2).starts_with("- ");
            if (trim_left_)
                text.erase(0, text.find_first_not_of(" \t\r\n") == std::string::npos
                                  ? text.size()
                                  : text.find_first_not_of(" \t\r\n"));
            if (trim_after) text.erase(text.find_last_not_of(" \t\r\n") + 1);
            trim_left_ = false;
            if (!text.empty()) {
                auto node = std::make_unique<Template::Node>();
                node->kind = Template::Node::Kind::text;
                node->text = std::move(text);
                into.push_back(std::move(node));
            }
            if (open == std::string_view::npos) {
                rest_ = {};
                return std::string();
            }
            rest_.remove_prefix(open + 2 + (trim_after ? 1 : 0));
            GANTRY_TRY(std::string_view action, take_action());
            if (trim(action).starts_with("/*")) continue;
            GANTRY_TRY(std::string end, statement(action, into, depth));
            if (!end.empty()) return end;
        }
    }

    // Up to the closing braces, which may stand inside quotes too.
    Result<std::string_view> take_action() {
        char quote = 0;
        for (std::size_t i = 0; i < rest_.size(); ++i) {
            char c = rest_[i];
            if (quote) {
                if (c == '\\' && quote != '`')
                    ++i;
                else if (c == quote)
                    quote = 0;
                continue;
            }
            if (c == '"' || c == '`') quote = c;
            if (c == '}' && i + 1 < rest_.size() && rest_[i + 1] == '}') {
                std::string_view action = rest_.substr(0, i);
                rest_.remove_prefix(i + 2);
                if (action.ends_with(" -")) {
                    trim_left_ = true;
                    action.remove_suffix(2);
                }
                return action;
            }
        }
        return cannot_parse("unclosed action");
    }

    Result<std::string> statement(std::string_view action, Nodes& into, int depth) {
        ActionReader reader(action);
        std::string word = reader.peek_word();
        if (word == "end") return word;
        if (word == "else") {
            reader.take_word();
            else_rest_ = std::string(trim(action)).substr(4);
            return word;
        }
        auto node = std::make_unique<Template::Node>();
        using Kind = Template::Node::Kind;
        node->kind = word == "if"      ? Kind::branch
                     : word == "range" ? Kind::loop
                     : word == "with"  ? Kind::scope
                                       : Kind::print;
        if (node->kind != Kind::print) reader.take_word();
        if (reader.at_end()) return cannot_parse("missing value for " + (word.empty() ? std::string("command") : word));
        GANTRY_TRY(node->pipeline, reader.pipeline(depth));
        if (node->kind == Kind::print) {
            into.push_back(std::move(node));
            return std::string();
        }
        GANTRY_TRY(std::string end, block(node->body, depth + 1));
        if (end == "else") {
            std::string chained(trim(else_rest_));
            if (!chained.empty()) {
                // {{else if x}} is an if inside the else, closed by the same end.
                GANTRY_TRY(std::string inner, statement(chained, node->otherwise, depth + 1));
                (void)inner;
                into.push_back(std::move(node));
                return std::string();
            }
            GANTRY_TRY(end, block(node->otherwise, depth + 1));
        }
        if (end != "end") return cannot_parse("unexpected EOF");
        into.push_back(std::move(node));
        return std::string();
    }

    std::string_view rest_;
    bool trim_left_ = false;
    std::string else_rest_;
};

}  // namespace

Result<std::unique_ptr<Template::Node>> parse_template(std::string_view text) { return TemplateReader(text).read(); }

}  // namespace gantry::cli
