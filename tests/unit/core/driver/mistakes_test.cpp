#include "core/driver/mistakes.hpp"

#include <fstream>

#include "tests/unit/core/driver/support.hpp"

namespace gantry::driver {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct MistakesTest : Fixture {
    // Of the configured driver `name` with these options.
    std::vector<Mistake> of(const std::string& name, const std::string& use, Json options, Ask ask = Ask::options) {
        Wanted wanted;
        wanted.name = name;
        wanted.use = use;
        wanted.options = std::move(options);
        Settings s = settings();
        s.path.push_back(directory.path());
        s.drivers = {wanted};
        return mistakes(s, wanted, ask);
    }
};

TEST_F(MistakesTest, a_name_of_another_kind_is_none) {
    const Settings s = settings();
    EXPECT_EQ(name_mistake(s, Kind::network, "good"), "");
    EXPECT_THAT(name_mistake(s, Kind::network, "goood"), HasSubstr("did you mean \"good\"?"));
}

TEST_F(MistakesTest, a_driver_that_no_file_is_for_names_the_nearest) {
    auto found = of("mine", "goood", Json::object());
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].option, "");
    EXPECT_THAT(found[0].text, HasSubstr("found \"goood\""));
    EXPECT_THAT(found[0].text, HasSubstr("did you mean \"good\"?"));
}

TEST_F(MistakesTest, every_option_that_no_driver_of_the_name_takes_is_told) {
    // "good" is a network driver with options and a volume driver without: what one takes is right.
    EXPECT_TRUE(of("mine", "good", {{"mtu", 1400}}).empty());
    auto found = of("mine", "good", {{"mtu", "fast"}, {"mut", 1}});
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].option, "mtu");
    EXPECT_THAT(found[0].text, HasSubstr("is \"fast\"; an integer is needed"));
    EXPECT_EQ(found[1].option, "mut");
    EXPECT_THAT(found[1].text, HasSubstr("did you mean \"mtu\"?"));
}

TEST_F(MistakesTest, a_refused_file_is_a_mistake_only_where_all_is_asked) {
    std::ofstream(directory.path() + "/network-broken.so") << "nonsense";
    for (const Json& options : {Json::object(), Json{{"a", 1}}})
        EXPECT_TRUE(of("broken", "", options, Ask::options).empty());
    auto found = of("broken", "", {{"a", 1}}, Ask::everything);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_THAT(found[0].text, HasSubstr("not an ELF file"));
}

TEST_F(MistakesTest, configured_drivers_are_told_apart_by_their_kind) {
    Settings s = settings();
    Wanted layer;
    layer.name = "mine";
    layer.use = "good";
    s.drivers.push_back(layer);
    Wanted unknown;
    unknown.name = "unknown";
    s.drivers.push_back(unknown);
    Registry registry(s);
    auto names = [&](Kind kind) {
        std::vector<std::string> all;
        for (const Wanted& one : registry.configured(kind)) all.push_back(one.name);
        return all;
    };
    EXPECT_THAT(names(Kind::network), ElementsAre("good", "misbehaves", "mine"));
    EXPECT_THAT(names(Kind::volume), ElementsAre("good", "mine"));
    for (const Found& one : registry.list(Kind::volume))
        EXPECT_TRUE(one.kind == "volume" || one.file.empty()) << one.file;
}

}  // namespace
}  // namespace gantry::driver
