// The template language of --format: any template ends, within bounds, in a text or in an error.
#include "core/cli/template.hpp"
#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace gantry;
    static const Json things = Json::parse(R"({
        "ID": "4f5e", "Names": ["/web", "/db"], "Size": 12345, "Ratio": 1.5e300, "On": true, "Nothing": null,
        "State": {"Running": true, "Pid": 42, "Health": {"Log": [{"Exit": 0}, {"Exit": 1}]}},
        "Labels": {"a": "1", "b": ""}, "__labels": {"a": "1"}, "Deep": [[[["x"]]]]})");
    auto parsed = cli::Template::parse(fuzz::text_of(data, size));
    if (!parsed) {
        fuzz::require_told(parsed.error().text);
        return 0;
    }
    (void)parsed->fields();
    auto text = parsed->execute(things);
    if (!text) {
        fuzz::require_told(text.error().text);
        return 0;
    }
    fuzz::require(text->size() <= std::size_t{65} << 20, "more output than the limit");
    auto again = parsed->execute(things);
    fuzz::require(again && *again == *text, "another text the second time");
    return 0;
}
