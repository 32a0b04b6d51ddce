#include <gtest/gtest.h>

#include "core/cli/flags.hpp"

namespace gantry::cli {
namespace {

struct Sample {
    bool interactive = false, tty = false, remove = true;
    std::string name;
    std::vector<std::string> publish;
    std::int64_t last = -1;
    Flags flags;

    Sample() {
        flags.boolean(interactive, 'i', "interactive", "keep open");
        flags.boolean(tty, 't', "tty", "a terminal");
        flags.boolean(remove, 0, "rm", "remove");
        flags.text(name, 'n', "name", "a name");
        flags.list(publish, 'p', "publish", "a port");
        flags.integer(last, 0, "last", "a number");
    }
};

using Words = std::vector<std::string>;

TEST(Flags, letters_stand_together_and_take_values_attached_or_apart) {
    Sample s;
    auto rest = s.flags.parse({"-itp80:80", "-p", "81:81", "-p=82", "image"}, Options::until_argument);
    ASSERT_TRUE(rest) << rest.error().text;
    EXPECT_TRUE(s.interactive && s.tty);
    EXPECT_EQ(s.publish, (Words{"80:80", "81:81", "82"}));
    EXPECT_EQ(*rest, Words{"image"});
    EXPECT_TRUE(s.flags.given("publish"));
    EXPECT_FALSE(s.flags.given("name"));
}

TEST(Flags, options_end_at_the_first_argument_only_where_asked) {
    Sample until;
    auto rest = until.flags.parse({"--name", "a", "image", "-t", "--name=b"}, Options::until_argument);
    ASSERT_TRUE(rest);
    EXPECT_EQ(*rest, (Words{"image", "-t", "--name=b"}));
    EXPECT_EQ(until.name, "a");
    Sample anywhere;
    rest = anywhere.flags.parse({"one", "--name=b", "two", "--", "-x"}, Options::anywhere);
    ASSERT_TRUE(rest);
    EXPECT_EQ(*rest, (Words{"one", "two", "-x"}));
    EXPECT_EQ(anywhere.name, "b");
}

TEST(Flags, a_boolean_takes_a_value_only_behind_an_equals_sign) {
    Sample s;
    auto rest = s.flags.parse({"--rm=false", "-t=0", "-i", "false"}, Options::anywhere);
    ASSERT_TRUE(rest);
    EXPECT_FALSE(s.remove);
    EXPECT_FALSE(s.tty);
    EXPECT_TRUE(s.interactive);
    EXPECT_EQ(*rest, Words{"false"});
}

TEST(Flags, an_unknown_option_names_the_nearest_one) {
    Sample s;
    auto rest = s.flags.parse({"--publsh", "80"}, Options::anywhere);
    ASSERT_FALSE(rest);
    EXPECT_EQ(rest.error().text, "unknown flag: --publsh (did you mean --publish?)");
    Sample letter;
    EXPECT_EQ(letter.flags.parse({"-tx"}, Options::anywhere).error().text, "unknown shorthand flag: 'x' in -tx");
    Sample other_case;
    EXPECT_EQ(other_case.flags.parse({"-iT"}, Options::anywhere).error().text,
              "unknown shorthand flag: 'T' in -iT (did you mean -t?)");
    Sample value;
    EXPECT_EQ(value.flags.parse({"--name"}, Options::anywhere).error().text, "flag needs an argument: --name");
    Sample number;
    EXPECT_EQ(number.flags.parse({"--last", "many"}, Options::anywhere).error().text,
              "invalid argument \"many\" for \"--last\" flag: not a whole number");
}

TEST(Flags, help_is_found_and_lists_options_sorted) {
    Sample s;
    ASSERT_TRUE(s.flags.parse({"--help", "--nonsense"}, Options::anywhere));
    EXPECT_TRUE(s.flags.help_asked());
    EXPECT_EQ(s.flags.help(),
              "Options:\n"
              "  -i, --interactive    keep open\n"
              "      --last int       a number (default -1)\n"
              "  -n, --name string    a name\n"
              "  -p, --publish list   a port\n"
              "      --rm             remove (default true)\n"
              "  -t, --tty            a terminal\n");
}

}  // namespace
}  // namespace gantry::cli
