#include "core/archive/locale.hpp"

namespace gantry::archive {
namespace {

// Made once, for all threads, and kept: to make one takes a lock of the whole process.
locale_t utf8() {
    static const locale_t made = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return made;
}

}  // namespace

Utf8Locale::Utf8Locale() : before_(utf8() ? ::uselocale(utf8()) : nullptr) {}

Utf8Locale::~Utf8Locale() {
    if (before_) ::uselocale(before_);
}

}  // namespace gantry::archive
