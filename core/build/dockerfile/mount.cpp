#include "core/build/dockerfile/mount.hpp"

#include "core/base/text.hpp"

#include "core/build/dockerfile/reader.hpp"

namespace gantry::build::dockerfile {
namespace {

using Kind = Mount::Kind;

struct Type {
    const char* name;
    Kind kind;
    std::vector<std::string> keys;
};

const std::vector<Type>& types() {
    static const std::vector<Type> all = {
        {"bind",
         Kind::bind,
         {"type", "target", "dst", "destination", "source", "src", "from", "rw", "readwrite", "ro", "readonly"}},
        {"cache",
         Kind::cache,
         {"type", "id", "target", "dst", "destination", "ro", "readonly", "rw", "readwrite", "sharing", "from",
          "source", "src", "mode", "uid", "gid"}},
        {"tmpfs", Kind::tmpfs, {"type", "target", "dst", "destination", "size"}},
        {"secret",
         Kind::secret,
         {"type", "id", "source", "src", "target", "dst", "destination", "env", "required", "mode", "uid", "gid"}},
        {"ssh", Kind::ssh, {"type", "id", "target", "dst", "destination", "required", "mode", "uid", "gid"}}};
    return all;
}

Error wrong(const std::string& key, std::string_view value, std::string_view allowed) {
    return fail(Code::invalid, "RUN --mount " + key + ": found " + quote_json(value.substr(0, 100)) + ", allowed is " +
                                   std::string(allowed));
}

Result<bool> boolean(const std::string& key, std::string_view value) {
    std::string lower = to_lower(value);
    if (lower.empty() || lower == "true" || lower == "1") return true;
    if (lower == "false" || lower == "0") return false;
    return wrong(key, value, "true or false");
}

Result<std::uint32_t> number(const std::string& key, std::string_view value) {
    auto parsed = parse_int(value);
    if (!parsed || *parsed < 0 || *parsed > 0xfffffffeLL) return wrong(key, value, "a number from 0 to 4294967294");
    return static_cast<std::uint32_t>(*parsed);
}

Result<std::uint32_t> octal(std::string_view value) {
    std::uint32_t mode = 0;
    bool good = !value.empty() && value.size() <= 6;
    for (char c : value) {
        good = good && c >= '0' && c <= '7';
        mode = mode * 8 + static_cast<std::uint32_t>(c - '0');
    }
    if (!good || mode > 07777) return wrong("mode", value, "an octal number up to 07777");
    return mode;
}

// What names something that is kept must not lead anywhere else.
Result<std::string> identifier(const std::string& key, std::string_view value) {
    bool good = !value.empty() && value.size() <= 256 && is_text(value) &&
                std::none_of(value.begin(), value.end(),
                             [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f || c == '\\'; });
    for (std::string_view part : split(value, '/')) good = good && part != "." && part != "..";
    if (!good) return wrong(key, value, "up to 256 printable characters without \".\" and \"..\" between slashes");
    return std::string(value);
}

bool is_variable(std::string_view name) {
    if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
    return std::all_of(name.begin(), name.end(), [](char c) {
        return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    });
}

Result<void> apply(MountSpec* spec, const std::string& key, std::string_view value) {
    Mount& mount = spec->mount;
    if (key == "target" || key == "dst" || key == "destination") {
        mount.target = value;
    } else if ((key == "source" || key == "src") && mount.kind == Kind::secret) {
        GANTRY_TRY(mount.id, identifier(key, value));
    } else if (key == "source" || key == "src") {
        mount.source = value;
    } else if (key == "from") {
        spec->from_name = value;
    } else if (key == "rw" || key == "readwrite") {
        GANTRY_TRY(mount.writable, boolean(key, value));
    } else if (key == "ro" || key == "readonly") {
        GANTRY_TRY(bool read_only, boolean(key, value));
        mount.writable = !read_only;
    } else if (key == "id") {
        GANTRY_TRY(mount.id, identifier(key, value));
    } else if (key == "sharing") {
        std::string mode = to_lower(value);
        if (mode != "shared" && mode != "private" && mode != "locked")
            return wrong(key, value, "shared, private or locked");
        mount.sharing = mode == "shared"    ? Mount::Sharing::shared
                        : mode == "private" ? Mount::Sharing::exclusive
                                            : Mount::Sharing::locked;
    } else if (key == "size") {
        auto size = parse_size(value);
        if (!size || *size <= 0) return wrong(key, value, "a size such as 64m");
        mount.size = *size;
    } else if (key == "env") {
        if (!is_variable(value)) return wrong(key, value, "the name of a variable");
        mount.env = value;
    } else if (key == "required") {
        GANTRY_TRY(mount.required, boolean(key, value));
    } else if (key == "mode") {
        GANTRY_TRY(mount.mode, octal(value));
    } else if (key == "uid") {
        GANTRY_TRY(mount.uid, number(key, value));
    } else if (key == "gid") {
        GANTRY_TRY(mount.gid, number(key, value));
    }
    return {};
}

bool may_stand_alone(const std::string& key) {
    return key == "ro" || key == "readonly" || key == "rw" || key == "readwrite" || key == "required";
}

}  // namespace

Result<std::vector<std::string>> mount_fields(std::string_view text) {
    std::vector<std::string> fields(1);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == ',') {
            fields.emplace_back();
        } else if (text[i] == '"' && fields.back().empty()) {
            bool closed = false;
            for (++i; i < text.size() && !closed; ++i) {
                if (text[i] != '"')
                    fields.back() += text[i];
                else if (i + 1 < text.size() && text[i + 1] == '"')
                    fields.back() += text[++i];
                else
                    closed = true;
            }
            // `i` is behind the quote, where a comma or the end must be.
            if (!closed || (i < text.size() && text[i] != ','))
                return fail(Code::invalid,
                            "RUN --mount: found a quote in the wrong place in " + quote_json(text.substr(0, 100)));
            --i;
        } else {
            fields.back() += text[i];
        }
    }
    return fields;
}

Result<MountSpec> parse_mount(const std::vector<std::string>& fields) {
    struct Pair {
        std::string key, value;
        bool has_value;
    };
    std::vector<Pair> pairs;
    for (const std::string& field : fields) {
        std::size_t equals = field.find('=');
        pairs.push_back({to_lower(trim(std::string_view(field).substr(0, equals))),
                         equals == std::string::npos ? "" : field.substr(equals + 1), equals != std::string::npos});
    }
    const Type* type = &types()[0];
    for (const Pair& pair : pairs) {
        if (pair.key != "type") continue;
        std::string name = to_lower(pair.value);
        auto found = std::find_if(types().begin(), types().end(), [&](const Type& t) { return t.name == name; });
        if (found == types().end()) return wrong("type", pair.value, "bind, cache, tmpfs, secret or ssh");
        type = &*found;
    }
    MountSpec spec;
    spec.mount.kind = type->kind;
    spec.mount.writable = type->kind == Kind::cache || type->kind == Kind::tmpfs;
    for (const Pair& pair : pairs) {
        if (std::find(type->keys.begin(), type->keys.end(), pair.key) == type->keys.end()) {
            std::string near = pair.key.size() < 3 ? "" : nearest(pair.key, type->keys);
            return fail(Code::invalid, "RUN --mount type=" + std::string(type->name) + ": unknown key " +
                                           quote_json(pair.key.substr(0, 60)) +
                                           (near.empty() ? "" : " (did you mean " + near + "?)") + ", allowed are " +
                                           join(type->keys, " "));
        }
        if (pair.value.empty() && (pair.has_value || !may_stand_alone(pair.key)))
            return fail(Code::invalid, "RUN --mount " + pair.key + " needs a value: " + pair.key + "=..");
        GANTRY_CHECK(apply(&spec, pair.key, pair.value));
    }
    Mount& mount = spec.mount;
    bool needs_target = mount.kind == Kind::bind || mount.kind == Kind::cache || mount.kind == Kind::tmpfs;
    if (needs_target && mount.target.empty())
        return fail(Code::invalid, "RUN --mount type=" + std::string(type->name) + " needs a target: target=/path");
    if (mount.kind == Kind::secret && mount.id.empty() && mount.target.empty() && mount.env.empty())
        return fail(Code::invalid, "RUN --mount type=secret needs an id: id=NAME");
    return spec;
}

}  // namespace gantry::build::dockerfile
