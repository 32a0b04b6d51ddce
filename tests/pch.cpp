// Only there so that tests/pch.hpp is compiled.
