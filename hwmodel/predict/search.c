/* Loops over the options of a layout and over layouts on many fleets. The marked places hold a traced graph (see
   search_in_c.py): of each loop what comes in of lower levels, and what it computes. Sums of conditions and arrays of 0
   and 1 in place of branches: compilers vectorise choices between values. */

#ifdef VECTOR_LIBRARY
#pragma omp declare simd notinbranch
double log(double);
#pragma omp declare simd notinbranch
double exp(double);
#pragma omp declare simd notinbranch
double pow(double, double);
#else
double log(double);
double exp(double);
double pow(double, double);
#endif
double hypot(double, double);

typedef long long whole;
#define BLOCK 64
#define VECTOR 8
#define WIDTH @WIDTH@ /* numbers that an option hands to its layouts */
#define SETTINGS @SETTINGS@

/* What a question decides, from its numbers. */
void constants(const double *given, double *u)
{
@CONSTANT_GIVEN@
@CONSTANT_INSIDE@
}

/* Bytes that a few of n options hold at least, of so many replicas. Of `in`, each setting of the options is a column. */
static __attribute__((noinline)) void some_bytes(const double *restrict u, const double *restrict in, whole n,
                                                 whole some, const double *restrict most, double *restrict bytes)
{
@LEAN_GIVEN@
#pragma omp simd
    for (whole i = 0; i < some; i++) {
@LEAN_INSIDE@
    }
}

/* The same of all. */
void least_bytes(const double *u, const double *in, const double *most, whole n, double *bytes)
{
    for (whole start = 0; start < n; start += BLOCK)
        some_bytes(u, in + start, n, n - start < BLOCK ? n - start : BLOCK, most + start, bytes + start);
}

/* Of a few options the floors of time, and what their layouts take, a column each. */
static __attribute__((noinline)) void some_options(const double *restrict u, const double *restrict in, whole n,
                                                   whole some, double *restrict stage, double *restrict once,
                                                   double *restrict out)
{
@OPTION_GIVEN@
#pragma omp simd
    for (whole i = 0; i < some; i++) {
@OPTION_INSIDE@
    }
}

/* A row each of what columns hold. */
static void turned(const double *out, whole some, double *rows)
{
    for (whole i = 0; i < some; i++)
        for (whole j = 0; j < WIDTH; j++) rows[i * WIDTH + j] = out[j * BLOCK + i];
}

/* The same of many, and, where `rows` are asked for, what their layouts take in a row each. */
void prepare(const double *u, const double *in, whole n, double *stage, double *once, double *rows)
{
    double out[WIDTH * BLOCK];
    for (whole start = 0; start < n; start += BLOCK) {
        const whole some = n - start < BLOCK ? n - start : BLOCK;
        some_options(u, in + start, n, some, stage + start, once + start, out);
        if (rows) turned(out, some, rows + start * WIDTH);
    }
}

/* Seconds and bytes of one option with some replicas and batches. */
static __attribute__((noinline)) void one_option(const double *restrict u, const double *restrict p, whole n,
                                                 const double *restrict dps, const double *restrict batches,
                                                 double *restrict steps, double *restrict bytes)
{
@LAYOUT_GIVEN@
#pragma omp simd
    for (whole i = 0; i < n; i++) {
        const double dp = dps[i], batch = batches[i];
@LAYOUT_INSIDE@
    }
}

/* Layouts of a block with the last one repeated to whole vectors; what is left over goes one by one. */
static whole whole_vectors(double *dps, double *batches, whole n)
{
    for (; n % VECTOR; n++) {
        dps[n] = dps[n - 1];
        batches[n] = batches[n - 1];
    }
    return n;
}

/* Layouts one by one, runs of one option together. */
void rows(const double *u, const double *p, whole n, const whole *option, const double *dp, const double *batch,
          double *step, double *bytes)
{
    for (whole start = 0, end; start < n; start = end) {
        for (end = start + 1; end < n && option[end] == option[start]; end++) {}
        one_option(u, p + option[start] * WIDTH, end - start, dp + start, batch + start, step + start, bytes + start);
    }
}

/* A layout of a front: billed seconds a sequence, bytes, accelerators used. */
typedef struct {
    double seconds, bytes, used;
} point;

/* Whether a layout of a front is surely faster than another, and no larger. The one that is goes halfway to the head of
   the front, for it is likely to beat the next too; which layouts make up a front does not depend on their order. */
static int beaten(point *front, whole size, point one, double slack)
{
    for (whole i = 0; i < size; i++)
        if ((front[i].seconds * slack < one.seconds) & (front[i].bytes <= one.bytes) & (front[i].used <= one.used)) {
            const point found = front[i];
            front[i] = front[i / 2];
            front[i / 2] = found;
            return 1;
        }
    return 0;
}

/* Of layouts of cases whether none of their fronts beats them. */
void unbeaten(whole n, const whole *at, const double *seconds, const double *bytes, const double *used, point *fronts,
              const whole *sizes, whole most, double slack, char *open)
{
    for (whole i = 0; i < n; i++) {
        const point one = {seconds[i], bytes[i], used[i]};
        open[i] = !beaten(fronts + most * at[i], sizes[at[i]], one, slack);
    }
}

static int no_worse(point a, point b)
{
    return (a.seconds <= b.seconds) & (a.bytes <= b.bytes) & (a.used <= b.used);
}

/* Put a layout into a front in place of those that it beats; the new size. A full front takes no more. */
static whole join_front(point *front, whole size, whole most, point one)
{
    const point none = {__builtin_inf(), __builtin_inf(), __builtin_inf()};
    whole kept = 0;
    for (whole i = 0; i < size; i++)
        if (no_worse(front[i], one)) return size;
    for (whole i = 0; i < size; i++)
        if (!no_worse(one, front[i])) front[kept++] = front[i];
    if (kept < most) front[kept++] = one;
    for (whole i = kept; i < size; i++) front[i] = none;
    return kept;
}

/* Put seconds into the `keep` least, sorted; the largest of them. */
static double join_few(double *best, whole keep, double seconds)
{
    whole i = keep - 1;
    if (!(seconds < best[i])) return best[i];
    for (; i > 0 && best[i - 1] > seconds; i--) best[i] = best[i - 1];
    best[i] = seconds;
    return best[keep - 1];
}

/* Which of a few cases the floor of time leaves open for an option: their places and floors; how many. `bar` [billed
   seconds a sequence] bounds what is asked for, `quick` times `room` what may call for a layout with fewer replicas. */
static whole below(whole n, double stage, double once, const double *restrict rounds, const double *restrict share,
                   const double *restrict bill, const double *restrict room, const double *restrict bar,
                   const double *restrict quick, double *restrict floors, whole *restrict picked)
{
    whole is_open[BLOCK], hits = 0, count = 0;
#pragma omp simd reduction(+ : hits)
    for (whole i = 0; i < n; i++) {
        const double floor = stage * rounds[i] + once * share[i];
        floors[i] = floor;
        is_open[i] = (floor * bill[i] <= bar[i]) | (floor <= quick[i] * room[i]);
        hits += is_open[i];
    }
    if (!hits) return 0;
    for (whole i = 0; i < n; i++) {
        picked[count] = i;
        count += is_open[i];
    }
    return count;
}

/* Tables of kinds times cases: replicas, batch, and what makes the floor of time (see bound.py); bounds as in `below`. */
typedef struct {
    const double *dp, *batch, *rounds, *share, *bill, *room;
    double *bar, *quick;
    whole cases;
} tables;

/* Whether the floor of time leaves any case open for an option whose kind begins at `row` of the tables. */
static int any_open(const tables *t, whole row, double stage, double once)
{
    double floors[BLOCK];
    whole picked[BLOCK];
    for (whole start = 0; start < t->cases; start += BLOCK) {
        const whole at = row + start, n = t->cases - start < BLOCK ? t->cases - start : BLOCK;
        if (below(n, stage, once, t->rounds + at, t->share + at, t->bill + at, t->room + at, t->bar + start,
                  t->quick + start, floors, picked))
            return 1;
    }
    return 0;
}

/* Options times cases. What may be asked for, or may call for a layout with fewer replicas, is handed back: of each case
   the `keep` least in `best` (billed seconds a sequence), or, where `keep` is 0, its front of at most `most`. These, and
   `quickest` (seconds a sequence, not billed), sharpen as layouts are found. Of each option: `again`, the least seconds
   of one more micro-batch, and `lean`, the floor of bytes; of each kind: `ways`, the accelerators of a replica. What
   depends on an option alone is worked out for a block of those that are open. What is no number excludes nothing and is
   handed back. Returns how many were; `next` is the option to go on with, the first whose cases might not all have had
   room. */
whole search(const double *u, const double *in, const whole *order, whole options, whole *next, const whole *kind,
             const double *ways, const double *stage, const double *once, const double *lean, const double *again,
             whole cases, const double *dp, const double *batch, const double *rounds, const double *share,
             const double *bill, const double *room, double usable, double slack, whole keep, double *best, double *bar,
             point *fronts, whole *sizes, whole most, double *quickest, whole space, whole *found_option,
             whole *found_case, double *found_step, double *found_bytes, whole *evaluated)
{
    const tables t = {dp, batch, rounds, share, bill, room, bar, quickest, cases};
    double settings[SETTINGS * BLOCK + 1], out[WIDTH * BLOCK], p[WIDTH * BLOCK], least_s[BLOCK], once_s[BLOCK];
    double dps[BLOCK], batches[BLOCK], steps[BLOCK], bytes[BLOCK], floors[BLOCK];
    whole places[BLOCK], picked[BLOCK], found = 0;
    for (whole o = *next; o < options;) {
        whole block = 0;
        for (; o < options && block < BLOCK; o++) {
            const whole option = order[o];
            if (!any_open(&t, kind[option] * cases, stage[option], once[option])) continue;
            for (whole j = 0; j < SETTINGS; j++) settings[j * BLOCK + block] = in[j * options + option];
            places[block++] = o;
        }
        for (whole k = block; k % VECTOR; k++)
            for (whole j = 0; j < SETTINGS; j++) settings[j * BLOCK + k] = settings[j * BLOCK + k - 1];
        some_options(u, settings, BLOCK, (block + VECTOR - 1) / VECTOR * VECTOR, least_s, once_s, out);
        turned(out, block, p);
        for (whole k = 0; k < block; k++) {
            if (found + cases > space) {
                *next = places[k];
                return found;
            }
            const whole option = order[places[k]], row = kind[option] * cases;
            const double way = ways[kind[option]];
            for (whole start = 0; start < cases; start += BLOCK) {
                const whole n = cases - start < BLOCK ? cases - start : BLOCK;
                const double *b = bill + row + start, *m = room + row + start, *d = dp + row + start;
                whole open = below(n, stage[option], once[option], rounds + row + start, share + row + start, b, m,
                                   bar + start, quickest + start, floors, picked), count = 0;
                for (whole i = 0; i < open; i++) {
                    const whole j = picked[i], at = start + j;
                    const point least = {floors[j] * b[j], lean[option], way * d[j]};
                    picked[count] = j;
                    dps[count] = d[j];
                    batches[count] = batch[row + at];
                    count += keep || floors[j] <= quickest[at] * m[j] ||
                             !beaten(fronts + most * at, sizes[at], least, slack);
                }
                if (!count) continue;
                one_option(u, p + k * WIDTH, whole_vectors(dps, batches, count), dps, batches, steps, bytes);
                *evaluated += count;
                for (whole i = 0; i < count; i++) {
                    const whole j = picked[i], at = start + j;
                    const double seconds = steps[i] / batches[i], filled = (steps[i] + again[option]) / batches[i];
                    const point one = {seconds * b[j], bytes[i], way * dps[i]};
                    const point nearly = {one.seconds, one.bytes / slack, one.used};
                    const int fits = bytes[i] <= usable;
                    if (bytes[i] > usable * slack) continue;
                    if (fits && seconds < quickest[at]) quickest[at] = seconds;
                    const int asked = keep ? !(one.seconds > bar[at] * slack)
                                           : !beaten(fronts + most * at, sizes[at], nearly, slack);
                    if (!asked && (m[j] <= 1.0 || filled > quickest[at] * m[j] * slack)) continue;
                    found_option[found] = option;
                    found_case[found] = at;
                    found_step[found] = steps[i];
                    found_bytes[found++] = bytes[i];
                    if (!fits) continue;
                    if (keep) bar[at] = join_few(best + keep * at, keep, one.seconds);
                    else sizes[at] = join_front(fronts + most * at, sizes[at], most, one);
                }
            }
        }
    }
    *next = options;
    return found;
}
