// The marks by which overlayfs says "deleted" and "not merged", and those by which an OCI layer does.
// Sources: Documentation/filesystems/overlayfs.rst; OCI image-spec, layer.md.
#pragma once
#include <sys/stat.h>

#include <string>
#include <string_view>

#include <gantry/result.hpp>

namespace gantry::storage {

inline constexpr std::string_view whiteout_prefix = ".wh.";
inline constexpr std::string_view opaque_marker = ".wh..wh..opq";
inline constexpr const char* opaque_xattr = "trusted.overlay.opaque";

// A character device 0:0.
bool is_whiteout(const struct stat& info);
// Makes `name` within `directory` a whiteout.
Result<void> make_whiteout(int directory, const std::string& name);
// The directory behind `fd` hides what lies below it in lower layers.
Result<void> make_opaque(int fd);
bool is_opaque(int fd);
// Attributes an image may bring and take along: security.capability and user.*, but none of overlayfs's own.
bool is_portable_xattr(std::string_view name);

}  // namespace gantry::storage
