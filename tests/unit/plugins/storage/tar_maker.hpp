// Makes tar streams byte by byte, so that a test can write what no honest tool would.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace gantry::test {

struct TarEntry {
    std::string name;
    char type = '0';  // '0' file, '1' hard link, '2' symbolic link, '3' char, '4' block, '5' directory, '6' fifo
    std::string content = "", link = "";
    unsigned mode = 0644, uid = 0, gid = 0;
    std::int64_t mtime = 1'000'000'000;
    unsigned major = 0, minor = 0;
    std::vector<std::pair<std::string, std::string>> pax = {};
};

class TarMaker {
public:
    TarMaker& add(TarEntry entry) {
        if (entry.name.size() > 100) entry.pax.emplace_back("path", entry.name);
        if (entry.link.size() > 100) entry.pax.emplace_back("linkpath", entry.link);
        if (!entry.pax.empty()) {
            std::string records;
            for (const auto& [key, value] : entry.pax) records += record(key, value);
            block("pax", 'x', records.size(), {});
            data(records);
        }
        block(entry.name.substr(0, 100), entry.type, entry.content.size(), entry);
        data(entry.content);
        return *this;
    }
    TarMaker& file(const std::string& name, const std::string& content = "x") { return add({name, '0', content}); }
    TarMaker& directory(const std::string& name, unsigned mode = 0755) {
        TarEntry entry{name, '5'};
        entry.mode = mode;
        return add(entry);
    }
    TarMaker& symlink(const std::string& name, const std::string& target) { return add({name, '2', "", target}); }
    TarMaker& hardlink(const std::string& name, const std::string& target) { return add({name, '1', "", target}); }
    TarMaker& raw(const std::string& bytes) {
        bytes_ += bytes;
        return *this;
    }
    std::string done() const { return bytes_ + std::string(1024, '\0'); }
    // Without what follows the content of the last file: neither the rest of its block nor an end mark.
    std::string unpadded() const { return bytes_.substr(0, bytes_.size() - padding_); }

private:
    static std::string record(const std::string& key, const std::string& value) {
        std::size_t length = key.size() + value.size() + 3;
        for (std::size_t digits = 1;; ++digits)
            if (std::to_string(length + digits).size() == digits) {
                length += digits;
                break;
            }
        return std::to_string(length) + " " + key + "=" + value + "\n";
    }
    static void octal(char* at, std::size_t width, std::uint64_t value) {
        at[width - 1] = '\0';
        for (std::size_t i = width - 1; i > 0; --i, value >>= 3) at[i - 1] = static_cast<char>('0' + (value & 7));
    }
    void block(const std::string& name, char type, std::size_t size, const TarEntry& entry) {
        char header[512] = {};
        std::memcpy(header, name.data(), name.size());
        octal(header + 100, 8, entry.mode);
        octal(header + 108, 8, entry.uid);
        octal(header + 116, 8, entry.gid);
        octal(header + 124, 12, size);
        octal(header + 136, 12, static_cast<std::uint64_t>(entry.mtime));
        std::memset(header + 148, ' ', 8);
        header[156] = type;
        std::memcpy(header + 157, entry.link.data(), std::min<std::size_t>(entry.link.size(), 100));
        std::memcpy(header + 257, "ustar\00000", 8);
        octal(header + 329, 8, entry.major);
        octal(header + 337, 8, entry.minor);
        unsigned sum = 0;
        for (char c : header) sum += static_cast<unsigned char>(c);
        octal(header + 148, 7, sum);
        header[155] = ' ';
        bytes_.append(header, 512);
    }
    void data(const std::string& content) {
        bytes_ += content;
        padding_ = (512 - content.size() % 512) % 512;
        bytes_.append(padding_, '\0');
    }
    std::string bytes_;
    std::size_t padding_ = 0;
};

}  // namespace gantry::test
