#include "core/build/cache_from.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/build/extra_step.hpp"

namespace gantry::build {
namespace {

std::string shown_place(const Json& fields) {
    std::string text;
    for (const auto& [key, value] : fields.items())
        if (key == "type" || key == "ref" || key == "src" || key == "dest")
            text += (text.empty() ? "" : ",") + key + "=" + (value.is_string() ? value.get<std::string>() : "?");
    return text.substr(0, 300);
}

Result<bool> flag_of(const std::string& option, const std::string& key, const std::string& value) {
    if (value == "true" || value == "1") return true;
    if (value == "false" || value == "0") return false;
    return fail(Code::invalid, option + ": " + key + " " + quote_json(value.substr(0, 50)) + ", allowed: true, false");
}

// `writes`: of cache_to.
Result<CachePlace> read_place(const Json& fields, std::size_t index, bool writes) {
    const std::string option = writes ? "cache-to" : "cache-from";
    if (!fields.is_object()) return fail(Code::invalid, option + " is no object");
    for (const auto& [key, value] : fields.items())
        if (!value.is_string())
            return fail(Code::invalid, option + ": " + quote_json(key.substr(0, 50)) + " is no text");
    CachePlace place;
    place.index = index;
    place.shown = shown_place(fields);
    const std::string type = fields.value("type", "");
    if (type == "local")
        place.kind = CachePlace::Kind::local;
    else if (type != "registry")
        return fail(Code::unsupported, option + " of the type " + quote_json(type.substr(0, 50)) +
                                           " is not supported, allowed: registry, local" + (writes ? ", inline" : ""));
    const std::string where = place.kind == CachePlace::Kind::registry ? "ref" : writes ? "dest" : "src";
    if (fields.value(where, "").empty())
        return fail(Code::invalid, option + " of the type " + type + " needs \"" + where + "\"");
    for (const auto& [key, item] : fields.items()) {
        const std::string value = item.get<std::string>();
        if (key == "type") continue;
        if (key == where) {
            place.reference = value;
        } else if (writes && key == "mode") {
            if (value != "min" && value != "max")
                return fail(Code::invalid,
                            option + ": mode " + quote_json(value.substr(0, 50)) + ", allowed: min, max");
            place.whole = value == "max";
        } else if (writes && key == "ignore-error") {
            GANTRY_TRY(place.ignore_error, flag_of(option, key, value));
        } else {
            return fail(Code::invalid, option + ": unknown attribute " + quote_json(key.substr(0, 50)) +
                                           " of the type " + type + ", allowed: type, " + where +
                                           (writes ? ", mode, ignore-error" : ""));
        }
    }
    if (place.kind == CachePlace::Kind::registry) GANTRY_CHECK(image::parse_reference(place.reference));
    return place;
}

}  // namespace

Result<CacheWishes> read_cache_wishes(const std::vector<Json>& from, const std::vector<Json>& to) {
    CacheWishes wishes;
    for (std::size_t i = 0; i < from.size(); ++i) {
        GANTRY_TRY(CachePlace place, read_place(from[i], i, false));
        wishes.from.push_back(std::move(place));
    }
    for (std::size_t i = 0; i < to.size(); ++i) {
        if (to[i].is_object() && to[i].value("type", Json()) == "inline") {
            for (const auto& [key, value] : to[i].items())
                if (key != "type" && !(key == "mode" && value == "min"))
                    return fail(Code::invalid, "cache-to: " + quote_json(key.substr(0, 50)) +
                                                   " does not go with the type inline, which is of mode=min");
            wishes.in_image = true;
            continue;
        }
        GANTRY_TRY(CachePlace place, read_place(to[i], i, true));
        wishes.to.push_back(std::move(place));
    }
    return wishes;
}

namespace {

Result<void> import_local(const CacheSources& with, const CachePlace& place, CacheImport& to, Client& client,
                          Cancel& cancel) {
    auto source = local_cache_source(client, place.index, with.scratch);
    GANTRY_TRY(std::string manifest, source->manifest(cancel));
    return to.add(place.shown, std::move(source), manifest, cancel);
}

Result<void> import_reference(const CacheSources& with, const CachePlace& place, CacheImport& to, Client& client,
                              Cancel& cancel) {
    auto image = [&]() -> Result<void> {
        GANTRY_TRY(bool found, with.image(place));
        if (!found) return fail(Code::not_found, "there is no such image");
        return {};
    };
    // What is here is an image: caches are in registries only.
    if (!place.pull || !with.registries.source || with.images.find(place.reference)) return image();
    GANTRY_TRY(auto source, with.registries.source(place.reference, client, cancel));
    GANTRY_TRY(std::string manifest, source->manifest(cancel));
    GANTRY_TRY(CacheKind kind, cache_kind_of(manifest));
    if (kind == CacheKind::image) return image();
    return to.add(place.shown, std::move(source), manifest, cancel);
}

}  // namespace

Result<void> import_caches(const CacheSources& with, const std::vector<CachePlace>& from, CacheImport& to,
                           Client& client, const CacheWarning& warn, Cancel& cancel) {
    for (const CachePlace& place : from) {
        ExtraStep step(with.listener, "importing cache from " + place.shown);
        auto done = step.end(place.kind == CachePlace::Kind::local ? import_local(with, place, to, client, cancel)
                                                                   : import_reference(with, place, to, client, cancel));
        GANTRY_CHECK(cancel.check());
        if (!done) warn("cache-from " + place.shown + " is not used: " + done.error().text);
    }
    return {};
}

}  // namespace gantry::build
