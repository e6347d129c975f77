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
#include <float.h>
#include <math.h>
#include <stdint.h>

#ifndef CORE_DIGEST
#define CORE_DIGEST _
#endif
#define ARGUMENTS PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count /* of a function of the module */
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
    X(hold_grad) X(missing) X(compared) X(truth) X(hashed) X(applied) X(shares) X(add_adjoints) X(adjoints)
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

static void watch(Node *n) { n->word |= WATCHED; PyObject_GC_Track(n); }
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
    X(sinh) X(cosh) X(tanh) X(asinh) X(acosh) X(atanh) X(sqrt) X(cbrt) X(erf) X(erfc) X(floor) X(ceil) X(trunc)
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

#define OF_ONE(name, value) static double v_##name(double x) { return value; }
#define OF_TWO(name, value) static double v_##name(double x, double y) { return value; }
OF_ONE(inv, x == 0.0 ? copysign(Py_HUGE_VAL, x) : 1.0 / x) OF_ONE(itself, x) OF_ONE(neg, -x) OF_ONE(square, x * x)
OF_ONE(relu, x < 0.0 ? 0.0 : x) OF_ONE(sign, x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x) OF_ONE(step, v_less(0.0, x)) OF_ONE(abs, fabs(x))
OF_TWO(add, x + y) OF_TWO(sub, x - y) OF_TWO(mul, x * y) OF_TWO(atan2, isnan(x) || isnan(y) ? Py_NAN : atan2(x, y))
OF_TWO(copysign, isnan(y) ? Py_NAN : copysign(x, y)) OF_TWO(leaky_relu, x <= 0.0 ? y * x : x)
OF_TWO(is_lt, x < y) OF_TWO(is_le, x <= y) OF_TWO(is_gt, x > y) OF_TWO(is_ge, x >= y) OF_TWO(is_eq, x == y) OF_TWO(is_ne, x != y)
static double v_where(double c, double a, double b) { return c != 0.0 ? a : b; }
static double v_clip(double x, double lower, double upper) { return v_minimum(v_maximum(x, lower), upper); }

typedef double (*Value1)(double), (*Value2)(double, double), (*Value3)(double, double, double);

#define NAMED(name) {#name, v_##name},
static const struct { const char *name; Value1 value; } ONE[] = {
    LIBM(NAMED) NAMED(sigmoid) NAMED(sigmoid_slope) NAMED(sech_squared) NAMED(softplus) NAMED(softsign) NAMED(inv)
    {"positive", v_itself}, {"hold", v_itself}, {"plain", v_itself}, NAMED(neg) NAMED(square) NAMED(relu) NAMED(sign)
    NAMED(step) NAMED(abs) {NULL, NULL}};
static const struct { const char *name; Value2 value; } TWO[] = {
    NAMED(add) NAMED(sub) NAMED(mul) NAMED(div) NAMED(pow) NAMED(less) NAMED(maximum)
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

typedef struct { Function function; PyObject *rule; unsigned char at[3]; } Step; /* an operation on registers */

static void *refused(const char *text) /* NULL with an error: a TypeError if there is none yet */
{
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, text);
    return NULL;
}
static PyObject *optional(int there, double x)
{
    if (there) return PyFloat_FromDouble(x);
    Py_RETURN_NONE;
}

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

enum { OTHER, ADD, SUB, MUL, DIV, POW, MOD, FLOORDIV, NEG, POS, ABS };
static const char *const OPERATORS[] = {"", "add", "sub", "mul", "div", "pow", "mod", "floordiv", "neg", "positive", "abs"};
static Rule *rules[11]; /* of the operators */

static PyTypeObject RuleType;
static Rule *bound(PyObject *o) { return o && PyObject_TypeCheck(o, &RuleType) && ((Rule *)o)->bound ? (Rule *)o : NULL; }

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

INLINE int plain_number(PyObject *o, double *x) /* 1: a number of Python, in *x. 0: another thing. -1: an error */
{
    if (PyFloat_CheckExact(o)) *x = PyFloat_AS_DOUBLE(o);
    else if (PyLong_CheckExact(o)) { *x = PyLong_AsDouble(o); return *x == -1.0 && PyErr_Occurred() ? -1 : 1; }
    else if (PyBool_Check(o)) *x = o == Py_True;
    else return 0;
    return 1;
}
INLINE int number_of(PyObject *o, double *x, PyObject **other) /* where it is 0, *other is what `operators.operand` makes of it */
{
    int kind = plain_number(o, x);
    if (kind || !(*other = PyObject_CallOneArg(body.as_operand, o))) return kind ? kind : -1;
    if (!(kind = PyFloat_CheckExact(*other))) return 0;
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

/* `operators._BINARY` and `_REFLECTED`; without `v` also `_UNARY`. */
INLINE PyObject *binary(int code, const Rule *rule, PyObject *u, PyObject *v)
{
    double x[4], da = 0.0, db = 0.0;
    PyObject *other;
    int nodes = (IS_NODE(u) ? 1 : 0) | (v && IS_NODE(v) ? 2 : 0), kind = 1;
    if (nodes & 1) x[0] = ((Node *)u)->value;
    else if ((kind = number_of(u, &x[0], &other)) < 1) return kind ? NULL : binary_of_array(rule, NULL, v, other);
    if (nodes & 2) x[1] = ((Node *)v)->value;
    else if (v && (kind = number_of(v, &x[1], &other)) < 1) return kind ? NULL : binary_of_array(rule, u, NULL, other);
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
        word |= v ? SECOND_CONSTANT : 0;
    }
    n->word = word;
    n->value = x[v ? 2 : 1];
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

static PyObject *unary(const Rule *rule, PyObject *u) { return binary(OTHER, rule, u, NULL); }

/* `variable.record` for three arguments, of which x are the numbers. */
static PyObject *ternary(const Rule *rule, PyObject *const *args, double *x)
{
    PyObject *arguments = PyTuple_New(3), *locals = PyTuple_New(3);
    Node *n = NULL;
    uint64_t watched = TRACED;
    if (!arguments || !locals || evaluate(&rule->value, x, &x[3]) < 0) goto failed;
    for (int i = 0; i < 3; i++) {
        int is_node = IS_NODE(args[i]);
        double by = 0.0;
        if (is_node && local_gradient(rule, i, x, &by) < 0) goto failed;
        if (is_node) watched |= ((Node *)args[i])->word & WATCHED;
        PyTuple_SET_ITEM(arguments, i, is_node ? Py_NewRef(args[i]) : PyFloat_FromDouble(x[i]));
        PyTuple_SET_ITEM(locals, i, optional(is_node && !(rule->selects && by == 0.0), by));
        if (!PyTuple_GET_ITEM(arguments, i) || !PyTuple_GET_ITEM(locals, i)) goto failed;
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

static PyObject *by_python(PyObject *function, PyObject *self, PyObject *args, PyObject *keywords)
{
    PyObject *method = PyMethod_New(function, self), *r = method ? PyObject_Call(method, args, keywords) : NULL;
    Py_XDECREF(method);
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
        int kind = 1;
        if (IS_NODE(a[i])) { nodes = 1; x[i] = ((Node *)a[i])->value; }
        else if ((kind = plain_number(a[i], &x[i])) < 1) return kind ? NULL : by_python(body.applied, self, args, keywords);
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
        p->steps[i].rule = Py_NewRef(PyTuple_GET_ITEM(step, 0));
        for (int k = 0; k < 3 && k < p->steps[i].function.arity; k++)
            p->steps[i].at[k] = (unsigned char)PyLong_AsLong(PyTuple_GET_ITEM(step, k + 1));
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* bind(primitive, partials, selects, is_condition): make it fast. */
static PyObject *core_bind(PyObject *Py_UNUSED(module), PyObject *args)
{
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
        if (PyTuple_CheckExact(given) && PyTuple_GET_SIZE(PyTuple_GET_ITEM(given, 0)) + rule->arity >= REGISTERS)
            return refused("a partial of more steps than there are registers");
        if (set_partial(rule, i, given) < 0) return NULL;
    }
    PyObject *name = PyObject_GetAttrString((PyObject *)rule, "name");
    for (int code = ADD; name && code <= ABS; code++)
        if (PyUnicode_CompareWithASCIIString(name, OPERATORS[code]) == 0) rules[code] = (Rule *)Py_NewRef((PyObject *)rule);
    Py_XDECREF(name);
    if (rule == rules[POW]) rule->partials[0].in_c = pow_by_base;
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
static PyObject *node_neg(PyObject *a) { return unary(rules[NEG], a); }
static PyObject *node_pos(PyObject *a) { return unary(rules[POS], a); }
static PyObject *node_abs(PyObject *a) { return unary(rules[ABS], a); }

/* ------------------------------------------------------------------------------- the node: facts of variable.Variable */

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

static Py_ssize_t arguments_of(Node *n)
{
    if ((n->word & FIRST) == WIDE) return PyTuple_GET_SIZE(n->first);
    return (n->word & FIRST) ? n->word & SECOND ? 2 : 1 : 0;
}
static Node *argument(Node *n, Py_ssize_t k) /* NULL: a constant */
{
    if ((n->word & FIRST) != WIDE) return (Node *)(n->word & (k ? SECOND_NODE : FIRST_NODE) ? k ? n->second : n->first : NULL);
    PyObject *a = PyTuple_GET_ITEM(n->first, k);
    return IS_NODE(a) ? (Node *)a : NULL;
}

/* Facts of the first argument, or with a closure of the second. */
static PyObject *get_argument(Node *n, void *second)
{
    PyObject *a = (PyObject *)argument(n, second != NULL);
    return a ? Py_NewRef(a) : optional(n->word & (second ? SECOND_CONSTANT : FIRST_CONSTANT), second ? n->by_second : n->by_first);
}
static PyObject *get_local(Node *n, void *second)
{
    return optional(n->word & (second ? BY_SECOND : BY_FIRST), second ? n->by_second : n->by_first);
}
static int set_local(Node *n, PyObject *v, void *second)
{
    if ((n->word & FIRST) != WIDE && argument(n, second != NULL))
        return set_optional(n, v, second ? &n->by_second : &n->by_first, second ? BY_SECOND : BY_FIRST);
    refused("this argument is no Variable");
    return -1;
}
static PyObject *all_of(Node *n, PyObject *wide, PyObject *(*get)(Node *, void *))
{
    if ((n->word & FIRST) == WIDE) return Py_NewRef(wide);
    PyObject *all = PyTuple_New(arguments_of(n));
    for (Py_ssize_t k = 0; all && k < PyTuple_GET_SIZE(all); k++) {
        PyObject *fact = get(n, k ? n : NULL);
        if (fact) PyTuple_SET_ITEM(all, k, fact);
        else Py_CLEAR(all);
    }
    return all;
}
static PyObject *get_arguments(Node *n, void *Py_UNUSED(c)) { return all_of(n, n->first, get_argument); }
static PyObject *get_locals(Node *n, void *Py_UNUSED(c)) { return all_of(n, n->second, get_local); }

static PyObject *get_grad(Node *n, void *Py_UNUSED(c))
{
    if (UNLIKELY(n->word & HELD)) return PyObject_CallOneArg(body.held_grad, (PyObject *)n);
    return optional(n->word & GRAD, n->grad);
}
static int set_grad(Node *n, PyObject *v, void *Py_UNUSED(c))
{
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
static PyObject *get_value(Node *n, void *Py_UNUSED(c))
{
    if (GOES_ON(running) || GOES_ON(active)) return PyObject_CallOneArg(body.get_value, (PyObject *)n);
    return PyFloat_FromDouble(n->value);
}
static int set_value(Node *n, PyObject *v, void *Py_UNUSED(c))
{
    if (!v) { PyErr_SetString(PyExc_AttributeError, "property 'value' of 'Variable' object has no deleter"); return -1; }
    return done(PyObject_CallFunctionObjArgs(body.set_value, n, v, NULL));
}
static PyObject *get_number(Node *n, void *Py_UNUSED(c)) { return PyLong_FromUnsignedLongLong(NUMBER(n)); }
static int set_number(Node *n, PyObject *v, void *Py_UNUSED(c))
{
    if (!v) { PyErr_SetString(PyExc_AttributeError, "_number"); return -1; }
    unsigned long long k = PyLong_AsUnsignedLongLong(v);
    if (PyErr_Occurred()) return -1;
    if (k >> (64 - BITS)) { PyErr_SetString(PyExc_OverflowError, "a creation number has 52 bits"); return -1; }
    n->word = (n->word & ((1u << BITS) - 1)) | (uint64_t)k << BITS;
    return 0;
}
/* `Variable._set_arguments`, once, on a blank node. */
static PyObject *set_arguments(Node *n, PyObject *const *args, Py_ssize_t count)
{
    int good = count == 2 && PyTuple_CheckExact(args[0]) && PyTuple_CheckExact(args[1]) && !(n->word & FIRST)
        && PyTuple_GET_SIZE(args[0]) == PyTuple_GET_SIZE(args[1]);
    Py_ssize_t k = good ? PyTuple_GET_SIZE(args[0]) : 0;
    int narrow = k <= 2;
    for (Py_ssize_t i = 0; good && i < k; i++) {
        PyObject *a = PyTuple_GET_ITEM(args[0], i), *l = PyTuple_GET_ITEM(args[1], i);
        good = l == Py_None || PyFloat_Check(l); /* the sweep reads its double */
        narrow = narrow && (IS_NODE(a) || (PyFloat_CheckExact(a) && l == Py_None));
        if (IS_NODE(a) && ((Node *)a)->word & WATCHED && n->word & HEADER && !(n->word & WATCHED)) watch(n);
    }
    if (!good) return refused("two tuples of equal length, once; local gradients are floats or None");
    if (k && !narrow) {
        n->first = Py_NewRef(args[0]);
        n->second = Py_NewRef(args[1]);
        n->word |= WIDE;
        Py_RETURN_NONE;
    }
    for (Py_ssize_t i = 0; i < k; i++) {
        PyObject *a = PyTuple_GET_ITEM(args[0], i), *l = PyTuple_GET_ITEM(args[1], i);
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
static PyObject *core_make_node(ARGUMENTS)
{
    if (count != 4 || !PyFloat_Check(args[1]) || !PyTuple_CheckExact(args[2]))
        return refused("make_node takes a primitive, a float, and two tuples");
    int watched = (args[0] != Py_None && !bound(args[0])) || GOES_ON(tracing);
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
    if (type != Variable) return refused("a Variable cannot be subclassed");
    int traced = GOES_ON(tracing);
    Node *n = cleared(traced || keywords || PyTuple_GET_SIZE(args) > 1); /* it may get arguments by hand */
    if (n && traced) watch(n);
    return (PyObject *)n;
}

static int node_init(PyObject *self, PyObject *args, PyObject *keywords) { return done(by_python(body.init, self, args, keywords)); }

/* `Variable(number)`, without a tuple of arguments. */
static PyObject *node_called(PyObject *type, PyObject *const *args, size_t flags, PyObject *names)
{
    Py_ssize_t given = PyVectorcall_NARGS(flags), named = names ? PyTuple_GET_SIZE(names) : 0;
    if (given == 1 && !named && PyFloat_CheckExact(args[0])) {
        uint64_t watched = TRACED; /* once: making room may run a finalizer, which may end a trace */
        Node *n = BLANK(watched);
        if (!n) return NULL;
        n->value = PyFloat_AS_DOUBLE(args[0]);
        n->primitive = n->about = n->weakrefs = NULL;
        n->word = next_number++ << BITS | MARKS(watched);
        return finished(n);
    }
    PyObject *positional = PyTuple_New(given), *keywords = named ? PyDict_New() : NULL, *r = NULL;
    for (Py_ssize_t i = 0; positional && i < given; i++) PyTuple_SET_ITEM(positional, i, Py_NewRef(args[i]));
    for (Py_ssize_t i = 0; keywords && i < named; i++)
        if (PyDict_SetItem(keywords, PyTuple_GET_ITEM(names, i), args[given + i]) < 0) Py_CLEAR(keywords);
    if (positional && (keywords || !named)) r = PyType_Type.tp_call(type, positional, keywords);
    Py_XDECREF(positional);
    Py_XDECREF(keywords);
    return r;
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
    Rule *rule = bound(n->primitive);
    if (!GOES_ON(running) && !(rule && rule->is_condition)) return n->value != 0.0;
    PyObject *r = PyObject_CallOneArg(body.truth, self);
    int truth = r ? PyObject_IsTrue(r) : -1;
    Py_XDECREF(r);
    return truth;
}
static Py_hash_t node_hash(PyObject *self)
{
    if (!GOES_ON(running)) return PyBaseObject_Type.tp_hash(self);
    PyObject *r = PyObject_CallOneArg(body.hashed, self);
    Py_hash_t hash = r == Py_None ? PyBaseObject_Type.tp_hash(self) : r ? PyLong_AsSsize_t(r) : -1;
    Py_XDECREF(r);
    return hash;
}

/* What the class lacks: NumPy, which asks each node for an array, gets its answer here, and a slip of the pen a hint. */
static PyObject *node_getattro(PyObject *self, PyObject *name)
{
    if (_PyType_Lookup(Variable, name) || !PyUnicode_Check(name)) return PyObject_GenericGetAttr(self, name);
    const char *text = PyUnicode_IS_ASCII(name) ? PyUnicode_AsUTF8(name) : "";
    if (!text) return NULL;
    if (strncmp(text, "__array_", 8)) return PyObject_CallFunctionObjArgs(body.missing, self, name, NULL);
    return PyErr_Format(PyExc_AttributeError, "a Variable has no attribute %R.", name);
}

static PyMemberDef node_members[] = {
    {"_value", T_DOUBLE, offsetof(Node, value), 0, NULL}, {"_primitive", T_OBJECT, offsetof(Node, primitive), 0, NULL},
    {"_about", T_OBJECT, offsetof(Node, about), 0, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Node, weakrefs), READONLY, NULL}, {NULL, 0, 0, 0, NULL}};
#define FACT(name, get, set) {name, (getter)get, (setter)set, NULL, NULL}
static PyGetSetDef node_facts[] = {
    FACT("value", get_value, set_value), FACT("grad", get_public_grad, set_public_grad), FACT("_grad", get_grad, set_grad),
    FACT("_by_first", get_local, set_local), {"_by_second", (getter)get_local, (setter)set_local, NULL, ""},
    FACT("_number", get_number, set_number),
    FACT("number", get_number, NULL), FACT("_arguments", get_arguments, NULL), FACT("_locals", get_locals, NULL), {NULL, NULL, NULL, NULL, NULL}};
#define FAST(function) (PyCFunction)(void (*)(void))function, METH_FASTCALL, NULL
static PyMethodDef node_methods[] = {{"_set_arguments", FAST(set_arguments)}, {NULL, NULL, 0, NULL}};
static PyType_Slot node_slots[] = {
    {Py_nb_add, node_add}, {Py_nb_subtract, node_sub}, {Py_nb_multiply, node_mul}, {Py_nb_true_divide, node_div},
    {Py_nb_remainder, node_mod}, {Py_nb_floor_divide, node_floordiv}, {Py_nb_power, node_pow}, {Py_nb_negative, node_neg},
    {Py_nb_positive, node_pos}, {Py_nb_absolute, node_abs}, {Py_nb_bool, node_bool}, {Py_tp_richcompare, node_compare},
    {Py_tp_hash, node_hash}, {Py_tp_getattro, node_getattro}, {Py_tp_dealloc, node_dealloc}, {Py_tp_traverse, node_traverse},
    {Py_tp_is_gc, node_is_gc}, {Py_tp_free, PyObject_GC_Del}, {Py_tp_new, node_new}, {Py_tp_init, node_init}, {Py_tp_getset, node_facts},
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
    int many;                                           /* some operation has many results: adjoints that are no number */
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
        if (UNLIKELY((n->word & (FIRST | SECOND | BY_FIRST)) == FIRST_NODE)) /* an `Item`, or one that sends nothing */
            p->many |= n->primitive && !PyObject_TypeCheck(n->primitive, &RuleType);
        if (n->word & FIRST_NODE && meet(p, (Node *)n->first) < 0) return -1;
        if (n->word & SECOND_NODE && meet(p, (Node *)n->second) < 0) return -1;
    }
    return 0;
}

static int by_number(const void *a, const void *b)
{
    uint64_t one = ((const Numbered *)a)->number, other = ((const Numbered *)b)->number;
    return (one < other) - (one > other);
}

/* Newest first: a place for each number where they lie close together. Whether two may have one number, which somebody set. */
static int in_order(Pass *p)
{
    size_t count = p->inner_count, range = p->high - p->low + 1, put = 0;
    Node **place = range <= 4 * count + 4096 ? PyMem_RawCalloc(range, sizeof(Node *)) : NULL;
    for (Node **at; place && put < count && !*(at = &place[p->high - p->inner[put].number]); put++) *at = p->inner[put].node;
    int sorted = !place || put < count; /* far apart, or equal */
    if (sorted)
        qsort(p->inner, count, sizeof(Numbered), by_number);
    else
        for (size_t i = 0, k = 0; k < count; i++)
            if (place[i]) p->inner[k++].node = place[i];
    PyMem_RawFree(place);
    return sorted;
}

/* `variable.search` */
static int search(Pass *p, PyObject *const *roots, Py_ssize_t count, int ordered)
{
    for (Py_ssize_t i = 0; i < count; i++)
        if (meet(p, (Node *)roots[i]) < 0) return -1;
    if (entered(p) < 0) return -1;
    if (ordered && p->inner_count > 1) in_order(p);
    return 0;
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

/* `backward._sweep` over all that lies under the roots; -1 with an error, 1 where Python has to do it. */
static int swept(Pass *p, PyObject *const *roots, PyObject *const *seeds, Py_ssize_t count)
{
    if (search(p, roots, count, 1) < 0) { over(p, 1); PyErr_NoMemory(); return -1; }
    if (UNLIKELY(p->many)) { over(p, 1); return 1; }
    for (Py_ssize_t i = 0; i < count; i++) /* a linear operation would give a NaN value a finite derivative */
        send((Node *)roots[i], isnan(((Node *)roots[i])->value) ? Py_NAN : PyFloat_AS_DOUBLE(seeds[i]));
    sweep(p);
    return 0;
}

/* add_adjoints(node, seed): `backward.add_adjoints`. */
static PyObject *core_add_adjoints(ARGUMENTS)
{
    if (count != 2 || !IS_NODE(args[0]) || !PyFloat_CheckExact(args[1])) return refused("add_adjoints takes a Variable and a float");
    Pass p = {0};
    int status = swept(&p, args, args + 1, 1);
    if (status) return status < 0 ? NULL : PyObject_Vectorcall(body.add_adjoints, args, count, NULL);
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
static PyObject *core_adjoints(ARGUMENTS)
{
    Pass p = {0};
    int doubles = count > 4 && PyFloat_CheckExact(args[4]); /* the result is a bytearray of them, with this for missing ones */
    int pair = count > 4 && PyTuple_CheckExact(args[4]) && PyTuple_GET_SIZE(args[4]) == 2;
    if (count < 4 || (count > 4 && !doubles && !pair) || !are_nodes(args[0]) || !are_nodes(args[3]))
        return refused("adjoints takes outputs, seeds, a number and nodes");
    Py_ssize_t roots = PyList_GET_SIZE(args[0]), k = PyList_GET_SIZE(args[3]);
    int numbers = PyList_CheckExact(args[1]) && PyList_GET_SIZE(args[1]) == roots;
    for (Py_ssize_t i = 0; numbers && i < roots; i++) numbers = PyFloat_CheckExact(PyList_GET_ITEM(args[1], i));
    if (!numbers) return refused("a list of floats is needed, one for each output");
    if (args[2] != Py_None && oldest_of(args[2], &p) < 0) return NULL;
    for (Py_ssize_t i = 0; args[2] == Py_None && i < k; i++) {
        uint64_t number = NUMBER((Node *)PyList_GET_ITEM(args[3], i));
        if (!i || number < p.oldest) p.oldest = number;
    }
    PyObject *found = doubles ? PyByteArray_FromStringAndSize(NULL, k * sizeof(double)) : PyList_New(k);
    PyObject *unsent = pair ? PyTuple_GET_ITEM(args[4], 0) : Py_None, *unmet = pair ? PyTuple_GET_ITEM(args[4], 1) : Py_Ellipsis;
    int status = found ? swept(&p, &PyList_GET_ITEM(args[0], 0), &PyList_GET_ITEM(args[1], 0), roots) : -1;
    if (status) {
        Py_XDECREF(found);
        return status < 0 ? NULL : PyObject_Vectorcall(body.adjoints, args, count, NULL);
    }
    for (Py_ssize_t i = 0; found && i < k; i++) {
        Node *n = (Node *)PyList_GET_ITEM(args[3], i);
        uint64_t w = n->word;
        if (doubles) { ((double *)PyByteArray_AS_STRING(found))[i] = w & SENT ? n->grad : PyFloat_AS_DOUBLE(args[4]); continue; }
        PyObject *adjoint = w & SENT ? PyFloat_FromDouble(n->grad) : Py_NewRef(w & MET ? unsent : unmet);
        if (adjoint) PyList_SET_ITEM(found, i, adjoint);
        else Py_CLEAR(found);
    }
    over(&p, 1);
    return found;
}

/* leads_outside(roots, oldest): `variable.leads_outside`. */
static PyObject *core_leads_outside(ARGUMENTS)
{
    Pass p = {0};
    if (count != 2 || !are_nodes(args[0]) || oldest_of(args[1], &p) < 0) return refused("leads_outside takes a list and a number");
    int outside = 0, failed = search(&p, &PyList_GET_ITEM(args[0], 0), PyList_GET_SIZE(args[0]), 0) < 0;
    for (size_t i = 0; i < p.met_count && !outside; i++) outside = NUMBER(p.met[i]) < p.oldest;
    over(&p, 0);
    return failed ? PyErr_NoMemory() : PyBool_FromLong(outside);
}

/* search(roots, oldest) -> ({number: node}, [inner nodes]): `variable.search`. */
static PyObject *core_search(ARGUMENTS)
{
    Pass p = {0};
    if (count < 1 || count > 2) return refused("search takes roots and a number");
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

/* reachable(roots, oldest): `variable.reachable`; of nodes with one number, which somebody set, one. */
static PyObject *core_reachable(ARGUMENTS)
{
    Pass p = {0};
    if (count < 1 || count > 2) return refused("reachable takes roots and a number");
    PyObject *roots = PySequence_List(args[0]), *all = NULL;
    if (!roots) return NULL;
    if (!are_nodes(roots) || (count > 1 && oldest_of(args[1], &p) < 0)) { Py_DECREF(roots); return NULL; }
    if (search(&p, &PyList_GET_ITEM(roots, 0), PyList_GET_SIZE(roots), 0) < 0) { PyErr_NoMemory(); goto out; }
    size_t nodes = p.inner_count = 0;
    for (size_t i = 0; i < p.met_count; i++) {
        uint64_t number = NUMBER(p.met[i]);
        if (ROOM(&p, inner) < 0) { PyErr_NoMemory(); goto out; }
        if (!i || number < p.low) p.low = number;
        if (!i || number > p.high) p.high = number;
        p.inner[p.inner_count++] = (Numbered){number, p.met[i]};
        p.met[i]->word &= ~(uint64_t)MET; /* before anything of Python runs */
    }
    if (!p.inner_count || !in_order(&p)) nodes = p.inner_count;
    else
        for (size_t i = 0; i < p.inner_count; i++)
            if (!i || p.inner[i].number != p.inner[nodes - 1].number) p.inner[nodes++] = p.inner[i];
    p.met_count = 0;
    all = PyList_New((Py_ssize_t)nodes);
    for (size_t i = 0; all && i < nodes; i++) PyList_SET_ITEM(all, nodes - 1 - i, Py_NewRef((PyObject *)p.inner[i].node));
out:
    over(&p, 0);
    Py_DECREF(roots);
    return all;
}

/* --------------------------------------------------------------------------- sweeps and programs of traces: backward, trace */

static PyObject *found(PyObject *by_number, Node *n) /* borrowed; NULL, perhaps with an error */
{
    PyObject *number = get_number(n, NULL), *there = number ? PyDict_GetItemWithError(by_number, number) : NULL;
    Py_XDECREF(number);
    return there;
}
static int put(PyObject *by_number, Node *n, PyObject *thing) /* takes the reference; -1 with an error */
{
    PyObject *number = thing ? get_number(n, NULL) : NULL;
    int failed = !number || PyDict_SetItem(by_number, number, thing) < 0 ? -1 : 0;
    Py_XDECREF(number);
    Py_XDECREF(thing);
    return failed;
}

/* `backward.local_graphs` for one argument: the steps of the partial carried out on nodes. */
static PyObject *local_graph(const Rule *rule, int position, Node *n)
{
    const Partial *p = &rule->partials[position];
    PyObject *at[REGISTERS] = {get_argument(n, NULL)}, *r = NULL;
    int have = 1;
    if (rule->arity == 2) at[have++] = get_argument(n, n);
    at[have++] = Py_NewRef((PyObject *)n);
    int good = at[0] && at[have - 2], last = have + (p->python || !good ? 0 : p->count);
    if (p->python && good) r = PyObject_Vectorcall(p->python, at, have, NULL);
    for (const Step *s = p->steps; have < last; s++, have++) {
        PyObject *y[3] = {at[s->at[0]], at[s->at[1]], at[s->at[2]]};
        double constant = p->constants[s - p->steps];
        if (!(at[have] = s->rule ? PyObject_Vectorcall(s->rule, y, s->function.arity, NULL) : PyFloat_FromDouble(constant))) break;
    }
    if (!p->python && good && have == last) r = Py_NewRef(at[p->result]);
    while (have--) Py_XDECREF(at[have]);
    return r;
}

/* `backward.times` */
static PyObject *times(PyObject *local, PyObject *factor)
{
    if (PyFloat_CheckExact(local) && PyFloat_AS_DOUBLE(local) == 1.0) return Py_NewRef(factor);
    if (PyFloat_CheckExact(factor) && PyFloat_AS_DOUBLE(factor) == 1.0) return Py_NewRef(local);
    return PyNumber_Multiply(local, factor);
}

/* `backward.shares`, as (argument, product, argument, product, ...); Python has the body for what is not built in, was set, or
   has many arguments. */
static PyObject *shares(Node *n, PyObject *adjoint, int generic)
{
    Rule *rule = bound(n->primitive);
    Node *a[2];
    int arity = (int)arguments_of(n), plain = rule && arity <= 2 && !n->about && (IS_NODE(adjoint) || PyFloat_CheckExact(adjoint));
    for (int k = 0; plain && k < arity; k++) plain = !(a[k] = argument(n, k)) || !a[k]->about;
    if (!plain) return PyObject_CallFunctionObjArgs(body.shares, n, adjoint, generic ? Py_True : Py_False, NULL);
    PyObject *local[2] = {NULL, NULL}, *all = PyList_New(0);
    for (int k = 0; all && k < arity; k++) {
        if (!a[k] || !(generic || n->word & (k ? BY_SECOND : BY_FIRST))) continue;
        if (!(local[k] = local_graph(rule, k, n))) Py_CLEAR(all);
        else if (rule->selects && PyFloat_CheckExact(local[k]) && PyFloat_AS_DOUBLE(local[k]) == 0.0) Py_CLEAR(local[k]);
    }
    for (int k = 0; k < 2; k++) {
        if (all && local[k]) {
            PyObject *product = times(local[k], adjoint), *share = product ? PyTuple_Pack(2, a[k], product) : NULL;
            if (!share || PyList_Append(all, share) < 0) Py_CLEAR(all);
            Py_XDECREF(product);
            Py_XDECREF(share);
        }
        Py_XDECREF(local[k]);
    }
    return all;
}

/* send_graphs(nodes, adjoints, generic): `backward.send_graphs`. */
static PyObject *core_send_graphs(ARGUMENTS)
{
    if (count < 2 || !are_nodes(args[0]) || !PyDict_CheckExact(args[1])) return refused("send_graphs takes a list, a dict and a flag");
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(args[0]); i++) {
        Node *n = (Node *)PyList_GET_ITEM(args[0], i);
        PyObject *adjoint = found(args[1], n);
        if (!adjoint && !PyErr_Occurred()) PyErr_SetString(PyExc_KeyError, "a node has no place among the adjoints");
        if (adjoint == Py_None) continue;
        PyObject *all = adjoint ? shares(n, Py_NewRef(adjoint), count > 2 && args[2] == Py_True) : NULL;
        Py_XDECREF(adjoint);
        for (Py_ssize_t k = 0; all && k < PyList_GET_SIZE(all); k++) {
            PyObject *share = PyList_GET_ITEM(all, k), *product = PyTuple_GET_ITEM(share, 1);
            Node *to = (Node *)PyTuple_GET_ITEM(share, 0);
            PyObject *total = found(args[1], to);
            if (total && put(args[1], to, total == Py_None ? Py_NewRef(product) : PyNumber_Add(total, product)) < 0) break;
        }
        Py_XDECREF(all);
        if (PyErr_Occurred()) return NULL;
    }
    Py_RETURN_NONE;
}

/* between(inner, leading): `backward.between`. */
static PyObject *core_between(ARGUMENTS)
{
    if (count != 2 || !are_nodes(args[0]) || !PyDict_CheckExact(args[1])) return refused("between takes a list and a dict");
    PyObject *visited = PyList_New(0);
    for (Py_ssize_t i = PyList_GET_SIZE(args[0]); visited && i--;) {
        Node *n = (Node *)PyList_GET_ITEM(args[0], i), *a;
        int leads = 0;
        for (Py_ssize_t k = 0; k < arguments_of(n) && !leads; k++) leads = (a = argument(n, k)) && found(args[1], a);
        if (PyErr_Occurred() || (leads && (put(args[1], n, Py_NewRef((PyObject *)n)) < 0 || PyList_Append(visited, (PyObject *)n) < 0)))
            Py_CLEAR(visited);
    }
    if (visited) PyList_Reverse(visited);
    return visited;
}

/* --- the instructions of a builder: `program.Code` --- */

#define FIRST_OF_CONSTANTS (1u << 28)
#define FIRST_OF_CODE (1u << 29)
typedef struct { PyObject *operation, *wide; uint32_t at[3], arity, kept; } Entry; /* more than three slots are a tuple */
typedef struct { /* and a table of places of those that are kept in it, from 1 on, by hashes */
    PyObject_HEAD
    Entry *entries; size_t entries_count, entries_room;
    uint32_t *table; size_t mask;
} Code;

static void code_dealloc(PyObject *self)
{
    Code *c = (Code *)self;
    for (size_t i = 0; i < c->entries_count; i++) { Py_DECREF(c->entries[i].operation); Py_XDECREF(c->entries[i].wide); }
    PyMem_RawFree(c->entries);
    PyMem_RawFree(c->table);
    PyObject_Free(self);
}
static int64_t code_hash(const Entry *e) /* -1 with an error */
{
    uint64_t h = bound(e->operation) ? (uint64_t)(uintptr_t)e->operation >> 4 : (uint64_t)PyObject_Hash(e->operation);
    uint64_t wide = e->wide ? (uint64_t)PyObject_Hash(e->wide) : 0;
    if (h == (uint64_t)-1 || wide == (uint64_t)-1) return -1;
    h = (h ^ wide) * 0x9E3779B97F4A7C15u + e->at[0];
    h = (h ^ h >> 29) * 0xBF58476D1CE4E5B9u + e->at[1];
    h = (h ^ h >> 32) * 0x94D049BB133111EBu + e->at[2];
    return (int64_t)((h ^ h >> 31) >> 1);
}
static int code_equal(const Entry *a, const Entry *b) /* -1 with an error */
{
    if (a->arity != b->arity || memcmp(a->at, b->at, sizeof a->at)) return 0;
    int same = a->operation == b->operation ? 1
        : bound(a->operation) || bound(b->operation) ? 0 : PyObject_RichCompareBool(a->operation, b->operation, Py_EQ);
    return same == 1 && a->wide ? PyObject_RichCompareBool(a->wide, b->wide, Py_EQ) : same;
}
/* Where an instruction stands in the table, or belongs: NULL with an error. */
static uint32_t *code_place(Code *c, const Entry *e)
{
    if (2 * c->entries_count >= c->mask) {
        size_t mask = 1023;
        while (mask <= 4 * c->entries_count) mask = 4 * mask + 3;
        uint32_t *wider = PyMem_RawCalloc(mask + 1, sizeof *wider);
        if (!wider) return (uint32_t *)PyErr_NoMemory();
        for (size_t i = 0; i < c->entries_count; i++) { /* of equal ones the first comes first */
            if (!c->entries[i].kept) continue;
            int64_t h = code_hash(&c->entries[i]);
            if (h == -1) { PyMem_RawFree(wider); return NULL; }
            size_t k = (size_t)h & mask;
            while (wider[k]) k = (k + 1) & mask;
            wider[k] = (uint32_t)i + 1;
        }
        PyMem_RawFree(c->table);
        c->table = wider;
        c->mask = mask;
    }
    int64_t h = code_hash(e);
    for (size_t k = (size_t)h; h != -1; k++) {
        uint32_t *at = &c->table[k & c->mask];
        int equal = *at ? code_equal(&c->entries[*at - 1], e) : 1;
        if (equal) return equal < 0 ? NULL : at;
    }
    return NULL;
}
/* The slot of an instruction, entered if there is none that is equal; of one that is not `kept` a new one. 0 with an error. */
static uint32_t code_slot(Code *c, const Entry *e)
{
    uint32_t *place = e->kept ? code_place(c, e) : NULL;
    if (e->kept && !place) return 0;
    if (place && *place) return FIRST_OF_CODE + *place - 1;
    if (c->entries_count >= FIRST_OF_CODE || ROOM(c, entries) < 0) { PyErr_NoMemory(); return 0; }
    c->entries[c->entries_count++] = *e;
    Py_INCREF(e->operation);
    Py_XINCREF(e->wide);
    if (place) *place = (uint32_t)c->entries_count;
    return FIRST_OF_CODE + (uint32_t)c->entries_count - 1;
}
static int code_entry(PyObject *args, Entry *e) /* of an operation and a tuple; -1 with an error */
{
    PyObject *slots;
    int kept = 0;
    *e = (Entry){0};
    if (!PyArg_ParseTuple(args, "OO!|p", &e->operation, &PyTuple_Type, &slots, &kept)) return -1;
    e->kept = (uint32_t)kept;
    e->arity = (uint32_t)PyTuple_GET_SIZE(slots);
    if (e->arity > 3) e->wide = slots;
    else for (uint32_t k = 0; k < e->arity; k++) e->at[k] = (uint32_t)PyLong_AsLongLong(PyTuple_GET_ITEM(slots, k));
    return PyErr_Occurred() ? -1 : 0;
}
static PyObject *code_find(PyObject *self, PyObject *args)
{
    Entry e;
    uint32_t *place = code_entry(args, &e) < 0 ? NULL : code_place((Code *)self, &e);
    if (!place) return NULL;
    if (*place) return PyLong_FromUnsignedLong(FIRST_OF_CODE + *place - 1);
    Py_RETURN_NONE;
}
static PyObject *code_append(PyObject *self, PyObject *args)
{
    Entry e;
    uint32_t slot = code_entry(args, &e) < 0 ? 0 : code_slot((Code *)self, &e);
    return slot ? PyLong_FromUnsignedLong(slot) : NULL;
}
static Py_ssize_t code_length(PyObject *self) { return (Py_ssize_t)((Code *)self)->entries_count; }
static PyObject *code_item(PyObject *self, Py_ssize_t i)
{
    if (i < 0 || i >= code_length(self)) { PyErr_SetString(PyExc_IndexError, "there is no such instruction"); return NULL; }
    const Entry *e = &((Code *)self)->entries[i];
    PyObject *slots = e->wide ? Py_NewRef(e->wide) : PyTuple_New(e->arity), *both = NULL;
    for (uint32_t k = 0; slots && !e->wide && k < e->arity; k++) {
        PyObject *slot = PyLong_FromUnsignedLong(e->at[k]);
        if (slot) PyTuple_SET_ITEM(slots, k, slot);
        else Py_CLEAR(slots);
    }
    if (slots) both = PyTuple_Pack(2, e->operation, slots);
    Py_XDECREF(slots);
    return both;
}
static PyObject *code_taken(PyObject *self, PyObject *first)
{
    Code *c = (Code *)self;
    Py_ssize_t from = PyLong_AsSsize_t(first), n = code_length(self);
    if (from < 0 || from > n) return refused("there is no such instruction");
    PyObject *all = PyList_New(n - from);
    for (Py_ssize_t i = from; all && i < n; i++) {
        PyObject *both = code_item(self, i);
        if (both) PyList_SET_ITEM(all, i - from, both);
        else Py_CLEAR(all);
    }
    if (!all) return NULL;
    PyMem_RawFree(c->table);
    c->table = NULL;
    c->mask = 0;
    for (; n > from; n--) {
        Entry last = c->entries[--c->entries_count];
        Py_DECREF(last.operation);
        Py_XDECREF(last.wide);
    }
    return all;
}
static PyObject *code_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(keywords))
{
    Code *c = PyObject_New(Code, type);
    if (c) memset((char *)c + sizeof(PyObject), 0, sizeof(Code) - sizeof(PyObject));
    return (PyObject *)c;
}
static PyMethodDef code_methods[] = {{"find", code_find, METH_VARARGS, NULL}, {"append", code_append, METH_VARARGS, NULL}, {"taken", code_taken, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static PySequenceMethods code_sequence = {.sq_length = code_length, .sq_item = code_item};
static PyTypeObject CodeType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "autograd_lite._core.Code", .tp_basicsize = sizeof(Code), .tp_new = code_new,
    .tp_flags = Py_TPFLAGS_DEFAULT, .tp_dealloc = code_dealloc, .tp_methods = code_methods, .tp_as_sequence = &code_sequence,
};

/* Slots of a builder: `of` has marks, then final slots, of its constants and instructions, and a place for an input's;
   `numbers` the final slots as Python has them. */
typedef struct { Py_ssize_t inputs, constants, count, *of; PyObject **numbers; Code *code; } Slots;

static Py_ssize_t *place_of(const Slots *s, long long k) /* NULL with an error */
{
    const long long constant = k - FIRST_OF_CONSTANTS, instruction = k - FIRST_OF_CODE;
    if (0 <= k && k < s->inputs) { s->of[s->constants + s->count] = (Py_ssize_t)k; return &s->of[s->constants + s->count]; }
    if (0 <= constant && constant < s->constants) return &s->of[constant];
    if (0 <= instruction && instruction < s->count) return &s->of[s->constants + instruction];
    if (!PyErr_Occurred()) PyErr_Format(PyExc_KeyError, "%lld", k);
    return NULL;
}
static int mark(const Slots *s, long long k) /* -1 with an error */
{
    Py_ssize_t *place = place_of(s, k);
    if (place) *place = 1;
    return place ? 0 : -1;
}
static int mark_all(const Slots *s, PyObject *slots) /* a list or a tuple */
{
    int failed = 0;
    for (Py_ssize_t i = 0; !failed && i < PySequence_Fast_GET_SIZE(slots); i++)
        failed = mark(s, PyLong_AsLongLong(PySequence_Fast_GET_ITEM(slots, i)));
    return failed;
}
static PyObject *moved(const Slots *s, const Entry *e, PyObject *slots) /* of an instruction, or a list, into a tuple */
{
    if (e && e->wide) slots = e->wide;
    Py_ssize_t count = slots ? PySequence_Fast_GET_SIZE(slots) : e->arity;
    PyObject *all = PyTuple_New(count);
    for (Py_ssize_t i = 0; all && i < count; i++) {
        Py_ssize_t *place = place_of(s, slots ? PyLong_AsLongLong(PySequence_Fast_GET_ITEM(slots, i)) : e->at[i]);
        PyObject **number = place ? &s->numbers[*place] : NULL;
        if (number && (*number || (*number = PyLong_FromSsize_t(*place)))) PyTuple_SET_ITEM(all, i, Py_NewRef(*number));
        else Py_CLEAR(all);
    }
    if (all && count) PyObject_GC_UnTrack(all); /* whole numbers are in no cycle */
    return all;
}

/* pruned(code, inputs, constants, roots): `program.pruned`. */
static PyObject *core_pruned(PyObject *Py_UNUSED(module), PyObject *args)
{
    Slots s = {0};
    PyObject *roots, *kept = NULL, *left = NULL, *places = NULL, *all = NULL;
    if (!PyArg_ParseTuple(args, "O!nnO!", &CodeType, &s.code, &s.inputs, &s.constants, &PyList_Type, &roots)) return NULL;
    s.count = (Py_ssize_t)s.code->entries_count;
    Py_ssize_t most = s.inputs + s.constants + s.count, next = s.inputs, n = 0;
    Py_ssize_t *of = s.of = PyMem_Calloc(s.constants + s.count + 1, sizeof(Py_ssize_t));
    s.numbers = PyMem_Calloc(most + 1, sizeof(PyObject *));
    if (!of || !s.numbers) { PyErr_NoMemory(); goto out; }
    if (mark_all(&s, roots) < 0) goto out;
    for (Py_ssize_t i = s.count; i--;) {
        const Entry *e = &s.code->entries[i];
        if (!of[s.constants + i]) continue;
        if (e->wide && mark_all(&s, e->wide) < 0) goto out;
        for (uint32_t k = 0; !e->wide && k < e->arity; k++)
            if (mark(&s, e->at[k]) < 0) goto out;
        n++;
    }
    if (!(kept = PyTuple_New(n)) || !(left = PyList_New(0))) goto out;
    for (Py_ssize_t k = 0; k < s.constants; k++) {
        PyObject *number = of[k] ? PyLong_FromSsize_t(k) : NULL;
        int failed = of[k] && (!number || PyList_Append(left, number) < 0);
        if (of[k]) of[k] = next++;
        Py_XDECREF(number);
        if (failed) goto out;
    }
    n = 0;
    for (Py_ssize_t i = 0; i < s.count; i++) {
        if (!of[s.constants + i]) continue;
        of[s.constants + i] = next++;
        const Entry *e = &s.code->entries[i];
        PyObject *arguments = moved(&s, e, NULL), *step = arguments ? PyTuple_Pack(2, e->operation, arguments) : NULL;
        Py_XDECREF(arguments);
        if (!step) goto out;
        if (bound(e->operation)) PyObject_GC_UnTrack(step); /* an operation of the table, which stays */
        PyTuple_SET_ITEM(kept, n++, step);
    }
    if ((places = moved(&s, NULL, roots))) all = PyTuple_Pack(3, kept, left, places);
out:
    for (Py_ssize_t i = 0; s.numbers && i < most; i++) Py_XDECREF(s.numbers[i]);
    PyMem_Free(s.numbers);
    PyMem_Free(of);
    Py_XDECREF(kept);
    Py_XDECREF(left);
    Py_XDECREF(places);
    return all;
}

/* --- from nodes to instructions: tape.trace --- */

/* remarkable(nodes): `trace.remarkable`; of the operations only those that are not in the table. */
static PyObject *core_remarkable(PyObject *Py_UNUSED(module), PyObject *nodes)
{
    if (!are_nodes(nodes)) return NULL;
    PyObject *known = PyList_New(0), *operations = PySet_New(NULL), *both = NULL, *last = NULL;
    Py_ssize_t count = PyList_GET_SIZE(nodes);
    int failed = !known || !operations;
    for (Py_ssize_t i = 0; !failed && i < count; i++) {
        if (i + 8 < count) AHEAD((Node *)PyList_GET_ITEM(nodes, i + 8));
        Node *n = (Node *)PyList_GET_ITEM(nodes, i);
        failed = n->about && PyList_Append(known, (PyObject *)n) < 0;
        if (failed || !n->primitive || n->primitive == last) continue;
        last = n->primitive;
        failed = !bound(last) && PySet_Add(operations, last) < 0;
    }
    if (!failed) both = PyTuple_Pack(2, known, operations);
    Py_XDECREF(known);
    Py_XDECREF(operations);
    return both;
}

#define RECENT 64 /* constants that are remembered */
typedef struct {
    PyObject *slot_of, *constants; /* dicts of Python: by numbers of nodes; by constants */
    Code *code;
    uint32_t *place;               /* slots, from 1 on, of nodes whose numbers follow each other */
    uint64_t low, range;
    double recent[RECENT];
    uint32_t recent_slots[RECENT]; /* 0: none */
    int merging;
} Entering;

static uint32_t slot_in(PyObject *dict, PyObject *key) /* takes the reference; UINT32_MAX: none, perhaps with an error */
{
    PyObject *slot = key ? PyDict_GetItemWithError(dict, key) : NULL;
    Py_XDECREF(key);
    return slot ? (uint32_t)PyLong_AsUnsignedLong(slot) : UINT32_MAX;
}
static uint32_t slot_of_argument(Entering *e, Node *n)
{
    uint64_t k = NUMBER(n) - e->low;
    return k < e->range ? e->place[k] - 1 : slot_in(e->slot_of, get_number(n, NULL));
}
static uint32_t slot_of_number(Entering *e, double x)
{
    if (x == 0.0 || isnan(x)) return UINT32_MAX;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    size_t k = (bits * 0x9E3779B97F4A7C15u) >> 58;
    if (!e->recent_slots[k] || e->recent[k] != x) {
        uint32_t slot = slot_in(e->constants, PyFloat_FromDouble(x));
        if (slot == UINT32_MAX) return slot;
        e->recent[k] = x;
        e->recent_slots[k] = slot;
    }
    return e->recent_slots[k];
}
static int is_constant_slot(uint32_t slot) { return FIRST_OF_CONSTANTS <= slot && slot < FIRST_OF_CODE; }

/* The slot of a node by `Builder.instruction`; UINT32_MAX without an error where that is to be asked. */
static uint32_t slot_of_node(Entering *e, Node *n)
{
    Rule *rule = bound(n->primitive);
    Py_ssize_t arity = arguments_of(n), folded = 0;
    if (rule && rule == rules[POS] && argument(n, 0)) return slot_of_argument(e, argument(n, 0));
    if (!rule || !arity || arity > 3 || (arity == 1 && rule->value.in_c.one == v_itself)) return UINT32_MAX;
    Entry entry = {(PyObject *)rule, NULL, {0}, (uint32_t)arity, (uint32_t)e->merging};
    for (Py_ssize_t k = 0; k < arity; k++) {
        Node *a = argument(n, k);
        double x = a ? 0.0 : (n->word & FIRST) == WIDE ? PyFloat_AS_DOUBLE(PyTuple_GET_ITEM(n->first, k)) : k ? n->by_second : n->by_first;
        uint32_t slot = entry.at[k] = a ? slot_of_argument(e, a) : slot_of_number(e, x);
        int is_constant = is_constant_slot(slot);
        folded += is_constant;
        if (slot == UINT32_MAX || (is_constant && rule == rules[MUL] && (a || x == 1.0))) return UINT32_MAX;
    }
    if (folded == arity) return UINT32_MAX;
    if ((rule == rules[ADD] || rule == rules[MUL]) && entry.at[0] > entry.at[1]) {
        uint32_t swap = entry.at[0];
        entry.at[0] = entry.at[1];
        entry.at[1] = swap;
    }
    uint32_t slot = code_slot(e->code, &entry);
    return slot ? slot : UINT32_MAX;
}
static int told(Entering *e, Node *n) /* Python about the slot of a node; -1 with an error */
{
    uint64_t k = NUMBER(n) - e->low;
    return k < e->range && e->place[k] ? put(e->slot_of, n, PyLong_FromUnsignedLong(e->place[k] - 1)) : 0;
}
static uint32_t asked(Entering *e, Node *n, PyObject *rest) /* Python; UINT32_MAX with an error */
{
    for (Py_ssize_t k = 0; k < arguments_of(n); k++)
        if (argument(n, k) && told(e, argument(n, k)) < 0) return UINT32_MAX;
    PyObject *slot = PyObject_CallOneArg(rest, (PyObject *)n);
    uint32_t found = slot ? (uint32_t)PyLong_AsUnsignedLong(slot) : UINT32_MAX;
    return slot && put(e->slot_of, n, slot) < 0 ? UINT32_MAX : found;
}

/* enter(rest, nodes, slot_of, code, constant_slots, merging, oldest, wanted): `trace.enter`. */
static PyObject *core_enter(ARGUMENTS)
{
    if (count != 8 || !are_nodes(args[1]) || !PyDict_CheckExact(args[2]) || !PyObject_TypeCheck(args[3], &CodeType)
        || !PyDict_CheckExact(args[4]) || !are_nodes(args[7])) return refused("enter takes a list, and parts of a builder");
    Entering e = {.slot_of = args[2], .constants = args[4], .code = (Code *)args[3], .merging = args[5] == Py_True};
    Py_ssize_t nodes = PyList_GET_SIZE(args[1]), wanted = PyList_GET_SIZE(args[7]);
    long long low = PyLong_AsLongLong(args[6]);
    if (low == -1 && PyErr_Occurred()) return NULL;
    e.low = low < 0 ? 0 : (uint64_t)low;
    e.range = nodes ? NUMBER((Node *)PyList_GET_ITEM(args[1], nodes - 1)) + 1 - e.low : 0;
    if (e.range > 4 * (uint64_t)nodes + 4096) e.range = 4 * (uint64_t)nodes + 4096; /* for the others there is the dict */
    if (!(e.place = PyMem_RawCalloc(e.range + 1, sizeof *e.place))) return PyErr_NoMemory();
    int failed = 0;
    PyObject *number, *slot_of_input;
    for (Py_ssize_t at = 0; PyDict_Next(e.slot_of, &at, &number, &slot_of_input);) {
        uint64_t k = PyLong_AsUnsignedLongLong(number) - e.low;
        if (k < e.range) e.place[k] = (uint32_t)PyLong_AsUnsignedLong(slot_of_input) + 1;
    }
    for (Py_ssize_t i = 0; !failed && i < nodes; i++) {
        Node *n = (Node *)PyList_GET_ITEM(args[1], i);
        if (i + 8 < nodes) AHEAD((Node *)PyList_GET_ITEM(args[1], i + 8));
        uint64_t k = NUMBER(n) - e.low;
        if (slot_of_argument(&e, n) != UINT32_MAX) continue; /* an input */
        uint32_t slot = PyErr_Occurred() ? UINT32_MAX : slot_of_node(&e, n);
        if (slot == UINT32_MAX && !PyErr_Occurred()) slot = asked(&e, n, args[0]);
        failed = slot == UINT32_MAX || (k >= e.range && put(e.slot_of, n, PyLong_FromUnsignedLong(slot)) < 0);
        if (!failed && k < e.range) e.place[k] = slot + 1;
    }
    for (Py_ssize_t i = 0; !failed && i < wanted; i++) failed = told(&e, (Node *)PyList_GET_ITEM(args[7], i)) < 0;
    PyMem_RawFree(e.place);
    return failed ? NULL : Py_NewRef(Py_None);
}

/* --------------------------------------------------------------------------- programs as arrays: tape.alike and tape.elements */

/* columns(code): `alike.columns`; numbers as the bytes of int64. */
static PyObject *core_columns(PyObject *Py_UNUSED(module), PyObject *code)
{
    if (!PyTuple_CheckExact(code)) return refused("columns takes the code of a program");
    Py_ssize_t count = PyTuple_GET_SIZE(code), total = 0;
    for (Py_ssize_t k = 0; k < count; k++) {
        PyObject *step = PyTuple_GET_ITEM(code, k);
        if (!PyTuple_CheckExact(step) || PyTuple_GET_SIZE(step) != 2 || !PyTuple_CheckExact(PyTuple_GET_ITEM(step, 1)))
            return refused("an instruction is an operation and a tuple of slots");
        total += PyTuple_GET_SIZE(PyTuple_GET_ITEM(step, 1));
    }
    PyObject *numbers = PyDict_New(), *known = PyList_New(0), *all = NULL, *last = NULL;
    PyObject *parts[3] = {PyBytes_FromStringAndSize(NULL, 8 * count), PyBytes_FromStringAndSize(NULL, 8 * count),
                          PyBytes_FromStringAndSize(NULL, 8 * total)};
    if (!numbers || !known || !parts[0] || !parts[1] || !parts[2]) goto out;
    int64_t *of[3], number = 0;
    for (int k = 0; k < 3; k++) of[k] = (int64_t *)PyBytes_AS_STRING(parts[k]);
    for (Py_ssize_t k = 0; k < count; k++) {
        PyObject *step = PyTuple_GET_ITEM(code, k), *operation = PyTuple_GET_ITEM(step, 0), *slots = PyTuple_GET_ITEM(step, 1);
        if (operation != last) {
            PyObject *met = PyDict_GetItemWithError(numbers, operation);
            if (!met && PyErr_Occurred()) goto out;
            number = met ? PyLong_AsLongLong(met) : PyList_GET_SIZE(known);
            if (!met) {
                PyObject *own = PyLong_FromLongLong(number);
                int failed = !own || PyDict_SetItem(numbers, operation, own) < 0 || PyList_Append(known, operation) < 0;
                Py_XDECREF(own);
                if (failed) goto out;
            }
            last = operation;
        }
        *of[0]++ = number;
        *of[1]++ = PyTuple_GET_SIZE(slots);
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(slots); i++)
            if ((*of[2]++ = PyLong_AsLongLong(PyTuple_GET_ITEM(slots, i))) == -1 && PyErr_Occurred()) goto out;
    }
    all = PyTuple_Pack(4, known, parts[0], parts[1], parts[2]);
out:
    for (int k = 0; k < 3; k++) Py_XDECREF(parts[k]);
    Py_XDECREF(numbers);
    Py_XDECREF(known);
    return all;
}

/* levels(own, starts, arguments, marks, deep): `alike.levels`; arrays of 64 bits. */
static uint64_t mixed(uint64_t n) { n = (n ^ n >> 31) * 0x9E3779B97F4A7C15u; return n ^ n >> 29; }
static PyObject *core_levels(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer own, starts, arguments, marks;
    int deep;
    if (!PyArg_ParseTuple(args, "y*y*y*w*i", &own, &starts, &arguments, &marks, &deep)) return NULL;
    Py_ssize_t count = own.len / 8, all = arguments.len / 8, slots = marks.len / 8, most = 1;
    const int64_t *start = starts.buf, *argument = arguments.buf;
    uint64_t *mark = marks.buf, *after = NULL, *factors = NULL;
    int good = starts.len == own.len && slots >= count && (!count || start[0] == 0);
    for (Py_ssize_t k = 0; good && k < count; k++) {
        int64_t many = (k + 1 < count ? start[k + 1] : all) - start[k];
        good = many >= 0 && start[k] + many <= all;
        if (many > most) most = many;
    }
    for (Py_ssize_t i = 0; good && i < all; i++) good = 0 <= argument[i] && argument[i] < slots;
    int roomy = good && (after = PyMem_RawMalloc(8 * (count + 1))) && (factors = PyMem_RawMalloc(8 * most));
    for (Py_ssize_t k = 0; roomy && k < most; k++) factors[k] = mixed((uint64_t)k + 1) | 1;
    while (roomy && deep-- > 0) {
        for (Py_ssize_t k = 0, i = 0; k < count; k++) {
            uint64_t total = 0;
            for (Py_ssize_t end = k + 1 < count ? start[k + 1] : all, place = 0; i < end; i++) total += mark[argument[i]] * factors[place++];
            after[k] = ((uint64_t *)own.buf)[k] ^ mixed(total);
        }
        memcpy(mark + slots - count, after, 8 * count);
    }
    PyMem_RawFree(after);
    PyMem_RawFree(factors);
    Py_buffer *given[] = {&own, &starts, &arguments, &marks};
    for (int k = 0; k < 4; k++) PyBuffer_Release(given[k]);
    if (!good) return PyErr_Format(PyExc_ValueError, "these are not the arrays of a program");
    return roomy ? Py_NewRef(Py_None) : PyErr_NoMemory();
}

enum { SUM, DIFFERENCE, NEGATIVE, PRODUCT, QUOTIENT, TERM, CONSTANT, SHARED };
typedef struct { Py_ssize_t slot; double factor; } Share;
typedef struct {
    Share *waiting, *terms; size_t waiting_count, waiting_room, terms_count, terms_room;
    Py_ssize_t *later;      size_t later_count, later_room; /* a heap of shared slots, the youngest on top */
    Py_ssize_t *place, slots, inputs, first; /* of a slot among the terms, from 1 on */
    double *shared;                          /* the factors of shared slots that have come up so far */
    const double *constants;
} Sums;

static int wait_for(Sums *s, Py_ssize_t slot, double factor) /* -1 without memory, or where there is no such slot */
{
    if (slot < 0 || slot >= s->slots || ROOM(s, waiting) < 0) return -1;
    s->waiting[s->waiting_count++] = (Share){slot, factor};
    return 0;
}
static int share_later(Sums *s, Py_ssize_t slot, double factor)
{
    if (s->place[slot]) { s->shared[slot] += factor; return 0; }
    if (ROOM(s, later) < 0) return -1;
    s->place[slot] = 1;
    s->shared[slot] = 0.0 + factor;
    size_t k = s->later_count++;
    for (; k && s->later[(k - 1) / 2] < slot; k = (k - 1) / 2) s->later[k] = s->later[(k - 1) / 2];
    s->later[k] = slot;
    return 0;
}
static Py_ssize_t youngest(Sums *s)
{
    Py_ssize_t top = s->later[0], last = s->later[--s->later_count];
    size_t k = 0, child;
    while ((child = 2 * k + 1) < s->later_count) {
        if (child + 1 < s->later_count && s->later[child + 1] > s->later[child]) child++;
        if (s->later[child] <= last) break;
        s->later[k] = s->later[child];
        k = child;
    }
    s->later[k] = last;
    s->place[top] = 0;
    return top;
}
static int constant_at(const Sums *s, Py_ssize_t slot, double *number) /* whether there is one other than 0 */
{
    return s->inputs <= slot && slot < s->first && (*number = s->constants[slot - s->inputs]) != 0.0;
}
INLINE int is_normal(double x) { return DBL_MIN <= fabs(x) && fabs(x) < INFINITY; }

static int parts_of(Sums *s, int kind, const int64_t *a, double factor) /* 1 if a scaled sum was taken apart; -1: see above */
{
    double number;
    switch (kind) {
    case DIFFERENCE: return wait_for(s, a[0], factor) < 0 || wait_for(s, a[1], -factor) < 0 ? -1 : 1;
    case NEGATIVE: return wait_for(s, a[0], -factor) < 0 ? -1 : 1;
    case PRODUCT:
        for (int k = 0; k < 2; k++)
            if (constant_at(s, a[k], &number) && is_normal(factor * number))
                return wait_for(s, a[1 - k], factor * number) < 0 ? -1 : 1;
        return 0;
    default:
        if (!constant_at(s, a[1], &number) || !is_normal(factor / number)) return 0;
        return wait_for(s, a[0], factor / number) < 0 ? -1 : 1;
    }
}
static int one_sum(Sums *s, Py_ssize_t output, const uint8_t *kinds, const int64_t *starts, const int64_t *arguments, double *offset)
{
    size_t before = s->terms_count;
    *offset = 0.0;
    if (wait_for(s, output, 1.0) < 0) return -1;
    while (s->waiting_count || s->later_count) {
        Share share;
        int kind, done = 0;
        if (s->waiting_count) {
            share = s->waiting[--s->waiting_count];
            kind = kinds[share.slot];
            if (kind >= SHARED) {
                if (share_later(s, share.slot, share.factor) < 0) return -1;
                continue;
            }
        } else { /* all that use it have come up: they are younger */
            share.slot = youngest(s);
            share.factor = s->shared[share.slot];
            kind = kinds[share.slot] - SHARED;
        }
        const int64_t *a = share.slot < s->first ? NULL : arguments + starts[share.slot - s->first];
        if (kind == SUM) done = wait_for(s, a[1], share.factor) < 0 || wait_for(s, a[0], share.factor) < 0 ? -1 : 1;
        else if (kind < TERM) done = parts_of(s, kind, a, share.factor);
        else if (kind == CONSTANT) { *offset += share.factor * s->constants[share.slot - s->inputs]; continue; }
        if (done < 0) return -1;
        if (done) continue;
        Py_ssize_t *place = &s->place[share.slot];
        if (*place) { s->terms[*place - 1].factor += share.factor; continue; }
        if (ROOM(s, terms) < 0) return -1;
        s->terms[s->terms_count++] = share;
        *place = (Py_ssize_t)s->terms_count;
    }
    for (size_t k = before; k < s->terms_count; k++) s->place[s->terms[k].slot] = 0;
    return 0;
}

/* linear_sums(kinds, starts, arguments, constants, outputs): `elements.linear_sums`, all of them buffers. */
static PyObject *core_linear_sums(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer kinds, starts, arguments, constants, outputs;
    Sums s = {0};
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*", &kinds, &starts, &arguments, &constants, &outputs)) return NULL;
    PyObject *all = NULL, *parts[4] = {NULL};
    Py_ssize_t count = outputs.len / 8;
    s.slots = kinds.len;
    s.first = s.slots - starts.len / 8;
    s.inputs = s.first - constants.len / 8;
    s.constants = constants.buf;
    s.place = PyMem_RawCalloc(s.slots + 1, sizeof *s.place);
    s.shared = PyMem_RawCalloc(s.slots + 1, sizeof *s.shared);
    parts[0] = PyBytes_FromStringAndSize(NULL, 8 * count);
    parts[1] = PyBytes_FromStringAndSize(NULL, 8 * count);
    if (!s.place || !s.shared || !parts[0] || !parts[1]) goto out;
    for (Py_ssize_t k = 0; k < count; k++) {
        size_t before = s.terms_count;
        double *offset = (double *)PyBytes_AS_STRING(parts[0]) + k;
        if (one_sum(&s, (Py_ssize_t)((int64_t *)outputs.buf)[k], kinds.buf, starts.buf, arguments.buf, offset) < 0) goto out;
        ((int64_t *)PyBytes_AS_STRING(parts[1]))[k] = (int64_t)(s.terms_count - before);
    }
    for (int k = 2; k < 4; k++)
        if (!(parts[k] = PyBytes_FromStringAndSize(NULL, 8 * (Py_ssize_t)s.terms_count))) goto out;
    for (size_t k = 0; k < s.terms_count; k++) {
        ((int64_t *)PyBytes_AS_STRING(parts[2]))[k] = s.terms[k].slot;
        ((double *)PyBytes_AS_STRING(parts[3]))[k] = s.terms[k].factor;
    }
    all = PyTuple_Pack(4, parts[0], parts[1], parts[2], parts[3]);
out:
    if (!all && !PyErr_Occurred()) PyErr_NoMemory();
    for (int k = 0; k < 4; k++) Py_XDECREF(parts[k]);
    PyMem_RawFree(s.waiting);
    PyMem_RawFree(s.terms);
    PyMem_RawFree(s.later);
    PyMem_RawFree(s.place);
    PyMem_RawFree(s.shared);
    Py_buffer *given[] = {&kinds, &starts, &arguments, &constants, &outputs};
    for (int k = 0; k < 5; k++) PyBuffer_Release(given[k]);
    return all;
}

/* ----------------------------------------------------------------------------------- programs for one lane: tape.interim */

enum { ONE_ARGUMENT, TWO_ARGUMENTS, THREE_ARGUMENTS, PLUS, MINUS, TIMES, OVER };
typedef struct { union { Value1 one; Value2 two; Value3 three; } in_c; uint32_t at[3], kind; } Operation;
typedef struct { uint32_t relation, left, right, outcome; } Comparison;
typedef struct { /* a program whose operations have values in C; the slots are those of `program.Program` */
    PyObject_HEAD
    size_t inputs, first, operations_count, outputs_count, guards_count, doubtful_count;
    Operation *operations;
    uint32_t *outputs, *doubtful;
    Comparison *guards;
    double *at; /* the value of each slot; only who holds the GIL runs, and runs to the end */
} Interpreter;

static void interpreter_dealloc(PyObject *self)
{
    Interpreter *p = (Interpreter *)self;
    void *parts[] = {p->operations, p->outputs, p->doubtful, p->guards, p->at};
    for (int i = 0; i < 5; i++) PyMem_Free(parts[i]);
    PyObject_Free(self);
}

static int holds(double x, uint32_t relation, double y)
{
    switch (relation) {
    case Py_LT: return x < y;
    case Py_LE: return x <= y;
    case Py_EQ: return x == y;
    case Py_NE: return x != y;
    case Py_GT: return x > y;
    default: return x >= y;
    }
}

/* `PythonSingle.run`: the status. */
static long long interpreted(Interpreter *p, const double *in, double *out)
{
    double *at = p->at, *y = at + p->first;
    memcpy(at, in, p->inputs * sizeof(double));
    for (const Operation *o = p->operations, *end = o + p->operations_count; o < end; o++, y++) {
        double x = at[o->at[0]];
        switch (o->kind) {
        case PLUS: *y = x + at[o->at[1]]; break;
        case MINUS: *y = x - at[o->at[1]]; break;
        case TIMES: *y = x * at[o->at[1]]; break;
        case OVER: *y = v_div(x, at[o->at[1]]); break;
        case ONE_ARGUMENT: *y = o->in_c.one(x); break;
        case TWO_ARGUMENTS: *y = o->in_c.two(x, at[o->at[1]]); break;
        default: *y = o->in_c.three(x, at[o->at[1]], at[o->at[2]]);
        }
    }
    for (size_t i = 0; i < p->outputs_count; i++) out[i] = at[p->outputs[i]];
    for (size_t i = 0; i < p->guards_count; i++) {
        const Comparison *g = &p->guards[i];
        if (holds(at[g->left], g->relation, at[g->right]) != (int)g->outcome) return (long long)i + 1;
    }
    for (size_t i = 0; i < p->doubtful_count; i++)
        if (isnan(at[p->doubtful[i]])) return -1;
    return 0;
}

/* program(address of inputs, address of outputs) -> status */
static PyObject *interpreter_call(PyObject *self, PyObject *args, PyObject *Py_UNUSED(keywords))
{
    unsigned long long in, out;
    if (!PyArg_ParseTuple(args, "KK", &in, &out)) return NULL;
    return PyLong_FromLongLong(interpreted((Interpreter *)self, (const double *)(uintptr_t)in, (double *)(uintptr_t)out));
}

static PyTypeObject InterpreterType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "autograd_lite._core.Interpreter", .tp_basicsize = sizeof(Interpreter),
    .tp_flags = Py_TPFLAGS_DEFAULT, .tp_dealloc = interpreter_dealloc, .tp_call = interpreter_call,
};

static int slot_below(PyObject *o, size_t bound, uint32_t *slot)
{
    unsigned long long k = PyLong_Check(o) ? PyLong_AsUnsignedLongLong(o) : bound;
    *slot = (uint32_t)k;
    if (!PyErr_Occurred() && k < bound) return 0;
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "a slot that is none");
    return -1;
}

/* 1: an operation in C. 0: another one. -1: an error. */
static int operation_of(PyObject *instruction, size_t slot, Operation *o)
{
    PyObject *arguments = PyTuple_GET_ITEM(instruction, 1);
    const Rule *rule = bound(PyTuple_GET_ITEM(instruction, 0));
    if (!rule || rule->value.python) return 0;
    int arity = rule->arity, of_two[] = {PLUS, MINUS, TIMES, OVER};
    if (!PyTuple_CheckExact(arguments) || PyTuple_GET_SIZE(arguments) != arity) { refused("arguments of another number"); return -1; }
    o->kind = arity == 1 ? ONE_ARGUMENT : arity == 2 ? TWO_ARGUMENTS : THREE_ARGUMENTS;
    for (int code = ADD; code <= DIV; code++)
        if (rule == rules[code]) o->kind = of_two[code - ADD];
    memcpy(&o->in_c, &rule->value.in_c, sizeof o->in_c);
    for (int k = 0; k < arity; k++)
        if (slot_below(PyTuple_GET_ITEM(arguments, k), slot, &o->at[k]) < 0) return -1;
    return 1;
}

static uint32_t *slots_of(PyObject *given, size_t bound, size_t *count)
{
    uint32_t *slots = PyMem_Calloc(PyTuple_GET_SIZE(given) + 1, sizeof(uint32_t));
    for (Py_ssize_t i = 0; slots && i < PyTuple_GET_SIZE(given); i++)
        if (slot_below(PyTuple_GET_ITEM(given, i), bound, &slots[i]) < 0) { PyMem_Free(slots); return NULL; }
    *count = PyTuple_GET_SIZE(given);
    return slots ? slots : (uint32_t *)PyErr_NoMemory();
}

/* interpreter(inputs, constants, code, outputs, guards, doubtful): parts of a program, of a guard (relation as in comparisons,
   left, right, outcome); None if an operation has no value in C. */
static PyObject *core_interpreter(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_ssize_t inputs;
    PyObject *constants, *code, *outputs, *guards, *doubtful, *tuple = (PyObject *)&PyTuple_Type;
    if (!PyArg_ParseTuple(args, "nO!O!O!O!O!", &inputs, tuple, &constants, tuple, &code, tuple, &outputs, tuple, &guards, tuple, &doubtful))
        return NULL;
    Interpreter *p = PyObject_New(Interpreter, &InterpreterType);
    if (!p) return NULL;
    memset((char *)p + sizeof(PyObject), 0, sizeof(Interpreter) - sizeof(PyObject));
    size_t n = PyTuple_GET_SIZE(code), all = inputs + PyTuple_GET_SIZE(constants) + n;
    p->inputs = inputs;
    p->first = all - n;
    p->guards_count = PyTuple_GET_SIZE(guards);
    p->operations = PyMem_Calloc(n + 1, sizeof(Operation));
    p->guards = PyMem_Calloc(p->guards_count + 1, sizeof(Comparison));
    p->at = PyMem_Calloc(all + 1, sizeof(double));
    if (!p->operations || !p->guards || !p->at || all >= UINT32_MAX) { PyErr_NoMemory(); goto failed; }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(constants); i++) p->at[inputs + i] = PyFloat_AsDouble(PyTuple_GET_ITEM(constants, i));
    for (; p->operations_count < n; p->operations_count++) {
        PyObject *instruction = PyTuple_GET_ITEM(code, p->operations_count);
        int kind = operation_of(instruction, p->first + p->operations_count, &p->operations[p->operations_count]);
        if (kind < 1) { Py_DECREF(p); return kind ? NULL : Py_NewRef(Py_None); }
    }
    if (!(p->outputs = slots_of(outputs, all, &p->outputs_count)) || !(p->doubtful = slots_of(doubtful, all, &p->doubtful_count))) goto failed;
    for (size_t i = 0; i < p->guards_count; i++) {
        Comparison *g = &p->guards[i];
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(guards, i), "IIIp", &g->relation, &g->left, &g->right, &g->outcome)) goto failed;
        if (g->left >= all || g->right >= all) { PyErr_SetString(PyExc_ValueError, "a slot that is none"); goto failed; }
    }
    if (!PyErr_Occurred()) return (PyObject *)p;
failed:
    Py_DECREF(p);
    return NULL;
}

/* --------------------------------------------------------------------------------------------------------- the module */

static PyObject *numbers_next(PyObject *Py_UNUSED(self)) { return PyLong_FromUnsignedLongLong(next_number++); }
static PyTypeObject NumbersType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "autograd_lite._core.Numbers", .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT, .tp_new = PyType_GenericNew, .tp_iter = PyObject_SelfIter, .tp_iternext = numbers_next,
};

/* install(**bodies, active=, tracing=, running=, documents=): Python's part. */
static PyObject *core_install(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(args), PyObject *keywords)
{
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
static PyObject *core_kinds(PyObject *Py_UNUSED(module), PyObject *items)
{
    if (!PyList_CheckExact(items) && !PyTuple_CheckExact(items)) return refused("kinds takes a list or a tuple");
    PyObject *const *item = PySequence_Fast_ITEMS(items);
    int found = 0;
    for (Py_ssize_t i = 0; i < Py_SIZE(items); i++) found |= PyFloat_CheckExact(item[i]) ? 1 : IS_NODE(item[i]) ? 2 : 4;
    return PyLong_FromLong(found);
}

/* alive() -> how many nodes exist. */
static PyObject *core_alive(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(nothing)) { return PyLong_FromSsize_t(alive); }

/* --- ways back from machine code --- */

/* A call, or what `failing` makes of its exception. No frame of Python stands outside of this: where one begins, the signals
 * that came meanwhile are handled, and an interrupt that is raised there would be lost. Another may fall into `failing`. */
static PyObject *guarded(PyObject *own, PyObject *const *args, Py_ssize_t count)
{
    PyObject *found = PyObject_Vectorcall(PyTuple_GET_ITEM(own, 0), args, count, NULL);
    for (int tries = 0; !found && tries < 8; tries++) {
        PyObject *type, *failure, *trace;
        PyErr_Fetch(&type, &failure, &trace);
        PyErr_NormalizeException(&type, &failure, &trace);
        if (trace) PyException_SetTraceback(failure, trace);
        found = PyObject_CallOneArg(PyTuple_GET_ITEM(own, 1), failure);
        Py_XDECREF(type);
        Py_XDECREF(failure);
        Py_XDECREF(trace);
    }
    return found;
}

static PyMethodDef guarded_method = {"guarded", FAST(guarded)};

/* The function `guarded` of a call and of what is done where that fails. */
static PyObject *core_guarded(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *call, *failing;
    if (!PyArg_ParseTuple(args, "OO", &call, &failing)) return NULL;
    return PyCFunction_New(&guarded_method, args);
}

static PyMethodDef functions[] = {
    {"guarded", core_guarded, METH_VARARGS, NULL},
    {"install", (PyCFunction)(void (*)(void))core_install, METH_VARARGS | METH_KEYWORDS, NULL},
    {"bind", core_bind, METH_VARARGS, NULL}, {"kinds", core_kinds, METH_O, NULL}, {"alive", core_alive, METH_NOARGS, NULL},
    {"add_adjoints", FAST(core_add_adjoints)}, {"adjoints", FAST(core_adjoints)}, {"make_node", FAST(core_make_node)},
    {"leads_outside", FAST(core_leads_outside)}, {"search", FAST(core_search)},
    {"send_graphs", FAST(core_send_graphs)}, {"enter", FAST(core_enter)}, {"between", FAST(core_between)}, {"pruned", core_pruned, METH_VARARGS, NULL},
    {"interpreter", core_interpreter, METH_VARARGS, NULL}, {"columns", core_columns, METH_O, NULL}, {"reachable", FAST(core_reachable)},
    {"levels", core_levels, METH_VARARGS, NULL}, {"remarkable", core_remarkable, METH_O, NULL},
    {"linear_sums", core_linear_sums, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "autograd_lite._core", NULL, -1, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__core(void)
{
    PyObject *m, *numbers;
    if (!(Variable = (PyTypeObject *)PyType_FromSpec(&node_spec)) || !(state.active = PySet_New(NULL))) return NULL;
    Variable->tp_vectorcall = node_called;
    Variable->tp_name = "Variable"; /* in messages, as of a class of Python; __module__ is set */
    state.tracing = Py_NewRef(state.active);
    state.running = Py_NewRef(state.active);
    if (PyType_Ready(&RuleType) < 0 || PyType_Ready(&NumbersType) < 0
        || PyType_Ready(&InterpreterType) < 0 || PyType_Ready(&CodeType) < 0 || !(m = PyModule_Create(&definition))) return NULL;
    if (PyModule_AddObjectRef(m, "Variable", (PyObject *)Variable) < 0
        || PyModule_AddObjectRef(m, "Rule", (PyObject *)&RuleType) < 0 || PyModule_AddObjectRef(m, "Code", (PyObject *)&CodeType) < 0
        || PyModule_AddStringConstant(m, "digest", TEXT_OF(CORE_DIGEST) + 1) < 0 || PyModule_AddIntConstant(m, "registers", REGISTERS) < 0
        || !(numbers = PyObject_CallNoArgs((PyObject *)&NumbersType)) || PyModule_AddObject(m, "numbers", numbers) < 0)
        return NULL;
    return m;
}
