// For authors of volume drivers: abi/volume.h with types. The contracts stand there.
#pragma once
#include <gantry/abi/volume.h>

#include <map>

#include <gantry/driver.hpp>

namespace gantry {

struct VolumeSpec {
    std::string id, name;
    std::int64_t generation = 0;
    std::map<std::string, std::string> labels;
    Json options = Json::object();
};
inline void from_json(const Json& j, VolumeSpec& v) {
    v = {member<std::string>(j, "id"), member<std::string>(j, "name"), member<std::int64_t>(j, "generation"),
         member<std::map<std::string, std::string>>(j, "labels"), member<Json>(j, "options", Json::object())};
}
inline void to_json(Json& j, const VolumeSpec& v) {
    j = {{"id", v.id}, {"name", v.name}, {"generation", v.generation}, {"labels", v.labels}, {"options", v.options}};
}

class VolumeDriver {
public:
    static constexpr const char* kind = "volume";
    virtual ~VolumeDriver() = default;

    // Gives the path where the data is, "" where there is none on this host.
    virtual Result<std::string> ensure(Call&, const VolumeSpec&) = 0;
    virtual Result<void> remove(Call&, const VolumeSpec&) = 0;
    struct State {
        std::string state = "absent", path;
        Json status = Json::object();
    };
    virtual Result<State> inspect(Call&, const VolumeSpec&) = 0;
    virtual Result<std::vector<std::string>> list(Call&) = 0;
    // An O_PATH descriptor of a directory, or a detached mount.
    virtual Result<UniqueFd> publish(Call&, const VolumeSpec&, const std::string& consumer, bool read_only) = 0;
    virtual Result<void> unpublish(Call&, const VolumeSpec&, const std::string& consumer) = 0;

    template <typename D>
    static const void* table_of(std::string_view id);
};

template <typename D>
const void* VolumeDriver::table_of(std::string_view id) {
    static constexpr auto volume_of = [](const Json& j) { return member<VolumeSpec>(j, "volume"); };
    static const gantry_volume table = {
        sizeof(gantry_volume),
        0,
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_TRY(std::string path, d.ensure(c, volume_of(j)));
            return Answer(Json{{"path", path}});
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_CHECK(d.remove(c, volume_of(j)));
            return Answer();
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_TRY(State s, d.inspect(c, volume_of(j)));
            return Answer(Json{{"state", s.state}, {"path", s.path}, {"status", s.status}});
        }),
        detail::op<D>([](D& d, Call& c, const Json&, const Fds&) -> Result<Answer> {
            GANTRY_TRY(auto names, d.list(c));
            return Answer(Json{{"volumes", names}});
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_TRY(UniqueFd mount,
                       d.publish(c, volume_of(j), member<std::string>(j, "consumer"), member<bool>(j, "read_only")));
            Answer answer;
            answer.give("mount", std::move(mount));
            return answer;
        }),
        detail::op<D>([](D& d, Call& c, const Json& j, const Fds&) -> Result<Answer> {
            GANTRY_CHECK(d.unpublish(c, volume_of(j), member<std::string>(j, "consumer")));
            return Answer();
        }),
    };
    return id == GANTRY_VOLUME ? &table : nullptr;
}

}  // namespace gantry

#define GANTRY_VOLUME_DRIVER(D, name, version) GANTRY_DRIVER_PLUGIN(D, name, version)
