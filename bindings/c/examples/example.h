/* What the examples share: a check of every status, and numbers printed to the last bit. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include "blo.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(blo_status status, const char *what) {
    if (status != BLO_OK) {
        char message[512] = "";
        blo_last_error(message, sizeof message, NULL);
        fprintf(stderr, "%s: %s: %s\n", what, blo_status_text(status), message);
        exit(1);
    }
}

#define CHECK(call) check((call), #call)

/* One line: a name, then the numbers in hexadecimal, which is exact. */
static void print_exact(const char *name, const double *x, int64_t n) {
    int64_t i;
    printf("%s", name);
    for (i = 0; i < n; i++) {
        printf(" %a", x[i]);
    }
    printf("\n");
}

#endif
