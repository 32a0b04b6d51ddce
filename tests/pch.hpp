// What nearly every test includes; precompiled once.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/pch.hpp"
