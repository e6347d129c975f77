"""The checks that the suites share.

Each raises AssertionError; `test_mutations.py` proves that each rejects what it should.
"""

import math

from corpus import EPS, ORDERS, TABLE, bound_at, bounds
from mpmath import mp, mpf
from reference import MAX_DOUBLE, MIN_NORMAL, evaluate, reaches_double, ulps

import autograd_lite as al

TINY = 2.0**-1074
#: Near their zeros they keep absolute accuracy only: waves, and derivatives that change sign.
ABSOLUTE = {"j0", "j1", "bessel_j", "gammainc_by_a", "gamma_density_by_a", "gamma", "lgamma", "digamma"}


# --- error bounds -------------------------------------------------------------------------------------------


def absolute_sweep(y, node_weight=lambda node: 0.0):
    """Sweep backwards with every local gradient taken absolute; return the adjoints and Σ adjoint · weight(node)."""
    adjoints, total = {y: 1.0}, 0.0
    for node in reversed(al.topological_order(y)):
        a = adjoints.get(node, 0.0)
        if a == 0.0:
            continue
        if node.local_gradients:
            total += a * node_weight(node)
        for parent, local in node.local_gradients:
            if local != 0.0:
                adjoints[parent] = adjoints.get(parent, 0.0) + a * abs(local)
    return adjoints, total


def program_bound(y, x):
    """Return 8·n·eps·A: how far a first-order gradient of a program may be off when its local gradients are right.

    A sweep multiplies at most n local gradients along a path, each within 4 ULP = 4·eps of the truth (the largest
    constant bound), rounds each product and each sum once (eps/2 each): (4 + 1/2 + 1/2)·n·eps < 8·n·eps, relative to
    the sum over paths of absolute products, A.
    """
    adjoints, _ = absolute_sweep(y)
    return 8.0 * len(al.topological_order(y)) * EPS * adjoints.get(x, 0.0)


def running_bound(d):
    """Return how far the value of a node may be off, given the inputs exactly: 8·Σᵢ |∂d/∂vᵢ|·(eps·|vᵢ| + 2**-1074).

    First-order running error analysis. Node i is computed as vᵢ·(1 + δᵢ) + ηᵢ, with |δᵢ| ≤ 4·eps (4 ULP, the largest
    constant bound of the policy; more where the table states more, 64 where none is stated) and |ηᵢ| ≤ 4 subnormal steps
    where it underflows; it moves d by ∂d/∂vᵢ times that. 8 instead of 4 leaves room for the numbers ∂d/∂vᵢ, rounded
    themselves, and for second-order terms. This is the policy's 8·n·eps·A written per node instead of n times the worst
    one, and it also covers what the policy's form leaves out: a partial that is evaluated at a rounded intermediate
    result. Infinite when a node overflowed.
    """

    def weight(node):
        size = max(1.0, abs(node.value)) if node.primitive and node.primitive.name in ABSOLUTE else abs(node.value)
        return (2.0 * max(4.0, stated(node)) if claims(node) and size == abs(node.value) else 64.0) * (
            EPS * size + TINY
        )

    _, total = absolute_sweep(d, weight)
    return total + 8.0 * TINY


def overflows(d):
    """Say whether a node under d, or a local gradient, is infinite, so that a NaN may follow."""
    return any(
        math.isinf(node.value) or any(math.isinf(local) for _, local in node.local_gradients)
        for node in al.topological_order(d)
    )


def claims(node):
    """Say whether the policy or the table bounds the error of the operation that made a node.

    64 ULP are granted where neither does.
    """
    return node.primitive is None or node.primitive.name not in TABLE or bounds(node.primitive.name) is not None


def stated(node):
    """Return the ULPs that the table or the policy grants an operation; 0 for a leaf, or if these are infinitely many."""
    if node.primitive is None or node.primitive.name not in TABLE:
        return 0.0
    found = bound_at(bounds(node.primitive.name)[0], [getattr(a, "value", a) for a in node.arguments])
    return float(found) if math.isfinite(found) else 0.0


def leaves(name, args):
    """Return Variables of the arguments, with a whole-number argument left a number: nobody differentiates by it."""
    return [a if i == ORDERS.get(name) else al.Variable(a) for i, a in enumerate(args)]


# --- one primitive against mpmath ---------------------------------------------------------------------------


def within(args, got, exact, bound, condition):
    """Say whether a double is within `bound` ULP of the exact value, where that is a normal double.

    Above the largest double the answer is an infinity or next to it; below the smallest normal one it is as small (a
    ULP has no relative meaning there). Without a stated bound (None): 64 ULP of the result or of the arguments,
    whichever is larger; libm's special functions stay well below, wrong rules far above. 1e-9 absorbs the rounding of
    the error itself.
    """
    if abs(exact) > MAX_DOUBLE:
        return abs(got) >= 0.999 * float(MAX_DOUBLE) and (got > 0) == (exact > 0)
    if not reaches_double(exact):
        return abs(got) <= 1.001 * float(MIN_NORMAL)
    if bound is not None:
        return ulps(got, exact) <= bound_at(bound, args) + 1e-9
    with mp.workdps(40):
        return math.isfinite(got) and abs(mpf(got) - exact) <= 64 * EPS * (abs(exact) + condition())


def condition_of(reference, args, indices=()):
    """Return Σ |argument · ∂/∂argument|.

    What one relative unit of every argument does to the (derivative of the) function.
    """
    total = mpf(0)
    for i, a in enumerate(args):
        if a != 0 and reference.is_regular(args, i):
            total += abs(mpf(a) * reference.derivative(args, (*indices, i)))
    return total


def check_value(primitive, reference, args, name=None):
    """Order 0: the value against mpmath."""
    exact = evaluate(reference.value, args, 60)
    if exact is None or not any(reference.is_regular(args, i) for i in range(len(args))):
        return False
    bound, _ = bounds(name or primitive.name) or (None, ())
    got = primitive(*map(al.Variable, args)).value
    good = within(args, got, exact, bound, lambda: condition_of(reference, args))
    assert good, f"{primitive.name}{args} is {got!r}, should be {mp.nstr(exact, 20)}"
    return True


def check_partials(primitive, reference, args, name=None):
    """Order 1: every partial against the central difference; returns how many were compared.

    Nothing is compared where the value itself overflows or is subnormal: the policy writes partials in terms of it
    (x/h for hypot).
    """
    _, limits = bounds(name or primitive.name) or (None, (None,) * len(args))
    variables = leaves(name or primitive.name, args)
    y = primitive(*variables)
    if not math.isfinite(y.value) or 0 < abs(y.value) < MIN_NORMAL:
        return 0
    compared = 0
    for i, x in enumerate(variables):
        if not reference.is_regular(args, i):
            continue
        got = al.gradients(y, x)
        exact = reference.derivative(args, (i,))
        good = within(args, got, exact, limits[i], lambda i=i: condition_of(reference, args, (i,)))
        assert good, f"∂{primitive.name}/∂{i} at {args} is {got!r}, should be {mp.nstr(exact, 20)}"
        compared += 1
    return compared


def check_second(primitive, reference, args):
    """Order 2: every second partial against the central difference, within `running_bound`.

    Returns how many were settled.
    """
    # An argument in which the function is not smooth stays a number: it has no derivative, and so no error to pass on.
    regular = [i for i in range(len(args)) if reference.is_regular(args, i)]
    variables = [al.Variable(a) if i in regular else a for i, a in enumerate(args)]
    y = primitive(*variables)
    if not isinstance(y, al.Variable):
        return 0
    settled = 0
    for i in regular:
        g = al.gradients(y, variables[i], create_graph=True)
        for j in regular:
            x = variables[j]
            d = al.gradients(g, x, create_graph=True)
            exact = reference.derivative(args, (i, j))
            bound = running_bound(d)
            out_of_range = abs(exact) > MAX_DOUBLE or not math.isfinite(y.value) or 0 < abs(y.value) < MIN_NORMAL
            if out_of_range or overflows(d):
                continue  # the value or an intermediate result overflowed: the policy makes no promise
            with mp.workdps(40):
                error = abs(mpf(d.value) - exact) if math.isfinite(d.value) else mpf("inf")
            message = (
                f"∂²{primitive.name}/∂{i}∂{j} at {args} is {d.value!r}, should be {mp.nstr(exact, 20)} ± {bound:.2g}"
            )
            assert error <= bound + 8 * EPS * abs(exact), message
            settled += 1
    return settled


# --- functions against differences and identities -----------------------------------------------------------


def ridders(f, x, h, levels=12):
    """Return the derivative of a float function and Ridders' own error estimate (Numerical Recipes 5.7).

    Step shrinking by √2.
    """
    ratio = math.sqrt(2.0)
    previous = [(f(x + h) - f(x - h)) / (2 * h)]
    best, error = previous[0], math.inf
    for _ in range(levels):
        h /= ratio
        row = [(f(x + h) - f(x - h)) / (2 * h)]
        factor = ratio * ratio
        for k, before in enumerate(previous):
            row.append((row[k] * factor - before) / (factor - 1))
            factor *= ratio * ratio
            estimate = max(abs(row[-1] - row[-2]), abs(row[-1] - before))
            if estimate <= error:
                best, error = row[-1], estimate
        if abs(row[-1] - previous[-1]) >= 2 * error:
            break
        previous = row
    return best, error


def slope_by_ridders(f, x):
    """Return the better of two Ridders extrapolations.

    From 0.01 and from 0.1 of the scale of x, with its error estimate.
    """
    scale = max(abs(x), 0.1)
    return min((ridders(f, x, c * scale) for c in (0.01, 0.1)), key=lambda pair: pair[1])


def check_against_differences(f, point, gradient=None):
    """Every entry of the gradient agrees with Ridders' extrapolation; returns how many entries were settled.

    Tolerance: 10 times the extrapolation's own error estimate plus 1e-6 relative, 1/500 of the smallest error that
    must be caught (0.05 %; the median error is 7e-14), plus the rounding of f at the smallest step, 1/64 of 0.01 of
    the scale: eps·|f|/(1e-4·scale), here taken 16 times. An entry whose estimate exceeds 1e-5 relative and that floor
    is not settled.
    """
    base = abs(f(list(point)))
    gradient = al.grad(f)(list(point)) if gradient is None else gradient
    settled = 0
    for i, g in enumerate(gradient):
        slope, error = slope_by_ridders(lambda t, i=i: f([*point[:i], t, *point[i + 1 :]]), point[i])
        size = max(abs(slope), abs(g))
        floor = 16 * EPS * base / (1e-4 * max(abs(point[i]), 0.1))
        if not error <= max(1e-5 * size, floor):
            continue
        assert abs(g - slope) <= 10 * error + 1e-6 * size + floor, (
            f"∂f/∂x{i} at {point} is {g!r}, differences give {slope!r} ± {error:.1g}"
        )
        settled += 1
    return settled


def check_hessian_symmetry(f, point):
    """∂²f/∂xᵢ∂xⱼ by differentiating gradient entry i equals entry (j, i), within the error of both.

    Not symmetrised by construction.
    """
    variables = [al.Variable(x) for x in point]
    first = al.gradients(f(variables), variables, create_graph=True)
    second = [al.gradients(g, variables, create_graph=True) for g in first]
    for i in range(len(point)):
        for j in range(i):
            a, b = second[i][j], second[j][i]
            bound = running_bound(a) + running_bound(b)
            assert abs(a.value - b.value) <= bound, (
                f"H[{i}][{j}] = {a.value!r}, H[{j}][{i}] = {b.value!r} ± {bound:.1g}"
            )


def check_linearity(f, g, point, a, b):
    """∇(a·f + b·g) = a·∇f + b·∇g within the program bound of the left side and of the right."""
    variables = [al.Variable(x) for x in point]
    y = a * f(variables) + b * g(variables)
    whole = al.gradients(y, variables)
    of_f, of_g = al.grad(f)(list(point)), al.grad(g)(list(point))
    for x, left, p, q in zip(variables, whole, of_f, of_g, strict=True):
        right = a * p + b * q
        assert abs(left - right) <= 2 * program_bound(y, x), f"{left!r} != {right!r}"


def check_chain_rule(outer, inner, x):
    """(outer ∘ inner)' = outer'(inner) · inner' for float functions, within the program bound of both sides."""
    leaf = al.Variable(x)
    y = outer(inner(leaf))
    product = al.grad(outer)(inner(x)) * al.grad(inner)(x)
    whole = al.gradients(y, leaf)
    assert abs(whole - product) <= 2 * program_bound(y, leaf), f"{whole!r} != {product!r}"


def unwrapped(result):
    """Return the only entry of a tuple of one, else the argument: pull-backs of one primal."""
    return result[0] if isinstance(result, tuple) and len(result) == 1 else result


def dot(u, v):
    """Σ uᵢ·vᵢ, correctly rounded."""
    return math.fsum(a * b for a, b in zip(u, v, strict=True))


def check_adjoint_identity(f, point, u, v):
    """<v, J u> = <Jᵀ v, u>: forward and reverse mode are the same linear map."""
    _, pushed = al.jvp(f, (list(point),), (list(u),))
    _, pull = al.vjp(f, list(point))
    pulled = unwrapped(pull(list(v)))
    left, right = dot(v, pushed), dot(pulled, u)
    # Each side is a sum of m·n products of at most n local gradients; 200 nodes is more than any map here has, hence
    # 8·200·eps of the absolute sum.
    jacobian = al.jacobian(f)(list(point))
    size = math.fsum(abs(v[i] * jacobian[i][j] * u[j]) for i in range(len(v)) for j in range(len(u)))
    assert abs(left - right) <= 8 * 200 * EPS * size, f"<v, Ju> = {left!r}, <Jᵀv, u> = {right!r}"


def fitted_slope(xs, ys):
    """Least-squares slope of log y over log x."""
    a, b = [math.log(x) for x in xs], [math.log(y) for y in ys]
    ma, mb = math.fsum(a) / len(a), math.fsum(b) / len(b)
    return math.fsum((p - ma) * (q - mb) for p, q in zip(a, b, strict=True)) / math.fsum((p - ma) ** 2 for p in a)


def check_taylor(f, point, direction, gradient=None, order=1):
    """f(x + hv) - f(x) - h·∇f·v falls as h² over six halvings (slope ≥ 1.9), with the Hessian as h³ (slope ≥ 2.9).

    From h = 2**-5 down to 2**-11 the remainder stays above 1e-11 of f, a thousand times the rounding of its
    evaluation, for curvatures of order 1.
    """
    gradient = al.grad(f)(list(point)) if gradient is None else gradient
    slope = dot(gradient, direction)
    bend = dot(al.hvp(f, (list(point),), (list(direction),)), direction) if order == 2 else 0.0
    base, steps = f(list(point)), [2.0**-k for k in range(5, 12)]
    remainders = []
    for h in steps:
        moved = f([x + h * d for x, d in zip(point, direction, strict=True)])
        remainders.append(abs(moved - base - h * slope - (h * h * bend / 2 if order == 2 else 0.0)))
    floor = 64 * EPS * max(abs(base), abs(slope))
    usable = [(h, r) for h, r in zip(steps, remainders, strict=True) if r > 16 * floor]
    if len(usable) < len(steps):  # exact to rounding: there is no higher derivative along this line, or almost none
        assert remainders[0] <= max(16 * floor, 1.0 * steps[0] ** (order + 1)), f"remainders {remainders}"
        usable = usable if len(usable) >= 4 else []
    if usable:  # the last four: a wrong term of order h² that is 0.05 % of the curvature only shows where h is small
        fall = fitted_slope(*zip(*usable[-4:], strict=True))
        assert fall >= order + 0.9, f"the remainder falls as h**{fall:.2f}: {remainders}"
    return len(usable)


def check_euler(f, point, degree):
    """Σ xᵢ·∂f/∂xᵢ = degree·f for a function homogeneous of that degree."""
    variables = [al.Variable(x) for x in point]
    y = f(variables)
    gradients = al.gradients(y, variables)
    left, right = dot(gradients, point), degree * y.value
    # Each gradient is within the program bound; the value within its own running bound.
    bound = math.fsum(program_bound(y, x) * abs(x.value) for x in variables) + degree * running_bound(y)
    assert abs(left - right) <= bound, f"Σ x·∂f = {left!r}, {degree}·f = {right!r} ± {bound:.1g}"
