// Layers, entry by entry. The input is text, a line for each entry: a letter for its kind, its name and what else it has, in
// words that a blank ends; %HH stands for any byte. "f NAME CONTENT", "d NAME MODE", "l NAME TARGET" (symbolic), "h NAME TARGET"
// (hard), "c NAME MAJOR MINOR", "b NAME MAJOR MINOR", "p NAME" (FIFO), "t TYPE NAME CONTENT" (any type flag),
// "x KEY VALUE" (a PAX record of the next entry), "o UID GID" (owner of the next entry).
#include "core/base/text.hpp"
#include "tests/fuzz/layer_root.hpp"
#include "tests/unit/plugins/storage/tar_maker.hpp"

namespace {

using namespace gantry;

std::string decoded(std::string_view word) {
    std::string out;
    for (std::size_t i = 0; i < word.size(); ++i) {
        auto byte = word[i] == '%' && i + 2 < word.size() ? from_hex(word.substr(i + 1, 2)) : std::nullopt;
        out += byte ? (*byte)[0] : word[i];
        if (byte) i += 2;
    }
    return out;
}

class Script {
public:
    std::string tar_of(std::string_view text) {
        for (std::string_view line : split(text, '\n')) entry(line);
        return maker_.done();
    }

private:
    void entry(std::string_view line) {
        std::vector<std::string> words;
        for (std::string_view word : split(line, ' ')) words.push_back(decoded(word));
        words.resize(std::max<std::size_t>(words.size(), 4));
        const std::string& kind = words[0];
        if (kind == "x") {
            if (!words[1].empty()) next_.pax.emplace_back(words[1], words[2]);
            return;
        }
        auto number = [&](std::size_t i) { return static_cast<unsigned>(parse_int(words[i]).value_or(0)); };
        if (kind == "o") {
            next_.uid = number(1);
            next_.gid = number(2);
            return;
        }
        next_.name = words[1];
        if (kind == "f") {
            next_.content = words[2];
        } else if (kind == "d") {
            next_.type = '5';
            next_.mode = number(2) & 07777u;
        } else if (kind == "l" || kind == "h") {
            next_.type = kind == "l" ? '2' : '1';
            next_.link = words[2];
        } else if (kind == "c" || kind == "b") {
            next_.type = kind == "c" ? '3' : '4';
            next_.major = number(2);
            next_.minor = number(3);
        } else if (kind == "p") {
            next_.type = '6';
        } else if (kind == "t" && !words[1].empty()) {
            next_.type = words[1][0];
            next_.name = words[2];
            next_.content = words[3];
        } else {
            return;
        }
        maker_.add(std::exchange(next_, test::TarEntry{""}));
    }

    test::TarMaker maker_;
    test::TarEntry next_{""};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static fuzz::LayerRoot root;
    root.unpack(Script().tar_of(fuzz::text_of(data, size)));
    return 0;
}
