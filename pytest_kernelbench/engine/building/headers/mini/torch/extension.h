#pragma once
#include <kb/bind.h>
