#include "blo.h"
#include <stdio.h>

int main(void) { /* f = w'A w / 2 + w'B u, F = |w|^2 / 2 - w_1 - w_2; w solves the inner problem at u. */
    const double A[] = {2, 0, 0, 4}, B[] = {-1, 0, 0, -1}, P[] = {1, 0, 0, 1}, f[] = {-1, -1};
    const double u[] = {1, 1}, w[] = {0.5, 0.25};
    blo_quadratics_f64 terms = {sizeof terms};
    blo_problem_f64 *problem = NULL;
    blo_workspace_f64 *workspace = NULL;
    double g[2];
    terms.n_outer = terms.n_inner = 2;
    terms.a = A, terms.b = B, terms.p = P, terms.f = f;
    if (blo_problem_create_quadratic_f64(&terms, &problem) != BLO_OK) return 1;
    if (blo_workspace_create_f64(problem, &workspace) != BLO_OK) return 1;
    if (blo_hypergradient_f64(workspace, NULL, u, 2, w, 2, g, NULL, NULL) != BLO_OK) return 1;
    printf("dF/du = (%g, %g)\n", g[0], g[1]);
    blo_workspace_destroy_f64(&workspace);
    blo_problem_destroy_f64(&problem);
    return 0;
}
