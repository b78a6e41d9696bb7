#pragma once
#include <stddef.h>
#include <stdint.h>

#if __has_include("CScanHTTP.h")
#include "CScanHTTP.h"
#endif
#if __has_include("CScanJSON.h")
#include "CScanJSON.h"
#endif
#if __has_include("CScanLLM.h")
#include "CScanLLM.h"
#include "CScanShape.h"
#include "CScanWalk.h"
#endif
