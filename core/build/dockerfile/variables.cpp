#include "core/build/dockerfile/variables.hpp"

#include "core/build/dockerfile/limits.hpp"

namespace gantry::build::dockerfile {

Result<void> Variables::set(const std::string& name, std::string value) {
    auto [place, added] = places_.try_emplace(name, pairs_.size());
    std::size_t before = added ? 0 : pairs_[place->second].second.size();
    std::size_t after = bytes_ + (added ? name.size() + 64 : 0) + value.size() - before;
    if (after > kMaxEnvironment)
        return fail(Code::exhausted,
                    "all variables of a stage together have more than " + std::to_string(kMaxEnvironment) + " bytes");
    bytes_ = after;
    if (added)
        pairs_.emplace_back(name, std::move(value));
    else
        pairs_[place->second].second = std::move(value);
    return {};
}

const std::string* Variables::find(std::string_view name) const {
    auto place = places_.find(std::string(name));
    return place == places_.end() ? nullptr : &pairs_[place->second].second;
}

std::vector<std::string> Variables::names() const {
    std::vector<std::string> names;
    for (const auto& [name, value] : pairs_) names.push_back(name);
    return names;
}

}  // namespace gantry::build::dockerfile
