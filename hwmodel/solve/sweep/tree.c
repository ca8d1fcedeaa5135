/* Which of many rows some others beat, less being better in each of their costs: a tree of blocks, see tree.py.

   A block holds LANES rows, cost by cost; a block above it the least of each cost of LANES blocks. Whatever has no more
   than a row in every cost lies below lanes that have no more than it either. */

typedef long long whole;
#define LANES 16
#define RUN 64 /* rows that stand together, as points of neighbouring settings do: mostly beaten together */
#define MOST_COSTS 4
#define MOST_DEPTH 16 /* LANES to this power is beyond what whole numbers count */

typedef double four __attribute__((vector_size(32), aligned(8)));
typedef whole four_wholes __attribute__((vector_size(32)));

static double middle(double a, double b, double c)
{
    if (a < b) return b < c ? b : a < c ? c : a;
    return a < c ? a : b < c ? c : b;
}

/* Puts rows with less than a pivot (or no more) before the others; where these begin. Without a branch, for which way a
   row goes nobody could guess. */
static whole parted(const double *values, whole *rows, whole from, whole to, double pivot, int equal)
{
    whole low = from;
    for (whole here = from; here < to; here++) {
        const whole row = rows[here];
        rows[here] = rows[low];
        rows[low] = row;
        low += (values[row] < pivot) | (equal & (values[row] == pivot));
    }
    return low;
}

/* Puts rows so that the one at place `at` has the value that it would have in their order: none before it has more,
   none after it less. */
static void select_at(const double *values, whole *rows, whole from, whole to, whole at)
{
    while (to - from > 1) {
        const double pivot = middle(values[rows[from]], values[rows[from + (to - from) / 2]], values[rows[to - 1]]);
        const whole low = parted(values, rows, from, to, pivot, 0);
        if (at < low) to = low;
        else if (low > from) from = low;
        else if (at < (from = parted(values, rows, from, to, pivot, 1))) return;
    }
}

/* Halves rows by one cost after another down to blocks; a lower half is made of whole blocks. */
static void divide(whole costs, const double *const *columns, whole *rows, whole from, whole to, whole by)
{
    if (to - from <= LANES) return;
    whole half = LANES;
    while (2 * half < to - from) half *= 2;
    select_at(columns[by], rows, from, to, from + half);
    divide(costs, columns, rows, from, from + half, (by + 1) % costs);
    divide(costs, columns, rows, from + half, to, (by + 1) % costs);
}

static whole blocks_of(whole count) { return (count + LANES - 1) / LANES; }

/* The least of each cost of the lanes of `count` blocks, as the lanes of the blocks above; infinite where there is none. */
static void lift(whole count, whole costs, const double *below, double *above)
{
    for (whole block = 0; block < blocks_of(count) * LANES; block++)
        for (whole k = 0; k < costs; k++) {
            double least = __builtin_inf();
            for (whole lane = 0; block < count && lane < LANES; lane++) {
                const double one = below[(block * costs + k) * LANES + lane];
                least = one < least ? one : least;
            }
            above[((block / LANES) * costs + k) * LANES + block % LANES] = least;
        }
}

/* A tree of n rows: `rows` has room for n, `tree` for the blocks of all levels, the rows' own first. */
void plant(whole n, whole costs, const double *const *columns, whole *rows, double *tree)
{
    for (whole i = 0; i < n; i++) rows[i] = i;
    divide(costs, columns, rows, 0, n, 0);
    whole count = blocks_of(n);
    for (whole place = 0; place < count * LANES; place++)
        for (whole k = 0; k < costs; k++)
            tree[((place / LANES) * costs + k) * LANES + place % LANES] =
                place < n ? columns[k][rows[place]] : __builtin_inf();
    for (double *below = tree; count > 1; count = blocks_of(count)) {
        lift(count, costs, below, below + count * costs * LANES);
        below += count * costs * LANES;
    }
}

/* The lanes of a block that have in no cost more than a row, a bit each. */
static inline __attribute__((always_inline)) unsigned no_more(const double *block, const double *row, const whole costs)
{
    four_wholes bits = {0, 0, 0, 0}, bit = {1, 2, 4, 8};
    for (whole part = 0; part < LANES / 4; part++, bit <<= 4) {
        four_wholes found = *(const four *)(block + 4 * part) <= row[0];
        for (whole k = 1; k < costs; k++) found &= *(const four *)(block + k * LANES + 4 * part) <= row[k];
        bits |= found & bit;
    }
    return (unsigned)(bits[0] | bits[1] | bits[2] | bits[3]);
}

/* Whether one of some lanes has in one cost less than a row, by more than a share of itself. */
static inline __attribute__((always_inline)) int less(const double *block, unsigned lanes, const double *row,
                                                      const whole costs, double share)
{
    for (; lanes; lanes &= lanes - 1) {
        const double *one = block + __builtin_ctz(lanes);
        for (whole k = 0; k < costs; k++)
            if (one[k * LANES] + share * __builtin_fabs(one[k * LANES]) < row[k]) return 1;
    }
    return 0;
}

/* Whether a row of the tree beats another; `last`: the block that held one the last time, where the next may be too. */
static inline __attribute__((always_inline)) int beaten(const double *const *levels, whole depth, const double *row,
                                                        const whole costs, double share, whole *last)
{
    whole at[MOST_DEPTH], level = depth;
    unsigned open[MOST_DEPTH];
    const double *block = levels[0] + *last * costs * LANES;
    if (less(block, no_more(block, row, costs), row, costs, share)) return 1;
    if (!depth) return 0;
    at[level] = 0;
    open[level] = no_more(levels[level], row, costs);
    while (1) {
        if (!open[level]) {
            if (level++ == depth) return 0;
            continue;
        }
        const whole below = at[level] * LANES + __builtin_ctz(open[level]);
        open[level] &= open[level] - 1;
        block = levels[level - 1] + below * costs * LANES;
        const unsigned lanes = no_more(block, row, costs);
        if (level > 1) {
            at[--level] = below;
            open[level] = lanes;
        } else if (less(block, lanes, row, costs, share)) {
            *last = below;
            return 1;
        }
    }
}

/* The least of each cost of some rows: what beats it beats them all. Whether all their costs are finite. */
static inline __attribute__((always_inline)) int corner(whole from, whole to, const whole costs,
                                                        const double *const *columns, double *least)
{
    double odd = 0.0; /* becomes no number by what is not finite */
    for (whole k = 0; k < costs; k++) {
        const double *values = columns[k];
        double one = __builtin_inf();
#pragma omp simd reduction(min : one) reduction(+ : odd)
        for (whole i = from; i < to; i++) {
            one = values[i] < one ? values[i] : one;
            odd += values[i] - values[i];
        }
        least[k] = one;
    }
    return odd == 0.0;
}

static inline __attribute__((always_inline)) whole left_of(whole n, const whole costs, const double *const *columns,
                                                           whole planted, const double *tree, double share, whole *left)
{
    const double *levels[MOST_DEPTH] = {tree};
    whole depth = 0, last = 0, found = 0;
    for (whole count = blocks_of(planted); count > 1; count = blocks_of(count), depth++)
        levels[depth + 1] = levels[depth] + count * costs * LANES;
    for (whole from = 0; from < n; from += RUN) {
        const whole to = n - from < RUN ? n : from + RUN;
        double row[MOST_COSTS];
        if (corner(from, to, costs, columns, row) && beaten(levels, depth, row, costs, share, &last)) continue;
        for (whole i = from; i < to; i++) {
            for (whole k = 0; k < costs; k++) row[k] = columns[k][i];
            if (!beaten(levels, depth, row, costs, share, &last)) left[found++] = i;
        }
    }
    return found;
}

/* Those of n rows that none of a tree of so many rows beats, and how many: none has in no cost more than they and in one
   less by more than a share of itself. */
whole left(whole n, whole costs, const double *const *columns, whole planted, const double *tree, double share,
           whole *rows)
{
    if (costs == 2) return left_of(n, 2, columns, planted, tree, share, rows);
    if (costs == 3) return left_of(n, 3, columns, planted, tree, share, rows);
    return left_of(n, 4, columns, planted, tree, share, rows);
}
