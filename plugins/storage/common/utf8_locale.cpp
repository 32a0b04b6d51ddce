#include "plugins/storage/common/utf8_locale.hpp"

namespace gantry::storage {

Utf8Locale::Utf8Locale() : made_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)), before_(nullptr) {
    if (made_ != nullptr) before_ = ::uselocale(made_);
}

Utf8Locale::~Utf8Locale() {
    if (made_ == nullptr) return;
    ::uselocale(before_);
    ::freelocale(made_);
}

}  // namespace gantry::storage
