"""A traced graph as C: the loop over layouts on many fleets, whose lower levels come in as numbers.

Two ways in: `rows` evaluates layouts, `search` goes through options and cases, leaves out what the floor of time
excludes, evaluates the rest and hands back what may win. Conditions from outside the loop stay doubles and are compared
in it: compilers vectorise choices between values, not branches.
"""

from __future__ import annotations

from collections.abc import Sequence

from hwmodel.trace import CONDITIONS, CONSTANT, ROW, Graph

INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==",
         "ne": "!=", "and": "&", "or": "|"}  # fmt: skip
CALLS = {"ceil": "__builtin_ceil", "floor": "__builtin_floor", "sqrt": "__builtin_sqrt", "exp": "exp", "log": "log",
         "power": "pow", "hypot": "hypot"}  # fmt: skip

HEAD = """
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

static void one_option(const double *restrict u, const double *restrict p, whole n, const double *restrict dps,
                       const double *restrict batches, double *restrict steps, double *restrict bytes)
{
"""
LOOP = """
#pragma omp simd
    for (whole i = 0; i < n; i++) {
        const double dp = dps[i], batch = batches[i];
"""
TAIL = """
    }
}

/* Layouts one by one, runs of one option together. */
void rows(const double *u, const double *p, whole width, whole n, const whole *option, const double *dp,
          const double *batch, double *step, double *bytes)
{
    for (whole start = 0, end; start < n; start = end) {
        for (end = start + 1; end < n && option[end] == option[start]; end++) {}
        one_option(u, p + option[start] * width, end - start, dp + start, batch + start, step + start, bytes + start);
    }
}

/* Options times cases. What may win, or may call for a layout with fewer replicas, is handed back; `best` and
   `quickest` [seconds a sequence, billed and not] fall as layouts are found; `again` is what one more micro-batch takes
   at least. Returns how many were handed back; `next`
   is the option to go on with, the first whose cases might not all have had room. */
whole search(const double *u, const double *p, whole width, const whole *order, whole options, whole *next,
            const whole *kind, const double *stage, const double *once, whole cases, const double *dp,
            const double *batch, const double *rounds, const double *share, const double *bill, const double *room,
            const double *again, double usable, double slack, double *best, double *quickest, whole space,
            whole *found_option, whole *found_case, double *found_step, double *found_bytes, whole *evaluated)
{
    double dps[BLOCK], batches[BLOCK], steps[BLOCK], bytes[BLOCK];
    whole below[BLOCK], picked[BLOCK], found = 0, o;
    for (o = *next; o < options && found + cases <= space; o++) {
        const whole option = order[o];
        const double s = stage[option], c = once[option];
        for (whole start = 0; start < cases; start += BLOCK) {
            const whole first = kind[option] * cases + start, n = cases - start < BLOCK ? cases - start : BLOCK;
            const double *restrict r = rounds + first, *restrict h = share + first;
            const double *restrict b = bill + first, *restrict m = room + first;
            double *restrict least = best + start, *restrict quick = quickest + start;
            whole hits = 0, count = 0;
#pragma omp simd reduction(+ : hits)
            for (whole i = 0; i < n; i++) {
                const double floor = s * r[i] + c * h[i];
                below[i] = (floor * b[i] <= least[i]) | (floor <= quick[i] * m[i]);
                hits += below[i];
            }
            if (!hits) continue;
            for (whole i = 0; i < n; i++) {
                picked[count] = i;
                count += below[i];
            }
            for (whole i = 0; i < count; i++) {
                dps[i] = dp[first + picked[i]];
                batches[i] = batch[first + picked[i]];
            }
            one_option(u, p + option * width, count, dps, batches, steps, bytes);
            *evaluated += count;
            for (whole i = 0; i < count; i++) {
                const whole j = picked[i];
                const double seconds = steps[i] / batches[i], billed = seconds * b[j];
                const double filled = (steps[i] + again[option]) / batches[i];
                if (!(bytes[i] <= usable * slack)) continue;
                if (bytes[i] <= usable && seconds < quick[j]) quick[j] = seconds;
                if (billed > least[j] * slack && (m[j] <= 1.0 || filled > quick[j] * m[j] * slack)) continue;
                found_option[found] = option;
                found_case[found] = start + j;
                found_step[found] = steps[i];
                found_bytes[found++] = bytes[i];
                if (bytes[i] <= usable && billed < least[j]) least[j] = billed;
            }
        }
    }
    *next = o;
    return found;
}
"""


def source(graph: Graph, step: int, held: int) -> tuple[str, list[int], list[int]]:
    """The C text whose loop gives a step's seconds and bytes, and the nodes that it takes: constants and options'."""
    needed = graph.needed((step, held), ROW)
    outside = [place for place in needed if graph.levels[place] < ROW and graph.nodes[place].op != "number"]
    constants = [place for place in outside if graph.levels[place] == CONSTANT]
    options = [place for place in outside if graph.levels[place] != CONSTANT]
    writer = _Writer(graph)
    lines = [f"    const double {writer.name(place)} = u[{i}];" for i, place in enumerate(constants)]
    lines += [f"    const double {writer.name(place)} = p[{i}];" for i, place in enumerate(options)]
    inside = [f"        {line}" for place in needed if (line := writer.line(place))]
    ends = [f"        steps[i] = {writer.value(step)};", f"        bytes[i] = {writer.value(held)};"]
    return HEAD + "\n".join(lines) + LOOP + "\n".join(inside + ends) + TAIL, constants, options


class _Writer:
    """Names and expressions of nodes."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.written: dict[int, str] = {}  # conditions inside the loop, in place of a name

    def name(self, place: int) -> str:
        """The variable of a node."""
        node = self.graph.nodes[place]
        inside = node.op == "input" and self.graph.levels[place] == ROW
        return node.name if inside else f"n{place}"

    def value(self, place: int) -> str:
        """A node as a number."""
        node = self.graph.nodes[place]
        if node.op == "number":
            return _number(node.value)
        if place in self.written:
            return f"({self.written[place]} ? 1.0 : 0.0)"
        return self.name(place)

    def condition(self, place: int) -> str:
        """A node as a condition."""
        return self.written.get(place, f"({self.value(place)} != 0.0)")

    def line(self, place: int) -> str:
        """The statement that computes a node inside the loop; none for what is given, and for conditions."""
        node, level = self.graph.nodes[place], self.graph.levels[place]
        if node.op in ("input", "number") or level < ROW:
            return ""
        if node.op in CONDITIONS:
            of = self.condition if node.op in ("and", "or") else self.value
            self.written[place] = f"({of(node.args[0])} {INFIX[node.op]} {of(node.args[1])})"
            return ""
        return f"const double {self.name(place)} = {self._expression(node.op, node.args)};"

    def _expression(self, op: str, args: Sequence[int]) -> str:
        if op == "where":
            return f"{self.condition(args[0])} ? {self.value(args[1])} : {self.value(args[2])}"
        values = [self.value(arg) for arg in args]
        if op in ("maximum", "minimum"):
            return f"{values[0]} {'>' if op == 'maximum' else '<'} {values[1]} ? {values[0]} : {values[1]}"
        if op in INFIX:
            return f"{values[0]} {INFIX[op]} {values[1]}"
        return f"{CALLS[op]}({', '.join(values)})"


def _number(value: float) -> str:
    if value in (float("inf"), float("-inf")):
        return "(-__builtin_inf())" if value < 0 else "__builtin_inf()"
    return f"({value!r})" if value < 0 else repr(value)
