// Each fixture in bad/ is wrong in one way; the loader says in which, what it found, and what it needs.
#include "core/driver/library.hpp"

#include <fstream>

#include "core/driver/registry.hpp"
#include "tests/unit/core/driver/support.hpp"

namespace gantry::driver {
namespace {

using ::testing::HasSubstr;

struct Refusal : Fixture {
    // Both ways of running a driver refuse it, with the same words.
    void refused(const std::string& name, const std::string& message) {
        for (Isolation isolation : {Isolation::in_process, Isolation::process}) {
            Settings s = settings();
            s.path = {directory.path() + "/own", bad_drivers};
            s.drivers.clear();
            Wanted wanted;
            wanted.name = name;
            wanted.isolation = isolation;
            s.drivers.push_back(wanted);
            Registry registry(s);
            auto driver = registry.get(Kind::network, name);
            ASSERT_FALSE(driver) << "loaded " << name;
            EXPECT_THAT(driver.error().text, HasSubstr(message));
            EXPECT_THAT(driver.error().text, HasSubstr("\"" + bad_drivers + "/network-" + name + ".so\""));
            EXPECT_EQ(driver.error().text.find('\n'), std::string::npos);
        }
    }
};

TEST_F(Refusal, without_the_symbol) {
    refused("no_symbol", "has no symbol \"gantry_driver_entry\"; a driver exports it");
}
TEST_F(Refusal, for_a_newer_engine) { refused("newer_engine", "cannot work with an engine of driver ABI 1.0"); }
TEST_F(Refusal, of_another_major) { refused("major", "was made for driver ABI 99; 1 is needed"); }
TEST_F(Refusal, with_a_short_plugin_struct) { refused("short_plugin", "in a struct of 16 bytes; 48 are needed"); }
TEST_F(Refusal, with_another_name) {
    refused("other_name", "has name \"somebody-else\"; its file's name needs \"other_name\"");
}
TEST_F(Refusal, with_a_bad_name) {
    refused("bad_name", "has name \"../evil\"; [a-z][a-z0-9_-]* of 32 bytes at most is needed");
}
TEST_F(Refusal, with_a_description_that_is_not_json) {
    refused("description_not_json", "text that is not JSON; a JSON object is needed");
}
TEST_F(Refusal, with_a_description_that_is_an_array) {
    refused("description_array", "with a JSON array; an object is needed");
}
TEST_F(Refusal, with_no_description) { refused("description_empty", "describes itself with no text"); }
TEST_F(Refusal, with_an_unknown_kind) {
    refused("unknown_kind", "kind \"teapot\"; network, volume, layer or runtime is needed");
}
TEST_F(Refusal, with_another_kind) { refused("other_kind", "kind \"volume\"; its file's name needs \"network\""); }
TEST_F(Refusal, without_options) { refused("no_options", "describes itself without \"options\""); }
TEST_F(Refusal, with_an_option_of_unknown_type) {
    refused("option_type", "option \"speed\" has type \"colour\"; string, integer");
}
TEST_F(Refusal, with_a_default_out_of_range) {
    refused("option_default", "option \"mtu\" is 1; at least 68 is needed");
}
TEST_F(Refusal, when_open_fails_without_a_reason) {
    refused("open_silent", "did not open and gave no reason; its status was GANTRY_DENIED");
}
TEST_F(Refusal, when_open_fails_with_a_reason) {
    refused("open_reason", "did not open: the moon is not full honestly");
}
TEST_F(Refusal, without_close) { refused("no_close", "opened without a function \"close\"; it is needed"); }
TEST_F(Refusal, without_its_table) { refused("no_table", "has no table \"network/1\"; a network driver needs it"); }
TEST_F(Refusal, with_a_short_table) { refused("short_table", "has a table \"network/1\" of 40 bytes; 56 are needed"); }
TEST_F(Refusal, with_a_short_optional_table) {
    refused("short_optional_table", "table \"network.stats/1\" of 4 bytes; 16 are needed");
}
TEST_F(Refusal, with_a_null_operation) {
    refused("null_operation", "has no operation \"attach\" in table \"network/1\"; it is needed");
}

TEST_F(Refusal, does_not_fall_on_the_one_without_a_fault) {
    auto library = load_library(bad_drivers + "/network-plain.so");
    ASSERT_TRUE(library) << text_of(library);
    EXPECT_EQ((*library)->version, "1.0");
}

TEST_F(Refusal, of_an_object_that_the_linker_cannot_load_has_the_linkers_words) {
    // A needed library that is nowhere.
    std::string copy = directory.copy(good_drivers + "/network-good.so");
    std::fstream stream(copy, std::ios::in | std::ios::out | std::ios::binary);
    std::string content((std::istreambuf_iterator<char>(stream)), {});
    std::size_t at = content.find("libc.so.6");
    ASSERT_NE(at, std::string::npos);
    stream.seekp(static_cast<std::streamoff>(at));
    stream << "libX";
    stream.close();
    auto library = load_library(copy);
    ASSERT_FALSE(library);
    EXPECT_THAT(library.error().text, HasSubstr("\"" + copy + "\" cannot be loaded"));
    EXPECT_THAT(library.error().text, HasSubstr("libX.so.6"));
}

TEST_F(Refusal, of_a_file_that_was_exchanged_after_it_was_loaded) {
    std::string copy = directory.copy(good_drivers + "/network-good.so");
    ASSERT_TRUE(load_library(copy));
    std::filesystem::remove(copy);
    std::filesystem::copy_file(good_drivers + "/network-good.so", copy);
    // The file system may give the same inode number again; then it is the same file to everyone.
    if (auto again = load_library(copy); !again) {
        EXPECT_THAT(again.error().text, HasSubstr("was exchanged after it was loaded"));
    }
}

}  // namespace
}  // namespace gantry::driver
