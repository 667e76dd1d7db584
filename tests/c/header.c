/* The header alone, compiled as C and as C++. */

#include "blo.h"

typedef int blo_header_alone;
