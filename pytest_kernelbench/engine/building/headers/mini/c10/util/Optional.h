#pragma once
#include <kb/aten.h>
