// A registry that knows one driver of the build tree, with its state in a test's directory.
#pragma once
#include <memory>

#include "core/driver/registry.hpp"
#include "tests/unit/plugins/storage/scratch.hpp"

namespace gantry::test {

inline std::unique_ptr<driver::Registry> registry_with(const Scratch& scratch, const std::string& name) {
    driver::Wanted wanted;
    wanted.name = name;
    driver::Settings settings;
    settings.engine = "test";
    settings.path = {GANTRY_DRIVERS};
    settings.root = scratch / "root";
    settings.run = scratch / "run";
    settings.drivers = {wanted};
    return std::make_unique<driver::Registry>(settings);
}

}  // namespace gantry::test
