#pragma once
#include <kb/torch.h>
