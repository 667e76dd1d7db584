#include "blo.h"
#include <stdio.h>

int main(void) { /* f = w'A w / 2 + w'B u, F = |w|^2 / 2 - w_1 - w_2 + 1; w solves the inner problem at u. */
    const double A[] = {2, 0, 0, 4}, B[] = {-1, 0, 0, -1}, P[] = {1, 0, 0, 1}, f[] = {-1, -1}, zero[4] = {0};
    const double u[] = {1, 1}, w[] = {0.5, 0.25};
    double g[2];
    blo_problem_f64 *problem = NULL;
    if (blo_problem_create_quadratic_f64(2, 2, A, B, zero, zero, zero, 0, P, f, 1, &problem) != BLO_OK) return 1;
    if (blo_hypergradient_f64(problem, NULL, u, 2, w, 2, g, NULL, NULL) != BLO_OK) return 1;
    printf("dF/du = (%g, %g)\n", g[0], g[1]);
    blo_problem_destroy_f64(&problem);
    return 0;
}
