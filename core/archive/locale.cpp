#include "core/archive/locale.hpp"

namespace gantry::archive {

Utf8Locale::Utf8Locale() : made_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (made_ != nullptr) before_ = ::uselocale(made_);
}

Utf8Locale::~Utf8Locale() {
    if (made_ == nullptr) return;
    ::uselocale(before_);
    ::freelocale(made_);
}

}  // namespace gantry::archive
