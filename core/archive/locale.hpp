// libarchive turns names between the locale's characters and UTF-8: in the "C" locale it would damage those beyond ASCII.
#pragma once
#include <locale.h>

namespace gantry::archive {

// UTF-8 for the calling thread while it lives.
class Utf8Locale {
public:
    Utf8Locale();
    ~Utf8Locale();
    Utf8Locale(const Utf8Locale&) = delete;
    Utf8Locale& operator=(const Utf8Locale&) = delete;

private:
    locale_t before_;
};

}  // namespace gantry::archive
