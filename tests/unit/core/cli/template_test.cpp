#include <gtest/gtest.h>

#include "core/cli/template.hpp"

namespace gantry::cli {
namespace {

std::string shown(std::string_view text,
                  const char* data = R"({"Name":"web","State":{"Status":"running","Pid":7,"Ok":true},"List":["a","b"],
                                                               "Map":{"k-1":"v","z":{"IP":"10.0.0.2"}},"Empty":[],"None":null,"__labels":{"l":"x"}})") {
    auto parsed = Template::parse(text);
    if (!parsed) return "error: " + parsed.error().text;
    auto done = parsed->execute(Json::parse(data));
    return done ? *done : "error: " + done.error().text;
}

TEST(Template, fields_and_text_stand_side_by_side) {
    EXPECT_EQ(shown("{{.Name}} is {{ .State.Status }}!"), "web is running!");
    EXPECT_EQ(shown("{{.State.Pid}} {{.State.Ok}} {{.List}} {{.Map}}"), "7 true [a b] map[k-1:v z:map[IP:10.0.0.2]]");
    EXPECT_EQ(shown("{{.None}}"), "<no value>");
    EXPECT_EQ(shown("a {{- .Name -}} b{{/* nothing */}}"), "awebb");
}

TEST(Template, json_hides_what_is_for_methods) {
    EXPECT_EQ(shown("{{json .State}}"), R"({"Ok":true,"Pid":7,"Status":"running"})");
    EXPECT_EQ(shown("{{json .}}", R"({"a":1,"__labels":{}})"), R"({"a":1})");
    EXPECT_EQ(shown("{{.Label \"l\"}}|{{.Label \"none\"}}"), "x|");
}

TEST(Template, range_goes_over_lists_and_maps) {
    EXPECT_EQ(shown("{{range .List}}<{{.}}>{{end}}"), "<a><b>");
    EXPECT_EQ(shown("{{range $i, $x := .List}}{{$i}}={{$x}} {{end}}"), "0=a 1=b ");
    EXPECT_EQ(shown("{{range $k, $v := .Map}}{{$k}},{{end}}"), "k-1,z,");
    EXPECT_EQ(shown("{{range .Empty}}x{{else}}none{{end}}"), "none");
    EXPECT_EQ(shown("{{range .List}}{{$.Name}}{{end}}"), "webweb");
}

TEST(Template, conditions_and_variables_work) {
    EXPECT_EQ(shown("{{if .State.Ok}}yes{{else}}no{{end}}"), "yes");
    EXPECT_EQ(shown("{{if eq .Name \"db\"}}1{{else if eq .Name \"web\"}}2{{else}}3{{end}}"), "2");
    EXPECT_EQ(shown("{{if and .State.Ok (not .None)}}both{{end}}"), "both");
    EXPECT_EQ(shown("{{with .State}}{{.Status}}{{end}}"), "running");
    EXPECT_EQ(shown("{{$x := .Name}}{{$x}}{{$x = \"y\"}}{{$x}}"), "weby");
    EXPECT_EQ(shown("{{if gt .State.Pid 5}}big{{end}}{{if lt .State.Pid 5}}small{{end}}"), "big");
}

TEST(Template, dockers_functions_are_known) {
    EXPECT_EQ(shown("{{index .Map \"k-1\"}} {{index .List 1}} {{(index .Map \"z\").IP}}"), "v b 10.0.0.2");
    EXPECT_EQ(shown("{{join .List \",\"}} {{len .List}} {{upper .Name}} {{.Name | title}}"), "a,b 2 WEB Web");
    EXPECT_EQ(shown("{{index (split \"a/b\" \"/\") 1}} {{truncate .Name 2}} [{{pad .Name 1 2}}]"), "b we [ web  ]");
    EXPECT_EQ(shown("{{printf \"%s=%05d %q %.1f\" .Name .State.Pid .Name 1.25}}"), "web=00007 \"web\" 1.2");
    EXPECT_EQ(shown("{{println .Name \"x\"}}"), "web x\n");
}

TEST(Template, what_is_wrong_is_said) {
    EXPECT_EQ(shown("{{.Nme}}"), "error: template: map has no entry for key \"Nme\"");
    EXPECT_EQ(shown("{{.Name.x}}"), "error: template: can't evaluate field x in type string");
    EXPECT_EQ(shown("{{.Name"), "error: template parsing error: unclosed action");
    EXPECT_EQ(shown("{{if .Name}}x"), "error: template parsing error: unexpected EOF");
    EXPECT_EQ(shown("{{end}}"), "error: template parsing error: unexpected {{end}}");
    EXPECT_EQ(shown("{{nothing .Name}}"), "error: template: function \"nothing\" not defined");
    EXPECT_EQ(shown("{{\"open}}"), "error: template parsing error: unclosed action");
    EXPECT_EQ(shown("{{}}"), "error: template parsing error: missing value for command");
    EXPECT_EQ(shown("{{index .List 9}}"), "error: template: index out of range: 9");
    EXPECT_FALSE(Template::parse(std::string(1000, '(').insert(0, "{{")));
}

TEST(Template, what_it_costs_is_bounded) {
    std::string doubling = "{{$x := \"aaaaaaaa\"}}", loops;
    for (int i = 0; i < 40; ++i) doubling += "{{$x = print $x $x}}";
    for (int i = 0; i < 40; ++i) loops += "{{range $.List}}";
    for (int i = 0; i < 40; ++i) loops += "{{end}}";
    for (const std::string& text : {doubling, loops})
        EXPECT_EQ(shown(text.c_str()), "error: template: it takes too many steps, or makes too much text");
}

TEST(Template, a_number_that_is_not_whole_is_written_as_it_is) {
    EXPECT_EQ(shown("{{printf \"%d %x %d\" 1.5e300 1.5e300 2.0}}"), "1.5e+300 1.5e+300 2");
}

TEST(Template, tells_in_one_line_what_is_wrong) {
    EXPECT_EQ(shown("{{\x1b}}"), "error: template parsing error: unexpected character \"\\u001b\"");
    EXPECT_EQ(shown("{{index .List \"a\\nb\"}}"), "error: template: cannot index slice/array with \"a\\nb\"");
}

}  // namespace
}  // namespace gantry::cli
