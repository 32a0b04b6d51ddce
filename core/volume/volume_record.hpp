// A volume as the store and a driver see it.
#pragma once
#include "core/store/store.hpp"
#include "core/volume/volume_service.hpp"

namespace gantry::volume {

inline constexpr std::string_view store_kind = "volume";

store::Object to_object(const Volume& volume);
// GANTRY_CORRUPT for what to_object() cannot have written.
Result<Volume> from_object(const store::Object& object);
// VOLUME of abi/volume.h.
Json to_spec(const Volume& volume);

}  // namespace gantry::volume
