#include "core/build/dockerfile/expand.hpp"

#include <gtest/gtest.h>

#include "core/build/dockerfile/limits.hpp"
#include "core/build/dockerfile/variables.hpp"

namespace gantry::build::dockerfile {
namespace {

struct Expand : testing::Test {
    Expand() {
        for (auto [name, value] : std::initializer_list<std::pair<const char*, const char*>>{{"v", "value"},
                                                                                             {"empty", ""},
                                                                                             {"w", "a b"},
                                                                                             {"path", "/usr/local/bin"},
                                                                                             {"star", "a*b*c"},
                                                                                             {"u", "äöü"},
                                                                                             {"_x1", "y"}})
            EXPECT_TRUE(variables.set(name, value));
    }
    Result<Expanded> expand(std::string_view word, const ExpandOptions& options = {}) {
        return dockerfile::expand(word, variables.lookup(), &budget, options);
    }
    std::string text(std::string_view word, const ExpandOptions& options = {}) {
        auto expanded = expand(word, options);
        return expanded ? expanded->text : "error: " + expanded.error().text;
    }
    Variables variables;
    Budget budget{kMaxPlan, kMaxPatternSteps};
};

}  // namespace

TEST_F(Expand, puts_variables_in) {
    for (auto [word, whole] :
         std::initializer_list<std::pair<const char*, const char*>>{{"", ""},
                                                                    {"a", "a"},
                                                                    {"$v", "value"},
                                                                    {"${v}", "value"},
                                                                    {"a$v-b", "avalue-b"},
                                                                    {"${v}x", "valuex"},
                                                                    {"$vx", ""},
                                                                    {"$_x1", "y"},
                                                                    {"$nothing", ""},
                                                                    {"${nothing}", ""},
                                                                    {"$", "$"},
                                                                    {"a$", "a$"},
                                                                    {"$/", "$/"},
                                                                    {"$1x", "x"},
                                                                    {"${1}", ""},
                                                                    {"$$", ""},
                                                                    {"$v$v", "valuevalue"},
                                                                    {"$u", "äöü"},
                                                                    // quotes and escapes
                                                                    {"\\$v", "$v"},
                                                                    {"\\\\$v", "\\value"},
                                                                    {"'$v'", "$v"},
                                                                    {"\"$v\"", "value"},
                                                                    {"\"\\$v\"", "$v"},
                                                                    {"\"\\\"\"", "\""},
                                                                    {"\"\\a\"", "\\a"},
                                                                    {"\\a", "a"},
                                                                    {"a\\", "a"},
                                                                    {"'a'\"b\"c", "abc"},
                                                                    {"'\"'", "\""},
                                                                    {"\"'\"", "'"},
                                                                    {"\"$w\"", "a b"},
                                                                    // with a word
                                                                    {"${v:-word}", "value"},
                                                                    {"${v-word}", "value"},
                                                                    {"${empty:-word}", "word"},
                                                                    {"${empty-word}", ""},
                                                                    {"${nothing:-word}", "word"},
                                                                    {"${nothing-word}", "word"},
                                                                    {"${nothing:-}", ""},
                                                                    {"${v:+word}", "word"},
                                                                    {"${v+word}", "word"},
                                                                    {"${empty:+word}", ""},
                                                                    {"${empty+word}", "word"},
                                                                    {"${nothing:+word}", ""},
                                                                    {"${nothing+word}", ""},
                                                                    {"${v:?no}", "value"},
                                                                    {"${v?no}", "value"},
                                                                    {"${empty?no}", ""},
                                                                    {"${nothing:-$v}", "value"},
                                                                    {"${nothing:-${v}}", "value"},
                                                                    {"${nothing:-${other:-${w}}}", "a b"},
                                                                    {"${nothing:-a b}", "a b"},
                                                                    {"${nothing:-\"}\"}", "}"},
                                                                    {"${nothing:-'}'}", "}"},
                                                                    {"${nothing:-\\}}", "}"},
                                                                    // patterns
                                                                    {"${path#/*/}", "local/bin"},
                                                                    {"${path##*/}", "bin"},
                                                                    {"${path%/*}", "/usr/local"},
                                                                    {"${path%%/*}", ""},
                                                                    {"${path#x}", "/usr/local/bin"},
                                                                    {"${path%x}", "/usr/local/bin"},
                                                                    {"${path#}", "/usr/local/bin"},
                                                                    {"${path#????}", "/local/bin"},
                                                                    {"${path%???}", "/usr/local/"},
                                                                    {"${u#?}", "öü"},
                                                                    {"${u%?}", "äö"},
                                                                    {"${u%%?*}", ""},
                                                                    {"${star#a\\*}", "b*c"},
                                                                    {"${star##*\\*}", "c"},
                                                                    {"${star%\\**}", "a*b"},
                                                                    {"${path/local/opt}", "/usr/opt/bin"},
                                                                    {"${path//\\//.}", ".usr.local.bin"},
                                                                    {"${path/\\//.}", ".usr/local/bin"},
                                                                    {"${path//u?r/x}", "/x/local/bin"},
                                                                    {"${path/l*l/x}", "/usr/x/bin"},
                                                                    {"${path//[/x}", "/usr/local/bin"},
                                                                    {"${path/local}", "/usr//bin"},
                                                                    {"${path/local/}", "/usr//bin"},
                                                                    {"${path//o/$v}", "/usr/lvaluecal/bin"},
                                                                    {"${path/$empty/x}", "/usr/local/bin"},
                                                                    {"${star//\\*/-}", "a-b-c"},
                                                                    {"${nothing#x}", ""},
                                                                    {"${nothing/a/b}", ""}})
        EXPECT_EQ(text(word), whole) << word;
}

TEST_F(Expand, knows_the_other_escape_character) {
    EXPECT_EQ(text("`$v\\$v", {.escape = '`'}), "$v\\value");
    EXPECT_EQ(text("\"`\"\"", {.escape = '`'}), "\"");
    EXPECT_EQ(text("C:\\dir", {.escape = '`'}), "C:\\dir");
}

TEST_F(Expand, leaves_the_quotes_of_a_document) {
    EXPECT_EQ(text("'$v' \"$v\" \\$v \\n \\\\ it's", {.keep_quotes = true}), "'value' \"value\" $v \\n \\ it's");
    EXPECT_EQ(text(std::string(kMaxValue + 1, 'x'), {.keep_quotes = true}).size(), kMaxValue + 1);
}

TEST_F(Expand, tells_what_it_found_and_what_not) {
    auto expanded = expand("$v ${w} $nothing ${other:-x} ${more+x} ${_x1:-z} ${third%x}");
    ASSERT_TRUE(expanded);
    EXPECT_EQ(expanded->matched, (std::set<std::string>{"_x1", "v", "w"}));
    EXPECT_EQ(expanded->unmatched, (std::set<std::string>{"nothing", "third"}));
}

TEST_F(Expand, says_what_is_wrong) {
    for (auto [word, error] : std::initializer_list<std::pair<const char*, const char*>>{
             {"'a", "the quote ' is not closed in \"'a\""},
             {"\"a", "the quote \" is not closed in \"\\\"a\""},
             {"${v", "\"${v\" is not closed with \"}\" in \"${v\""},
             {"${v:-a", "\"${v\" is not closed with \"}\" in \"${v:-a\""},
             {"${v#a", "\"${v\" is not closed with \"}\" in \"${v#a\""},
             {"${v/a/b", "\"${v\" is not closed with \"}\" in \"${v/a/b\""},
             {"${}", "a variable needs a name after \"${\" in \"${}\""},
             {"${", "a variable needs a name after \"${\" in \"${\""},
             {"${v!x}",
              "unsupported modifier \"!\" in \"${v\", allowed are - :- + :+ ? :? # ## % %% / // in \"${v!x}\""},
             {"${v:1}",
              "unsupported modifier \":1\" in \"${v\", allowed are - :- + :+ ? :? # ## % %% / // in \"${v:1}\""},
             {"${v:}",
              "unsupported modifier \":}\" in \"${v\", allowed are - :- + :+ ? :? # ## % %% / // in \"${v:}\""},
             {"${nothing:?}", "nothing: is not set or is empty"},
             {"${nothing?}", "nothing: is not set"},
             {"${empty:?give one}", "empty: give one"},
             {"${nothing?give $v}", "nothing: give value"}})
        EXPECT_EQ(text(word), std::string("error: ") + error);
}

TEST_F(Expand, costs_no_more_than_is_allowed) {
    std::string deep;
    for (std::size_t i = 0; i <= kMaxExpansionDepth; ++i) deep += "${n:-";
    EXPECT_EQ(text(deep), "error: variables are nested more than 32 deep");
    ASSERT_TRUE(variables.set("long", std::string(kMaxValue, 'a')));
    EXPECT_EQ(text("$long").size(), kMaxValue);
    EXPECT_EQ(text("${long}a"), "error: an expanded value is longer than 131072 bytes");
    EXPECT_EQ(text("${long//a/aa}"), "error: an expanded value is longer than 131072 bytes");
    EXPECT_EQ(expand("${long//a/aa}").error().code, Code::exhausted);
    EXPECT_EQ(text("${long//a*b/x}"), "error: the patterns of variables take too long to match");
    Budget small{100, 100};
    EXPECT_EQ(dockerfile::expand("$long", variables.lookup(), &small).error().text,
              "the build plan is larger than 67108864 bytes");
}

TEST(Variables, keep_their_order_and_their_limit) {
    Variables variables;
    EXPECT_TRUE(variables.set("b", "1"));
    EXPECT_TRUE(variables.set("a", "2"));
    EXPECT_TRUE(variables.set("b", "3"));
    EXPECT_EQ(variables.names(), (std::vector<std::string>{"b", "a"}));
    EXPECT_EQ(*variables.find("b"), "3");
    EXPECT_EQ(variables.find("c"), nullptr);
    EXPECT_EQ(variables.set("c", std::string(kMaxEnvironment, 'x')).error().text,
              "all variables of a stage together have more than 1048576 bytes");
}

}  // namespace gantry::build::dockerfile
