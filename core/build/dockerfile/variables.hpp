// Variables in the order in which they came.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <gantry/result.hpp>

#include "core/build/dockerfile/expand.hpp"

namespace gantry::build::dockerfile {

class Variables {
public:
    // A variable that is there keeps its place. GANTRY_EXHAUSTED: all together are too long.
    Result<void> set(const std::string& name, std::string value);
    // Lent until the next set(). null: there is none.
    const std::string* find(std::string_view name) const;
    std::vector<std::string> names() const;
    const std::vector<std::pair<std::string, std::string>>& all() const { return pairs_; }
    std::size_t bytes() const { return bytes_; }
    Lookup lookup() const {
        return [this](std::string_view name) { return find(name); };
    }

private:
    std::vector<std::pair<std::string, std::string>> pairs_;
    std::unordered_map<std::string, std::size_t> places_;
    std::size_t bytes_ = 0;
};

}  // namespace gantry::build::dockerfile
