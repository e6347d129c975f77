"""What a device has in the place of libm: angles of any size and remainders in integers, and inverse functions.

Every function is IR of one lane, which any processor runs with the same bits.
"""

import math
from collections.abc import Callable
from functools import cache
from itertools import accumulate, pairwise

from autograd_lite.tape.llvm.ir import Operand, Value
from autograd_lite.tape.llvm.vector_math import (
    ATAN,
    ATAN_RANGES,
    LN2,
    LN2_LOW,
    Turns,
    flipped,
    fma,
    long_log,
    polynomial,
    sine,
    tangent,
    two_sum,
)  # fmt: skip

#: Bits of the significand of a double that are stored, and what they and the exponent are counted from.
FRACTION, BIAS = 52, 1023
SIGNIFICAND = 1 << FRACTION  # the bit that is not stored

# --- angles from 2²⁰ on (Payne and Hanek): x·2/π less whole turns, from the bits of 2/π that matter --------------

#: Words of 64 bits in front of the point of 2/π, and behind it: as many as the largest double takes.
BEFORE, BEHIND = 1, 19
HALF_PI = (1.5707963267948966, 6.123233995736766e-17)

#: The bits of 1, less a third of them: the bits of a number, divided by 3, and these are about those of its third root.
CUBE = 2 * (BIAS << FRACTION) // 3


@cache
def two_over_pi() -> list[int]:
    """2/π in words of 64 bits, as signed integers; by Machin's π/4 = 4·atan ⅕ - atan 1/239 in integers."""
    bits = 64 * BEHIND + 64  # the last word holds what the roundings lost
    terms = [16 * _arc_of_reciprocal(5, bits), -4 * _arc_of_reciprocal(239, bits)]
    quotient = (2 << 2 * bits) // sum(terms) >> 64
    words = [quotient >> 64 * k & (1 << 64) - 1 for k in reversed(range(BEFORE + BEHIND))]
    return [word - (word >> 63 << 64) for word in words]


def _arc_of_reciprocal(n: int, bits: int) -> int:
    """atan(1/n) in units of 2 to the -bits."""
    powers = accumulate(range(bits), lambda power, _: -power // (n * n), initial=(1 << bits) // n)
    return sum(power // (2 * k + 1) for k, power in enumerate(powers))


def _window(x: Value) -> tuple[Value, list[Value]]:
    """The significand of x, and the 192 bits of 2/π from the one on whose product with x is less than a turn."""
    b = x.b
    bits = x.bits()
    significand = bits & SIGNIFICAND - 1 | SIGNIFICAND
    # The bit behind the point has place 64·BEFORE; its product with the last bit of x is 2 to the exponent - 1076.
    start = bits.op("lshr", FRACTION) + (64 * BEFORE - 1 - (BIAS + FRACTION + 1))
    word, shift = start >> 6, start & 63
    table = Value(b, "ptr", b.module.table("two_over_pi", two_over_pi())).at(word, "i64")
    words = [table.at(k, "i64").load("i64") for k in range(4)]
    # Twice: a shift by 64 is no shift.
    return significand, [(high << shift) | low.op("lshr", 1).op("lshr", shift ^ 63) for high, low in pairwise(words)]


def _product(number: Value, words: list[Value]) -> list[Value]:
    """The last 192 bits of a number times a number of three words."""
    wide, carry, product = number.cast("zext", "i128"), None, []
    for word in reversed(words):
        part = wide * word.cast("zext", "i128")
        part = part if carry is None else part + carry
        carry = part.op("lshr", 64)
        product.append(part.cast("trunc", "i64"))
    return product[::-1]


def huge_turns(x: Value) -> Turns:
    """An angle of 2²⁰ or more.

    192 bits of x·2/π mod 4 are right to 2⁻¹³⁷, and no double comes nearer to a multiple of π/2 than 2⁻⁶¹ of it.
    """
    significand, window = _window(x)
    first, second, third = _product(significand, window)
    high, low, rest = (first << 2) | second.op("lshr", 62), (second << 2) | third.op("lshr", 62), third << 2
    n = first.op("lshr", 62) + high.op("lshr", 63)  # the nearest quarter of a turn
    sign = high >> 63
    high, low, rest = high ^ sign, low ^ sign, rest ^ sign  # less 1 in the last bit of 192, which nobody misses
    zeros = x.b.call("i64", "llvm.ctlz.i64", high | 1, Value(x.b, "i1", "false"))
    up = zeros ^ 63
    high = (high << zeros) | low.op("lshr", 1).op("lshr", up)
    low = (low << zeros) | rest.op("lshr", 1).op("lshr", up)
    # The fraction is (high + low·2⁻⁶⁴)·2⁻⁶⁴⁻ᶻ; of it two times 53 bits.
    unit = (((zeros ^ -1) + (BIAS - FRACTION)) << FRACTION).double()  # 2⁻⁵³⁻ᶻ
    head = high.op("lshr", 11).cast("sitofp", "double") * unit
    tail = (((high & 0x7FF) << 42) | low.op("lshr", 22)).cast("sitofp", "double") * unit * 2.0**-53
    product = head * HALF_PI[0]
    lost = fma(head, HALF_PI[0], -product) + fma(head, HALF_PI[1], tail * HALF_PI[0])
    r = product + lost
    return n, flipped(r, sign), flipped((product - r) + lost, sign)


def _finite(x: Value, y: Value) -> Value:
    return y.where(abs(x) < math.inf, math.nan)


def _huge_sin(x: Value) -> Value:
    """sin x, |x| ≥ 2²⁰, within 1 ULP."""
    return _finite(x, flipped(sine(huge_turns(abs(x)), 0), x.bits().op("lshr", 63)))


def _huge_cos(x: Value) -> Value:
    """cos x, |x| ≥ 2²⁰, within 1 ULP."""
    return _finite(x, sine(huge_turns(abs(x)), 1))


def _huge_tan(x: Value) -> Value:
    """tan x, |x| ≥ 2²⁰, within 1 ULP."""
    return _finite(x, flipped(tangent(huge_turns(abs(x))), x.bits().op("lshr", 63)))


# --- remainders ---------------------------------------------------------------------------------------------------


def _parts(bits: Value) -> tuple[Value, Value]:
    """Significand and exponent of a positive double, which is their product with 2⁻¹⁰⁷⁵; a subnormal's exponent is 1."""
    exponent = bits.op("lshr", FRACTION)
    normal = exponent.compare("sgt", 0)
    fraction = bits & SIGNIFICAND - 1
    return (fraction | SIGNIFICAND).where(normal, fraction), exponent.where(normal, 1)


def _fmod(x: Value, y: Value) -> Value:
    """The remainder of x/y rounded towards 0, exact: eleven bits of the quotient at a time."""
    b, (size, other) = x.b, (abs(x), abs(y))
    (significand, exponent), (divisor, own) = _parts(size.bits()), _parts(other.bits())
    divisor = divisor.where(divisor.compare("ne", 0), 1)
    distance = b.constant(0, "i64").where(size < other, exponent - own)
    with b.counted(distance, step=11, carried=[significand.op("urem", divisor)]) as turn:
        done, rest = turn
        left = distance - done
        step = left.where(left.compare("slt", 11), 11)
        turn[1] = (rest << step).op("urem", divisor)
    unit = ((own - FRACTION) << FRACTION).where(own.compare("sgt", FRACTION), b.constant(1, "i64") << (own - 1 & 63))
    whole = (rest.cast("sitofp", "double") * unit.double()).with_sign_of(x)
    defined = (size < math.inf) & (other > 0.0)
    return x.where(size < other, whole).where(defined, math.nan)


# --- lengths and roots --------------------------------------------------------------------------------------------

#: A number and what its rounding lost.
Pair = tuple[Value, Value]


def _square(x: Value) -> Pair:
    square = x * x
    return square, fma(x, x, -square)


def _plus(x: Value, y: Operand, low: Value) -> Pair:
    """x + y + low, where `low` is far below x or y."""
    total, lost = two_sum(x, y)
    lost = lost + low
    high = total + lost
    return high, (total - high) + lost


def _root(x: Value, low: Value) -> Pair:
    """The root of x + low."""
    root = x.intrinsic("sqrt")
    return root, x.b.constant(0.0).where(root.compare("oeq", 0.0), (fma(-root, root, x) + low) / (root + root))


def _hypot(x: Value, y: Value) -> Value:
    """√(x² + y²) within 1 ULP; infinite if one side is, whatever the other."""
    (size, other), inf = (abs(x), abs(y)), math.inf
    larger, smaller = (size.where(truth, other) for truth in (size >= other, size < other))
    down, up = larger > 2.0**510, larger < 2.0**-450
    scale = x.b.constant(2.0**-600).where(down, x.b.constant(2.0**600).where(up, 1.0))
    back = x.b.constant(2.0**600).where(down, x.b.constant(2.0**-600).where(up, 1.0))
    a, b = larger * scale, smaller * scale
    square, low = _square(b)
    own, own_low = _square(a)
    root, lost = _root(*_plus(own, square, own_low + low))
    infinite = size.compare("oeq", inf) | other.compare("oeq", inf)
    unknown = x.compare("uno", y)
    return x.b.constant(inf).where(infinite, x.b.constant(math.nan).where(unknown, (root + lost) * back))


def _cbrt(x: Value) -> Value:
    """The third root within 1 ULP: a third of the exponent, three steps of Halley, and one of Newton with the exact rest."""
    size = abs(x)
    down, up = size > 2.0**900, size < 2.0**-800
    one = x.b.constant(1.0)
    a = size * x.b.constant(2.0**-300).where(down, x.b.constant(2.0**300).where(up, one))
    t = (a.bits().op("udiv", 3) + CUBE).double()
    for _ in range(3):
        cube = t * t * t
        t = t * ((cube + a + a) / (cube + cube + a))
    square, low = _square(t)
    t = t + (fma(-square, t, a) - low * t) / (square * 3.0)
    y = (t * x.b.constant(2.0**100).where(down, x.b.constant(2.0**-100).where(up, one))).with_sign_of(x)
    return y.where((size > 0.0) & (size < math.inf), x)


# --- angles of sides ----------------------------------------------------------------------------------------------


def _angle(top: Pair, bottom: Pair, *, negative: Value) -> Value:
    """The angle at which the sides `top` and `bottom`, both positive, meet; with π in front of it where `negative`."""
    b, steep = top[0].b, top[0] > bottom[0]
    (smaller, smaller_low), (larger, larger_low) = (
        tuple(x.where(truth, y) for x, y in zip(bottom, top, strict=True)) for truth in (steep, steep ^ 1)
    )
    q = smaller / larger
    q_low = (fma(-q, larger, smaller) + (smaller_low - q * larger_low)) / larger
    c = high = low = b.constant(0.0)
    for start, *row in ATAN_RANGES[:2]:  # atan q = atan c + atan t
        here = q >= start
        c, high, low = (b.constant(new).where(here, old) for new, old in zip(row, (c, high, low), strict=True))
    t = (q - c) / fma(c, q, 1.0)
    z = t * t
    angle, lost = two_sum(high, t)
    lost = lost + (fma(z * t, polynomial(z, ATAN), low) + q_low / fma(q, q, 1.0))
    for turn, (whole, rest) in ((steep, HALF_PI), (negative, (2 * HALF_PI[0], 2 * HALF_PI[1]))):
        other, other_lost = two_sum(b.constant(whole), -angle)
        angle, lost = other.where(turn, angle), (other_lost + (rest - lost)).where(turn, lost)
    return angle + lost


def _atan2(y: Value, x: Value) -> Value:
    """The angle of the point (x, y) within 1 ULP."""
    b, height, width = x.b, abs(y), abs(x)
    zero, one = b.constant(0.0), b.constant(1.0)
    high, wide = (side.compare("oeq", math.inf) for side in (height, width))
    height, width = one.where(high, zero.where(wide, height)), one.where(wide, zero.where(high, width))
    width = width.where((height > 0.0) | (width > 0.0), one)  # no length at all: an angle of 0
    small = (height < 2.0**-800) & (width < 2.0**-800)
    scale = b.constant(2.0**200).where(small, 1.0)  # so that no rest of a quotient is lost
    angle = _angle((height * scale, zero), (width * scale, zero), negative=x.bits().compare("slt", 0))
    return b.constant(math.nan).where(x.compare("uno", y), angle.with_sign_of(y))


def _cosine(size: Value) -> Pair:
    """√(1 - size²)."""
    square, low = _square(size)
    rest, lost = _plus(-square, 1.0, -low)
    return _root(rest, lost)


def _asin(x: Value) -> Value:
    """The angle whose sine is x within 1 ULP."""
    size, zero = abs(x), x.b.constant(0.0)
    angle = _angle((size, zero), _cosine(size), negative=size < 0.0)
    return x.where(size < 2.0**-28, angle.with_sign_of(x))


def _acos(x: Value) -> Value:
    """The angle whose cosine is x within 1 ULP."""
    size, zero = abs(x), x.b.constant(0.0)
    return _angle(_cosine(size), (size, zero), negative=x < 0.0)


# --- areas --------------------------------------------------------------------------------------------------------


def _log_of(x: Value, low: Value) -> Pair:
    """ln(x + low)."""
    log, rest = long_log(x)
    return log, rest + low / x


def _arc(size: Value, sign: float) -> Value:
    """ln(x + √(x² + sign)) of a positive number; ln 2x from 2³⁰ on."""
    square, low = _square(size)
    root, root_low = _root(*_plus(square, sign, low))
    far = size > 2.0**30
    total, lost = _plus(root, size, root_low)
    log, log_low = _log_of(size.where(far, total), size.b.constant(0.0).where(far, lost))
    twice, rest = two_sum(log, LN2)
    return (twice + (rest + (log_low + LN2_LOW))).where(far, log + log_low)


def _asinh(x: Value) -> Value:
    """The number whose hyperbolic sine is x within 1 ULP."""
    size = abs(x)
    return x.where((size < 2.0**-28) | size.compare("oeq", math.inf), _arc(size, 1.0).with_sign_of(x))


def _acosh(x: Value) -> Value:
    """The positive number whose hyperbolic cosine is x within 1 ULP."""
    y = _arc(x, -1.0).where(x >= 1.0, math.nan)
    return x.where(x.compare("oeq", math.inf), y)


def _atanh(x: Value) -> Value:
    """The number whose hyperbolic tangent is x within 1 ULP: half of ln (1 + x)/(1 - x)."""
    size = abs(x)
    bottom, bottom_low = two_sum(-size, 1.0)
    u = (size + size) / bottom
    u_low = (fma(-u, bottom, size + size) - u * bottom_low) / bottom
    log, low = _log_of(*_plus(u, 1.0, u_low))
    y = ((log + low) * 0.5).where(size < 1.0, x.b.constant(math.inf).where(size.compare("oeq", 1.0), math.nan))
    return x.where(size < 2.0**-28, y.with_sign_of(x))


#: What vector code leaves to libm, by its name in C: of `sin`, `cos` and `tan` the angles from 2²⁰ on.
OWN: dict[str, Callable[..., Value]] = {
    "sin": _huge_sin, "cos": _huge_cos, "tan": _huge_tan, "fmod": _fmod, "hypot": _hypot, "cbrt": _cbrt, "atan2": _atan2,
    "asin": _asin, "acos": _acos, "asinh": _asinh, "acosh": _acosh, "atanh": _atanh,
}  # fmt: skip
