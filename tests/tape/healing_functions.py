"""Functions that keep something in Python while they branch: whatever is joined, none may give a wrong number."""

import itertools
import math
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from functools import cache, reduce
from queue import SimpleQueue

import numpy as np

import autograd_lite as al

FUNCTIONS = []


def function(f):
    """Enter a function of an array of eight numbers."""
    FUNCTIONS.append(f)
    return f


@function
def huber(x):
    s = 0.0
    for i in range(len(x) - 1):
        r = x[i + 1] - x[i]
        if abs(r) <= 1.0:
            s = s + 0.5 * r * r
        else:
            s = s + abs(r) - 0.5
    return s


@function
def counter_at_the_end(x):
    k, s = 0, x[0]
    for i in range(len(x)):
        if x[i] > 0:
            k += 1
            s = s + x[i] * x[i]
        else:
            s = s - x[i]
    return s * k


@function
def counter_is_four(x):
    k, s = 0, x[0]
    for v in x:
        if v > 0:
            k += 1
        s = s + v * v
    return s * 3.0 if k == 4 else s


@function
def counter_that_is_dead_and_comes_back(x):
    s, kept = x[0], []
    for v in x:
        k = 0
        if v > 0:
            k = 1
        kept.append(k)
        k = 0
        s = s + v * v
    return s * sum(kept)


@function
def flag_for_the_next_item(x):
    s, flag = 0.0 * x[0], False
    for v in x:
        if flag:
            s = s + v * v * v
        if v > 0.5:
            flag = not flag
            s = s + v
    return s


@function
def flag_without_guards_after(x):
    flag = False
    for v in x:
        if v > 1.0:
            flag = True
    return x[0] * x[1] if flag else x[2] * x[2]


@function
def append_then_length(x):
    kept = []
    for v in x:
        if v > 0:
            kept.append(v * v)  # noqa: PERF401
    s = x[0]
    for v in kept:
        s = s + v
    return s / (1 + len(kept))


@function
def append_then_index(x):
    kept = [x[0]]
    for v in x:
        if v > 0:
            kept.append(v)  # noqa: PERF401
    return kept[-1] * kept[len(kept) // 2] + x[1]


@function
def break_after_three(x):
    k, s = 0, x[0] * 0.0
    for v in x:
        if v > 0:
            k += 1
            s = s + v * v
            if k == 3:
                break
        s = s + v
    return s


@function
def break_at_once(x):
    s = x[0] * 0.0
    for v in x:
        if v > 1.0:
            break
        s = s + v * v
    return s


@function
def goes_on(x):
    s = x[0] * 0.0
    for v in x:
        if v < -0.5:
            continue
        s = s + v
        if v < 0.5:
            continue
        s = s + v * v
    return s


@function
def nested(x):
    s = x[0] * 0.0
    for v in x:
        if v > 0:
            if v > 1:
                s = s + v * v * v
            else:
                s = s + v
                if v < 0.2:
                    s = s * 0.5
        s = s + 0.25 * v * v
    return s


@function
def elif_chain(x):
    s = x[0] * 0.0
    for v in x:
        if v > 1:
            s = s + v
        elif v > 0:
            s = s + v * v
        elif v > -1:
            s = s - v * v * v
        else:
            s = s * 0.5
    return s


@function
def while_inside(x):
    s = x[0] * 0.0
    for v in x:
        t = abs(v)
        while t > 0.5:
            t = t * 0.6
            s = s + t
        s = s + v * t
    return s


@function
def while_with_a_count(x):
    s = x[0] * 0.0
    for v in x:
        t, k = abs(v), 0
        while t > 0.5:
            t = t * 0.6
            k += 1
        s = s + v * t * (k + 1)
    return s


@function
def while_over_all(x):
    s, i = x[0] * 0.0, 0
    while i < len(x):
        if x[i] > 0:
            s = s + x[i] * x[i]
            i += 1
        else:
            i += 2
    return s


@function
def running_maximum(x):
    m = x[0]
    for i in range(1, len(x)):
        if x[i] > m:
            m = x[i]
    return m * m


@function
def running_maximum_of_squares(x):
    m, s = x[0] * x[0], x[0]
    for v in x[1:]:
        w = v * v
        if w > m:
            m = w
        s = s + m
    return s


@function
def same_object(x):
    m = x[0] * 1.5
    first = m
    for v in x[1:]:
        w = v * 1.5
        if w > m:
            m = w
    return m * 2.0 if m is first else m * m


@function
def swap(x):
    a, b = x[0] * 2.0, x[1] * 3.0
    for v in x[2:]:
        if v > 0:
            a, b = b, a
        a = a + v
    return a * a + b


@function
def dictionary_of_counts(x):
    counts = {"up": 0, "down": 0}
    s = x[0]
    for v in x:
        if v > 0:
            counts["up"] += 1
        else:
            counts["down"] += 1
        s = s + v * v
    return s * counts["up"] + counts["down"]


@function
def dictionary_of_sums(x):
    sums = defaultdict(float)
    for v in x:
        if v > 0:
            sums["up"] = sums["up"] + v * v
        else:
            sums["down"] = sums["down"] - v
    s = x[0]
    for name in sums:
        s = s * 2.0 + sums[name]
    return s


@dataclass
class Box:
    total: object = 0.0
    count: int = 0


class Plain:
    turns = 0

    def __init__(self):
        self.k = 0

    def step(self, v):
        if v > 0:
            self.k += 1
            return v * v
        return v


@function
def attribute(x):
    box = Box()
    for v in x:
        if v > 0:
            box.count += 1
            box.total = box.total + v * v
    return box.total * box.count + x[0]


@function
def attribute_of_variables_only(x):
    box = Box()
    for v in x:
        if v > 0:
            box.total = box.total + v * v
        else:
            box.total = box.total - v
    return box.total + x[0]


@function
def method(x):
    thing, s = Plain(), x[0]
    for v in x:
        s = s + thing.step(v)
    return s * thing.k


@function
def class_attribute(x):
    Plain.turns = 0
    s = x[0]
    for v in x:
        if v > 0:
            Plain.turns += 1
        s = s + v * v
    return s * Plain.turns


COUNT = 0
BOX = Box()
TABLE = [0]


@function
def global_number(x):
    global COUNT
    COUNT = 0
    s = x[0]
    for v in x:
        if v > 0:
            COUNT += 1
        s = s + v * v
    return s * COUNT


def _bump():
    global COUNT
    COUNT += 1


def _count():
    return COUNT


@function
def global_behind_functions(x):
    global COUNT
    COUNT = 0
    s = x[0]
    for v in x:
        if v > 0:
            _bump()
        s = s + v * v
    return s * _count()


@function
def global_object(x):
    BOX.count = 0
    s = x[0]
    for v in x:
        if v > 0:
            BOX.count += 1
        s = s + v * v
    return s * BOX.count


@function
def global_list(x):
    TABLE[0] = 0
    s = x[0]
    for v in x:
        if v > 0:
            TABLE[0] += 1
        s = s + v * v
    return s * TABLE[0]


@function
def closure(x):
    k = 0

    def bump():
        nonlocal k
        k += 1

    s = x[0]
    for v in x:
        if v > 0:
            bump()
        s = s + v * v
    return s * k


@function
def default_argument(x):
    def kept(v, seen=[]):  # noqa: B006
        if v > 0:
            seen.append(1)
        return v * len(seen)

    s = x[0]
    for v in x:
        s = s + kept(v)
    return s


@function
def function_attribute(x):
    def f(v):
        if v > 0:
            f.k += 1
        return v * v

    f.k = 0
    s = x[0]
    for v in x:
        s = s + f(v)
    return s * f.k


@function
def generator(x):
    def squares():
        for v in x:
            if v > 0:
                yield v * v
            else:
                yield v

    s = x[0]
    for v in squares():
        s = s + v
    return s


@function
def generator_with_state(x):
    def squares():
        k = 0
        for v in x:
            if v > 0:
                k += 1
            yield v * k

    s = x[0]
    for v in squares():
        if v > 1:
            s = s + v
    return s


@function
def sum_of_generator(x):
    return x[0] * sum(1 if v > 0 else 0 for v in x)


@function
def sum_of_terms(x):
    return sum((v * v if v > 0 else -v) for v in x)


@function
def comprehension(x):
    flags = [1 if v > 0 else 0 for v in x]
    return sum(f * v * v for f, v in zip(flags, x, strict=True)) + x[0]


@function
def comprehension_of_variables(x):
    s = x[0]
    for v in [v * v if v > 0 else -v for v in x]:
        s = s + v
    return s


@function
def with_enumerate(x):
    s = x[0]
    for i, v in enumerate(x):
        if v > 0:
            s = s + i * v * v
        else:
            s = s - v
    return s


@function
def with_zip_of_equal_numbers(x):
    s = x[0]
    for v, d in zip(x, [0.5] * 8, strict=True):
        r = v - d
        if abs(r) <= 1:
            s = s + r * r
        else:
            s = s + abs(r)
    return s


@function
def iterator_that_is_moved(x):
    items = iter(x)
    s = x[0]
    for v in items:
        if v > 0:
            s = s + v * v * next(items, 1.0)
        else:
            s = s - v
    return s


@function
def iterator_of_numbers_that_is_moved(x):
    data = iter([1.0, 1.0, 2.0, 1.0, 1.0, 3.0, 1.0, 1.0, 4.0])
    s = x[0]
    for v in x:
        w = 1.0
        if v > 0:
            w = next(data)
            w = 1.0
        s = s + v * v
    return s * next(data) + w


@function
def endless_count(x):
    numbers = itertools.count()
    s = x[0]
    for v in x:
        if v > 0:
            next(numbers)
        s = s + v * v
    return s * next(numbers)


@function
def tries(x):
    s = x[0]
    for v in x:
        try:
            if v > 0.5:
                raise ValueError  # noqa: TRY301
            s = s + v
        except ValueError:
            s = s + v * v
            if v > 1:
                s = s + 1.0
        finally:
            s = s * 1.5
    return s


def _huber(r):
    if abs(r) <= 1.0:
        return 0.5 * r * r
    return abs(r) - 0.5


@function
def helper(x):
    s = x[0]
    for v in x:
        s = s + _huber(v)
    return s


@function
def helper_in_a_sum(x):
    s = x[0]
    for i, v in enumerate(x):
        s += 2.0 * _huber(v) + _huber(v - 1.0) * i
    return s


def _one(v):
    return 1 if v > 0 else 0


@function
def helper_that_counts(x):
    k, s = 0, x[0]
    for v in x:
        k = k + _one(v)
        s = s + v * v
    return s * k


@function
def helper_that_counts_on_the_stack(x):
    return (0 + _one(x[0]) + _one(x[1]) + _one(x[2])) * x[0] + x[3] * _one(x[4])


@function
def walrus(x):
    k = 1
    if x[0] > 0:
        k = 2
    return (k * 1.0, (k := 0), _huber(x[1]))[0] * x[2] + k + _huber(x[1])


@function
def recursion(x):
    def go(i):
        if i == len(x):
            return 0.0
        if x[i] > 0:
            return x[i] * x[i] + go(i + 1)
        return go(i + 1) - x[i]

    return go(0) + x[0]


@function
def recursion_in_halves(x):
    def go(a, b):
        if b - a == 1:
            return x[a] * x[a] if x[a] > 0 else -x[a]
        m = (a + b) // 2
        return go(a, m) * 0.5 + go(m, b)

    return go(0, len(x))


@function
def branch_on_the_sum(x):
    s = x[0]
    for v in x:
        if s > 1:
            s = s - v * v
        else:
            s = s + v * v + 0.1
    return s


@function
def early_return(x):
    s = x[0]
    for v in x:
        s = s + v * v
        if s > 3:
            return s * 2.0
    return s


@function
def early_constant(x):
    for v in x:
        if v > 1.5:
            return x[0] * 0.0 + 1.0
    return x[0] * x[1]


@function
def in_place(x):
    x = x * 1.0
    for i in range(len(x)):
        if x[i] > 0:
            x[i] = 0.0
    return (x * x).sum() + x[0]


@function
def in_place_variables(x):
    y = [v * 1.0 for v in x]
    for i in range(len(y)):
        if y[i] > 0:
            y[i] = y[i] * y[i]
        else:
            y[i] = y[i] * 0.5
    s = x[0]
    for v in y:
        s = s + v
    return s


@function
def view(x):
    x = x * 1.0
    y = x[2:5]
    if x[0] > 0:
        y = y.copy()
    if x[1] > 0:
        y[0] = y[1] * 2.0
    if x[2] > 0:
        y[1] = y[0] * 3.0
    return (x * x).sum() + y[0]


@function
def alias(x):
    a = [x[0] * 2.0]
    b = a
    if x[1] > 0:
        b = [a[0]]
    if x[2] > 0:
        b[0] = x[3] * 4.0
    return a[0] * b[0]


@function
def string(x):
    s, name = x[0], ""
    for v in x:
        if v > 0:
            name += "a"
        s = s + v * v
    return s * 2.0 if name.endswith("aaaa") else s


@function
def in_order(x):
    s = x[0]
    for k, v in enumerate(sorted(x)):
        s = s + k * v
    return s


@function
def largest(x):
    return max(x) * min(x) + x[0]


@function
def reduced(x):
    return reduce(lambda a, v: a + (v * v if v > 0 else v), x, x[0])


@function
def mapped_by_python(x):
    s = x[0]
    for v in map(_huber, x):
        s = s + v
    return s


@function
def conjunction(x):
    s = x[0]
    for i in range(1, len(x)):
        if x[i] > 0 and x[i - 1] > 0:
            s = s + x[i] * x[i - 1]
        elif x[i] > 0 or not x[i - 1] > 0.5:
            s = s + x[i]
    return s


@function
def chained(x):
    s = x[0]
    for v in x:
        if -1.0 <= v <= 1.0:
            s = s + v * v
        else:
            s = s + v
    return s


@function
def conditional_expression(x):
    s = x[0]
    for v in x:
        s = s + (v * v if v > 0 else -v) * (2.0 if v > 1 else 1.0)
    return s


@function
def pops(x):
    items = [v * 2.0 for v in x]
    s = x[0]
    while items:
        v = items.pop()
        if v > 0 and len(items) > 1:
            items.pop(0)
        s = s + v * v
    return s


@function
def queue(x):
    kept = deque(maxlen=3)
    s = x[0]
    for v in x:
        if v > 0:
            kept.append(v * v)
        s = s + sum(kept) * v
    return s


@function
def queue_in_c(x):
    kept, s = SimpleQueue(), x[0]
    for v in x:
        if v > 0:
            kept.put(1)
        s = s + v * v
    return s * kept.qsize()


@function
def bytes_that_are_written(x):
    kept, s = bytearray(2), x[0]
    for v in x:
        if v > 0:
            kept[0] += 1
        s = s + v * v
    return s * kept[0]


@function
def remembered(x):
    @cache
    def turn(k):
        calls.append(k)
        return 1.0

    calls, s = [], x[0]
    for i, v in enumerate(x):
        if v > 0:
            s = s + v * turn(i % 3)
        calls.clear()
        s = s + v * v
    turn(0)
    return s * len(calls)


@function
def match_of_text(x):
    text, s = iter("aabbaabbaab"), x[0]
    for v in x:
        s = s + v * v
        if v > 0 and next(text) == "a":
            s = s + v
    return s


@function
def subclass_of_c(x):
    kept, s = Endless(), x[0]
    for v in x:
        if v > 0:
            next(kept)
        s = s + v * v
    return s * next(kept)


class Endless(itertools.count):
    """Holds a state that no attribute shows."""


@function
def counted_by_a_set(x):
    seen, s = set(), x[0]
    for v in x:
        if v > 1:
            seen.add("large")
        elif v > 0:
            seen.add("small")
        s = s + v * v
    return s * len(seen)


@function
def counted_by_a_counter(x):
    seen, s = Counter(), x[0]
    for v in x:
        if v > 0:
            seen["up"] += 1
        s = s + v * v
    return s * seen["up"]


@function
def random_numbers(x):
    rng, s = np.random.default_rng(1), x[0]
    for v in x:
        if v > 0:
            s = s + v * rng.normal()
        else:
            s = s + v * v
    return s + rng.normal()


@function
def index_into_data(x):
    data, k, s = np.arange(1.0, 20.0), 0, x[0]
    for v in x:
        if v > 0:
            k += 1
        s = s + data[k] * v
    return s


@function
def data_that_is_written(x):
    data, s = np.zeros(3), x[0]
    for v in x:
        if v > 0:
            data[0] += 1.0
        s = s + v * v
    return s * data[0] + data[1]


@function
def held(x):
    s = x[0]
    for v in x:
        if v > 0:
            s = s + v * al.stop_gradient(v)
        else:
            s = s + v * v
    return s


@function
def domain(x):
    s = x[0]
    for v in x:
        if v > 0:
            s = s + al.log(v) * v + al.sqrt(v)
        else:
            s = s + al.exp(v) * al.cos(v)
    return s


@function
def poles(x):
    s = x[0]
    for v in x:
        w = round_to(v)
        if w != 0:
            s = s + 1.0 / w
        else:
            s = s + v
    return s


def round_to(v):
    return al.where(abs(v) > 0.4, v, v * 0.0)


@function
def gradient_inside(x):
    def f(v):
        return v * v * v if v > 0 else al.sin(v)

    s = x[0]
    for v in x[:3]:
        s = s + al.grad(f)(v)
    return s


@function
def gradient_of_the_sum(x):
    def f(y):
        s = y[0]
        for v in y:
            if v > 0:
                s = s + v * v * v
        return s

    return (al.grad(f)(x * 1.0) * x).sum()


@function
def lambda_that_is_chosen(x):
    g, s = (lambda v: v), x[0]
    for v in x:
        if v > 0.5:
            g = lambda v: v * v
        s = s + g(v)
    return s


@function
def function_that_is_chosen(x):
    g, s = al.sin, x[0]
    for v in x:
        if v > 0.5:
            g = al.exp
        if v < -0.5:
            g = math.sqrt if False else al.cos
        s = s + g(v)
    return s


@function
def loops_of_a_chosen_length(x):
    n, s = 3, x[0]
    if x[0] > 0:
        n = 4
    for i in range(n):
        n = 0
        if x[i] > 0:
            s = s + x[i]
    return s


@function
def loop_entered_again(x):
    s, rounds, n = x[0], 0, 2
    while rounds < 3:
        for i in range(n):
            if x[i + rounds] > 0:
                s = s + x[i]
                n = 3
        rounds += 1
    return s


@function
def two_dimensions(x):
    y = x.reshape(2, 4)
    s = x[0]
    for row in y:
        for v in row:
            if v > 0:
                s = s + v * row[0]
    return s


@function
def context_manager(x):
    s = x[0]
    with al.scope("layer"):
        for v in x:
            if v > 0:
                s = s + v * v
    return s


@function
def many_results(x):
    a, b = x[0] * 1.0, x[1] * 1.0
    for v in x:
        if v > 0:
            a, b = a * 0.9 + v, b - v * a
        else:
            b = b * v + a
    return a * b


@function
def constants_in_branches(x):
    s, w = x[0], 1.0
    for v in x:
        if v > 0:
            w = 2.0
        else:
            w = 1.0
        s = s + w * v * v
    return s


@function
def late_decision(x):
    flags = [v > 0 for v in x]
    s = x[0]
    for flag, v in zip(flags, x, strict=True):
        if flag:
            s = s + v * v
    return s


@function
def ties(x):
    s = x[0]
    for v in x:
        w = al.floor(v)
        if w == 0:
            s = s + v
        elif w != 1.0:
            s = s + v * v
    return s


_PAIRS = [(0.1 * k, 1.0 - 0.05 * k) for k in range(40)]


@function
def rows_of_numbers(x):
    s = 0.0
    for v, (a, b) in zip(x, _PAIRS, strict=False):
        r = a + b * v
        s = s + r * r if r > 0 else s - r
    return s


@function
def rows_of_variables(x):
    rows, s = [(x[k % 8] * 0.5, k) for k in range(40)], 0.0
    for half, k in rows[:8]:
        if half > x[k - 1]:
            s = s + half * x[k]
        else:
            s = s - half
    return s


@function
def rows_that_are_written(x):
    rows, s = [[0.5, 1.0] for _ in range(40)], 0.0
    for k, v in enumerate(x):
        if v > 0:
            rows[k][1] = -2.0
            rows[k - 1][0] = v
        s = s + v * rows[(3 * k) % 8][1] * rows[k][0]
    return s


@function
def rows_under_two_names(x):
    rows = [[0.5, 1.0] for _ in range(40)]
    other, s = rows[::-1], 0.0
    for k, v in enumerate(x):
        if v > 0:
            other[-1 - k][0] = 3.0
        s = s + v * rows[k][0]
    return s


@function
def lists_in_tuples(x):
    rows, s = [(0.5, [1.0]) for _ in range(40)], 0.0
    for k, v in enumerate(x):
        if v > 0:
            rows[k][1][0] = 3.0
        s = s + v * rows[k - 1][1][0]
    return s


@function
def which_row_it_is(x):
    rows = [(1.0, 2.0, float(k > 40)) for k in range(40)]
    best, s = rows[0], 0.0
    for v, row in zip(x, rows, strict=False):
        if v > 0:
            best = row
        s = s + v * (3.0 if best is row else row[1])
    return s
