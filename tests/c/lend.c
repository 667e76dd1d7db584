/*
 * Data lent to a problem as DLPack tensors, vectors shown as such, and a run that is stepped in halves: from C, with the
 * structs as dlpack.h 1.1 writes them. Prints "ok" and returns 0, or tells the first thing that is wrong.
 */

#include "blo.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From dlpack.h. */
typedef enum { kDLCPU = 1 } DLDeviceType;
typedef struct { DLDeviceType device_type; int32_t device_id; } DLDevice;
typedef enum { kDLFloat = 2U } DLDataTypeCode;
typedef struct { uint8_t code; uint8_t bits; uint16_t lanes; } DLDataType;
typedef struct {
    void *data;
    DLDevice device;
    int32_t ndim;
    DLDataType dtype;
    int64_t *shape;
    int64_t *strides;
    uint64_t byte_offset;
} DLTensor;
typedef struct DLManagedTensor {
    DLTensor dl_tensor;
    void *manager_ctx;
    void (*deleter)(struct DLManagedTensor *self);
} DLManagedTensor;
typedef struct { uint32_t major, minor; } DLPackVersion;
typedef struct DLManagedTensorVersioned {
    DLPackVersion version;
    void *manager_ctx;
    void (*deleter)(struct DLManagedTensorVersioned *self);
    uint64_t flags;
    DLTensor dl_tensor;
} DLManagedTensorVersioned;

#define CHECK(condition) check((condition) != 0, #condition, __LINE__)

static void check(int holds, const char *what, int line) {
    char message[512] = "";
    if (!holds) {
        blo_last_error(message, sizeof message, NULL);
        fprintf(stderr, "line %d: %s does not hold: %s\n", line, what, message);
        exit(1);
    }
}

static int deleted = 0;

/* A tensor with its memory on the heap, so that a use after its end is one of freed memory. */
typedef struct {
    DLManagedTensorVersioned managed;
    int64_t shape[2];
    double values[8];
} table;

static void delete_table(DLManagedTensorVersioned *self) {
    deleted++;
    free(self->manager_ctx);
}

static DLManagedTensorVersioned *make_table(int64_t rows, int64_t columns, const double *values) {
    table *made = calloc(1, sizeof *made);
    CHECK(made != NULL && rows * columns <= 8);
    memcpy(made->values, values, (size_t)(rows * columns) * sizeof *values);
    made->shape[0] = rows;
    made->shape[1] = columns;
    made->managed.version.major = 1;
    made->managed.manager_ctx = made;
    made->managed.deleter = delete_table;
    made->managed.dl_tensor.data = made->values;
    made->managed.dl_tensor.device.device_type = kDLCPU;
    made->managed.dl_tensor.ndim = 2;
    made->managed.dl_tensor.dtype.code = kDLFloat;
    made->managed.dl_tensor.dtype.bits = 64;
    made->managed.dl_tensor.dtype.lanes = 1;
    made->managed.dl_tensor.shape = made->shape;
    return &made->managed;
}

static blo_examples_f64 examples_of(int64_t rows, const double *design, const double *targets) {
    blo_examples_f64 examples;
    memset(&examples, 0, sizeof examples);
    examples.struct_size = sizeof examples;
    CHECK(blo_examples_from_dlpack_f64(make_table(rows, 2, design), make_table(rows, 1, targets), 1, &examples) == BLO_OK);
    CHECK(examples.rows == rows && examples.features == 2 && examples.design[1] == design[1]);
    return examples;
}

int main(void) {
    static const double X[8] = {1, 0, 1, 1, 1, 2, 1, 3}, T[4] = {1, 0, 1, 1};
    double u[2] = {-1, 0.5}, w[2] = {0.25, -0.5}, g[2], half[2];
    blo_examples_f64 inner = examples_of(4, X, T), outer = examples_of(3, X + 2, T + 1), bad;
    blo_regression_options options;
    blo_run_options run;
    blo_problem_f64 *problem = NULL;
    blo_runner_f64 *runner = NULL;
    void *shown = NULL;
    DLManagedTensorVersioned *view;
    int32_t diverged = 1;

    CHECK(blo_regression_options_init(&options, sizeof options) == BLO_OK);
    options.loss = BLO_LOSS_LOGISTIC;
    options.outer = BLO_OUTER_LOG_L2;
    options.group = BLO_GROUP_FEATURE;

    /* A creation that fails leaves the tensors with their examples. */
    bad = inner;
    bad.features = 1;
    bad.design_stride = 2;
    CHECK(blo_problem_create_regression_f64(&bad, &outer, &options, &problem) == BLO_ERR_INVALID);
    CHECK(problem == NULL && deleted == 0);
    CHECK(blo_problem_create_regression_f64(&inner, &outer, &options, &problem) == BLO_OK);

    CHECK(blo_run_options_init(&run, sizeof run) == BLO_OK);
    run.start = BLO_START_WARM;
    run.inner = BLO_INNER_OPTIMIZER;
    run.inner_rule.step = 0.1;
    run.inner_steps = 20;
    run.outer_rule.kind = BLO_RULE_DESCENT;
    run.outer_rule.step = 0.5;
    CHECK(blo_runner_create_f64(problem, &run, NULL, u, 2, w, 2, &runner) == BLO_OK);
    CHECK(blo_runner_tensor_f64(runner, BLO_VECTOR_U, &shown) == BLO_OK);
    view = shown;
    CHECK(view->version.major == 1 && view->flags == 1 && view->dl_tensor.ndim == 1 && view->dl_tensor.shape[0] == 2);
    CHECK(view->dl_tensor.dtype.code == kDLFloat && view->dl_tensor.dtype.bits == 64);
    CHECK(((const double *)view->dl_tensor.data)[1] == 0.5);

    /* A step along half of the hypergradient. */
    CHECK(blo_runner_begin_step_f64(runner, g, NULL, &diverged) == BLO_OK && !diverged);
    half[0] = g[0] / 2;
    half[1] = g[1] / 2;
    CHECK(blo_runner_end_step_f64(runner, half, 2, &diverged) == BLO_OK && !diverged);
    CHECK(g[1] != 0 && ((const double *)view->dl_tensor.data)[1] == 0.5 - 0.5 * half[1]);
    CHECK(blo_runner_set_f64(runner, u, 2, w, 2) == BLO_OK);
    CHECK(((const double *)view->dl_tensor.data)[0] == -1);

    /* The tensor keeps the runner, which keeps the problem, which keeps what it was lent. */
    blo_runner_destroy_f64(&runner);
    blo_problem_destroy_f64(&problem);
    CHECK(runner == NULL && problem == NULL && deleted == 0);
    CHECK(((const double *)view->dl_tensor.data)[0] == -1);
    view->deleter(view);
    CHECK(deleted == 4);
    puts("ok");
    return 0;
}
