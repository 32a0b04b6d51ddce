// The tables of the border, as data: which operations each has, where they stand, and which a driver must offer.
#pragma once
#include <gantry/abi/driver.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "core/driver/driver.hpp"

namespace gantry::driver {

enum class Presence { required = 1, optional };

struct Operation {
    std::string_view name;
    std::size_t offset;  // in the table's struct
    Presence presence = Presence::required;
};

struct Table {
    std::string_view id;
    Kind kind;
    Presence presence;  // required: the kind's main table
    std::span<const Operation> operations;

    // The size a driver's table must have at least to hold every required operation.
    std::size_t needed_size() const;
    const Operation* find(std::string_view operation) const;
};

// Every table this engine knows.
std::span<const Table> tables();
// nullptr: not a table this engine knows.
const Table* find_table(std::string_view id);
std::optional<Kind> kind_of(std::string_view name);

// What gantry_driver itself offers (reconcile, health) is called through Driver::call under this table's name.
inline constexpr std::string_view driver_table = "driver/1";

// The name of a driver, and of an instance: [a-z][a-z0-9_-]*, 32 bytes at most. So it is always one component of a path.
bool valid_driver_name(std::string_view name);

}  // namespace gantry::driver
