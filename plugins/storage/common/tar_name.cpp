#include "plugins/storage/common/tar_name.hpp"

#include "plugins/storage/common/overlay_marks.hpp"

namespace gantry::storage {

Result<EntryName> parse_entry_name(std::string_view name) {
    if (name.empty()) return fail(Code::invalid, "an entry has an empty name");
    if (name.find('\0') != std::string_view::npos) return fail(Code::invalid, "an entry's name contains a NUL byte");
    if (name.size() > max_entry_name)
        return fail(Code::invalid, "an entry's name has " + std::to_string(name.size()) + " bytes, more than " +
                                       std::to_string(max_entry_name));
    EntryName parsed;
    std::size_t depth = 0;
    while (!name.empty()) {
        std::size_t slash = name.find('/');
        std::string_view part = name.substr(0, slash);
        name = slash == std::string_view::npos ? std::string_view() : name.substr(slash + 1);
        if (part.empty() || part == ".") continue;
        if (part == "..") return fail(Code::invalid, "an entry's name contains \"..\"");
        if (part.size() > 255) return fail(Code::invalid, "a component of an entry's name is longer than 255 bytes");
        if (++depth > max_entry_depth)
            return fail(Code::invalid, "an entry lies deeper than " + std::to_string(max_entry_depth) + " directories");
        if (!parsed.base.empty()) {
            if (!parsed.directory.empty()) parsed.directory += '/';
            parsed.directory += parsed.base;
        }
        parsed.base = part;
    }
    return parsed;
}

Result<ParsedMarker> parse_marker(std::string_view base) {
    if (!base.starts_with(whiteout_prefix)) return ParsedMarker{};
    if (base == opaque_marker) return ParsedMarker{Marker::opaque, ""};
    std::string_view target = base.substr(whiteout_prefix.size());
    // Left over from aufs: hard-link and state directories that mean nothing to other file systems.
    if (target.starts_with(".wh.") && target.size() > 4) return ParsedMarker{Marker::ignored, ""};
    if (target.empty() || target == "." || target == ".." || target == ".wh.")
        return fail(Code::invalid, "the whiteout \"" + shown(base) + "\" names no entry");
    return ParsedMarker{Marker::whiteout, std::string(target)};
}

std::string shown(std::string_view name) {
    std::string text(name.substr(0, 200));
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '"') c = '?';
    if (name.size() > 200) text += "...";
    return text;
}

}  // namespace gantry::storage
