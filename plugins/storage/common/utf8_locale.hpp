// libarchive converts names between character sets by the thread's locale, and in the "C" locale loses every name
// outside ASCII. While an object of this class lives, the calling thread's character set is UTF-8.
#pragma once
#include <locale.h>

namespace gantry::storage {

class Utf8Locale {
public:
    Utf8Locale();
    ~Utf8Locale();
    Utf8Locale(const Utf8Locale&) = delete;
    Utf8Locale& operator=(const Utf8Locale&) = delete;

private:
    locale_t before_;
};

}  // namespace gantry::storage
