/*
 * What a callback costs over the raw function: blo_inner_f64 of a callback problem, and a product inside a solve, against
 * the same C functions called directly. Prints nanoseconds per call; "overhead ROUNDS" for more rounds than a check needs.
 */
#define _POSIX_C_SOURCE 199309L
#include "blo.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { N = 16 };

static int32_t inner(int64_t m, int64_t n, const double *u, const double *w, double *value, double *gradient, void *data) {
    int64_t i;
    (void)m, (void)data;
    *value = 0;
    for (i = 0; i < n; i++) {
        gradient[i] = w[i] * (double)(i + 1) - u[0];
        *value += 0.5 * gradient[i] * gradient[i];
    }
    return 0;
}

static int32_t outer(int64_t m, int64_t n, const double *u, const double *w, double *value, double *gu, double *gw, void *data) {
    int64_t i;
    (void)m, (void)u, (void)data;
    gu[0] = 0;
    *value = 0;
    for (i = 0; i < n; i++) {
        gw[i] = w[i];
        *value += 0.5 * w[i] * w[i];
    }
    return 0;
}

static int32_t hvp(int64_t m, int64_t n, const double *u, const double *w, const double *v, double *out, void *data) {
    int64_t i;
    (void)m, (void)u, (void)w, (void)data;
    for (i = 0; i < n; i++) {
        out[i] = v[i] * (double)(i + 1);
    }
    return 0;
}

static int32_t mixed_vjp(int64_t m, int64_t n, const double *u, const double *w, const double *v, double *out, void *data) {
    int64_t i;
    (void)m, (void)u, (void)w, (void)data;
    out[0] = 0;
    for (i = 0; i < n; i++) {
        out[0] -= v[i];
    }
    return 0;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void ok(blo_status status) {
    if (status != BLO_OK) {
        exit(1);
    }
}

int main(int argc, char **argv) {
    const int rounds = argc > 1 ? atoi(argv[1]) : 3, calls = argc > 1 ? 20000 : 50;
    /* Through pointers, so that nothing is inlined. */
    int32_t (*volatile raw_inner)(int64_t, int64_t, const double *, const double *, double *, double *, void *) = inner;
    int32_t (*volatile raw_hvp)(int64_t, int64_t, const double *, const double *, const double *, double *, void *) = hvp;
    const int64_t sizes[3] = {1, 4, N};
    int s, r, i;
    for (s = 0; s < 3; s++) {
        const int64_t n = sizes[s];
        double u[1] = {0.5}, w[N], g[N], value, best[4] = {1e18, 1e18, 1e18, 1e18};
        blo_callbacks_f64 callbacks;
        blo_problem_f64 *problem = NULL;
        blo_workspace_f64 *workspace = NULL;
        for (i = 0; i < N; i++) {
            w[i] = 0.25 * i;
        }
        memset(&callbacks, 0, sizeof callbacks);
        callbacks.struct_size = sizeof callbacks;
        callbacks.inner = inner;
        callbacks.outer = outer;
        callbacks.hvp = hvp;
        callbacks.mixed_vjp = mixed_vjp;
        ok(blo_problem_create_callbacks_f64(1, n, &callbacks, NULL, &problem));
        ok(blo_workspace_create_f64(problem, &workspace));
        ok(blo_linearize_f64(workspace, u, 1, w, n));
        for (r = 0; r < rounds; r++) {
            double t[5];
            t[0] = now();
            for (i = 0; i < calls; i++) raw_hvp(1, n, u, w, w, g, NULL);
            t[1] = now();
            for (i = 0; i < calls; i++) ok(blo_hvp_f64(workspace, w, n, g));
            t[2] = now();
            for (i = 0; i < calls; i++) raw_inner(1, n, u, w, &value, g, NULL);
            t[3] = now();
            for (i = 0; i < calls; i++) ok(blo_inner_f64(workspace, u, 1, w, n, &value, g));
            t[4] = now();
            ok(blo_linearize_f64(workspace, u, 1, w, n));
            for (i = 0; i < 4; i++) {
                if (t[i + 1] - t[i] < best[i]) {
                    best[i] = t[i + 1] - t[i];
                }
            }
        }
        if (argc > 1) {
            printf("n = %2d: hvp %.1f ns over %.1f; inner %.1f ns over %.1f\n", (int)n, (best[1] - best[0]) / calls,
                   best[0] / calls, (best[3] - best[2]) / calls, best[2] / calls);
        }
        blo_workspace_destroy_f64(&workspace);
        blo_problem_destroy_f64(&problem);
    }
    puts("ok");
    return 0;
}
