/* A table of numbers with the label in the last column, standardised, with a column of ones; odd rows are validation. */
#ifndef TABLE_H
#define TABLE_H

#include "example.h"
#include <math.h>

enum { MOST_ROWS = 600, MOST_FEATURES = 40 };

typedef struct {
    int64_t rows, features; /* with the ones */
    double design[MOST_ROWS * MOST_FEATURES], targets[MOST_ROWS];
} table;

static void read_table(const char *path, table *train, table *validation) {
    static double values[MOST_ROWS][MOST_FEATURES];
    static char line[4096];
    FILE *file = fopen(path, "r");
    int64_t rows = 0, columns = 0, i, j;
    if (file == NULL) {
        fprintf(stderr, "cannot open %s\n", path);
        exit(1);
    }
    while (rows < MOST_ROWS && fgets(line, sizeof line, file) != NULL) {
        char *at = line, *end;
        for (j = 0; j < MOST_FEATURES; j++) {
            values[rows][j] = strtod(at, &end);
            if (end == at) {
                break;
            }
            at = *end == ',' ? end + 1 : end;
        }
        if (j > 1 && (*at == '\n' || *at == '\r' || *at == '\0')) { /* else a heading */
            columns = j;
            rows += 1;
        }
    }
    fclose(file);
    for (j = 0; j + 1 < columns; j++) {
        double mean = 0, square = 0;
        for (i = 0; i < rows; i++) {
            mean += values[i][j];
        }
        mean /= (double)rows;
        for (i = 0; i < rows; i++) {
            square += (values[i][j] - mean) * (values[i][j] - mean);
        }
        for (i = 0; i < rows; i++) {
            values[i][j] = (values[i][j] - mean) / sqrt(square / (double)rows);
        }
    }
    train->rows = validation->rows = 0;
    train->features = validation->features = columns;
    for (i = 0; i < rows; i++) {
        table *to = i % 2 ? validation : train;
        double *row = to->design + to->rows * columns;
        memcpy(row, values[i], (size_t)(columns - 1) * sizeof *row);
        row[columns - 1] = 1;
        to->targets[to->rows] = values[i][columns - 1];
        to->rows += 1;
    }
}

static blo_examples_f64 examples(const table *from) {
    blo_examples_f64 made;
    memset(&made, 0, sizeof made);
    made.struct_size = sizeof made;
    made.rows = from->rows;
    made.features = from->features;
    made.design = from->design;
    made.targets = from->targets;
    return made;
}

#endif
