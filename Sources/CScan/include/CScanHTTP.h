#pragma once
// Byte scanning for HTTP/1.1: what would be a per-byte loop in Swift is a static inline here, 16 bytes a step with SSE2
// where there is SSE2. No function reads outside [p, p + n); none allocates, keeps state of its own or knows a policy.
#include "CScanHTTPBytes.h"
#include "CScanHTTPNames.h"
#include "CScanHTTPHead.h"
#include "CScanHTTPBody.h"
