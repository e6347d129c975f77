/* The node, its operators and the reverse sweep, compiled. Optional: `core.py` takes this file's place by pure Python.

   Each function here names the Python function whose meaning it has; tests compare the two bit for bit. Formulas of
   derivatives stand in `primitives.py` only: `operators.install` hands each partial over as a list of steps.

   A node holds doubles instead of float objects. Nodes of built-in operations cannot be part of a cycle, so that they
   have no header for the collector of cycles and are never walked. A node over a user's primitive, which may hold what
   holds its results, has one, and so has a node of a traced function, which may set its value or gradient to a number
   that was computed from it. Graphs are freed without recursion. During a sweep nothing of Python is called, so that
   the place of a node's gradient serves as that of its adjoint. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#ifdef Py_GIL_DISABLED
#error "this file relies on the GIL; the package is pure Python without it"
#endif
#include <structmember.h>
#include <math.h>
#include <stdint.h>

#ifndef CORE_DIGEST
#define CORE_DIGEST _
#endif
#define TEXT(x) #x
#define TEXT_OF(macro) TEXT(macro)

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#define APART __attribute__((noinline))
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define AHEAD(n) (__builtin_prefetch(&(n)->value, 1), __builtin_prefetch(&(n)->word, 1))
#else
#define INLINE static __forceinline
#define APART
#define UNLIKELY(x) (x)
#define AHEAD(n) ((void)(n))
#endif

typedef struct {
    PyObject_HEAD
    double value, grad;
    PyObject *first, *second;   /* arguments that are nodes; of a wide node the tuples of arguments and local gradients */
    double by_first, by_second; /* local gradients; for an argument that is a constant, its value */
    PyObject *primitive, *about, *weakrefs;
    uint64_t word;              /* creation number and flags */
} Node;

enum {
    FIRST_NODE = 1, FIRST_CONSTANT = 2, WIDE = 3, FIRST = 3, SECOND_NODE = 4, SECOND_CONSTANT = 8, SECOND = 12,
    BY_FIRST = 16, BY_SECOND = 32,  /* a local gradient is there */
    GRAD = 64, HELD = 128,          /* a gradient is there; it is a traced number, which `about` has */
    MET = 256, SENT = 512,          /* during a pass */
    HEADER = 1024, WATCHED = 2048,  /* has a header for the collector; may be part of a cycle */
    BITS = 12
};
#define NUMBER(n) ((n)->word >> BITS)
#define IS_NODE(o) (Py_TYPE(o) == Variable)

static Py_ssize_t alive;          /* nodes that exist */
static PyTypeObject *Variable;    /* autograd_lite.variable.Variable */
static uint64_t next_number;

/* Python's part, handed over by `install`: sets of context.py that say what goes on, and the bodies for rare cases. */
static struct { PyObject *active, *tracing, *running; } state;
#define GOES_ON(what) UNLIKELY(PySet_GET_SIZE(state.what))
/* A traced function may give a node numbers that were computed from it (`About.given`, `About.grad`): a cycle. */
#define TRACED (GOES_ON(tracing) ? (uint64_t)WATCHED : 0)
#define BODIES(X) X(observe) X(as_operand) X(init) X(get_value) X(set_value) X(get_grad) X(set_grad) X(held_grad) \
    X(hold_grad) X(missing) X(compared) X(truth) X(hashed) X(applied)
#define FIELD(name) PyObject *name;
static struct { BODIES(FIELD) } body;

/* -------------------------------------------------------------------------------------------- making and freeing */

/* `_Py_Dealloc` of 3.14 chains the dead of a deep recursion by the header of the collector, whatever tp_is_gc says. */
#if PY_VERSION_HEX >= 0x030E0000
#define ROOM_FOR_HEADER (2 * sizeof(uintptr_t))
#else
#define ROOM_FOR_HEADER 0
#endif
#define KEPT 65536 /* 6 MB */
static Node *unused;
static int unused_count;
static Node *dead; /* chained by `about` */
static int burying;

INLINE Node *blank(void)
{
    Node *n = unused;
    if (n) {
        unused = (Node *)n->first;
        unused_count--;
    } else {
        char *place = PyObject_Malloc(ROOM_FOR_HEADER + sizeof(Node));
        if (!place) return (Node *)PyErr_NoMemory();
        memset(place, 0, ROOM_FOR_HEADER);
        n = (Node *)(place + ROOM_FOR_HEADER);
    }
    (void)PyObject_INIT((PyObject *)n, Variable);
    alive++;
    return n;
}

static APART Node *blank_for_collector(void)
{
    Node *n = PyObject_GC_New(Node, Variable);
    alive += n != NULL;
    return n;
}

#define BLANK(watched) (UNLIKELY(watched) ? blank_for_collector() : blank())
#define MARKS(watched) ((watched) ? (uint64_t)(WATCHED | HEADER) : 0)

/* The end of `variable.make_node`. */
INLINE PyObject *finished(Node *n)
{
    if (UNLIKELY(n->word & WATCHED)) PyObject_GC_Track(n);
    if (GOES_ON(active)) {
        PyObject *done = PyObject_CallOneArg(body.observe, (PyObject *)n);
        if (!done) { Py_DECREF(n); return NULL; }
        Py_DECREF(done);
    }
    return (PyObject *)n;
}

INLINE void put_with_the_dead(Node *n)
{
    if (UNLIKELY(n->word & WATCHED)) PyObject_GC_UnTrack(n);
    Py_CLEAR(n->about);
    n->about = (PyObject *)dead;
    dead = n;
}

INLINE void let_go(PyObject *o)
{
    if (Py_REFCNT(o) == 1 && IS_NODE(o)) { /* the last reference: no recursion */
        Py_SET_REFCNT(o, 0);
        put_with_the_dead((Node *)o);
    } else
        Py_DECREF(o);
}

static void node_dealloc(PyObject *self)
{
    put_with_the_dead((Node *)self);
    if (burying) return;
    burying = 1;
    for (Node *n; (n = dead);) {
        uint64_t w = n->word;
        dead = (Node *)n->about;
        alive--;
        if (n->weakrefs) PyObject_ClearWeakRefs((PyObject *)n);
        if (w & FIRST_NODE) let_go(n->first); /* also of a wide node */
        if (w & SECOND_NODE || (w & FIRST) == WIDE) let_go(n->second);
        Py_XDECREF(n->primitive);
        Py_DECREF(Variable);
        if (w & HEADER) PyObject_GC_Del(n);
        else if (unused_count < KEPT) {
            n->first = (PyObject *)unused;
            unused = n;
            unused_count++;
        } else
            PyObject_Free((char *)n - ROOM_FOR_HEADER);
    }
    burying = 0;
}

static int node_is_gc(PyObject *self) { return (((Node *)self)->word & HEADER) != 0; }
static int node_traverse(PyObject *self, visitproc visit, void *arg)
{
    Node *n = (Node *)self;
    Py_VISIT(Py_TYPE(self));
    if (n->word & FIRST_NODE) Py_VISIT(n->first);
    if (n->word & SECOND_NODE || (n->word & FIRST) == WIDE) Py_VISIT(n->second);
    Py_VISIT(n->primitive);
    Py_VISIT(n->about);
    return 0;
}

/* -------------------------------------------------- values of rules: those of ieee.py and primitives.py, by name */

static double in_domain(double x, double y) { return isnan(y) && !isnan(x) ? Py_NAN : y; } /* `nan` where math raises */

#define LIBM(X) X(exp) X(exp2) X(expm1) X(log) X(log2) X(log10) X(log1p) X(sin) X(cos) X(tan) X(asin) X(acos) X(atan) \
    X(sinh) X(cosh) X(tanh) X(asinh) X(acosh) X(atanh) X(sqrt) X(cbrt) X(erf) X(erfc)
#define FROM_LIBM(name) static double v_##name(double x) { return in_domain(x, name(x)); }
LIBM(FROM_LIBM)

static double v_div(double a, double b)
{
    if (UNLIKELY(b == 0.0)) return a == 0.0 || isnan(a) ? Py_NAN : copysign(Py_HUGE_VAL, a) * copysign(1.0, b);
    return a / b;
}
static double v_less(double a, double b) { return a < b ? 1.0 : a >= b ? 0.0 : Py_NAN; }
static double v_maximum(double a, double b) { return a > b || isnan(a) ? a : b; }
static double v_minimum(double a, double b) { return a < b || isnan(a) ? a : b; }
static double v_pow(double x, double p)
{
    if (p == 2.0) return x * x;
    double y = pow(x, p);
    return isnan(y) && !isnan(x) && !isnan(p) ? Py_NAN : y;
}
static double v_mod(double x, double y)
{
    if (y == 0.0) return Py_NAN;
    double r = fmod(x, y);
    if (r == 0.0) return copysign(0.0, y);
    return (r < 0.0) != (y < 0.0) ? r + y : r;
}
static double v_floordiv(double x, double y)
{
    if (y == 0.0) return v_div(x, y);
    double r = fmod(x, y), q = r != 0.0 && (r < 0.0) != (y < 0.0) ? (x - r) / y - 1.0 : (x - r) / y, f = floor(q);
    if (q == 0.0) return copysign(0.0, x / y);
    return q - f > 0.5 ? f + 1.0 : f;
}
static double v_hypot(double x, double y)
{
    return isinf(x) || isinf(y) ? Py_HUGE_VAL : isnan(x) || isnan(y) ? Py_NAN : hypot(x, y);
}
static double v_sigmoid(double x) { double e = exp(-fabs(x)); return x >= 0.0 ? 1.0 / (1.0 + e) : e / (1.0 + e); }
static double v_sigmoid_slope(double x) { double e = exp(-fabs(x)); return e / ((1.0 + e) * (1.0 + e)); }
static double v_sech_squared(double x) { double e = exp(-2.0 * fabs(x)); return 4.0 * e / ((1.0 + e) * (1.0 + e)); }
static double v_softplus(double x) { return (0.0 > x ? 0.0 : x) + log1p(exp(-fabs(x))); }
static double v_softsign(double x) { return isinf(x) ? copysign(1.0, x) : x / (1.0 + fabs(x)); }
static double v_logaddexp(double a, double b) { return a == b ? a + log(2.0) : v_maximum(a, b) + log1p(exp(-fabs(a - b))); }
static double v_xlogy(double x, double y) { return x == 0.0 && !isnan(y) ? 0.0 : x * v_log(y); }
static double v_share(double a, double b) { double h = a < 1.0 ? 1.0 : 0.5; return v_div(a * h, a * h + b * h); }
static double v_log_of_sum(double t, double r) { return t + v_log1p(r * v_exp(-t)); }
static double v_log_of_excess(double t, double r) { return v_log1p(r * v_exp(-t)); }

static double v_inv(double x) { return x == 0.0 ? copysign(Py_HUGE_VAL, x) : 1.0 / x; }
static double v_itself(double x) { return x; }
static double v_neg(double x) { return -x; }
static double v_square(double x) { return x * x; }
static double v_relu(double x) { return x < 0.0 ? 0.0 : x; }
static double v_sign(double x) { return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x; }
static double v_step(double x) { return v_less(0.0, x); }
static double v_floor(double x) { return floor(x); }
static double v_ceil(double x) { return ceil(x); }
static double v_trunc(double x) { return trunc(x); }
static double v_abs(double x) { return fabs(x); }
static double v_add(double a, double b) { return a + b; }
static double v_sub(double a, double b) { return a - b; }
static double v_mul(double a, double b) { return a * b; }
static double v_atan2(double y, double x) { return isnan(x) || isnan(y) ? Py_NAN : atan2(y, x); }
static double v_copysign(double x, double s) { return isnan(s) ? Py_NAN : copysign(x, s); }
static double v_leaky_relu(double x, double slope) { return x <= 0.0 ? slope * x : x; }
static double v_is_lt(double a, double b) { return a < b; }
static double v_is_le(double a, double b) { return a <= b; }
static double v_is_gt(double a, double b) { return a > b; }
static double v_is_ge(double a, double b) { return a >= b; }
static double v_is_eq(double a, double b) { return a == b; }
static double v_is_ne(double a, double b) { return a != b; }
static double v_where(double c, double a, double b) { return c != 0.0 ? a : b; }
static double v_clip(double x, double lower, double upper) { return v_minimum(v_maximum(x, lower), upper); }

typedef double (*Value1)(double);
typedef double (*Value2)(double, double);
typedef double (*Value3)(double, double, double);

#define NAMED(name) {#name, v_##name},
static const struct { const char *name; Value1 value; } ONE[] = {
    LIBM(NAMED) NAMED(sigmoid) NAMED(sigmoid_slope) NAMED(sech_squared) NAMED(softplus) NAMED(softsign) NAMED(inv)
    {"positive", v_itself}, {"hold", v_itself}, {"plain", v_itself}, NAMED(neg) NAMED(square) NAMED(relu) NAMED(sign)
    NAMED(step) NAMED(floor) NAMED(ceil) NAMED(trunc) NAMED(abs) {NULL, NULL}};
static const struct { const char *name; Value2 value; } TWO[] = {
    NAMED(add) NAMED(sub) NAMED(mul) NAMED(div) NAMED(pow) NAMED(mod) NAMED(floordiv) NAMED(less) NAMED(maximum)
    NAMED(minimum) NAMED(hypot) NAMED(atan2) NAMED(copysign) NAMED(leaky_relu) NAMED(logaddexp) NAMED(xlogy) NAMED(share)
    NAMED(log_of_sum) NAMED(log_of_excess) NAMED(is_lt) NAMED(is_le) NAMED(is_gt) NAMED(is_ge) NAMED(is_eq) NAMED(is_ne)
    {NULL, NULL}};
static const struct { const char *name; Value3 value; } THREE[] = {NAMED(where) NAMED(clip) {NULL, NULL}};

/* `_pow_by_base` on floats: the one partial that asks in Python whether its exponent is a number. */
static double pow_by_base(double x, double p, double y)
{
    if (p == 0.0) return v_less(x, x);
    if (p == 1.0) return 1.0;
    if (p == 2.0) return 2.0 * x;
    double lower = p * v_pow(x, p - 1.0);
    if ((p - 1.0 + 1.0 == p && !(-1.0 < p && p < 0.5) && fabs(p) < Py_HUGE_VAL) || x == 0.0) return lower;
    return v_less(1e-290, fabs(y)) * v_less(fabs(y), 1e300) != 0.0 ? v_div(p * y, x) : lower;
}

/* ------------------------------------------------------------------------------------------------ rules, applied */

typedef struct { /* a value in C, or a function of Python */
    int arity;
    union { Value1 one; Value2 two; Value3 three; } in_c;
    PyObject *python;
} Function;

typedef struct { Function function; unsigned char at[3]; } Step; /* an operation on registers */

#define REGISTERS 48
typedef struct { /* arguments and result lie in the first registers, then constants and results of steps, in order */
    Step *steps;           /* a step without function is a constant */
    double *constants;
    int count, result;
    Value3 in_c;           /* or all of it in C */
    PyObject *python;      /* or in Python */
} Partial;

typedef struct { /* the base of `rule.Primitive`; `bound` are the built-in ones */
    PyObject_HEAD
    int bound, arity, selects, is_condition;
    Function value;
    Partial partials[3];
} Rule;

static Rule *rules[8], *negative, *positive, *absolute;
enum { OTHER, ADD, SUB, MUL, DIV, POW, MOD, FLOORDIV };

static PyTypeObject RuleType;

static APART int call_python(PyObject *f, const double *x, int count, double *y)
{
    PyObject *a[4] = {NULL, NULL, NULL, NULL}, *r = NULL;
    int done = -1;
    for (int i = 0; i < count; i++)
        if (!(a[i] = PyFloat_FromDouble(x[i]))) goto out;
    if (!(r = PyObject_Vectorcall(f, a, count, NULL))) goto out;
    *y = PyFloat_AsDouble(r);
    done = *y == -1.0 && PyErr_Occurred() ? -1 : 0;
out:
    for (int i = 0; i < count; i++) Py_XDECREF(a[i]);
    Py_XDECREF(r);
    return done;
}

INLINE int evaluate(const Function *f, const double *x, double *y) /* 0, or -1 with an error */
{
    if (UNLIKELY(f->python != NULL)) return call_python(f->python, x, f->arity, y);
    *y = f->arity == 1 ? f->in_c.one(x[0]) : f->arity == 2 ? f->in_c.two(x[0], x[1]) : f->in_c.three(x[0], x[1], x[2]);
    return 0;
}

/* A partial at (*arguments, result), which lie in x. */
static int local_gradient(const Rule *rule, int position, const double *x, double *local)
{
    const Partial *p = &rule->partials[position];
    int given = rule->arity + 1;
    if (p->in_c) { *local = p->in_c(x[0], x[1], x[2]); return 0; }
    if (p->python) return call_python(p->python, x, given, local);
    if (p->result < given) { *local = x[p->result]; return 0; }
    double at[REGISTERS];
    memcpy(at, x, given * sizeof(double));
    for (int i = 0; i < p->count; i++) {
        const Step *s = &p->steps[i];
        if (!s->function.arity) { at[given + i] = p->constants[i]; continue; }
        double y[3] = {at[s->at[0]], at[s->at[1]], at[s->at[2]]};
        if (evaluate(&s->function, y, &at[given + i]) < 0) return -1;
    }
    *local = at[p->result];
    return 0;
}

/* 1: `o` is a number, in *x. 0: it is none of ours, and *other is what `operators._as_operand` made of it. -1: an error. */
INLINE int number_of(PyObject *o, double *x, PyObject **other)
{
    if (PyFloat_CheckExact(o)) { *x = PyFloat_AS_DOUBLE(o); return 1; }
    if (PyLong_CheckExact(o)) { *x = PyLong_AsDouble(o); return *x == -1.0 && PyErr_Occurred() ? -1 : 1; }
    if (PyBool_Check(o)) { *x = o == Py_True; return 1; }
    if (!(*other = PyObject_CallOneArg(body.as_operand, o))) return -1;
    if (!PyFloat_CheckExact(*other)) return 0;
    *x = PyFloat_AS_DOUBLE(*other);
    Py_DECREF(*other);
    return 1;
}

/* Value and the local gradients that `want` asks for; those of the four operations are written out. */
INLINE int computed(int code, const Rule *rule, double *x, int want, double *da, double *db)
{
    switch (code) {
    case ADD: x[2] = x[0] + x[1]; *da = *db = 1.0; return 0;
    case SUB: x[2] = x[0] - x[1]; *da = 1.0; *db = -1.0; return 0;
    case MUL: x[2] = x[0] * x[1]; *da = x[1]; *db = x[0]; return 0;
    case DIV: x[2] = v_div(x[0], x[1]); *da = v_inv(x[1]); *db = -v_div(x[2], x[1]); return 0;
    }
    if (evaluate(&rule->value, x, &x[rule->arity]) < 0) return -1;
    if (want & 1 && local_gradient(rule, 0, x, da) < 0) return -1;
    return want & 2 ? local_gradient(rule, 1, x, db) : 0;
}

static PyObject *binary_of_array(const Rule *rule, PyObject *u, PyObject *v, PyObject *other);

/* `operators._BINARY` and `_REFLECTED`. */
INLINE PyObject *binary(int code, const Rule *rule, PyObject *u, PyObject *v)
{
    double x[4], da = 0.0, db = 0.0;
    PyObject *other;
    int nodes = (IS_NODE(u) ? 1 : 0) | (IS_NODE(v) ? 2 : 0), kind = 1;
    if (nodes & 1) x[0] = ((Node *)u)->value;
    else if ((kind = number_of(u, &x[0], &other)) < 1) return kind ? NULL : binary_of_array(rule, NULL, v, other);
    if (nodes & 2) x[1] = ((Node *)v)->value;
    else if ((kind = number_of(v, &x[1], &other)) < 1) return kind ? NULL : binary_of_array(rule, u, NULL, other);
    uint64_t watched = ((nodes & 1 ? ((Node *)u)->word : 0) | (nodes & 2 ? ((Node *)v)->word : 0)) & WATCHED;
    watched |= TRACED;
    if (computed(code, rule, x, nodes, &da, &db) < 0) return NULL;
    Node *n = BLANK(watched);
    if (!n) return NULL;
    uint64_t word = next_number++ << BITS | MARKS(watched);
    int selects = code == OTHER && rule->selects;
    if (nodes & 1) {
        n->first = Py_NewRef(u);
        n->by_first = da;
        word |= selects && da == 0.0 ? FIRST_NODE : FIRST_NODE | BY_FIRST;
    } else {
        n->first = NULL;
        n->by_first = x[0];
        word |= FIRST_CONSTANT;
    }
    if (nodes & 2) {
        n->second = Py_NewRef(v);
        n->by_second = db;
        word |= selects && db == 0.0 ? SECOND_NODE : SECOND_NODE | BY_SECOND;
    } else {
        n->second = NULL;
        n->by_second = x[1];
        word |= SECOND_CONSTANT;
    }
    n->word = word;
    n->value = x[2];
    n->primitive = Py_NewRef((PyObject *)rule);
    n->about = n->weakrefs = NULL;
    return finished(n);
}

/* The operand beside a node was an array of no dimension that holds one, or is for the other operand to deal with. */
static PyObject *binary_of_array(const Rule *rule, PyObject *u, PyObject *v, PyObject *other)
{
    PyObject *r = !IS_NODE(other) ? Py_NewRef(Py_NotImplemented)
        : binary(OTHER, rule, u ? u : other, v ? v : other);
    Py_DECREF(other);
    return r;
}

/* `operators._UNARY`. */
static PyObject *unary(const Rule *rule, PyObject *u)
{
    double x[4] = {((Node *)u)->value}, da;
    if (evaluate(&rule->value, x, &x[1]) < 0 || local_gradient(rule, 0, x, &da) < 0) return NULL;
    uint64_t watched = (((Node *)u)->word & WATCHED) | TRACED;
    Node *n = BLANK(watched);
    if (!n) return NULL;
    n->value = x[1];
    n->first = Py_NewRef(u);
    n->second = NULL;
    n->by_first = da;
    n->primitive = Py_NewRef((PyObject *)rule);
    n->about = n->weakrefs = NULL;
    n->word = next_number++ << BITS | FIRST_NODE | (rule->selects && da == 0.0 ? 0 : BY_FIRST) | MARKS(watched);
    return finished(n);
}

/* `variable.record` for three arguments, of which x are the numbers. */
static PyObject *ternary(const Rule *rule, PyObject *const *args, double *x)
{
    PyObject *arguments = PyTuple_New(3), *locals = PyTuple_New(3);
    Node *n = NULL;
    uint64_t watched = TRACED;
    if (!arguments || !locals || evaluate(&rule->value, x, &x[3]) < 0) goto failed;
    for (int i = 0; i < 3; i++) {
        PyObject *argument, *local = Py_None;
        double by;
        if (IS_NODE(args[i])) {
            argument = Py_NewRef(args[i]);
            watched |= ((Node *)argument)->word & WATCHED;
            if (local_gradient(rule, i, x, &by) < 0) { Py_DECREF(argument); goto failed; }
            if (!rule->selects || by != 0.0) local = PyFloat_FromDouble(by);
        } else
            argument = PyFloat_FromDouble(x[i]);
        if (local == Py_None) Py_INCREF(local);
        PyTuple_SET_ITEM(arguments, i, argument);
        PyTuple_SET_ITEM(locals, i, local);
        if (!argument || !local) goto failed;
    }
    if (!(n = BLANK(watched))) goto failed;
    n->value = x[3];
    n->first = arguments;
    n->second = locals;
    n->primitive = Py_NewRef((PyObject *)rule);
    n->about = n->weakrefs = NULL;
    n->word = next_number++ << BITS | WIDE | MARKS(watched);
    return finished(n);
failed:
    Py_XDECREF(arguments);
    Py_XDECREF(locals);
    return NULL;
}

static PyObject *by_python(PyObject *method, PyObject *self, PyObject *args, PyObject *keywords)
{
    PyObject *with = PyTuple_New(PyTuple_GET_SIZE(args) + 1), *r;
    if (!with) return NULL;
    PyTuple_SET_ITEM(with, 0, Py_NewRef(self));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++)
        PyTuple_SET_ITEM(with, i + 1, Py_NewRef(PyTuple_GET_ITEM(args, i)));
    r = PyObject_Call(method, with, keywords);
    Py_DECREF(with);
    return r;
}

/* `Primitive.__call__` on Variables and numbers of Python, none left out; Python has the body for all else. */
static PyObject *rule_call(PyObject *self, PyObject *args, PyObject *keywords)
{
    const Rule *rule = (Rule *)self;
    PyObject *const *a = &PyTuple_GET_ITEM(args, 0);
    double x[4];
    int nodes = 0;
    if (!rule->bound || keywords || PyTuple_GET_SIZE(args) != rule->arity) return by_python(body.applied, self, args, keywords);
    for (int i = 0; i < rule->arity; i++) {
        if (IS_NODE(a[i])) { nodes = 1; x[i] = ((Node *)a[i])->value; }
        else if (PyFloat_CheckExact(a[i])) x[i] = PyFloat_AS_DOUBLE(a[i]);
        else if (PyBool_Check(a[i])) x[i] = a[i] == Py_True;
        else if (PyLong_CheckExact(a[i])) {
            x[i] = PyLong_AsDouble(a[i]);
            if (x[i] == -1.0 && PyErr_Occurred()) return NULL;
        } else
            return by_python(body.applied, self, args, keywords);
    }
    if (!nodes) return evaluate(&rule->value, x, &x[3]) < 0 ? NULL : PyFloat_FromDouble(x[3]);
    return rule->arity == 1 ? unary(rule, a[0]) : rule->arity == 2 ? binary(OTHER, rule, a[0], a[1]) : ternary(rule, a, x);
}

static PyTypeObject RuleType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "autograd_lite._core.Rule", .tp_basicsize = sizeof(Rule),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, .tp_new = PyType_GenericNew, .tp_call = rule_call,
};

static int function_of(PyObject *primitive, Function *f)
{
    PyObject *name = PyObject_GetAttrString(primitive, "name"), *partials = PyObject_GetAttrString(primitive, "partials");
    const char *text = name ? PyUnicode_AsUTF8(name) : NULL;
    if (!text || !partials) { Py_XDECREF(name); Py_XDECREF(partials); return -1; }
    memset(f, 0, sizeof(Function));
    f->arity = (int)PyTuple_Size(partials);
#define LOOKED_UP(TABLE, count, field) \
    for (int i = 0; f->arity == count && TABLE[i].name; i++) \
        if (!strcmp(TABLE[i].name, text)) f->in_c.field = TABLE[i].value
    LOOKED_UP(ONE, 1, one);
    LOOKED_UP(TWO, 2, two);
    LOOKED_UP(THREE, 3, three);
    if (!f->in_c.one) f->python = PyObject_GetAttrString(primitive, "value");
    Py_DECREF(name);
    Py_DECREF(partials);
    if (f->arity > 3) PyErr_SetString(PyExc_ValueError, "more than three arguments");
    return f->arity <= 3 && (f->in_c.one || f->python) ? 0 : -1;
}

/* One partial: a function of Python, or (steps, register of the result), a step being a float or (primitive, *registers). */
static int set_partial(Rule *rule, int position, PyObject *given)
{
    Partial *p = &rule->partials[position];
    if (!PyTuple_CheckExact(given)) { p->python = Py_NewRef(given); return 0; }
    PyObject *steps = PyTuple_GET_ITEM(given, 0);
    p->count = (int)PyTuple_GET_SIZE(steps);
    p->result = (int)PyLong_AsLong(PyTuple_GET_ITEM(given, 1));
    p->steps = PyMem_Calloc(p->count + 1, sizeof(Step));
    p->constants = PyMem_Calloc(p->count + 1, sizeof(double));
    if (!p->steps || !p->constants) { PyErr_NoMemory(); return -1; }
    for (int i = 0; i < p->count; i++) {
        PyObject *step = PyTuple_GET_ITEM(steps, i);
        if (PyFloat_CheckExact(step)) { p->constants[i] = PyFloat_AS_DOUBLE(step); continue; }
        if (function_of(PyTuple_GET_ITEM(step, 0), &p->steps[i].function) < 0) return -1;
        for (int k = 0; k < 3 && k < p->steps[i].function.arity; k++)
            p->steps[i].at[k] = (unsigned char)PyLong_AsLong(PyTuple_GET_ITEM(step, k + 1));
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* bind(primitive, partials, selects, is_condition): make it fast. */
static PyObject *core_bind(PyObject *module, PyObject *args)
{
    (void)module;
    Rule *rule;
    PyObject *partials;
    int selects, is_condition;
    if (!PyArg_ParseTuple(args, "O!O!pp", &RuleType, &rule, &PyTuple_Type, &partials, &selects, &is_condition)) return NULL;
    if (rule->bound) Py_RETURN_NONE;
    if (function_of((PyObject *)rule, &rule->value) < 0) return NULL;
    rule->arity = rule->value.arity;
    rule->selects = selects;
    rule->is_condition = is_condition;
    if (PyTuple_GET_SIZE(partials) != rule->arity) Py_RETURN_NONE;
    for (int i = 0; i < rule->arity; i++) {
        PyObject *given = PyTuple_GET_ITEM(partials, i);
        if (PyTuple_CheckExact(given) && PyTuple_GET_SIZE(PyTuple_GET_ITEM(given, 0)) + rule->arity >= REGISTERS) {
            PyErr_SetString(PyExc_ValueError, "a partial of more steps than there are registers");
            return NULL;
        }
        if (set_partial(rule, i, given) < 0) return NULL;
    }
    Value2 value = rule->arity == 2 ? rule->value.in_c.two : NULL;
    static const Value2 CODES[] = {NULL, v_add, v_sub, v_mul, v_div, v_pow, v_mod, v_floordiv};
    for (int code = ADD; code <= FLOORDIV; code++)
        if (value && value == CODES[code]) rules[code] = (Rule *)Py_NewRef((PyObject *)rule);
    if (value == v_pow) rule->partials[0].in_c = pow_by_base;
    Value1 one = rule->arity == 1 ? rule->value.in_c.one : NULL;
    if (one == v_neg) negative = (Rule *)Py_NewRef((PyObject *)rule);
    if (one == v_abs) absolute = (Rule *)Py_NewRef((PyObject *)rule);
    if (one == v_itself && !selects) positive = (Rule *)Py_NewRef((PyObject *)rule);
    rule->bound = 1;
    Py_RETURN_NONE;
}

static PyObject *node_add(PyObject *a, PyObject *b) { return binary(ADD, rules[ADD], a, b); }
static PyObject *node_sub(PyObject *a, PyObject *b) { return binary(SUB, rules[SUB], a, b); }
static PyObject *node_mul(PyObject *a, PyObject *b) { return binary(MUL, rules[MUL], a, b); }
static PyObject *node_div(PyObject *a, PyObject *b) { return binary(DIV, rules[DIV], a, b); }
static PyObject *node_mod(PyObject *a, PyObject *b) { return binary(OTHER, rules[MOD], a, b); }
static PyObject *node_floordiv(PyObject *a, PyObject *b) { return binary(OTHER, rules[FLOORDIV], a, b); }
static PyObject *node_pow(PyObject *a, PyObject *b, PyObject *modulo)
{
    if (modulo != Py_None) Py_RETURN_NOTIMPLEMENTED;
    return binary(OTHER, rules[POW], a, b);
}
static PyObject *node_neg(PyObject *a) { return unary(negative, a); }
static PyObject *node_pos(PyObject *a) { return unary(positive, a); }
static PyObject *node_abs(PyObject *a) { return unary(absolute, a); }

/* ------------------------------------------------------------------------------- the node: facts of variable.Variable */

static PyObject *optional(int there, double x)
{
    if (there) return PyFloat_FromDouble(x);
    Py_RETURN_NONE;
}
static int set_optional(Node *n, PyObject *v, double *place, int flag)
{
    if (!v || v == Py_None) { n->word &= ~(uint64_t)flag; return 0; }
    double x = PyFloat_AsDouble(v);
    if (x == -1.0 && PyErr_Occurred()) return -1;
    *place = x;
    n->word |= flag;
    return 0;
}
static int done(PyObject *r) { Py_XDECREF(r); return r ? 0 : -1; }

static PyObject *get_first(Node *n, void *c)
{
    (void)c;
    if (n->word & FIRST_NODE) return Py_NewRef(n->first);
    return optional(n->word & FIRST_CONSTANT, n->by_first);
}
static PyObject *get_second(Node *n, void *c)
{
    (void)c;
    if (n->word & SECOND_NODE || (n->word & FIRST) == WIDE) return Py_NewRef(n->second);
    return optional(n->word & SECOND_CONSTANT, n->by_second);
}
static PyObject *get_by_first(Node *n, void *c) { (void)c; return optional(n->word & BY_FIRST, n->by_first); }
static PyObject *get_by_second(Node *n, void *c) { (void)c; return optional(n->word & BY_SECOND, n->by_second); }
static int set_by_first(Node *n, PyObject *v, void *c)
{
    (void)c;
    if ((n->word & FIRST) == FIRST_NODE) return set_optional(n, v, &n->by_first, BY_FIRST);
    PyErr_SetString(PyExc_TypeError, "the first argument is no Variable");
    return -1;
}
static int set_by_second(Node *n, PyObject *v, void *c)
{
    (void)c;
    if (n->word & SECOND_NODE) return set_optional(n, v, &n->by_second, BY_SECOND);
    PyErr_SetString(PyExc_TypeError, "the second argument is no Variable");
    return -1;
}

static PyObject *pair(Node *n, getter first, getter second) /* of a node that is not wide: a tuple of none to two */
{
    if (!(n->word & FIRST)) return PyTuple_New(0);
    PyObject *a = first((PyObject *)n, NULL), *b = NULL, *r = NULL;
    if (a && !(n->word & SECOND)) r = PyTuple_Pack(1, a);
    else if (a && (b = second((PyObject *)n, NULL))) r = PyTuple_Pack(2, a, b);
    Py_XDECREF(a);
    Py_XDECREF(b);
    return r;
}
static PyObject *get_arguments(Node *n, void *c)
{
    (void)c;
    return (n->word & FIRST) == WIDE ? Py_NewRef(n->first) : pair(n, (getter)get_first, (getter)get_second);
}
static PyObject *get_locals(Node *n, void *c)
{
    (void)c;
    return (n->word & FIRST) == WIDE ? Py_NewRef(n->second) : pair(n, (getter)get_by_first, (getter)get_by_second);
}

static PyObject *get_grad(Node *n, void *c)
{
    (void)c;
    if (UNLIKELY(n->word & HELD)) return PyObject_CallOneArg(body.held_grad, (PyObject *)n);
    return optional(n->word & GRAD, n->grad);
}
static int set_grad(Node *n, PyObject *v, void *c)
{
    (void)c;
    n->word &= ~(uint64_t)HELD;
    if (!v || !IS_NODE(v)) return set_optional(n, v, &n->grad, GRAD);
    if (done(PyObject_CallFunctionObjArgs(body.hold_grad, n, v, NULL)) < 0) return -1;
    n->grad = ((Node *)v)->value;
    n->word |= HELD | GRAD;
    return 0;
}
static PyObject *get_public_grad(Node *n, void *c)
{
    return GOES_ON(tracing) ? PyObject_CallOneArg(body.get_grad, (PyObject *)n) : get_grad(n, c);
}
static int set_public_grad(Node *n, PyObject *v, void *c)
{
    if (!GOES_ON(tracing) && v && (v == Py_None || PyFloat_CheckExact(v))) return set_grad(n, v, c);
    if (!v) { PyErr_SetString(PyExc_AttributeError, "property 'grad' of 'Variable' object has no deleter"); return -1; }
    return done(PyObject_CallFunctionObjArgs(body.set_grad, n, v, NULL));
}
static PyObject *get_value(Node *n, void *c)
{
    (void)c;
    if (GOES_ON(running) || GOES_ON(active)) return PyObject_CallOneArg(body.get_value, (PyObject *)n);
    return PyFloat_FromDouble(n->value);
}
static int set_value(Node *n, PyObject *v, void *c)
{
    (void)c;
    if (!v) { PyErr_SetString(PyExc_AttributeError, "property 'value' of 'Variable' object has no deleter"); return -1; }
    return done(PyObject_CallFunctionObjArgs(body.set_value, n, v, NULL));
}
static PyObject *get_number(Node *n, void *c) { (void)c; return PyLong_FromUnsignedLongLong(NUMBER(n)); }
static int set_number(Node *n, PyObject *v, void *c)
{
    (void)c;
    if (!v) { PyErr_SetString(PyExc_AttributeError, "_number"); return -1; }
    unsigned long long k = PyLong_AsUnsignedLongLong(v);
    if (PyErr_Occurred()) return -1;
    if (k >> (64 - BITS)) { PyErr_SetString(PyExc_OverflowError, "a creation number has 52 bits"); return -1; }
    n->word = (n->word & ((1u << BITS) - 1)) | (uint64_t)k << BITS;
    return 0;
}
static int keep_number(Node *n, PyObject *v, void *c)
{
    (void)n; (void)c;
    PyErr_Format(PyExc_AttributeError, "property 'number' of 'Variable' object has no %s", v ? "setter" : "deleter");
    return -1;
}
#define OBJECT_FACT(name) \
    static PyObject *get_##name(Node *n, void *c) { (void)c; return Py_NewRef(n->name ? n->name : Py_None); } \
    static int set_##name(Node *n, PyObject *v, void *c) \
    { \
        (void)c; \
        PyObject *old = n->name; \
        n->name = !v || v == Py_None ? NULL : Py_NewRef(v); \
        Py_XDECREF(old); \
        return 0; \
    }
OBJECT_FACT(about)
OBJECT_FACT(primitive)

/* `Variable._set_arguments`, once, on a blank node. */
static PyObject *set_arguments(Node *n, PyObject *const *args, Py_ssize_t count)
{
    int good = count == 2 && PyTuple_CheckExact(args[0]) && PyTuple_CheckExact(args[1]) && !(n->word & FIRST)
        && PyTuple_GET_SIZE(args[0]) == PyTuple_GET_SIZE(args[1]);
    for (Py_ssize_t i = 0; good && i < PyTuple_GET_SIZE(args[1]); i++) {
        PyObject *l = PyTuple_GET_ITEM(args[1], i);
        good = l == Py_None || PyFloat_Check(l); /* the sweep reads its double */
    }
    if (!good) {
        PyErr_SetString(PyExc_TypeError, "two tuples of equal length, once; local gradients are floats or None");
        return NULL;
    }
    PyObject *arguments = args[0], *locals = args[1];
    Py_ssize_t k = PyTuple_GET_SIZE(arguments);
    int narrow = k <= 2 && PyTuple_GET_SIZE(locals) == k;
    for (Py_ssize_t i = 0; i < k; i++) {
        PyObject *a = PyTuple_GET_ITEM(arguments, i);
        if (IS_NODE(a) && ((Node *)a)->word & WATCHED && n->word & HEADER && !(n->word & WATCHED)) {
            n->word |= WATCHED;
            PyObject_GC_Track(n);
        }
        PyObject *l = narrow ? PyTuple_GET_ITEM(locals, i) : NULL;
        narrow = narrow && (IS_NODE(a) ? l == Py_None || PyFloat_CheckExact(l) : PyFloat_CheckExact(a) && l == Py_None);
    }
    if (k && !narrow) {
        n->first = Py_NewRef(arguments);
        n->second = Py_NewRef(locals);
        n->word |= WIDE;
        Py_RETURN_NONE;
    }
    for (Py_ssize_t i = 0; i < k; i++) {
        PyObject *a = PyTuple_GET_ITEM(arguments, i), *l = PyTuple_GET_ITEM(locals, i);
        double *by = i ? &n->by_second : &n->by_first;
        if (IS_NODE(a)) {
            *(i ? &n->second : &n->first) = Py_NewRef(a);
            n->word |= i ? SECOND_NODE : FIRST_NODE;
            if (l != Py_None) { *by = PyFloat_AS_DOUBLE(l); n->word |= i ? BY_SECOND : BY_FIRST; }
        } else {
            *by = PyFloat_AS_DOUBLE(a);
            n->word |= i ? SECOND_CONSTANT : FIRST_CONSTANT;
        }
    }
    Py_RETURN_NONE;
}

static Node *cleared(int header)
{
    Node *n = header ? blank_for_collector() : blank();
    if (!n) return NULL;
    memset((char *)n + sizeof(PyObject), 0, sizeof(Node) - sizeof(PyObject));
    n->word = header ? HEADER : 0;
    return n;
}

/* `variable.make_node`. */
static PyObject *core_make_node(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 4 || !PyFloat_Check(args[1]) || !PyTuple_CheckExact(args[2])) {
        PyErr_SetString(PyExc_TypeError, "make_node takes a primitive, a float, and two tuples");
        return NULL;
    }
    int bound = PyObject_TypeCheck(args[0], &RuleType) && ((Rule *)args[0])->bound;
    int watched = (args[0] != Py_None && !bound) || GOES_ON(tracing);
    for (Py_ssize_t i = 0; !watched && i < PyTuple_GET_SIZE(args[2]); i++) {
        PyObject *a = PyTuple_GET_ITEM(args[2], i);
        watched = IS_NODE(a) && ((Node *)a)->word & WATCHED;
    }
    Node *n = cleared(watched);
    if (!n) return NULL;
    n->value = PyFloat_AS_DOUBLE(args[1]);
    n->primitive = args[0] == Py_None ? NULL : Py_NewRef(args[0]);
    PyObject *r = set_arguments(n, args + 2, 2);
    if (watched && !(n->word & WATCHED) && r) n->word |= WATCHED; /* `finished` tracks it */
    else if (watched) PyObject_GC_UnTrack(n);
    if (!r) { n->word &= ~(uint64_t)WATCHED; Py_DECREF(n); return NULL; }
    Py_DECREF(r);
    n->word |= next_number++ << BITS;
    return finished(n);
}

static PyObject *node_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    if (type != Variable) { PyErr_SetString(PyExc_TypeError, "a Variable cannot be subclassed"); return NULL; }
    int traced = GOES_ON(tracing);
    Node *n = cleared(traced || keywords || PyTuple_GET_SIZE(args) > 1); /* it may get arguments by hand */
    if (n && traced) {
        n->word |= WATCHED;
        PyObject_GC_Track(n);
    }
    return (PyObject *)n;
}

static int node_init(PyObject *self, PyObject *args, PyObject *keywords)
{
    Node *n = (Node *)self;
    PyObject *only = !keywords && PyTuple_GET_SIZE(args) == 1 ? PyTuple_GET_ITEM(args, 0) : NULL;
    if (only && PyFloat_CheckExact(only) && !n->word && !n->about) {
        n->value = PyFloat_AS_DOUBLE(only);
        n->word = next_number++ << BITS;
        return GOES_ON(active) ? done(PyObject_CallOneArg(body.observe, self)) : 0;
    }
    return done(by_python(body.init, self, args, keywords));
}

/* `operators.comparison`; while anything runs by a transform or a trace, Python has the body. */
static PyObject *node_compare(PyObject *u, PyObject *v, int relation)
{
    if (!GOES_ON(running)) {
        double a = ((Node *)u)->value, b;
        if (IS_NODE(v)) { b = ((Node *)v)->value; Py_RETURN_RICHCOMPARE(a, b, relation); }
        if (PyFloat_CheckExact(v)) { b = PyFloat_AS_DOUBLE(v); Py_RETURN_RICHCOMPARE(a, b, relation); }
    }
    return PyObject_CallFunctionObjArgs(PyTuple_GET_ITEM(body.compared, relation), u, v, NULL);
}
static int node_bool(PyObject *self)
{
    Node *n = (Node *)self;
    int is_condition = n->primitive && PyObject_TypeCheck(n->primitive, &RuleType) && ((Rule *)n->primitive)->is_condition;
    if (!GOES_ON(running) && !is_condition) return n->value != 0.0;
    PyObject *r = PyObject_CallOneArg(body.truth, self);
    int truth = r ? PyObject_IsTrue(r) : -1;
    Py_XDECREF(r);
    return truth;
}
static Py_hash_t node_hash(PyObject *self)
{
    if (!GOES_ON(running)) return PyBaseObject_Type.tp_hash(self);
    PyObject *r = PyObject_CallOneArg(body.hashed, self);
    if (r == Py_None) { Py_DECREF(r); return PyBaseObject_Type.tp_hash(self); }
    Py_hash_t hash = r ? PyLong_AsSsize_t(r) : -1;
    Py_XDECREF(r);
    return hash;
}

/* `Variable.__getattr__` for what the class lacks; NumPy, which asks each node for an array, gets its answer here. */
static PyObject *node_getattro(PyObject *self, PyObject *name)
{
    if (_PyType_Lookup(Variable, name)) return PyObject_GenericGetAttr(self, name);
    if (!PyUnicode_Check(name)) return PyObject_GenericGetAttr(self, name); /* which says what a name is */
    const char *text = PyUnicode_IS_ASCII(name) ? PyUnicode_AsUTF8(name) : "";
    if (!text) return NULL;
    if (strncmp(text, "__array_", 8)) return PyObject_CallFunctionObjArgs(body.missing, self, name, NULL);
    return PyErr_Format(PyExc_AttributeError, "a Variable has no attribute %R.", name);
}

static PyMemberDef node_members[] = {
    {"_value", T_DOUBLE, offsetof(Node, value), 0, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Node, weakrefs), READONLY, NULL}, {NULL, 0, 0, 0, NULL}};
#define FACT(name, get, set) {name, (getter)get, (setter)set, NULL, NULL}
static PyGetSetDef node_facts[] = {
    FACT("value", get_value, set_value), FACT("grad", get_public_grad, set_public_grad), FACT("_grad", get_grad, set_grad),
    FACT("_first", get_first, NULL), FACT("_second", get_second, NULL), FACT("_by_first", get_by_first, set_by_first),
    FACT("_by_second", get_by_second, set_by_second), FACT("_number", get_number, set_number),
    FACT("number", get_number, keep_number),
    FACT("_about", get_about, set_about), FACT("_primitive", get_primitive, set_primitive),
    FACT("_arguments", get_arguments, NULL), FACT("_locals", get_locals, NULL), {NULL, NULL, NULL, NULL, NULL}};
#define FAST(function) (PyCFunction)(void (*)(void))function, METH_FASTCALL, NULL
static PyMethodDef node_methods[] = {{"_set_arguments", FAST(set_arguments)}, {NULL, NULL, 0, NULL}};
static PyType_Slot node_slots[] = {
    {Py_nb_add, node_add}, {Py_nb_subtract, node_sub}, {Py_nb_multiply, node_mul}, {Py_nb_true_divide, node_div},
    {Py_nb_remainder, node_mod}, {Py_nb_floor_divide, node_floordiv}, {Py_nb_power, node_pow}, {Py_nb_negative, node_neg},
    {Py_nb_positive, node_pos}, {Py_nb_absolute, node_abs}, {Py_nb_bool, node_bool}, {Py_tp_richcompare, node_compare},
    {Py_tp_hash, node_hash}, {Py_tp_getattro, node_getattro}, {Py_tp_dealloc, node_dealloc}, {Py_tp_traverse, node_traverse}, {Py_tp_is_gc, node_is_gc},
    {Py_tp_free, PyObject_GC_Del}, {Py_tp_new, node_new}, {Py_tp_init, node_init}, {Py_tp_getset, node_facts},
    {Py_tp_members, node_members}, {Py_tp_methods, node_methods}, {0, NULL}};
static PyType_Spec node_spec = {
    .name = "autograd_lite.variable.Variable", .basicsize = sizeof(Node),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, .slots = node_slots};

/* ------------------------------------------------------------------------------- search and sweep: variable, backward */

typedef struct { uint64_t number; Node *node; } Numbered;
typedef struct { Node *node; double grad; } Before;
typedef struct {
    Node **met;       size_t met_count, met_room;       /* in the order of discovery */
    Numbered *inner;  size_t inner_count, inner_room;   /* what a sweep visits */
    Before *before;   size_t before_count, before_room; /* gradients whose place is needed for adjoints */
    uint64_t oldest, low, high;
} Pass;

static APART int grown(void *items, size_t *room, size_t size)
{
    size_t more = *room ? 2 * *room : 1024;
    void *moved = PyMem_RawRealloc(*(void **)items, more * size);
    if (!moved) return -1;
    *(void **)items = moved;
    *room = more;
    return 0;
}
#define ROOM(p, what) ((p)->what##_count < (p)->what##_room ? 0 : grown(&(p)->what, &(p)->what##_room, sizeof *(p)->what))

INLINE int meet(Pass *p, Node *n)
{
    if (n->word & MET) return 0;
    if (UNLIKELY(n->word & GRAD)) {
        if (ROOM(p, before) < 0) return -1;
        p->before[p->before_count++] = (Before){n, n->grad};
    }
    if (ROOM(p, met) < 0) return -1;
    uint64_t number = NUMBER(n);
    if (n->word & FIRST && number >= p->oldest) {
        if (ROOM(p, inner) < 0) return -1;
        if (!p->inner_count || number < p->low) p->low = number;
        if (number > p->high) p->high = number;
        p->inner[p->inner_count++] = (Numbered){number, n};
    }
    p->met[p->met_count++] = n;
    n->word |= MET;
    return 0;
}

static int entered(Pass *p)
{
    for (size_t i = 0; i < p->inner_count; i++) { /* grows while it is read */
        if (i + 8 < p->inner_count) AHEAD(p->inner[i + 8].node);
        Node *n = p->inner[i].node;
        if ((n->word & FIRST) == WIDE) {
            for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(n->first); k++) {
                PyObject *a = PyTuple_GET_ITEM(n->first, k);
                if (IS_NODE(a) && meet(p, (Node *)a) < 0) return -1;
            }
            continue;
        }
        if (n->word & FIRST_NODE && meet(p, (Node *)n->first) < 0) return -1;
        if (n->word & SECOND_NODE && meet(p, (Node *)n->second) < 0) return -1;
    }
    return 0;
}

/* Newest first: a place for each number where they lie close together, else by digits of 11 bits. */
static int in_order(Pass *p)
{
    size_t count = p->inner_count;
    uint64_t high = p->high, range = high - p->low + 1;
    Numbered *from = p->inner;
    if (count < 2) return 0;
    if (range <= 4 * count + 4096) {
        Node **place = PyMem_RawCalloc(range, sizeof(Node *));
        if (!place) return -1;
        size_t put = 0;
        for (; put < count && !place[high - from[put].number]; put++) place[high - from[put].number] = from[put].node;
        for (size_t i = 0, k = 0; put == count && k < count; i++)
            if (place[i]) from[k++].node = place[i];
        PyMem_RawFree(place);
        if (put == count) return 0; /* else two have one number, which somebody set */
    }
    Numbered *to = PyMem_RawMalloc(count * sizeof(Numbered));
    if (!to) return -1;
    for (int shift = 0; shift < 64 && range >> shift; shift += 11) {
        size_t at[2049] = {0};
        for (size_t i = 0; i < count; i++) at[((high - from[i].number) >> shift & 2047) + 1]++;
        for (int d = 0; d < 2048; d++) at[d + 1] += at[d];
        for (size_t i = 0; i < count; i++) to[at[(high - from[i].number) >> shift & 2047]++] = from[i];
        Numbered *swap = from;
        from = to;
        to = swap;
    }
    p->inner = from;
    p->inner_room = count;
    PyMem_RawFree(to);
    return 0;
}

/* `variable.search` */
static int search(Pass *p, PyObject *const *roots, Py_ssize_t count, int ordered)
{
    for (Py_ssize_t i = 0; i < count; i++)
        if (meet(p, (Node *)roots[i]) < 0) return -1;
    if (entered(p) < 0) return -1;
    return ordered ? in_order(p) : 0;
}

INLINE void send(Node *to, double product)
{
    if (to->word & SENT) to->grad = to->grad + product;
    else { to->grad = product; to->word |= SENT; }
}

/* `backward._send` */
static void sweep(Pass *p)
{
    for (size_t i = 0; i < p->inner_count; i++) {
        if (i + 8 < p->inner_count) AHEAD(p->inner[i + 8].node);
        Node *n = p->inner[i].node;
        uint64_t w = n->word;
        if (!(w & SENT)) continue;
        double adjoint = n->grad;
        if ((w & FIRST) == WIDE) {
            for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(n->first); k++) {
                PyObject *local = PyTuple_GET_ITEM(n->second, k), *a = PyTuple_GET_ITEM(n->first, k);
                if (local != Py_None && IS_NODE(a)) send((Node *)a, PyFloat_AS_DOUBLE(local) * adjoint);
            }
            continue;
        }
        if (w & BY_FIRST) send((Node *)n->first, n->by_first * adjoint);
        if (w & BY_SECOND) send((Node *)n->second, n->by_second * adjoint);
    }
}

static void over(Pass *p, int restore)
{
    for (size_t i = 0; i < p->met_count; i++) p->met[i]->word &= ~(uint64_t)(MET | SENT);
    for (size_t i = 0; restore && i < p->before_count; i++) p->before[i].node->grad = p->before[i].grad;
    PyMem_RawFree(p->met);
    PyMem_RawFree(p->inner);
    PyMem_RawFree(p->before);
}

static int oldest_of(PyObject *o, Pass *p)
{
    long long oldest = PyLong_AsLongLong(o);
    p->oldest = oldest < 0 ? 0 : (uint64_t)oldest;
    return oldest == -1 && PyErr_Occurred() ? -1 : 0;
}

static int are_nodes(PyObject *list)
{
    int all = PyList_CheckExact(list);
    for (Py_ssize_t i = 0; all && i < PyList_GET_SIZE(list); i++) all = IS_NODE(PyList_GET_ITEM(list, i));
    if (!all) PyErr_SetString(PyExc_TypeError, "a list of Variables is needed");
    return all;
}

/* `backward._sweep` over all that lies under the roots; -1 with an error. */
static int swept(Pass *p, PyObject *const *roots, PyObject *const *seeds, Py_ssize_t count)
{
    if (search(p, roots, count, 1) < 0) { over(p, 1); PyErr_NoMemory(); return -1; }
    for (Py_ssize_t i = 0; i < count; i++) /* a linear operation would give a NaN value a finite derivative */
        send((Node *)roots[i], isnan(((Node *)roots[i])->value) ? Py_NAN : PyFloat_AS_DOUBLE(seeds[i]));
    sweep(p);
    return 0;
}

/* add_adjoints(node, seed): `backward.add_adjoints`. */
static PyObject *core_add_adjoints(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 2 || !IS_NODE(args[0]) || !PyFloat_CheckExact(args[1])) {
        PyErr_SetString(PyExc_TypeError, "add_adjoints takes a Variable and a float");
        return NULL;
    }
    Pass p = {0};
    if (swept(&p, args, args + 1, 1) < 0) return NULL;
    for (size_t i = 0; i < p.before_count; i++) {
        Node *n = p.before[i].node;
        if (n->word & SENT) {
            n->grad = p.before[i].grad + n->grad;
            n->word &= ~(uint64_t)HELD;
        } else
            n->grad = p.before[i].grad;
        n->word |= SENT;
    }
    for (size_t i = 0; i < p.met_count; i++) {
        if (i + 8 < p.met_count) AHEAD(p.met[i + 8]);
        Node *n = p.met[i];
        if (!(n->word & SENT)) n->grad = 0.0;
        n->word = (n->word & ~(uint64_t)(MET | SENT)) | GRAD;
    }
    p.met_count = 0;
    over(&p, 0);
    Py_RETURN_NONE;
}

/* adjoints(outputs, seeds, oldest, wrt, missing=(None, ...)): `backward.adjoints`. */
static PyObject *core_adjoints(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    Pass p = {0};
    if (count < 4 || (count > 4 && !PyTuple_CheckExact(args[4])) || !are_nodes(args[0]) || !are_nodes(args[3])) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "adjoints takes outputs, seeds, a number and nodes");
        return NULL;
    }
    Py_ssize_t roots = PyList_GET_SIZE(args[0]), k = PyList_GET_SIZE(args[3]);
    int numbers = PyList_CheckExact(args[1]) && PyList_GET_SIZE(args[1]) == roots;
    for (Py_ssize_t i = 0; numbers && i < roots; i++) numbers = PyFloat_CheckExact(PyList_GET_ITEM(args[1], i));
    if (!numbers) { PyErr_SetString(PyExc_TypeError, "a list of floats is needed, one for each output"); return NULL; }
    if (args[2] != Py_None && oldest_of(args[2], &p) < 0) return NULL;
    for (Py_ssize_t i = 0; args[2] == Py_None && i < k; i++) {
        uint64_t number = NUMBER((Node *)PyList_GET_ITEM(args[3], i));
        if (!i || number < p.oldest) p.oldest = number;
    }
    PyObject *found = PyList_New(k), *unsent = Py_None, *unmet = Py_Ellipsis;
    if (count > 4) {
        unsent = PyTuple_GetItem(args[4], 0);
        unmet = PyTuple_GetItem(args[4], 1);
        if (!unsent || !unmet) { Py_XDECREF(found); return NULL; }
    }
    if (!found || swept(&p, &PyList_GET_ITEM(args[0], 0), &PyList_GET_ITEM(args[1], 0), roots) < 0) {
        Py_XDECREF(found);
        return NULL;
    }
    for (Py_ssize_t i = 0; found && i < k; i++) {
        Node *n = (Node *)PyList_GET_ITEM(args[3], i);
        uint64_t w = n->word;
        PyObject *adjoint = w & SENT ? PyFloat_FromDouble(n->grad) : Py_NewRef(w & MET ? unsent : unmet);
        if (adjoint) PyList_SET_ITEM(found, i, adjoint);
        else Py_CLEAR(found);
    }
    over(&p, 1);
    return found;
}

/* leads_outside(roots, oldest): `variable.leads_outside`. */
static PyObject *core_leads_outside(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    Pass p = {0};
    if (count != 2 || !are_nodes(args[0]) || oldest_of(args[1], &p) < 0) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "leads_outside takes a list and a number");
        return NULL;
    }
    int outside = 0, failed = search(&p, &PyList_GET_ITEM(args[0], 0), PyList_GET_SIZE(args[0]), 0) < 0;
    for (size_t i = 0; i < p.met_count && !outside; i++) outside = NUMBER(p.met[i]) < p.oldest;
    over(&p, 0);
    return failed ? PyErr_NoMemory() : PyBool_FromLong(outside);
}

/* search(roots, oldest) -> ({number: node}, [inner nodes]): `variable.search`. */
static PyObject *core_search(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    Pass p = {0};
    if (count < 1 || count > 2) { PyErr_SetString(PyExc_TypeError, "search takes roots and a number"); return NULL; }
    PyObject *roots = PySequence_List(args[0]), *met = NULL, *inner = NULL, *both = NULL;
    if (!roots) return NULL;
    if (!are_nodes(roots) || (count > 1 && oldest_of(args[1], &p) < 0)) { Py_DECREF(roots); return NULL; }
    if (search(&p, &PyList_GET_ITEM(roots, 0), PyList_GET_SIZE(roots), 1) < 0) { PyErr_NoMemory(); goto out; }
    for (size_t i = 0; i < p.met_count; i++) p.met[i]->word &= ~(uint64_t)MET; /* before anything of Python runs */
    if (!(met = PyDict_New()) || !(inner = PyList_New(p.inner_count))) goto out;
    for (size_t i = 0; i < p.inner_count; i++) PyList_SET_ITEM(inner, i, Py_NewRef((PyObject *)p.inner[i].node));
    for (size_t i = 0; i < p.met_count; i++) {
        PyObject *number = get_number(p.met[i], NULL);
        int failed = !number || PyDict_SetItem(met, number, (PyObject *)p.met[i]) < 0;
        Py_XDECREF(number);
        if (failed) goto out;
    }
    both = PyTuple_Pack(2, met, inner);
out:
    over(&p, 0);
    Py_DECREF(roots);
    Py_XDECREF(met);
    Py_XDECREF(inner);
    return both;
}

/* --------------------------------------------------------------------------------------------------------- the module */

static PyObject *numbers_next(PyObject *self) { (void)self; return PyLong_FromUnsignedLongLong(next_number++); }
static PyTypeObject NumbersType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "autograd_lite._core.Numbers", .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT, .tp_new = PyType_GenericNew, .tp_iter = PyObject_SelfIter, .tp_iternext = numbers_next,
};

/* install(**bodies, active=, tracing=, running=, documents=): Python's part. */
static PyObject *core_install(PyObject *module, PyObject *args, PyObject *keywords)
{
    (void)module;
    (void)args;
    const struct { const char *name; PyObject **place; } parts[] = {
#define PART(name) {#name, &body.name},
        BODIES(PART) {"active", &state.active}, {"tracing", &state.tracing}, {"running", &state.running}, {NULL, NULL}};
    for (int i = 0; parts[i].name; i++) {
        PyObject *given = keywords ? PyDict_GetItemString(keywords, parts[i].name) : NULL;
        if (given) Py_XSETREF(*parts[i].place, Py_NewRef(given));
    }
    PyObject *documents = keywords ? PyDict_GetItemString(keywords, "documents") : NULL;
    for (int i = 0; documents && i < 2; i++) { /* of `value` and `grad`, as help() shows them */
        PyObject *text = PyDict_GetItemString(documents, node_facts[i].name);
        if (text && PyUnicode_Check(text) && !(node_facts[i].doc = PyUnicode_AsUTF8(Py_NewRef(text)))) return NULL;
    }
    Py_RETURN_NONE;
}

/* kinds(items): `variable.kinds`. */
static PyObject *core_kinds(PyObject *module, PyObject *items)
{
    (void)module;
    if (!PyList_CheckExact(items) && !PyTuple_CheckExact(items)) {
        PyErr_SetString(PyExc_TypeError, "kinds takes a list or a tuple");
        return NULL;
    }
    PyObject *const *item = PySequence_Fast_ITEMS(items);
    int found = 0;
    for (Py_ssize_t i = 0; i < Py_SIZE(items); i++) found |= PyFloat_CheckExact(item[i]) ? 1 : IS_NODE(item[i]) ? 2 : 4;
    return PyLong_FromLong(found);
}

/* alive() -> how many nodes exist. */
static PyObject *core_alive(PyObject *module, PyObject *nothing) { (void)module; (void)nothing; return PyLong_FromSsize_t(alive); }

static PyMethodDef functions[] = {
    {"install", (PyCFunction)(void (*)(void))core_install, METH_VARARGS | METH_KEYWORDS, NULL},
    {"bind", core_bind, METH_VARARGS, NULL}, {"kinds", core_kinds, METH_O, NULL}, {"alive", core_alive, METH_NOARGS, NULL},
    {"add_adjoints", FAST(core_add_adjoints)}, {"adjoints", FAST(core_adjoints)}, {"make_node", FAST(core_make_node)},
    {"leads_outside", FAST(core_leads_outside)}, {"search", FAST(core_search)}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "autograd_lite._core", NULL, -1, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__core(void)
{
    PyObject *m, *numbers;
    if (!(Variable = (PyTypeObject *)PyType_FromSpec(&node_spec)) || !(state.active = PySet_New(NULL))) return NULL;
    Variable->tp_name = "Variable"; /* in messages, as of a class of Python; __module__ is set */
    state.tracing = Py_NewRef(state.active);
    state.running = Py_NewRef(state.active);
    if (PyType_Ready(&RuleType) < 0 || PyType_Ready(&NumbersType) < 0 || !(m = PyModule_Create(&definition))) return NULL;
    if (PyModule_AddObjectRef(m, "Variable", (PyObject *)Variable) < 0
        || PyModule_AddObjectRef(m, "Rule", (PyObject *)&RuleType) < 0
        || PyModule_AddStringConstant(m, "digest", TEXT_OF(CORE_DIGEST) + 1) < 0 || PyModule_AddIntConstant(m, "registers", REGISTERS) < 0
        || !(numbers = PyObject_CallNoArgs((PyObject *)&NumbersType)) || PyModule_AddObject(m, "numbers", numbers) < 0)
        return NULL;
    return m;
}
