#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/base/text.hpp"
#include "core/cli/template_tree.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t output_limit = 64u << 20;
// What one execution may cost: a step, and each byte of a text that is made or copied. Loops stand in loops, and a text
// can be doubled in each step.
constexpr std::size_t step_cost = 512, work_limit = 128u << 20;

Error wrong(std::string text) { return fail(Code::invalid, "template: " + std::move(text)); }

bool truthy(const Json& value) {
    if (value.is_null()) return false;
    if (value.is_boolean()) return value.get<bool>();
    if (value.is_number()) return value.get<double>() != 0;
    if (value.is_string()) return !value.get_ref<const std::string&>().empty();
    return !value.empty();
}

std::string json_text(const Json& value) {
    if (!value.is_object()) return value.dump(-1, ' ', false, Json::error_handler_t::replace);
    Json shown = value;
    for (auto it = shown.begin(); it != shown.end();)
        if (it.key().starts_with("__"))
            it = shown.erase(it);
        else
            ++it;
    return shown.dump(-1, ' ', false, Json::error_handler_t::replace);
}

int compare(const Json& a, const Json& b) {
    if (a.is_number() && b.is_number()) {
        double x = a.get<double>(), y = b.get<double>();
        return x < y ? -1 : x > y ? 1 : 0;
    }
    std::string x = go_text(a), y = go_text(b);
    return x < y ? -1 : x > y ? 1 : 0;
}

Result<Json> index_of(const Json& base, const std::vector<Json>& keys) {
    Json value = base;
    for (const Json& key : keys) {
        if (value.is_array() || value.is_string()) {
            if (!key.is_number_integer()) return wrong("cannot index slice/array with " + quote_json(go_text(key)));
            auto at = key.get<std::int64_t>();
            std::size_t size = value.is_array() ? value.size() : value.get_ref<const std::string&>().size();
            if (at < 0 || static_cast<std::size_t>(at) >= size)
                return wrong("index out of range: " + std::to_string(at));
            if (value.is_array())
                value = Json(value[static_cast<std::size_t>(at)]);
            else
                value = static_cast<int>(
                    static_cast<unsigned char>(value.get_ref<const std::string&>()[static_cast<std::size_t>(at)]));
            continue;
        }
        if (value.is_null()) return wrong("index of untyped nil");
        if (!value.is_object()) return wrong("cannot index item of type " + std::string(value.type_name()));
        auto found = value.find(go_text(key));
        value = found == value.end() ? Json() : Json(*found);
    }
    return value;
}

std::string printf_text(const std::vector<Json>& args) {
    std::string format = args.empty() ? std::string() : go_text(args[0]), out;
    std::size_t next = 1;
    for (std::size_t i = 0; i < format.size(); ++i) {
        if (format[i] != '%' || i + 1 >= format.size()) {
            out += format[i];
            continue;
        }
        if (format[i + 1] == '%') {
            out += '%';
            ++i;
            continue;
        }
        std::size_t end = i + 1;
        while (end < format.size() && std::string_view("-+ #0123456789.").find(format[end]) != std::string_view::npos)
            ++end;
        if (end >= format.size()) break;
        char verb = format[end];
        std::string_view spec(format.data() + i + 1, end - i - 1);
        Json value = next < args.size() ? args[next] : Json("%!" + std::string(1, verb) + "(MISSING)");
        ++next;
        std::string text = verb == 'q' ? quote_json(go_text(value)) : go_text(value);
        if ((verb == 'x' || verb == 'f' || verb == 'd') && value.is_number()) {
            char number[128];
            std::string c_spec = "%" + std::string(spec.substr(0, 12));
            // A fraction that no whole number holds is written as it is.
            const bool whole = !value.is_number_float() || std::abs(value.get<double>()) < 9.2e18;
            if (verb == 'f') {
                std::size_t dot = c_spec.find('.');
                int digits =
                    dot == std::string::npos ? 6 : static_cast<int>(parse_int(c_spec.substr(dot + 1)).value_or(6));
                std::snprintf(number, sizeof number, "%.*f", std::clamp(digits, 0, 40), value.get<double>());
            } else if (!whole) {
                std::snprintf(number, sizeof number, "%g", value.get<double>());
            } else if (verb == 'x') {
                std::snprintf(number, sizeof number, "%llx",
                              static_cast<unsigned long long>(value.get<std::int64_t>()));
            } else {
                std::snprintf(number, sizeof number, "%lld", static_cast<long long>(value.get<std::int64_t>()));
            }
            text = number;
        }
        bool left = spec.starts_with("-");
        std::string_view digits = left ? spec.substr(1) : spec;
        bool zero = digits.starts_with("0");
        auto width = static_cast<std::size_t>(
            std::clamp<std::int64_t>(parse_int(digits.substr(0, digits.find('.'))).value_or(0), 0, 1000));
        if (text.size() < width) {
            if (left)
                text.append(width - text.size(), ' ');
            else
                text.insert(0, width - text.size(), zero && value.is_number() ? '0' : ' ');
        }
        out += text;
        i = end;
    }
    return out;
}

class Evaluator {
public:
    explicit Evaluator(const Json& root) { variables_.emplace_back("$", root); }

    Result<void> run(const std::vector<std::unique_ptr<Template::Node>>& nodes, const Json& dot) {
        for (const auto& node : nodes) {
            GANTRY_CHECK(spend(step_cost));
            GANTRY_CHECK(one(*node, dot));
            if (out_.size() > output_limit) return wrong("output is larger than 64 MiB");
        }
        return {};
    }
    std::string take() { return std::move(out_); }

private:
    using Kind = Template::Node::Kind;

    Result<void> spend(std::size_t work) {
        work_ += work;
        if (work_ > work_limit) return wrong("it takes too many steps, or makes too much text");
        return {};
    }

    Result<void> one(const Template::Node& node, const Json& dot) {
        if (node.kind == Kind::text) {
            out_ += node.text;
            return {};
        }
        std::size_t scope = variables_.size();
        if (node.kind == Kind::loop) {
            GANTRY_CHECK(loop(node, dot));
            variables_.resize(scope);
            return {};
        }
        GANTRY_TRY(Json value, evaluate(node.pipeline, dot));
        if (node.kind == Kind::print) {
            if (node.pipeline.declares.empty()) out_ += go_text(value);
            return {};
        }
        bool yes = truthy(value);
        GANTRY_CHECK(run(yes ? node.body : node.otherwise, yes && node.kind == Kind::scope ? value : dot));
        variables_.resize(scope);
        return {};
    }

    Result<void> loop(const Template::Node& node, const Json& dot) {
        Pipeline plain = node.pipeline;
        std::vector<std::string> names = std::exchange(plain.declares, {});
        GANTRY_TRY(Json value, evaluate(plain, dot));
        if (value.is_null() || value.empty()) return run(node.otherwise, dot);
        if (!value.is_structured()) return wrong("range can't iterate over " + quote_json(go_text(value)));
        std::size_t scope = variables_.size(), at = 0;
        for (auto it = value.begin(); it != value.end(); ++it, ++at) {
            GANTRY_CHECK(spend(step_cost));
            Json key = value.is_object() ? Json(it.key()) : Json(at);
            if (names.size() == 2) variables_.emplace_back(names[0], key);
            if (!names.empty()) variables_.emplace_back(names.back(), *it);
            GANTRY_CHECK(run(node.body, *it));
            variables_.resize(scope);
        }
        return {};
    }

    Result<Json> evaluate(const Pipeline& pipeline, const Json& dot) {
        std::optional<Json> value;
        for (const auto& command : pipeline.commands) {
            GANTRY_TRY(Json next, this->command(command, dot, value));
            GANTRY_CHECK(spend(step_cost + (next.is_string() ? next.get_ref<const std::string&>().size() : 0)));
            value = std::move(next);
        }
        for (const std::string& name : pipeline.declares) {
            auto known = std::find_if(variables_.rbegin(), variables_.rend(), [&](auto& v) { return v.first == name; });
            if (pipeline.assigns && known == variables_.rend()) return wrong("undefined variable \"" + name + "\"");
            if (pipeline.assigns)
                known->second = *value;
            else
                variables_.emplace_back(name, *value);
        }
        return *value;
    }

    Result<Json> command(const std::vector<Operand>& words, const Json& dot, const std::optional<Json>& piped) {
        const Operand& first = words[0];
        if (first.kind == Operand::Kind::function) {
            std::vector<Json> args;
            // `and` and `or` stop early in Go as well; with values and no calls the result is the same.
            for (std::size_t i = 1; i < words.size(); ++i) {
                GANTRY_TRY(Json arg, operand(words[i], dot));
                args.push_back(std::move(arg));
            }
            if (piped) args.push_back(*piped);
            return call(first.function, args);
        }
        if (first.kind == Operand::Kind::path && (words.size() > 1 || piped)) {
            // A method: {{.Label "name"}}, the only kind lists have.
            if (first.fields.size() == 1 && first.fields[0] == "Label" && words.size() == 2) {
                GANTRY_TRY(Json key, operand(words[1], dot));
                auto labels = dot.is_object() ? dot.find("__labels") : dot.end();
                if (!dot.is_object() || labels == dot.end()) return wrong("Label is not a method here");
                auto found = labels->find(go_text(key));
                return found == labels->end() ? Json("") : Json(*found);
            }
            return wrong("\"" + (first.fields.empty() ? std::string(".") : first.fields.back()) + "\" is not a method");
        }
        if (words.size() > 1) return wrong("can't give argument to non-function");
        return operand(first, dot);
    }

    Result<Json> operand(const Operand& operand, const Json& dot) {
        if (operand.kind == Operand::Kind::literal) return operand.literal;
        if (operand.kind == Operand::Kind::function) return call(operand.function, {});
        Json group;
        const Json* value = &dot;
        if (operand.kind == Operand::Kind::group) {
            GANTRY_TRY(group, evaluate(*operand.group, dot));
            value = &group;
        } else if (!operand.variable.empty()) {
            auto found = std::find_if(variables_.rbegin(), variables_.rend(),
                                      [&](auto& v) { return v.first == operand.variable; });
            if (found == variables_.rend()) return wrong("undefined variable \"" + operand.variable + "\"");
            value = &found->second;
        }
        for (const std::string& field : operand.fields) {
            if (value->is_null()) return wrong("nil data; no entry for key \"" + field + "\"");
            if (!value->is_object()) return wrong("can't evaluate field " + field + " in type " + value->type_name());
            auto found = value->find(field);
            if (found == value->end() || field.starts_with("__"))
                return wrong("map has no entry for key \"" + field + "\"");
            value = &*found;
        }
        return *value;
    }

    Result<Json> call(const std::string& name, const std::vector<Json>& args) {
        auto need = [&](std::size_t count) -> Result<void> {
            if (args.size() == count) return {};
            return wrong("wrong number of args for " + name + ": want " + std::to_string(count) + " got " +
                         std::to_string(args.size()));
        };
        if (name == "json") {
            GANTRY_CHECK(need(1));
            return Json(json_text(args[0]));
        }
        if (name == "index" || name == "and" || name == "or" || name == "eq") {
            if (args.empty()) return wrong("wrong number of args for " + name + ": want at least 1 got 0");
            if (name == "index") return index_of(args[0], {args.begin() + 1, args.end()});
            if (name == "eq")
                return Json(
                    std::any_of(args.begin() + 1, args.end(), [&](const Json& b) { return compare(args[0], b) == 0; }));
            for (const Json& arg : args)
                if (truthy(arg) == (name == "or")) return arg;
            return args.back();
        }
        if (name == "ne" || name == "lt" || name == "le" || name == "gt" || name == "ge") {
            GANTRY_CHECK(need(2));
            int order = compare(args[0], args[1]);
            return Json(name == "ne"   ? order != 0
                        : name == "lt" ? order < 0
                        : name == "le" ? order <= 0
                        : name == "gt" ? order > 0
                                       : order >= 0);
        }
        if (name == "print" || name == "println") {
            std::string text;
            for (const Json& arg : args) text += (text.empty() || name == "print" ? "" : " ") + go_text(arg);
            return Json(text + (name == "println" ? "\n" : ""));
        }
        if (name == "printf") return Json(printf_text(args));
        return call_text(name, args, need);
    }

    template <typename Need>
    Result<Json> call_text(const std::string& name, const std::vector<Json>& args, const Need& need) {
        if (name == "not" || name == "len" || name == "lower" || name == "upper" || name == "title") {
            GANTRY_CHECK(need(1));
            if (name == "not") return Json(!truthy(args[0]));
            if (name == "len") {
                if (!args[0].is_string() && !args[0].is_structured())
                    return wrong("len of type " + std::string(args[0].type_name()));
                return Json(args[0].is_string() ? args[0].get_ref<const std::string&>().size() : args[0].size());
            }
            std::string text = go_text(args[0]);
            bool word_start = true;
            for (char& c : text) {
                if ((name == "upper" || (name == "title" && word_start)) && c >= 'a' && c <= 'z')
                    c = static_cast<char>(c - 'a' + 'A');
                else if (name == "lower" && c >= 'A' && c <= 'Z')
                    c = static_cast<char>(c - 'A' + 'a');
                word_start = c == ' ' || c == '\t' || c == '\n';
            }
            return Json(text);
        }
        if (name == "join" || name == "split" || name == "truncate") {
            GANTRY_CHECK(need(2));
            if (name == "truncate") {
                auto width = args[1].is_number_integer() ? std::max<std::int64_t>(0, args[1].get<std::int64_t>()) : 0;
                return Json(go_text(args[0]).substr(0, static_cast<std::size_t>(width)));
            }
            if (name == "join") {
                std::vector<std::string> parts;
                if (!args[0].is_array() && !args[0].is_null()) return wrong("join wants a list");
                for (const Json& part : args[0]) parts.push_back(go_text(part));
                return Json(join(parts, go_text(args[1])));
            }
            Json parts = Json::array();
            std::string text = go_text(args[0]), separator = go_text(args[1]);
            if (separator.empty()) return wrong("split wants a separator");
            std::size_t from = 0, at = 0;
            while ((at = text.find(separator, from)) != std::string::npos) {
                parts.push_back(text.substr(from, at - from));
                from = at + separator.size();
            }
            parts.push_back(text.substr(from));
            return parts;
        }
        if (name == "pad") {
            GANTRY_CHECK(need(3));
            auto blanks = [&](const Json& n) {
                return std::string(
                    static_cast<std::size_t>(
                        n.is_number_integer() ? std::clamp<std::int64_t>(n.get<std::int64_t>(), 0, 1000) : 0),
                    ' ');
            };
            return Json(blanks(args[1]) + go_text(args[0]) + blanks(args[2]));
        }
        return wrong("function \"" + name + "\" not defined");
    }

    std::vector<std::pair<std::string, Json>> variables_;
    std::string out_;
    std::size_t work_ = 0;
};

void collect_fields(const std::vector<std::unique_ptr<Template::Node>>& nodes, std::vector<std::string>& names) {
    for (const auto& node : nodes) {
        for (const auto& command : node->pipeline.commands)
            for (const Operand& operand : command)
                if (operand.kind == Operand::Kind::path && !operand.fields.empty()) names.push_back(operand.fields[0]);
        collect_fields(node->body, names);
        collect_fields(node->otherwise, names);
    }
}

}  // namespace

std::string go_text(const Json& value) {
    switch (value.type()) {
    case Json::value_t::null: return "<no value>";
    case Json::value_t::string: return value.get_ref<const std::string&>();
    case Json::value_t::array: {
        std::string text = "[";
        for (const Json& item : value)
            text += (text.size() > 1 ? " " : "") + (item.is_null() ? std::string("<nil>") : go_text(item));
        return text + "]";
    }
    case Json::value_t::object: {
        std::string text = "map[";
        for (const auto& [key, item] : value.items())
            if (!key.starts_with("__"))
                text +=
                    (text.size() > 4 ? " " : "") + key + ":" + (item.is_null() ? std::string("<nil>") : go_text(item));
        return text + "]";
    }
    default: return value.dump(-1, ' ', false, Json::error_handler_t::replace);
    }
}

Template::Template() = default;
Template::~Template() = default;
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;

Result<Template> Template::parse(std::string_view text) {
    Template parsed;
    GANTRY_TRY(parsed.root_, parse_template(text));
    return parsed;
}

Result<std::string> Template::execute(const Json& data) const {
    Evaluator evaluator(data);
    GANTRY_CHECK(evaluator.run(root_->body, data));
    return evaluator.take();
}

std::vector<std::string> Template::fields() const {
    std::vector<std::string> names;
    collect_fields(root_->body, names);
    return names;
}

}  // namespace gantry::cli
