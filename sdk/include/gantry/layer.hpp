// For authors of layer drivers: abi/layer.h with types. The state machine and the contracts stand there.
#pragma once
#include <gantry/abi/layer.h>

#include <map>

#include <gantry/driver.hpp>

namespace gantry {

// One mount of a plan (MOUNT in abi/layer.h).
struct MountPlan {
    std::string type, source;
    std::vector<std::string> options, lower;
    std::string upper, work;
    std::vector<std::string> fs_options;
};
inline void from_json(const Json& j, MountPlan& m) {
    using Strings = std::vector<std::string>;
    m = {member<std::string>(j, "type"),  member<std::string>(j, "source"), member<Strings>(j, "options"),
         member<Strings>(j, "lower"),     member<std::string>(j, "upper"),  member<std::string>(j, "work"),
         member<Strings>(j, "fs_options")};
}
inline void to_json(Json& j, const MountPlan& m) {
    j = {{"type", m.type},   {"source", m.source}, {"options", m.options},      {"lower", m.lower},
         {"upper", m.upper}, {"work", m.work},     {"fs_options", m.fs_options}};
}

struct Change {
    std::string path, kind;  // "added", "modified", "deleted"
};
inline void to_json(Json& j, const Change& c) { j = {{"path", c.path}, {"kind", c.kind}}; }
inline void from_json(const Json& j, Change& c) { c = {j.value("path", ""), j.value("kind", "")}; }

class LayerDriver {
public:
    static constexpr const char* kind = "layer";
    virtual ~LayerDriver() = default;

    using Labels = std::map<std::string, std::string>;
    using Mounts = std::vector<MountPlan>;
    virtual Result<Mounts> prepare(Call&, const std::string& key, const std::string& parent, const Labels&) = 0;
    virtual Result<Mounts> view(Call&, const std::string& key, const std::string& parent) = 0;
    virtual Result<Mounts> mounts(Call&, const std::string& key) = 0;
    virtual Result<void> commit(Call&, const std::string& key, const std::string& name) = 0;
    // For drivers that describe the ability "rebase": commit of a layer that was prepared without a parent, on `parent`.
    virtual Result<void> commit_on(Call&, const std::string& /*key*/, const std::string& /*name*/,
                                   const std::string& /*parent*/) {
        return fail(Code::unsupported, "a layer keeps the parent it was prepared on");
    }
    virtual Result<void> remove(Call&, const std::string& key) = 0;
    struct Stat {
        std::string state = "absent", parent;  // "absent", "active", "view", "committed"
        Labels labels;
    };
    virtual Result<Stat> stat(Call&, const std::string& key) = 0;
    virtual Result<std::vector<std::string>> list(Call&) = 0;
    struct Usage {
        std::int64_t bytes = 0, inodes = 0;
    };
    virtual Result<Usage> usage(Call&, const std::string& key) = 0;
    virtual Result<std::int64_t> cleanup(Call&) = 0;                                 // bytes reclaimed
    virtual Result<std::int64_t> apply(Call&, const std::string& key, int tar) = 0;  // bytes unpacked
    virtual Result<void> diff(Call&, const std::string& key, int tar) = 0;
    virtual Result<std::vector<Change>> changes(Call&, const std::string& key) = 0;

    template <typename D>
    static const void* table_of(std::string_view id);
};

template <typename D>
const void* LayerDriver::table_of(std::string_view id) {
    static constexpr auto key_of = [](const Json& j) { return member<std::string>(j, "key"); };
    static constexpr auto parent_of = [](const Json& j) { return member<std::string>(j, "parent"); };
    static constexpr auto plan = [](Result<Mounts> mounts) -> Result<Answer> {
        if (!mounts) return std::move(mounts).error();
        return Answer(Json{{"mounts", *mounts}});
    };
    static const gantry_layer table = {
        sizeof(gantry_layer),
        0,
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            return plan(d.prepare(c, key_of(j), parent_of(j), member<Labels>(j, "labels")));
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            return plan(d.view(c, key_of(j), parent_of(j)));
        }),
        detail::op<D>(
            [](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> { return plan(d.mounts(c, key_of(j))); }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            const auto name = member<std::string>(j, "name"), parent = parent_of(j);
            GANTRY_CHECK(parent.empty() ? d.commit(c, key_of(j), name) : d.commit_on(c, key_of(j), name, parent));
            return Answer();
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_CHECK(d.remove(c, key_of(j)));
            return Answer();
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_TRY(Stat s, d.stat(c, key_of(j)));
            return Answer(Json{{"state", s.state}, {"parent", s.parent}, {"labels", s.labels}});
        }),
        detail::op<D>([](D& d, Call& c, const Json&, const Fds&) -> Result<Answer> {
            GANTRY_TRY(auto keys, d.list(c));
            return Answer(Json{{"keys", keys}});
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_TRY(Usage u, d.usage(c, key_of(j)));
            return Answer(Json{{"bytes", u.bytes}, {"inodes", u.inodes}});
        }),
        detail::op<D>([](D& d, Call& c, const Json&, const Fds&) -> Result<Answer> {
            GANTRY_TRY(std::int64_t bytes, d.cleanup(c));
            return Answer(Json{{"reclaimed_bytes", bytes}});
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds& fds) -> Result<Answer> {
            GANTRY_TRY(std::int64_t bytes, d.apply(c, key_of(j), fds.get("tar")));
            return Answer(Json{{"bytes", bytes}});
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds& fds) -> Result<Answer> {
            GANTRY_CHECK(d.diff(c, key_of(j), fds.get("tar")));
            return Answer();
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_TRY(auto changes, d.changes(c, key_of(j)));
            return Answer(Json{{"changes", changes}});
        }),
    };
    return id == GANTRY_LAYER ? &table : nullptr;
}

}  // namespace gantry

#define GANTRY_LAYER_DRIVER(D, name, version) GANTRY_DRIVER_PLUGIN(D, name, version)
