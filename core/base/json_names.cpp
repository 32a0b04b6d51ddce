#include "core/base/json_names.hpp"

#include <unordered_set>
#include <vector>

#include <gantry/json.hpp>

#include "core/base/text.hpp"

namespace gantry {
namespace {

// The library's parser with a callback would do as well, but looks at all earlier members of an array or object whenever
// an object in it ends: 65,536 exposed ports took a second, a body of a million objects hours.
class NameReader : public nlohmann::json_sax<Json> {
public:
    NameReader(int max_depth, const std::function<bool(std::string_view)>& names_differ_in_case)
        : max_depth_(static_cast<std::size_t>(max_depth)), names_differ_in_case_(names_differ_in_case) {}

    JsonNames found;

    bool null() override { return value(); }
    bool boolean(bool) override { return value(); }
    bool number_integer(number_integer_t) override { return value(); }
    bool number_unsigned(number_unsigned_t) override { return value(); }
    bool number_float(number_float_t, const string_t&) override { return value(); }
    bool string(string_t&) override { return value(); }
    bool binary(binary_t&) override { return value(); }
    bool start_object(std::size_t) override { return start(!names_differ_in_case_ || names_differ_in_case_(holder_)); }
    bool start_array(std::size_t) override { return start(true); }
    bool end_object() override { return end(); }
    bool end_array() override { return end(); }
    bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

    bool key(string_t& name) override {
        Level& level = levels_.back();
        if (!level.names.insert(level.differ_in_case ? name : to_lower(name)).second) {
            found.twice = name;
            return false;
        }
        holder_ = name;
        return true;
    }

private:
    struct Level {
        std::unordered_set<std::string> names;
        bool differ_in_case;
    };

    bool value() {
        holder_.clear();
        return true;
    }
    bool start(bool differ_in_case) {
        found.too_deep = levels_.size() > max_depth_;
        levels_.push_back({{}, differ_in_case});
        return !found.too_deep && value();
    }
    bool end() {
        levels_.pop_back();
        return value();
    }

    const std::size_t max_depth_;
    const std::function<bool(std::string_view)>& names_differ_in_case_;
    std::vector<Level> levels_;
    std::string holder_;
};

}  // namespace

JsonNames read_json_names(std::string_view text, int max_depth,
                          const std::function<bool(std::string_view holder)>& names_differ_in_case) {
    NameReader reader(max_depth, names_differ_in_case);
    Json::sax_parse(text, &reader);
    return std::move(reader.found);
}

}  // namespace gantry
